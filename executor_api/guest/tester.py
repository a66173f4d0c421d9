"""Assertions that the host could not turn into calls: test code and program in two processes.

The test code runs in the tester. Each name that the program defines is a stand-in there, which
calls into the program's process; only plain values travel between them, and handles for the
program's own objects. So the program cannot reach the expectation by walking its own memory,
replace what the test compares with, or end the test by exiting. It remains ``trust: low``: the
reference is in the same sandbox.

What the test's text shows to mean Python's own (``names.py``) is that, whatever the program calls
so: it must not replace the ``abs`` that its answer is checked with.
"""

import builtins
import io
import json
import operator
import sys

import names
from codec import NotPlain, decode, encode
from runner import Program, covering, describe_exception, encoded, guarded, resolve

_HANDLE = "h"
_CONTAINERS = (list, dict, set)


class Exited(BaseException):
    """The program's process ended before it had answered."""


class Connection:
    """One JSON message a line over a connected socket; each side is one of these. What is noted on
    the one side goes with its next message and is ``note``'s on the other."""

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


# --- the program's side -----------------------------------------------------------------


def serve_program(source, connection, coverage=False):
    """Load the program and answer the tester's calls until it hangs up."""
    program = Program(source)
    covered = covering(program, connection.note) if coverage else None
    body = program.failure or guarded(program.load)
    namespace = program.load() if body["outcome"] == "returned" else {}
    body["names"] = [name for name in namespace if not name.startswith("__")]
    _flush()
    connection.send(body)
    objects = []
    while (request := connection.receive()) is not None:
        body = _perform(request, namespace, objects)
        if covered is not None:
            covered.check()
        connection.send(body)


def _got(target):
    return target


def _called(target, *args, **kwargs):
    return target(*args, **kwargs)


_OPERATIONS = {"get": _got, "call": _called, "set": setattr, "item": operator.getitem}
_OPERATIONS |= {"set item": operator.setitem, "delete item": operator.delitem}
_OPERATIONS |= {function.__name__: function for function in (bool, iter, len, next, repr, str)}
"""What a test may do with an object of the program's. A comparison is not among it, nor ``in``: the
program could call everything equal without knowing what is asked."""


def _perform(request, namespace, objects):
    result, args = [], []

    def run():
        target = _target(request, namespace, objects)
        args.extend(_incoming(value, objects) for value in request["args"])
        kwargs = {key: _incoming(value, objects) for key, value in request["kwargs"]}
        result.append(_OPERATIONS[request["operation"]](target, *args, **kwargs))

    body = guarded(run)
    _flush()
    if body["outcome"] == "returned":
        body["value"] = _outgoing(result[0], objects)
        body["changed"] = _changed(request["args"], args)
    return body


def _changed(before, args):
    """Position → value of the containers that the call changed in place."""
    after = {i: encoded(value) for i, value in enumerate(args) if type(value) in _CONTAINERS}
    return [
        [i, body["value"]]
        for i, body in after.items()
        if body["outcome"] == "returned" and body["value"] != before[i]
    ]


def _target(request, namespace, objects):
    if request["object"] is None:
        return resolve(namespace, request["name"])
    target = objects[request["object"]]
    return getattr(target, request["name"]) if request["name"] else target


def _incoming(value, objects):
    if type(value) is dict and _HANDLE in value:
        return objects[value[_HANDLE]]
    return decode(value)


def _outgoing(value, objects):
    try:
        return encode(value)
    except NotPlain:
        objects.append(value)
        return {_HANDLE: len(objects) - 1, "callable": callable(value)}


def _flush():
    for stream in (sys.stdout, sys.stderr):
        guarded(stream.flush)


# --- the tester's side ------------------------------------------------------------------


