"""The program's side of an assertion: it is loaded, and does what the test code asks of it."""

import builtins
import operator
import os
import sys

from codec import NotPlain, encode
from dialogue import BINARY, BUILTIN, CALLBACK, ERROR, NAMED, OBJECT, UNARY, unpack
from outcomes import guarded
from runner import Program, covering, encoded

_CONTAINERS = (list, dict, set)
OPERATIONS = {
    "got": lambda target: target,
    "call": lambda target, /, *args, **kwargs: target(*args, **kwargs),
    "get": getattr,
    "set": setattr,
    "delete": delattr,
    "item": operator.getitem,
    "set item": operator.setitem,
    "delete item": operator.delitem,
    "is of": lambda kind, value: isinstance(value, kind),
    "is above": lambda kind, other: issubclass(other, kind),
    "enter": lambda target: type(target).__enter__(target),
    "exit": lambda target, *error: type(target).__exit__(target, *error),
}
OPERATIONS |= {function.__name__: function for function in (bool, iter, len, next, repr, str)}
OPERATIONS |= {name: getattr(operator, name) for name in (*BINARY, *UNARY)}
"""What a test may do with an object of the program's. A comparison is not among it, nor ``in``: the
program could call everything equal without knowing what is asked."""


def serve_program(source, connection, coverage=False):
    """Load the program and answer the tester's calls until it hangs up."""
    program = Program(source)
    covered = covering(program, connection.note) if coverage else None
    body = program.failure or guarded(program.load)
    namespace = program.load() if body["outcome"] == "returned" else {}
    served = _Served(namespace, connection, covered)
    body |= served.introduction()
    _flush()
    connection.send(body)
    while (request := connection.receive()) is not None:
        connection.send(served.perform(request))


class _Served:
    def __init__(self, namespace, connection, covered):
        self._namespace, self._connection, self._covered = namespace, connection, covered
        self._objects, self._numbers = [], {}
        self._meant = {
            OBJECT: lambda body: self._objects[body[0]],
            NAMED: namespace.__getitem__,
            CALLBACK: lambda number: _Callback(self, number),
            BUILTIN: vars(builtins).__getitem__,
            ERROR: lambda body: _error(*body),
        }

    def introduction(self):
        """The names that it defines: what can be called, variables, and exceptions, those within
        classes too."""
        named = [(name, value) for name, value in self._namespace.items() if name[:2] != "__"]
        inner = [
            (f"{name}.{inside}", value)
            for name, kind in named
            if type(kind) is type
            for inside, value in tuple(vars(kind).items())
        ]
        return {
            "names": [name for name, value in named if callable(value)],
            "variables": [name for name, value in named if not callable(value)],
            "exceptions": [
                [name, self._describe(value)]
                for name, value in named + inner
                if _is_exception(value)
            ],
        }

    def perform(self, request):
        result, given, raised = [], [], []

        def run():
            try:
                target, *args = given[:] = [self._incoming(form) for form in request["given"]]
                kwargs = {name: self._incoming(form) for name, form in request["kwargs"]}
                given.extend(kwargs.values())
                result.append(OPERATIONS[request["operation"]](target, *args, **kwargs))
            except Exception as error:
                raised.append(error)
                raise

        body = guarded(run)
        _flush()
        if body["outcome"] == "returned":
            body["value"] = self._outgoing(result[0])
            body["changed"] = _changed(request, given)
            body["same"] = _place(given[1:], result[0])
        elif body["outcome"] == "raised" and raised:
            body["raised"] = self._raised(raised[0])
        if self._covered is not None:
            self._covered.check()
        return body

    def call_back(self, number, args, kwargs):
        """Have the test code call a function of its own, and do what that asks meanwhile."""
        said = {
            "callback": number,
            "args": list(map(self._outgoing, args)),
            "kwargs": [[name, self._outgoing(value)] for name, value in kwargs.items()],
        }
        self._connection.send(said)
        while (said := self._connection.receive()) is not None and "operation" in said:
            self._connection.send(self.perform(said))
        if said is None:
            os._exit(0)  # the test is over
        if "raised" in said:
            raise self._incoming(said["raised"])
        return self._incoming(said["returned"])

    def _incoming(self, form):
        return unpack(form, self._meant)

    def _outgoing(self, value):
        """Of a container with objects in it only the mark, so that the test can change it."""
        try:
            return encode(value)
        except NotPlain:
            return self._mark(value)

    def _mark(self, value):
        if type(value) is _Callback:
            return {CALLBACK: value.number}
        number = self._numbers.setdefault(id(value), len(self._objects))
        if number == len(self._objects):
            self._objects.append(value)
        return {OBJECT: [number, callable(value)]}

    def _raised(self, error):
        """What the test code needs to raise its like, and the exception itself."""
        plain = encoded(error.args)
        args = plain["value"] if plain["outcome"] == "returned" else None
        return {"kind": self._describe(type(error)), "args": args, "object": self._mark(error)}

    def _describe(self, kind):
        """Where an exception is defined, its number, and its bases described."""
        bases = [self._describe(base) for base in kind.__bases__ if _is_exception(base)]
        return [kind.__module__, kind.__qualname__, self._mark(kind)[OBJECT][0], bases]


class _Callback:
    """A function of the test's."""

    def __init__(self, served, number):
        self._served, self.number = served, number

    def __call__(self, *args, **kwargs):
        return self._served.call_back(self.number, args, kwargs)


def _error(name, message):
    """The like of an exception of the test's."""
    found = vars(builtins).get(name)
    return (found if _is_exception(found) else RuntimeError)(message)


def _is_exception(value):
    return isinstance(value, type) and issubclass(value, Exception)


def _changed(request, given):
    """Position → value of the arguments, containers of the test's, that the call changed."""
    before = [*request["given"], *(form for _, form in request["kwargs"])]
    changed = []
    for position, (form, value) in enumerate(zip(before, given, strict=True)):
        if position and type(value) in _CONTAINERS and not (type(form) is dict and OBJECT in form):
            body = encoded(value)
            if body["outcome"] == "returned" and body["value"] != form:
                changed.append([position - 1, body["value"]])
    return changed


def _place(given, result):
    """Of the argument, a container of the test's, that a result is."""
    places = (i for i, value in enumerate(given) if value is result and type(value) in _CONTAINERS)
    return next(places, None)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        guarded(stream.flush)
