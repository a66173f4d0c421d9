"""The executor and the reward of what it says."""

import os
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from trainer_client.client.endpoints import checked_url, is_api_key
from trainer_client.config.section import ConfigError, Section

__all__ = ["ExecutorConfig", "RewardConfig"]


class ExecutorConfig(Section):
    """Which executor judges the rollouts."""

    url: Literal["auto"] | list[str] = "auto"
    """``auto``: start ``coderl serve`` on a free loopback port for the run; else base URLs."""
    runtime: Literal["runsc", "docker", "unsafe-process"] = "runsc"
    """Of the executor that ``auto`` starts."""
    sandboxes: int | None = Field(None, ge=1)
    """Of the executor that ``auto`` starts; its default where null."""
    api_key_env: str = "CODERL_API_KEY"
    """The environment variable that holds the API key; unset or empty means none is sent."""
    start_seconds: float = Field(120.0, gt=0)
    """How long ``auto`` waits until the executor is ready."""
    deadline_seconds: float = Field(300.0, gt=0)
    """Of one batch of programs, retries included."""

    @model_validator(mode="before")
    @classmethod
    def _one_url_is_a_list(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(url := values.get("url"), str) and url != "auto":
            return {**values, "url": [part.strip() for part in url.split(",")]}
        return values

    @field_validator("url", mode="after")
    @classmethod
    def _addresses(cls, url: Any) -> Any:
        if not url:
            raise ValueError("give the address of an executor, or 'auto'")
        return url if url == "auto" else [checked_url(one) for one in url]

    @property
    def api_key(self) -> str | None:
        """From the environment; None where it is unset or empty. Raises ``ConfigError``."""
        key = os.environ.get(self.api_key_env, "").strip()
        if not is_api_key(key):
            raise ConfigError(
                f"the environment variable {self.api_key_env} holds no API key: a key is printable "
                "ASCII without spaces; set it again, or unset it"
            )
        return key or None


class RewardConfig(Section):
    """The reward of a code rollout."""

    type: Literal["binary", "fraction"] = "binary"
    """``binary``: 1 when all tests pass (the paper's). ``fraction``: the share that pass."""
    extract: str = "fenced"
    """How a completion becomes a program: ``fenced`` (the last fenced Python block), ``raw`` (as
    it stands), or ``package.module:function`` taking the completion, returning code or None."""
    weight: float = Field(1.0, ge=0)
    patience: int = Field(3, ge=1)
    """Batches in a row without a single verdict before the run stops with an error."""
