"""What containers hold: written the same for an exact builtin and for what a subclass inherits."""

from builtins import (
    BaseException,
    bool,
    bytearray,
    dict,
    enumerate,
    float,
    frozenset,
    id,
    int,
    len,
    list,
    map,
    range,
    set,
    slice,
    str,
    sum,
    tuple,
    type,
)
from collections import Counter, OrderedDict, defaultdict, deque
from itertools import chain, islice
from sys import getsizeof

from labels import attribute
from texts import MARK

_REPRESENTED = frozenset(map(id, (type(None), bool, int, float, str)))
_SMALL = 64  # bytes of an object whose text is short


def _shared_repr(items, writer):
    """Whether the text of ``items`` is what ``repr`` writes, and short: a much faster way."""
    if not _REPRESENTED.issuperset(map(id, map(type, items))):
        return False
    return sum(map(getsizeof, items)) <= _SMALL * (len(items) + writer.max_items)


def _is_literal(text):
    """False where ``repr`` may have written an infinite float or one that is no number."""
    return "inf" not in text and "nan" not in text


def _sequence(kind, opening, closing):
    def write(writer, value, depth):
        count = kind.__len__(value)
        taken = list(islice(kind.__iter__(value), writer.max_items))
        writer.put(opening)
        if not _put_shared_sequence(writer, taken, count, depth):
            writer.items(taken, count, depth, writer.write)
        writer.put(",)" if kind is tuple and count == 1 else closing)

    return write


def _put_shared_sequence(writer, items, count, depth):
    if not items or depth <= 0 or not _shared_repr(items, writer):
        return False
    text = list.__repr__(items)
    if not _is_literal(text):
        return False
    _put_represented(writer, text[1:-1], count)
    return True


def _put_represented(writer, text, count):
    writer.put(text)
    if count > writer.max_items:
        writer.omit(", " + MARK)


def _mapping(writer, value, depth):
    writer.put("{")
    count = dict.__len__(value)
    taken = list(islice(dict.items(value), writer.max_items))
    if not _put_shared_mapping(writer, taken, count, depth):
        writer.items(taken, count, depth, writer.pair)
    writer.put("}")


def _put_shared_mapping(writer, pairs, count, depth):
    both = list(chain.from_iterable(pairs))
    if not pairs or depth <= 0 or not _shared_repr(both, writer):
        return False
    text = dict.__repr__(dict(pairs))
    if not _is_literal(text):
        return False
    _put_represented(writer, text[1:-1], count)
    return True


def _set(kind, opening, closing, empty):
    def write(writer, value, depth):
        count = kind.__len__(value)
        if not count:
            writer.put(empty)
            return
        taken = list(islice(kind.__iter__(value), writer.max_items))
        texts = writer.sorted_texts(taken, depth - 1) if depth > 0 else taken
        writer.put(opening)
        writer.items(texts, count, depth, lambda text, _: writer.put(text))
        writer.put(closing)

    return write


def _range(writer, value, depth):
    parts = [attribute(range, name)(value) for name in ("start", "stop", "step")]
    _call(writer, "range", parts if parts[2] != 1 else parts[:2], depth)


def _slice(writer, value, depth):
    parts = [attribute(slice, name)(value) for name in ("start", "stop", "step")]
    _call(writer, "slice", parts, depth)


def _call(writer, name, parts, depth):
    writer.put(name + "(")
    for index, part in enumerate(parts):
        writer.put(", " if index else "")
        writer.write(part, depth)
    writer.put(")")


def _exception(writer, value, depth):
    CONTENTS[id(tuple)](writer, attribute(BaseException, "args")(value), depth)


def _labelled(kind, content):
    """``content`` as that of the library class ``kind``: ``<deque [1, 2]>``."""
    label = f"<{kind.__name__} "

    def write(writer, value, depth):
        if type(value) is not kind:  # a subclass has put its own name
            content(writer, value, depth)
            return
        writer.put(label)
        content(writer, value, depth)
        writer.put(">")

    return write


CONTENTS = {
    id(list): _sequence(list, "[", "]"),
    id(tuple): _sequence(tuple, "(", ")"),
    id(dict): _mapping,
    id(set): _set(set, "{", "}", "set()"),
    id(frozenset): _set(frozenset, "frozenset({", "})", "frozenset()"),
    id(range): _range,
    id(slice): _slice,
    id(BaseException): _exception,
    id(deque): _labelled(deque, _sequence(deque, "[", "]")),
    id(Counter): _labelled(Counter, _mapping),
    id(OrderedDict): _labelled(OrderedDict, _mapping),
    id(defaultdict): _labelled(defaultdict, _mapping),
}
"""Id of a type → what puts the content of a value, at a depth, into a writer (``describe.py``)."""


def size(value):
    """The length of an exact builtin container, else 0."""
    length = _LENGTHS.get(id(type(value)))
    return 0 if length is None else length(value)


_LENGTHS = {
    id(kind): kind.__len__
    for kind in (list, dict, set, bytearray, deque, Counter, OrderedDict, defaultdict)
}
