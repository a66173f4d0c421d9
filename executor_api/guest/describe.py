"""Bounded text of any value, made without running any code of the program.

Exact builtin data reads as a Python literal (``[1, 'a']``), anything else as
``<ClassName field=…>``: first what it holds where it is a kind of builtin container or number
(``<Stack [1, 2] limit=5>``), then its slots, then its instance fields. Functions, modules,
classes and the like are ``<function f>``, ``<module math>``, ``<class C>``. A set is sorted: ints
by value, other items by text. No address ever appears, so equal runs give equal texts.

What is left out is marked with ``…``: characters beyond ``max_chars``, items beyond
``max_items``, containers nested deeper than ``max_depth``, cycles. Such a text is a ``Cut``.
Ints of more than 10,000 bits are written in hexadecimal, which is linear in their size. Of a
set with more than ``max_items`` items, the first in iteration order are shown.

Nothing here asks an object anything: types are compared and looked up by identity (a metaclass
may define ``__eq__`` and ``__hash__``), names, fields and items are
read through the builtin types' own descriptors. Builtins are bound at import, so a program that
replaces ``builtins.len`` changes nothing here.

Tables by the id of a type say how its values are written: ``scalars.py``, ``labels.py`` (a name
alone) and ``contents.py``; ``layouts.py`` finds what instances of other classes hold, ``plain.py``
is a quicker way for the most frequent containers.
"""

from builtins import (
    all,
    dict,
    enumerate,
    frozenset,
    id,
    int,
    len,
    list,
    map,
    min,
    set,
    sorted,
    tuple,
    type,
)
from collections import deque
from itertools import islice
from operator import is_

from contents import CONTENTS
from labels import LABELS, class_name, shown
from layouts import layout_of
from plain import PLAIN, plain_head
from scalars import ATOMS, EXACT, SCALARS, int_text
from texts import MARK, Cut, cut

NESTING = 50
_INT = frozenset({id(int)})


class Describer:
    """``describer(value)`` is the text of ``value``, at most ``max_chars`` long."""

    def __init__(self, max_chars, max_items, max_depth):
        self.max_chars = max_chars
        self.max_items = max_items
        self.max_depth = min(max_depth, NESTING)
        self._known = {}  # id of a container → its kind, head and text when last seen

    def __call__(self, value):
        kind = type(value)
        scalar = SCALARS.get(id(kind))
        if scalar is not None:
            text = scalar(value, self.max_chars)
            return text if len(text) <= self.max_chars else cut(text, self.max_chars)
        plain = PLAIN.get(id(kind))
        if plain is not None and len(value) <= self.max_items and self.max_depth > 0:
            text = plain(value)
            if text is not None:
                return text if len(text) <= self.max_chars else cut(text, self.max_chars)
        take_head = _HEADS.get(id(kind))
        if take_head is None:
            return self._write(value)
        return self._container(value, kind, take_head(value, self.max_items))

    def _container(self, value, kind, head):
        """The same unchanging items in the same kind of container have the same text. So a hit
        is right even where another container now has the same id."""
        shape = kind, kind.__len__(value) > self.max_items
        known = self._known.get(id(value))
        if known is not None and known[0] == shape and _identical(known[1], head):
            return known[2]
        text = None
        if shape[1] and id(kind) in PLAIN and self.max_items and self.max_depth > 0:
            text = plain_head(kind, head, self.max_items)
        if text is None:
            text = self._write(value)
        elif len(text) > self.max_chars:
            text = cut(text, self.max_chars)
        if ATOMS.issuperset(map(id, map(type, head))):
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[id(value)] = shape, head, text
        return text

    def _write(self, value):
        writer = _Writer(self.max_chars, self.max_items, set())
        writer.write(value, self.max_depth)
        return writer.text(self.max_chars)


def _identical(items, others):
    return len(items) == len(others) and all(map(is_, items, others))


def _head(kind):
    return lambda value, count: list(islice(kind.__iter__(value), count))


def _dict_head(value, count):
    return [*islice(dict.__iter__(value), count), *islice(dict.values(value), count)]


_MAX_KNOWN = 1000
_HEADS = {id(kind): _head(kind) for kind in (list, tuple, set, frozenset, deque)}
_HEADS[id(dict)] = _dict_head


class _Writer:
    """Collects the pieces of one text until its budget of characters is spent."""

    __slots__ = ("cut", "left", "max_items", "path", "pieces")

    def __init__(self, left, max_items, path):
        self.left = left
        self.max_items = max_items
        self.path = path
        self.pieces = []
        self.cut = False

    def text(self, max_chars):
        text = "".join(self.pieces)
        if len(text) > max_chars:
            return cut(text, max_chars)
        return Cut(text) if self.cut else text

    def put(self, piece):
        self.pieces.append(piece)
        self.left -= len(piece)

    def omit(self, piece=MARK):
        self.put(piece)
        self.cut = True

    def write(self, value, depth):
        kind = type(value)
        scalar = SCALARS.get(id(kind)) or EXACT.get(id(kind))
        if scalar is not None:
            self.put(scalar(value, self.left))
        elif id(kind) in LABELS:
            label, name_of = LABELS[id(kind)]
            self.put(f"<{label} {shown(name_of(value), self.left)}>")
        elif id(value) in self.path:
            self.omit()
        else:
            self._nested(value, kind, depth)

    def _nested(self, value, kind, depth):
        self.path.add(id(value))
        try:
            content = CONTENTS.get(id(kind))
            if content is not None:
                content(self, value, depth)
            else:
                self._object(value, kind, depth)
        finally:
            self.path.discard(id(value))

    def items(self, taken, count, depth, write_item, separator=", "):
        """Write ``taken``, at least the first items of ``count``."""
        if depth <= 0 and count:
            self.omit()
            return
        for index, item in enumerate(taken):
            if index == self.max_items or self.left < 0:
                break
            if index:
                self.put(separator)
            write_item(item, depth - 1)
        if count > self.max_items:
            self.omit(separator + MARK)

    def pair(self, pair, depth):
        self.write(pair[0], depth)
        self.put(": ")
        self.write(pair[1], depth)

    def field(self, field, depth):
        name, value = field
        self.put(shown(name, self.left) + "=")
        self.write(value, depth)

    def sorted_texts(self, taken, depth):
        """The texts of a set's items: ints in their order, all else in that of the text."""
        if _INT.issuperset(map(id, map(type, taken))):
            return [int_text(item, self.left) for item in sorted(taken)]
        texts = []
        for item in taken:
            writer = _Writer(self.left, self.max_items, self.path)
            writer.write(item, depth)
            self.cut = self.cut or writer.cut
            texts.append("".join(writer.pieces))
        return sorted(texts)

    def _object(self, value, kind, depth):
        layout = layout_of(kind)
        if layout.is_metaclass:
            self.put(f"<class {class_name(value, self.left)}>")
            return
        self.put("<" + class_name(kind, self.left))
        if layout.content is not None:
            self.put(" ")
            layout.content(self, value, depth)
        fields = layout.fields(value, self.max_items + 1)
        if fields:
            self.put(" ")
            self.items(fields, len(fields), depth, self.field, " ")
        self.put(">")
