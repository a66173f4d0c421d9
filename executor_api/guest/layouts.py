"""Where the instances of a class keep their data."""

from builtins import AttributeError, TypeError, any, dict, id, len, list, next, reversed, str, type
from itertools import islice
from types import GetSetDescriptorType, MemberDescriptorType

from contents import CONTENTS
from scalars import SCALARS

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: classes made by a class statement
_mro_of_type = type.__dict__["__mro__"].__get__
_dict_of_type = type.__dict__["__dict__"].__get__
_flags_of_type = type.__dict__["__flags__"].__get__


class Layout:
    """Where the instances of one class keep their data."""

    __slots__ = ("cls", "content", "instance_dict", "is_metaclass", "slots")

    def __init__(self, cls):
        self.cls = cls
        mro = _mro_of_type(cls)
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
    scalar = SCALARS.get(id(cls))
    if scalar is None:
        return CONTENTS.get(id(cls))
    return lambda writer, value, depth: writer.put(scalar(value, writer.left))


def layout_of(cls):
    known = _layouts.get(id(cls))
    if known is None:
        if len(_layouts) >= _MAX_LAYOUTS:
            _layouts.clear()
        known = _layouts[id(cls)] = Layout(cls)
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
    for c in _mro_of_type(cls):
        descriptor = _dict_of_type(c).get("__dict__")
        if descriptor is not None:
            return descriptor if type(descriptor) is GetSetDescriptorType else None
    return None
