"""The test code's side of the program: what stands there for its functions, objects, exceptions."""

import builtins
import sys

from dialogue import BINARY, BUILTIN, CALLBACK, ERROR, NAMED, OBJECT, UNARY, pack, unpack

_BUILTINS = {id(value): name for name, value in vars(builtins).items() if callable(value)}


class Exited(BaseException):
    """The program's process ended before it had answered."""


class ProgramError(Exception):
    """The program raised something whose type means nothing here."""


class Session:
    """A conversation with the program."""

    def __init__(self, connection):
        self._connection = connection
        self._remotes, self._kinds, self._callbacks = {}, {}, []
        self._exceptions = {}
        self.over = False
        """Whether the program's process has ended, which the test's ``except`` may hide."""
        self.asked = False
        self._failed = None
        """An assertion of the test's within a call from the program, which may not hide it."""
        self._meant = {OBJECT: self._object, CALLBACK: self._callbacks.__getitem__}

    def load(self):
        """How loading the program went, as the body of an answer, and what stands for its names."""
        body = self._received()
        if body["outcome"] != "returned":
            return body, {}
        for path, described in body["exceptions"]:
            kind = self._kind(described)
            if not issubclass(AssertionError, kind):  # it would hide failures
                self._exceptions[path] = kind
        found = {name: Callable(self, {NAMED: name}) for name in body["names"]}
        found |= {path: kind for path, kind in self._exceptions.items() if path in found}
        return body, Names(self, found, frozenset(body["variables"]))

    def exception_within(self, mark, name):
        """The exception that a class of the program's has under ``name``, or None."""
        return self._exceptions.get(f"{mark.get(NAMED)}.{name}")

    def ask(self, operation, mark, /, *args, **kwargs):
        """Have the program do something with what ``mark`` names; return or raise what it does."""
        self.asked = True
        given = [*args, *kwargs.values()]
        forms = [pack(value, self._mark) for value in given]
        named = list(zip(kwargs, forms[len(args) :], strict=True))
        request = {"operation": operation, "given": [mark, *forms[: len(args)]], "kwargs": named}
        self._connection.send(request)
        body = self._received()
        while "callback" in body:
            self._connection.send(self._call(body))
            body = self._received()
        if self._failed is not None:
            raise self._failed
        if body["outcome"] != "returned":
            raise self._error(body)
        for position, changed in body["changed"]:
            _replace(given[position], self._value(changed))
        if body["same"] is not None:
            return given[body["same"]]
        return self._value(body["value"])

    def _received(self):
        body = self._connection.receive()
        if body is None or body.get("outcome") == "exited":
            self.over = True
            raise Exited
        return body

    def _call(self, said):
        """Call a function of the test's for the program."""
        try:
            args = map(self._value, said["args"])
            kwargs = {name: self._value(form) for name, form in said["kwargs"]}
            value = self._callbacks[said["callback"]](*args, **kwargs)
            return {"returned": pack(value, self._mark)}
        except Exception as error:
            if isinstance(error, AssertionError) and raised_by_program(error) is None:
                self._failed = error
            return {"raised": self._mark(error)}

    def _value(self, form):
        return unpack(form, self._meant)

    def _object(self, body):
        """Always the same for the same object, so that it equals itself."""
        number, can_be_called = body
        if number not in self._remotes:
            kind = Callable if can_be_called else Remote
            self._remotes[number] = kind(self, {OBJECT: body})
        return self._remotes[number]

    def _mark(self, value):
        kind = type(value)
        if kind in (Remote, Callable):
            return value._stand_in[1]
        if kind is Mirror:
            return self._mark(value.original)
        if isinstance(value, Exception):
            original = vars(value).get("_original")
            if original is not None:
                return self._mark(original)
            return {ERROR: [kind.__name__, str(value)]}
        if not callable(value):
            return None
        if id(value) in _BUILTINS:
            return {BUILTIN: _BUILTINS[id(value)]}
        self._callbacks.append(value)
        return {CALLBACK: len(self._callbacks) - 1}

    def _kind(self, described):
        """The exception class of a description."""
        module, name, number, bases = described
        if number not in self._kinds:
            self._kinds[number] = _standard(module, name) or self._mirror(name, number, bases)
        return self._kinds[number]

    def _mirror(self, name, number, described):
        bases = tuple(self._kind(base) for base in described) or (Exception,)
        try:
            mirror = Mirror(name, bases, dict(_FORWARDING))
        except TypeError:  # bases that do not go together
            mirror = Mirror(name, (Exception,), dict(_FORWARDING))
        mirror.original = self._object([number, True])
        return mirror

    def _error(self, body):
        """What to raise for what the program raised."""
        error = self._like(body)
        own = {key: body[key] for key in ("outcome", "exception") if key in body}
        vars(error)["program_body"] = own
        return error

    def _like(self, body):
        message = body["exception"]["message"] if "exception" in body else ""
        if "raised" not in body:
            return ProgramError(message)
        raised = body["raised"]
        kind = self._kind(raised["kind"])
        args = (message,) if raised["args"] is None else self._value(raised["args"])
        if isinstance(kind, Mirror):
            return kind.of(self._value(raised["object"]), args)
        if issubclass(kind, (StopIteration, StopAsyncIteration)):
            return RuntimeError(*args)  # as from a generator: it must not end a loop of the test's
        try:
            return kind(*args)
        except Exception:  # it is made of other things than those that it tells
            return kind.__new__(kind, *args)


