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
"""

# ruff: noqa: UP029
from builtins import (
    AttributeError,
    BaseException,
    NotImplemented,
    TypeError,
    ValueError,
    all,
    any,
    bool,
    bytearray,
    bytes,
    complex,
    dict,
    enumerate,
    float,
    frozenset,
    hex,
    id,
    int,
    len,
    list,
    map,
    max,
    min,
    next,
    range,
    repr,
    reversed,
    set,
    slice,
    sorted,
    str,
    sum,
    tuple,
    type,
    zip,
)
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, timedelta
from decimal import Decimal
from itertools import chain, islice, repeat
from math import isfinite
from operator import is_
from sys import getsizeof
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)

MARK = "…"
NESTING = 50
_PLAIN_INT_BITS = 10_000
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: classes made by a class statement
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
ATOMS = frozenset(map(id, _ATOMS))
"""Ids of the exact types whose values never change: an identical one needs no second look."""


class Cut(str):
    """A text that leaves something out."""

    __slots__ = ()


def _cut(text, max_chars):
    return Cut(text[: max_chars - 1] + MARK)


class Describer:
    """``describer(value)`` is the text of ``value``, at most ``max_chars`` long."""

    def __init__(self, max_chars, max_items, max_depth):
        self.max_chars = max_chars
        self.max_items = max_items
        self.max_depth = min(max_depth, NESTING)
        self._known = {}  # id of a container → its kind, head and text when last seen

    def __call__(self, value):
        kind = type(value)
        scalar = _SCALARS.get(id(kind))
        if scalar is not None:
            text = scalar(value, self.max_chars)
            return text if len(text) <= self.max_chars else _cut(text, self.max_chars)
        plain = _PLAIN.get(id(kind))
        if plain is not None and len(value) <= self.max_items and self.max_depth > 0:
            text = plain(value)
            if text is not None:
                return text if len(text) <= self.max_chars else _cut(text, self.max_chars)
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
        if shape[1] and id(kind) in _PLAIN and self.max_items and self.max_depth > 0:
            text = _plain_head(kind, head, self.max_items)
        if text is None:
            text = self._write(value)
        elif len(text) > self.max_chars:
            text = _cut(text, self.max_chars)
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
            return _cut(text, max_chars)
        return Cut(text) if self.cut else text

    def put(self, piece):
        self.pieces.append(piece)
        self.left -= len(piece)

    def omit(self, piece=MARK):
        self.put(piece)
        self.cut = True

    def write(self, value, depth):
        kind = type(value)
        scalar = _SCALARS.get(id(kind)) or _EXACT.get(id(kind))
        if scalar is not None:
            self.put(scalar(value, self.left))
        elif id(kind) in _NAMED:
            label, name_of = _NAMED[id(kind)]
            self.put(f"<{label} {_shown(name_of(value), self.left)}>")
        elif id(value) in self.path:
            self.omit()
        else:
            self._nested(value, kind, depth)

    def _nested(self, value, kind, depth):
        self.path.add(id(value))
        try:
            content = _CONTENTS.get(id(kind))
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
        self.put(_shown(name, self.left) + "=")
        self.write(value, depth)

    def sorted_texts(self, taken, depth):
        """The texts of a set's items: ints in their order, all else in that of the text."""
        if _INT.issuperset(map(id, map(type, taken))):
            return [_int(item, self.left) for item in sorted(taken)]
        texts = []
        for item in taken:
            writer = _Writer(self.left, self.max_items, self.path)
            writer.write(item, depth)
            self.cut = self.cut or writer.cut
            texts.append("".join(writer.pieces))
        return sorted(texts)

    def _object(self, value, kind, depth):
        layout = _layout(kind)
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


# --- names and fields -------------------------------------------------------------------

_name_of_type = type.__dict__["__name__"].__get__
_mro_of_type = type.__dict__["__mro__"].__get__
_dict_of_type = type.__dict__["__dict__"].__get__
_flags_of_type = type.__dict__["__flags__"].__get__


