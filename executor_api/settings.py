"""Settings of the service: the command line, else ``CODERL_…`` variables, else a TOML file."""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

SETTINGS_FILE_VARIABLE = "CODERL_SETTINGS_FILE"


class Maxima(BaseModel):
    """The most that a request may ask for; beyond is a 422 that names the maximum."""

    model_config = ConfigDict(extra="forbid")

    cpu_seconds: float = 60.0
    wall_seconds: float = 120.0
    memory_mb: int = 4096
    output_bytes: int = 16_777_216
    processes: int = 64
    max_events: int = 1_000_000
    max_value_chars: int = 10_000
    max_items: int = 10_000
    max_depth: int = 50
    max_bytes: int = 50_000_000
    deadline_seconds: float = 3600.0
    programs: int = 20_000
    """In one request."""
    tests: int = 10_000
    """Of one program."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CODERL_", env_nested_delimiter="__", extra="forbid", env_ignore_empty=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    """0 takes a free one; the line printed at the start names it."""
    runtime: Literal["runsc", "docker", "unsafe-process"] = "runsc"
    sandboxes: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    """Warm sandboxes; about one per core is fastest."""
    api_keys: str = ""
    """Comma-separated ``KEY`` or ``NAME:KEY``."""
    api_keys_file: Path | None = None
    """One ``KEY`` or ``NAME:KEY`` a line; ``#`` starts a comment."""
    maxima: Maxima = Maxima()
    max_body_bytes: int = 128_000_000
    """Of a request, after decompression."""
    queue_programs: int = Field(50_000, ge=1)
    """Programs waiting at one time, all keys together."""
    queue_bytes: int = Field(500_000_000, ge=1)
    """Of the programs waiting and their tests, as they travelled; as much again of requests being
    read."""
    key_share: float = Field(0.5, gt=0, le=1)
    """Of the queue that one key may fill, where there are several keys."""
    drain_seconds: float = Field(30.0, ge=0)
    """After SIGTERM, for what was admitted."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that share the address, the sandboxes and the room in the queue."""
    program_seconds: float = Field(120.0, gt=0)
    """Wall clock of one program, all its tests together."""
    attempts: int = Field(3, ge=1)
    """Sandboxes a program is tried on before it is a ``sandbox_error``."""
    programs_per_sandbox: int = Field(1000, ge=1)
    """After so many a sandbox is replaced."""
    spare_mb: int = Field(384, ge=0, le=3072)
    """Memory of each sandbox for processes forked ahead while it is idle, 16 MiB each."""
    guest_prefix: Path = Path(sys.base_prefix)
    """Of the Python inside embedded sandboxes; mounted read-only."""
    runsc: str = "runsc"
    """The gVisor binary: a name on PATH, or a path."""
    docker_image: str = "coderl-sandbox"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(SETTINGS_FILE_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, toml_file=file),) if file else ()
        return init_settings, env_settings, *toml

    @model_validator(mode="after")
    def _open_only_with_keys(self) -> Self:
        if not self.keys() and not _is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} is reachable from other machines and no API key is set: "
                "set CODERL_API_KEYS or CODERL_API_KEYS_FILE, or bind to 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _a_sandbox_for_each_worker(self) -> Self:
        if self.workers > self.sandboxes:
            raise ValueError(
                f"workers is {self.workers} and sandboxes {self.sandboxes}: each worker needs a "
                "sandbox of its own; raise sandboxes or lower workers"
            )
        return self

    def share(self, worker: int) -> Self:
        """The settings of one of ``workers``, counted from 0: its part of what they share."""
        return self.model_copy(
            update={
                "workers": 1,
                "sandboxes": (self.sandboxes + self.workers - 1 - worker) // self.workers,
                "queue_programs": max(1, self.queue_programs // self.workers),
                "queue_bytes": max(1, self.queue_bytes // self.workers),
            }
        )

    def keys(self) -> dict[str, str]:
        """Key → its name."""
        entries = self.api_keys.split(",")
        if self.api_keys_file is not None:
            entries += self._file_entries()
        keys: dict[str, str] = {}
        for entry in filter(None, map(str.strip, entries)):
            name, separator, key = entry.rpartition(":")
            if not key or (separator and not name):
                raise ValueError(f"API key entry {name + separator!r}…: write KEY or NAME:KEY")
            keys[key] = name or f"key{len(keys) + 1}"
        return keys

    def _file_entries(self) -> list[str]:
        assert self.api_keys_file is not None
        try:
            lines = self.api_keys_file.read_text().splitlines()
        except OSError as error:
            raise ValueError(
                f"api_keys_file {str(self.api_keys_file)!r} cannot be read: {error.strerror}"
            ) from None
        return [line for line in lines if not line.lstrip().startswith("#")]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