def raised_by_program(error):
    """The body of the program's answer that ``error`` was raised for; None for one of the test's
    own. The program has no say in what an exception's dictionary holds."""
    return vars(error).get("program_body")


class Names(dict):
    """The globals of test code. The program's variables are looked up at each use."""

    def __init__(self, session, found, variables):
        super().__init__(found)
        self._session, self._variables = session, variables

    def __missing__(self, name):
        if name not in self._variables:
            raise KeyError(name)
        return self._session.ask("got", {NAMED: name})


class Remote:
    """Stands for an object that lives in the program's process."""

    __contains__ = None  # not by iteration either, which could go on until it meets what is asked

    def __init__(self, session, mark):
        self.__dict__["_stand_in"] = session, mark

    def __getattr__(self, name):
        if name.startswith("__") and name not in ("__name__", "__qualname__"):
            raise AttributeError(name)
        session, mark = self._stand_in
        return session.exception_within(mark, name) or self._ask("get", name)

    def __instancecheck__(self, value):
        return self._ask("is of", value)

    def __subclasscheck__(self, kind):
        return self._ask("is above", kind)

    def __enter__(self):
        return self._ask("enter")

    def __exit__(self, kind, error, trace):
        self._ask("exit", kind, error, None)  # what it says to an error is not asked for

    def __next__(self):
        try:
            return self._ask("next")
        except RuntimeError as error:
            body = raised_by_program(error)
            if body and body["exception"]["type"] == "StopIteration":
                raise StopIteration from None
            raise

    def _ask(self, operation, /, *args, **kwargs):
        session, mark = self._stand_in
        return session.ask(operation, mark, *args, **kwargs)


class Callable(Remote):
    """One that can be called."""

    def __call__(self, *args, **kwargs):
        return self._ask("call", *args, **kwargs)


def _asking(operation):
    return lambda self, *args: self._ask(operation, *args)


def _operator(name):
    def apply(self, other):
        return self._ask(name, other) if type(other) in (Remote, Callable) else NotImplemented

    return apply


_SPECIAL = {
    "__setattr__": "set",
    "__delattr__": "delete",
    "__getitem__": "item",
    "__setitem__": "set item",
    "__delitem__": "delete item",
    "__bool__": "bool",
    "__iter__": "iter",
    "__len__": "len",
    "__repr__": "repr",
    "__str__": "str",
}
_SPECIAL |= {name: name for name in UNARY}
for _name, _operation in _SPECIAL.items():
    setattr(Remote, _name, _asking(_operation))
for _name in BINARY:
    setattr(Remote, _name, _operator(_name))


class Mirror(type):
    """A class that has the place of an exception of the program's, so that ``except`` takes it."""

    def __call__(cls, *args, **kwargs):
        made = cls.original(*args, **kwargs)
        return cls.of(made, made.args)

    def __getattr__(cls, name):
        return getattr(cls.original, name)

    def of(cls, original, args):
        """The like of an exception of the program's."""
        error = cls.__new__(cls, *args)
        vars(error)["_original"] = original
        return error


_FORWARDING = {
    "__getattr__": lambda error, name: getattr(vars(error)["_original"], name),
    "__str__": lambda error: str(vars(error)["_original"]),
}


def _standard(module, name):
    """The exception of Python's own that is called so, or None. Nothing is imported for a
    program."""
    own = module.partition(".")[0] in sys.stdlib_module_names and module in sys.modules
    found = vars(sys.modules[module]).get(name) if own else None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _replace(container, value):
    """Give a list, dict or set the contents of ``value``, in place."""
    if type(container) is list and type(value) is list:
        container[:] = value
    elif type(container) in (dict, set) and type(value) is type(container):
        container.clear()
        container.update(value)
