"""What all sections of a recipe share."""

from pydantic import BaseModel, ConfigDict

__all__ = ["ConfigError", "Section"]


class ConfigError(ValueError):
    """A recipe is not valid. The message names the field, its value, and the remedy."""


class Section(BaseModel):
    """Unknown fields are refused; the text behind a field is its description."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
