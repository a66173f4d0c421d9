"""How a completion becomes a program."""

import importlib
import re
from collections.abc import Callable
from typing import Any

from trainer_client.config import ConfigError

__all__ = [
    "Completion",
    "Extract",
    "completion_text",
    "fenced",
    "fenced_blocks",
    "import_object",
    "raw",
    "resolve_extract",
]

Completion = str | list[dict[str, Any]]
"""As TRL has it: text, or messages."""
Extract = Callable[[str], str | None]
"""A completion's text → the program in it, or None where there is none."""

_FENCE = re.compile(r"^```[ \t]*(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def fenced(completion: str) -> str | None:
    """The last complete fenced Python block; an untagged one where none is tagged."""
    found = fenced_blocks(completion)
    return found[-1] if found else None


def fenced_blocks(completion: str) -> list[str]:
    """All complete fenced Python blocks; untagged ones where none is tagged."""
    blocks: list[tuple[str, str]] = _FENCE.findall(completion)
    tagged = [code for tag, code in blocks if tag.lower() in ("python", "py", "python3")]
    return tagged or [code for tag, code in blocks if not tag]


def raw(completion: str) -> str | None:
    """The completion as it stands."""
    return completion


def resolve_extract(name: str) -> Extract:
    """``fenced``, ``raw``, or the function that ``package.module:function`` names."""
    if name in ("fenced", "raw"):
        return fenced if name == "fenced" else raw
    found = import_object("reward.extract", name)
    if not callable(found):
        raise ConfigError(
            f"reward.extract is {name!r}, which is no function but a {type(found).__name__}; name "
            "one that takes a completion and returns its program"
        )
    return found  # type: ignore[no-any-return]


def import_object(field: str, path: str) -> Any:
    """Import ``package.module:name``; raise ``ConfigError`` naming the field and the remedy."""
    module, colon, name = path.partition(":")
    try:
        if not colon:
            raise ImportError("it has no ':'")
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{field} is {path!r}: {error}; name an object as package.module:name"
        ) from None


def completion_text(completion: Completion) -> str:
    """The text of a completion, plain or conversational."""
    if isinstance(completion, str):
        return completion
    return "".join(str(message.get("content") or "") for message in completion)
