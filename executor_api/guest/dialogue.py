"""What the test code's process and the program's say to each other: one JSON message a line.

Plain values travel as in ``codec``. What is not plain stays where it is, and a mark travels in its
stead: an object with one key, which is none of the codec's.
"""

import json

from codec import NotPlain, decode, encode

OBJECT = "object"
"""The program's: [number, whether it can be called]."""
NAMED = "named"
"""What the program has under this name."""
CALLBACK = "callback"
"""A function of the test's, by number."""
BUILTIN = "builtin"
"""Python's own, by name."""
ERROR = "error"
"""An exception of the test's: [its type's name, its message]."""
_MIXED = "mixed"
BINARY = tuple(
    f"__{name}__"
    for name in (
        *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
        *("lshift", "rshift", "and", "or", "xor"),
    )
)
"""Operators between objects of the program's. With anything else it would learn what is asked: of
``abs(f(x) - 2) < 1e-6`` that it is 2, or just that 0 is always right."""
UNARY = ("__neg__", "__pos__", "__abs__", "__invert__")
_CONTAINERS = {kind.__name__: kind for kind in (list, tuple, dict)}


class Connection:
    """One side of a connected socket. What is noted on the one side goes with its next message and
    is ``note``'s on the other."""

    def __init__(self, sock, note=None):
        self._file = sock.makefile("rwb")
        self._note, self._notes = note, []

    def note(self, data):
        self._notes.append(data.decode())

    def send(self, message):
        if self._notes:
            message = message | {"notes": self._notes}
            self._notes = []
        self._file.write(json.dumps(message).encode() + b"\n")
        self._file.flush()

    def receive(self):
        """The next message, or None when the other side is gone."""
        line = self._file.readline()
        message = json.loads(line) if line else None
        if self._note is not None and message is not None:
            self._pass_on(message.pop("notes", None))
        return message

    def _pass_on(self, notes):
        """The other side may be a program, and say anything: what is no note could be an answer."""
        for data in notes if type(notes) is list else ():
            if type(data) is str and data.isascii() and data.startswith("["):
                self._note(data.encode())


def pack(value, mark):
    """A value's form, in which ``mark`` names what is not plain; it returns None for what has no
    mark. Raises ``NotPlain``."""
    try:
        return encode(value)
    except NotPlain:
        marked = mark(value)
        if marked is not None:
            return marked
        if type(value) not in _CONTAINERS.values():
            raise
    items = value.items() if type(value) is dict else value
    return {_MIXED: [type(value).__name__, [pack(item, mark) for item in items]]}


def unpack(form, meant):
    """The value of a form; ``meant`` holds, by the key of a mark, what makes the value of it."""
    if type(form) is dict and len(form) == 1:
        ((key, body),) = form.items()
        if key == _MIXED:
            return _CONTAINERS[body[0]](unpack(item, meant) for item in body[1])
        if key in meant:
            return meant[key](body)
    return decode(form)
