"""A text that describes a value, whole or cut."""

from builtins import str

MARK = "…"


class Cut(str):
    """A text that leaves something out."""

    __slots__ = ()


def cut(text, max_chars):
    return Cut(text[: max_chars - 1] + MARK)