def class_name(cls, limit=200):
    return _shown(_name_of_type(cls), limit)


def _mro(cls):
    return _mro_of_type(cls)


def _shown(name, limit):
    """``name`` if it is printable text, cut to a little more than ``limit``."""
    if type(name) is not str:
        return "?"
    if len(name) > limit > 0:
        name = name[: limit + 1]
    return name if name.isprintable() else repr(name)


class _Layout:
    """Where the instances of one class keep their data."""

    __slots__ = ("cls", "content", "instance_dict", "is_metaclass", "slots")

    def __init__(self, cls):
        self.cls = cls
        mro = _mro(cls)
        self.is_metaclass = any(c is type for c in mro)
        self.content = next((_content(c) for c in mro if _content(c) is not None), None)
        self.slots = [slot for c in reversed(mro) for slot in _slots(c)]
        self.instance_dict = _instance_dict_descriptor(cls)

    def fields(self, value, count):
        """The first ``count`` slots and instance fields that are set, as pairs."""
        fields = []
        for name, descriptor in self.slots:
            try:
                fields.append((name, descriptor.__get__(value)))
            except (AttributeError, TypeError):  # not set, or another class's descriptor
                continue
        instance = self.instance_dict and self.instance_dict.__get__(value)
        if type(instance) is dict:
            taken = list(islice(dict.items(instance), count))
            fields.extend([(name, field) for name, field in taken if _is_field(name)])
        return fields[:count]


def _content(cls):
    """What writes the builtin content that instances of ``cls`` inherit."""
    scalar = _SCALARS.get(id(cls))
    if scalar is None:
        return _CONTENTS.get(id(cls))
    return lambda writer, value, depth: writer.put(scalar(value, writer.left))


def _layout(cls):
    known = _layouts.get(id(cls))
    if known is None:
        if len(_layouts) >= _MAX_LAYOUTS:
            _layouts.clear()
        known = _layouts[id(cls)] = _Layout(cls)
    return known


_layouts = {}  # by id; each keeps its class alive
_MAX_LAYOUTS = 1000


def _slots(cls):
    if not _flags_of_type(cls) & _HEAP_TYPE:
        return []
    members = _dict_of_type(cls).items()
    return [(n, d) for n, d in members if type(d) is MemberDescriptorType and _is_field(n)]


def _is_field(name):
    return type(name) is str and not name.startswith("__")


def _instance_dict_descriptor(cls):
    """What reads an object's own dict; None where the class replaced the way to it."""
    for c in _mro(cls):
        descriptor = _dict_of_type(c).get("__dict__")
        if descriptor is not None:
            return descriptor if type(descriptor) is GetSetDescriptorType else None
    return None


# --- scalars: value, budget → text ------------------------------------------------------


def _int(value, limit):
    bits = int.bit_length(value)
    if bits <= _PLAIN_INT_BITS:
        try:
            return int.__repr__(value)
        except ValueError:  # the program lowered sys.set_int_max_str_digits
            pass
    excess = max(0, bits - 4 * max(limit, 8)) // 4 * 4
    sign = "-" if int.__lt__(value, 0) else ""
    return sign + hex(int.__rshift__(int.__abs__(value), excess))


def _float(value, limit):
    text = float.__repr__(value)
    return text if text[-1:].isdigit() else f"float('{text}')"


def _text_of(kind):
    def text(value, limit):
        limit = max(limit, 0)
        return kind.__repr__(kind.__getitem__(value, slice(0, limit + 1)))

    return text


def _repr_of(kind):
    represent = kind.__repr__
    return lambda value, limit: represent(value)


_SCALARS = {id(kind): _repr_of(kind) for kind in _ATOMS}
_SCALARS |= {id(kind): _text_of(kind) for kind in (str, bytes, bytearray)}
_SCALARS |= {id(int): _int, id(float): _float}


# --- what is shown by a name alone ------------------------------------------------------