class Remote:
    """Stands for an object that lives in the program's process."""

    __contains__ = None  # not by iteration either, which could go on until it meets what is asked

    def __init__(self, connection, handle=None, name=None):
        self.__dict__.update(_connection=connection, _handle=handle, _name=name)

    def __call__(self, *args, **kwargs):
        return self._ask("call", self._name, args, kwargs)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if self._handle is None:
            return Remote(self._connection, name=f"{self._name}.{name}")
        return self._ask("get", name)

    def __setattr__(self, name, value):
        self._ask("set", self._name, (name, value))

    def __getitem__(self, key):
        return self._ask("item", self._name, (key,))

    def __setitem__(self, key, value):
        self._ask("set item", self._name, (key, value))

    def __delitem__(self, key):
        self._ask("delete item", self._name, (key,))

    def __bool__(self):
        return self._ask("bool", self._name)

    def __iter__(self):
        return self._ask("iter", self._name)

    def __len__(self):
        return self._ask("len", self._name)

    def __repr__(self):
        return self._ask("repr", self._name)

    def __str__(self):
        return self._ask("str", self._name)

    def __next__(self):
        try:
            return self._ask("next", self._name)
        except RuntimeError as error:
            if _raised(error) == "StopIteration":
                raise StopIteration from None
            raise

    def _ask(self, operation, name, args=(), kwargs=None):
        self._connection.send(
            {
                "object": self._handle,
                "name": name,
                "operation": operation,
                "args": [_pass(value) for value in args],
                "kwargs": [[key, _pass(value)] for key, value in (kwargs or {}).items()],
            }
        )
        return _answer(self._connection, args)


def _raised(error):
    """The type of what the program raised; None for an error of the test's own."""
    exception = getattr(error, "program_body", {}).get("exception")
    return exception and exception["type"]


def _pass(value):
    if type(value) is Remote and value._handle is not None:
        return {_HANDLE: value._handle}
    return encode(value)


def _answer(connection, args):
    body = _received(connection)
    if body["outcome"] != "returned":
        raise _exception(body)
    for position, changed in body["changed"]:
        _replace(args[position], decode(changed))
    value = body["value"]
    if type(value) is dict and _HANDLE in value:
        return Remote(connection, handle=value[_HANDLE])
    return decode(value)


def _received(connection):
    body = connection.receive()
    if body is None or body["outcome"] == "exited":
        raise Exited
    return body


def _replace(container, value):
    """Give a list, dict or set the contents of ``value``, in place."""
    if type(container) is list and type(value) is list:
        container[:] = value
    elif type(container) in (dict, set) and type(value) is type(container):
        container.clear()
        container.update(value)


class ProgramError(Exception):
    """The program raised something that is not a builtin exception."""


def _exception(body):
    info = body.get("exception") or {"type": body["outcome"], "message": "", "line": None}
    kind = getattr(builtins, info["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = ProgramError
    if issubclass(kind, (StopIteration, StopAsyncIteration)):
        kind = RuntimeError  # as from a generator: it must not end a loop of the test's
    try:
        error = kind(info["message"])
    except TypeError:
        error = ProgramError(info["message"])
    error.program_body = body
    return error


def run_assertion(code, connection):
    """Run the test code against the program and return the body of the answer."""
    try:
        loaded = _received(connection)
        if loaded["outcome"] != "returned":
            return {key: loaded[key] for key in ("outcome", "exception") if key in loaded}
        stand_ins = {name: Remote(connection, name=name) for name in loaded["names"]}
        return _outcome(code, stand_ins)
    except Exited:
        return {"outcome": "exited", "status": None}


def _outcome(code, stand_ins):
    own_output, sys.stdout = sys.stdout, io.StringIO()  # the test's prints are not the program's
    try:
        compiled = compile(code, "<test>", "exec")
        exec(compiled, stand_ins | names.pythons(compiled) | {"__name__": "__test__"})
    except Exited:
        raise
    except BaseException as error:
        body = getattr(error, "program_body", None)
        if body is not None:
            return {"outcome": body["outcome"], "exception": body.get("exception")}
        return {"outcome": "raised", "exception": describe_exception(error)}
    finally:
        sys.stdout = own_output
    return {"outcome": "returned"}
