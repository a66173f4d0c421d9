"""What is shown by a name alone: functions, modules, classes and the like."""

from builtins import dict, id, len, repr, str, type
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)

_name_of_type = type.__dict__["__name__"].__get__


def class_name(cls, limit=200):
    return shown(_name_of_type(cls), limit)


def shown(name, limit):
    """``name`` if it is printable text, cut to a little more than ``limit``."""
    if type(name) is not str:
        return "?"
    if len(name) > limit > 0:
        name = name[: limit + 1]
    return name if name.isprintable() else repr(name)


def attribute(kind, name):
    return kind.__dict__[name].__get__


def _module_name(module):
    return dict.get(attribute(ModuleType, "__dict__")(module), "__name__")


def _method_name(method):
    function = attribute(MethodType, "__func__")(method)
    known = LABELS.get(id(type(function)))
    return known[1](function) if known else "?"


LABELS = {
    id(kind): (label, attribute(kind, "__name__"))
    for kind, label in (
        (FunctionType, "function"),
        (BuiltinFunctionType, "function"),
        (GeneratorType, "generator"),
        (CoroutineType, "coroutine"),
        (AsyncGeneratorType, "async_generator"),
    )
}
LABELS[id(MethodType)] = ("method", _method_name)
LABELS[id(ModuleType)] = ("module", _module_name)
"""Id of a type → ``(label, what reads the name of a value)``."""