def _attribute(kind, name):
    return kind.__dict__[name].__get__


def _module_name(module):
    return dict.get(_attribute(ModuleType, "__dict__")(module), "__name__")


def _method_name(method):
    function = _attribute(MethodType, "__func__")(method)
    known = _NAMED.get(id(type(function)))
    return known[1](function) if known else "?"


_NAMED = {
    id(kind): (label, _attribute(kind, "__name__"))
    for kind, label in (
        (FunctionType, "function"),
        (BuiltinFunctionType, "function"),
        (GeneratorType, "generator"),
        (CoroutineType, "coroutine"),
        (AsyncGeneratorType, "async_generator"),
    )
}
_NAMED[id(MethodType)] = ("method", _method_name)
_NAMED[id(ModuleType)] = ("module", _module_name)


# --- containers: the same for an exact builtin and for what a subclass inherits ---------

_REPRESENTED = frozenset(map(id, (type(None), bool, int, float, str)))
_INT = frozenset({id(int)})
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


# --- the most frequent containers, several times as fast: all items of one plain type ---

_BOUND = 10**15  # of short ints
_ROOM = 1000  # characters of strings that are short together


def _alike(items):
    """Whether ``repr`` may write the items: of one exact type, and short."""
    if not items:
        return True
    kind = type(items[0])
    if not all(map(is_, map(type, items), repeat(kind))):
        return False
    if kind is int:
        return min(items) > -_BOUND and max(items) < _BOUND
    if kind is str:
        return sum(map(len, items)) <= _ROOM
    return kind is bool or (kind is float and all(map(isfinite, items)))


def _plain(kind):
    return lambda value: kind.__repr__(value) if _alike(value) else None


def _plain_dict(value):
    if _alike(list(value)) and _alike(list(value.values())):
        return dict.__repr__(value)
    return None


def _plain_head(kind, head, most):
    """The text of a longer container by its first items (a dict's keys, then its values)."""
    if kind is dict:
        keys, values = head[:most], head[most:]
        if not (_alike(keys) and _alike(values)):
            return None
        return Cut(f"{dict.__repr__(dict(zip(keys, values, strict=True)))[:-1]}, {MARK}}}")
    if not _alike(head):
        return None
    opening, closing = "[]" if kind is list else "()"
    return Cut(f"{opening}{list.__repr__(head)[1:-1]}, {MARK}{closing}")


_PLAIN = {id(kind): _plain(kind) for kind in (list, tuple)} | {id(dict): _plain_dict}


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
    parts = [_attribute(range, name)(value) for name in ("start", "stop", "step")]
    _call(writer, "range", parts if parts[2] != 1 else parts[:2], depth)


def _slice(writer, value, depth):
    parts = [_attribute(slice, name)(value) for name in ("start", "stop", "step")]
    _call(writer, "slice", parts, depth)


def _call(writer, name, parts, depth):
    writer.put(name + "(")
    for index, part in enumerate(parts):
        writer.put(", " if index else "")
        writer.write(part, depth)
    writer.put(")")


def _exception(writer, value, depth):
    _CONTENTS[id(tuple)](writer, _attribute(BaseException, "args")(value), depth)


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


_CONTENTS = {
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


def _represented(kind):
    """Only for an exact type: what a subclass inherits of these would call its methods."""
    represent = kind.__str__
    return lambda value, limit: f"<{kind.__name__} {represent(value)}>"


_EXACT = {id(kind): _represented(kind) for kind in (Decimal, date, timedelta)}


CONSTANTS = ATOMS | frozenset(
    map(id, (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, range))
)
"""Ids of the exact types whose texts practically never change."""


def size(value):
    """The length of an exact builtin container, else 0."""
    length = _LENGTHS.get(id(type(value)))
    return 0 if length is None else length(value)


_LENGTHS = {
    id(kind): kind.__len__
    for kind in (list, dict, set, bytearray, deque, Counter, OrderedDict, defaultdict)
}
