"""Record what a program does, line by line, while it runs in this process.

::

    recorder = Recorder(code, limits, detail, write)
    recorder.start()
    try:
        exec(code, globals)                # and, for a call: function(*args)
    finally:
        recorder.stop()
    recorder.finish()

``code`` is the compiled module. ``limits`` holds ``max_events max_value_chars max_items max_depth
max_bytes``. ``detail`` is ``"lines"`` or ``"final"``. ``write(data)`` takes whole lines of ASCII;
it is called for each of the first records and then for ever more of them, up to 64, so at most
about a thirtieth is lost when the process is killed; with it go the end values of the frames
that have not ended. Exceptions of the program pass through; none of the tracer's own reaches it.

Records, one JSON array a line:

* ``["frame", id, parent, qualified name, line]`` before the first event of that frame
* ``["event", kind, line, frame, changed]`` (detail ``lines``): ``changed`` maps each variable of
  the frame whose text differs from what the trace last said to that text, or to null where it is
  gone, as seen when the event fires
* ``["lines", [line, …]]``: lines not reported before that have been run
* ``["final", frame, {name: [value, type, line, visits]}]``: when the frame ends; once more at the
  end of the trace for the module, whose variables outlive its frame
* ``["summary", {"complete", "reason", "truncated_values"}]``: last; missing if we were killed

Events. Only code objects compiled from the program count, known by identity. ``call`` fires when a
frame starts and each time a generator or coroutine resumes (the same frame id); ``yield`` when it
pauses; ``exception`` when an exception arises in or enters a frame, and again when it leaves the
frame if a handler or ``finally`` ran or a variable changed in between; not for the StopIteration
that ends a loop or ``await``. A frame's last event is a ``return`` or ``exception``.
Variables are locals, parameters, cells and closures of a function, the namespace of a class body
or the module. Python ≤ 3.11 runs a comprehension in a frame of its own; later ones inline it.

Definitions. A variable is defined by each instruction that binds it (``bindings.py``), whether or
not the value differs, by the call for parameters, and by a visit of a line which *names* it, does
not bind it, and at the end (or first call) of which its text, or the length of a cut one, has
changed: ``a.append(1)``, ``a[i] = x``, ``heappush(a, x)``, ``self.x = 1``. So a change through an
alias is an event but no definition. The value is the one at the end of that visit: at the frame's
next event; a variable that is gone by then (``x = 1; del x``) has none. A definition belongs to the
frame that owns the variable: a global's to the module, a closure's to the nearest calling frame
of the function that declares it, or, once that has ended, to the frame that ran. ``del`` leaves
the last definition standing. Names bound without an instruction (``globals()[...] =``,
``import *``) have events only.

Hooks. ``sys.monitoring`` on Python ≥ 3.12, ``sys.settrace`` and ``threading.settrace`` before. A
program that takes the hook away, or recurses so deeply that the tracer itself cannot run, gives
``complete: false``, ``hook_lost``. On 3.11 settrace ends at a ``RecursionError`` and a
closure variable that several threads write may lose a write (fixed by PEP 667).
"""

# ruff: noqa: UP029
import os
import sys
import threading
from builtins import dict, id, len, next, sorted, str, type
from itertools import count
from json.encoder import encode_basestring_ascii as quote

from bindings import (
    FREE,
    GLOBAL,
    LOCAL,
    NAME,
    OPTIMIZED,
    Bindings,
    hidden,
    program_codes,
)
from describe import ATOMS, CONSTANTS, Cut, Describer, class_name, size

_FLUSH_RECORDS = 64
_FLUSH_BYTES = 65_536
_EVENTS_SHARE = 0.75  # of max_bytes; the rest is for end values
_MISSING = object()
_FOREVER = object()


class _Definition:
    """The last definition of one variable."""

    __slots__ = ("line", "mark", "text", "type", "value", "visits")

    def __init__(self):
        self.visits = 0
        self.text = None
        self.type = None
        self.value = _MISSING  # an atom, described only when the frame ends
        self.mark = None


class _Frame:
    """What the recorder knows of one frame of the program. Holds no reference to the frame, nor
    to any value that could be kept alive by it.

    ``namespace``: of a module or class body. Their ``f_locals`` lacks it on 3.13 while an inlined
    comprehension runs.
    """

    __slots__ = (
        *("code", "definitions", "id", "line", "live", "owners", "parent", "quiet", "said"),
        *("namespace", "stored", "watched"),
    )

    def __init__(self, number, code, parent):
        self.id = number
        self.code = code
        self.parent = parent
        self.live = True
        self.line = code.first_line
        self.said = {}  # name → (the value if an atom, its text)
        self.definitions = {}
        self.stored = []  # (name, scope, line) bound in this visit
        self.watched = []  # (name, scope, mark) of what this visit's line names
        self.owners = {}
        self.quiet = False  # the last event was an exception
        self.namespace = None


class _Code:
    """One code object of the program."""

    __slots__ = ("bindings", "code", "first_line", "is_module", "optimized", "parent")

    def __init__(self, code, parent):
        self.code = code
        self.parent = parent
        self.is_module = parent is None
        self.optimized = bool(code.co_flags & OPTIMIZED)
        self.first_line = code.co_firstlineno
        self.bindings = Bindings(code, self.is_module)

    def owner_of(self, name):
        """The enclosing function that declares the closure variable ``name``."""
        owner = self.parent
        while owner is not None and name not in owner.code.co_cellvars:
            owner = owner.parent
        return owner


class Recorder:
    """Records one run; see the module's docstring. Knows nothing of the hook that drives it."""

    def __init__(self, code, limits, detail, write):
        self.codes = _code_table(code)
        self.frames = {}
        self.recording = False
        self._every_event = detail == "lines"
        self._describe = Describer(
            limits["max_value_chars"], limits["max_items"], limits["max_depth"]
        )
        self._output = _Output(write, limits)
        self._texts = {}
        self._ran = set()
        self._numbers = count()
        self._module = None
        self._globals = {}
        self._last_final = None
        self._lock = threading.Lock()
        self._driver = _driver(self)

    # --- life ---------------------------------------------------------------------------

    def start(self):
        self.recording = True
        os.register_at_fork(after_in_child=self._abandon)
        self._driver.start()

    def stop(self):
        """Take the hook away. Idempotent."""
        if self.recording:
            self.recording = False
            if not self._driver.intact():
                self._output.fail("hook_lost")
            self._driver.remove()

    def finish(self):
        """Write the end values of frames that have not ended, and the summary."""
        with self._lock:
            if self._module is not None:
                self.frames.setdefault(-1, self._module)
            for frame in sorted(self.frames.values(), key=lambda frame: frame.id):
                self._write_final(frame)
            self._output.close()

    def _halt(self, reason):
        """Stop recording at a cap; the program runs on."""
        self._output.fail(reason)
        self.recording = False
        self._driver.remove()

    def _abandon(self):
        """In a process the program forked: it must not write into the trace."""
        if self.recording:
            self.recording = False
            self._driver.remove()
        self._output.abandon()

    def failed(self, error):
        """True if ``error``, caught in a callback, is the program's (its signal handler ran there):
        the caller raises it again. The tracer's own ends the recording, except that recursion
        without room for us only leaves a gap."""
        traceback = error.__traceback__
        while traceback is not None:
            if id(traceback.tb_frame.f_code) in self.codes:
                return True
            traceback = traceback.tb_next
        if type(error) is KeyboardInterrupt:
            return True
        self._output.fail("hook_lost")
        if type(error) is not RecursionError and self.recording:
            self._halt("hook_lost")
        return False

    # --- what the drivers report --------------------------------------------------------

    def called(self, python_frame, fresh):
        with self._lock:
            caller, python_caller = self._caller(python_frame)
            if caller is not None and caller.watched:
                self._settle_caller(caller, python_caller)
            frame = None if fresh else self.frames.get(id(python_frame))
            if frame is None:
                frame = self._enter(python_frame, caller)
                self._observe(frame, python_frame, "call", frame.line)
                return
            line = python_frame.f_lineno or frame.line
            self._observe(frame, python_frame, "call", line)

    def line(self, python_frame, line):
        if line is None:
            return
        with self._lock:
            if line not in self._ran:
                self._ran.add(line)
                self._output.ran(line, at_once=not self._every_event)
            self._observe(self._frame(python_frame), python_frame, "line", line)

    def returned(self, python_frame, kind):
        """``kind``: return or yield."""
        with self._lock:
            frame = self._frame(python_frame)
            self._observe(frame, python_frame, kind, python_frame.f_lineno or frame.line)
            if kind == "return":
                self._leave(python_frame, frame)

    def raised(self, python_frame):
        with self._lock:
            frame = self._frame(python_frame)
            self._observe(frame, python_frame, "exception", python_frame.f_lineno or frame.line)

    def unwound(self, python_frame):
        with self._lock:
            frame = self._frame(python_frame)
            line = python_frame.f_lineno or frame.line
            self._observe(frame, python_frame, "exception", line, news_only=frame.quiet)
            self._leave(python_frame, frame)

    def stored(self, python_frame, stores):
        frame = self.frames.get(id(python_frame))
        if frame is not None:
            frame.stored.extend(stores)

    # --- frames -------------------------------------------------------------------------

    def _frame(self, python_frame):
        frame = self.frames.get(id(python_frame))
        if frame is None or frame.code.code is not python_frame.f_code:
            self._output.fail("hook_lost")  # its start was lost
            frame = self._enter(python_frame, self._caller(python_frame)[0])
        return frame

    def _enter(self, python_frame, caller):
        code = self.codes[id(python_frame.f_code)]
        frame = _Frame(next(self._numbers), code, caller)
        stale = self.frames.get(id(python_frame))
        if stale is not None:  # a generator dropped before its end, whose address is used again
            self._write_final(stale)
        self.frames[id(python_frame)] = frame
        if not code.optimized:
            frame.namespace = python_frame.f_locals
        if code.is_module and self._module is None:
            self._module = frame
            self._globals = python_frame.f_globals
        parent = "null" if frame.parent is None else frame.parent.id
        name = quote(code.code.co_qualname)
        text = f'["frame",{frame.id},{parent},{name},{frame.line}]'
        if not self._output.put(text):
            self._halt("bytes")
        frame.stored = [(name, LOCAL, frame.line) for name in code.bindings.parameters]
        return frame

    def _caller(self, python_frame):
        """The nearest calling frame of the program: what we know of it, and itself."""
        caller = python_frame.f_back
        while caller is not None:
            frame = self.frames.get(id(caller))
            if frame is not None and frame.code.code is caller.f_code:
                return frame, caller
            caller = caller.f_back
        return None, None

    def _leave(self, python_frame, frame):
        self.frames.pop(id(python_frame), None)
        self._write_final(frame)
        frame.namespace = None
        frame.live = frame is self._module

    def _write_final(self, frame):
        entries = []
        cut = 0
        for name, last in frame.definitions.items():
            if last.value is not _MISSING:
                last.text, last.type = self._describe(last.value), class_name(type(last.value))
            if last.text is not None:
                cut += type(last.text) is Cut
                value = f"[{quote(last.text)},{quote(last.type)},{last.line},{last.visits}]"
                entries.append(f"{quote(name)}:{value}")
        text = f'["final",{frame.id},{{{",".join(entries)}}}]'
        if not entries or text == self._last_final:
            return
        if not self._output.put(text, final=True):
            self._output.fail("bytes")
            return
        self._output.truncated += cut
        self._last_final = text

    # --- events -------------------------------------------------------------------------

    def _observe(self, frame, python_frame, kind, line, news_only=False):
        if not self.recording:
            return
        named = frame.code.bindings.names.get(line) if kind == "line" else None
        variables = None
        changed = {}
        if self._every_event or frame.stored or frame.watched or named:
            self._texts.clear()
            variables = self._variables(frame, python_frame)
        if self._every_event:
            changed = self._changes(frame, variables)
        if frame.stored or frame.watched:
            self._settle(frame, variables)
        if kind == "line":
            frame.line = line
        if named or (kind == "call" and variables is not None):
            self._watch(frame, variables)
        frame.quiet = kind == "exception"
        if self._every_event and (changed or not news_only):
            self._write_event(kind, line, frame, changed)

    def _variables(self, frame, python_frame):
        """A mapping of the frame's variables, some perhaps hidden, that no one else changes."""
        if frame.code.optimized:
            variables = python_frame.f_locals
            return variables if type(variables) is dict else variables.copy()
        try:
            return dict.copy(frame.namespace)  # works on a subclass too, and runs none of its code
        except TypeError:
            return {}

    def _changes(self, frame, variables):
        said = frame.said
        changed = {}
        present = 0
        for name, value in variables.items():
            if type(name) is not str:
                continue
            known = said.get(name)
            if known is not None:
                present += 1
                if known[0] is value:
                    continue
            elif hidden(name):
                continue
            text = self._text(value)
            if known is None:
                present += 1
            if known is None or known[1] != text:
                changed[name] = text
            said[name] = (value if id(type(value)) in ATOMS else _FOREVER, text)
        if present < len(said):
            for name in said.keys() - {name for name in variables if type(name) is str}:
                del said[name]
                changed[name] = None
        return changed

    def _write_event(self, kind, line, frame, changed):
        if self._output.events_left == 0:
            self._halt("events")
            return
        fields = []
        cut = 0
        for name, text in changed.items():
            cut += type(text) is Cut
            fields.append(f"{quote(name)}:{'null' if text is None else quote(text)}")
        text = f'["event","{kind}",{line},{frame.id},{{{",".join(fields)}}}]'
        if not self._output.put(text):
            self._halt("bytes")
            return
        self._output.truncated += cut
        self._output.events_left -= 1

    def _text(self, value):
        """The text of ``value``, made once an event for each container."""
        if id(type(value)) in ATOMS:
            return self._describe(value)
        text = self._texts.get(id(value))
        if text is None:
            text = self._texts[id(value)] = self._describe(value)
        return text

    # --- definitions --------------------------------------------------------------------

    def _settle(self, frame, variables):
        """End a visit: record what it bound, and what its line named and it changed."""
        stored, watched = frame.stored, frame.watched
        frame.stored, frame.watched = [], []
        for name, scope, line in stored:
            self._define(frame, name, scope, line, variables)
        if watched:
            bound = [name for name, _, _ in stored]
            for name, scope, mark in watched:
                if name not in bound:
                    self._define_if_changed(frame, name, scope, mark, variables)

    def _settle_caller(self, frame, python_frame):
        """What a line changed before it calls must not be taken for what the call changes."""
        self._texts.clear()
        bound = {name for name, _, _ in frame.stored}
        watched = [entry for entry in frame.watched if entry[0] not in bound]
        variables = self._variables(frame, python_frame)
        for name, scope, mark in watched:
            self._define_if_changed(frame, name, scope, mark, variables)
        frame.watched = []
        self._watch(frame, variables)

    def _define(self, frame, name, scope, line, variables):
        if scope is LOCAL:
            value, definitions = variables.get(name, _MISSING), frame.definitions
        else:
            value = self._values(scope, variables).get(name, _MISSING)
            definitions = self._owner(frame, name, scope).definitions
        last = definitions.get(name)
        if last is None:
            last = definitions[name] = _Definition()
        last.visits += 1
        last.line = line
        if id(type(value)) in ATOMS:
            last.value = value
            last.mark = None
        elif value is not _MISSING:
            last.value = _MISSING
            last.text = self._text(value)
            last.type = class_name(type(value))
            last.mark = self._mark(value)

    def _define_if_changed(self, frame, name, scope, before, variables):
        value = self._values(scope, variables).get(name, _MISSING)
        if value is _MISSING or id(type(value)) in CONSTANTS:
            return
        mark = self._mark(value)
        if mark == before:
            return
        last = self._owner(frame, name, scope).definitions.get(name)
        if last is None or last.mark != mark:  # else a frame called in this visit defined it
            self._define(frame, name, scope, frame.line, variables)

    def _watch(self, frame, variables):
        """Begin a visit: note the texts of what its line names and may change."""
        watched = []
        for name, scope in frame.code.bindings.names.get(frame.line, ()):
            if scope is LOCAL:
                value = variables.get(name, _MISSING)
            else:
                if scope is NAME:
                    scope = LOCAL if name in variables else GLOBAL
                value = self._values(scope, variables).get(name, _MISSING)
            if id(type(value)) not in CONSTANTS and value is not _MISSING:
                watched.append((name, scope, self._mark(value)))
        frame.watched = watched

    def _values(self, scope, variables):
        return self._globals if scope is GLOBAL else variables

    def _mark(self, value):
        """What tells a changed value: its text, and its length where the text is cut."""
        text = self._text(value)
        return (text, size(value)) if type(text) is Cut else text

    def _owner(self, frame, name, scope):
        if scope is GLOBAL:
            return self._module or frame
        if scope is not FREE:
            return frame
        owner = self._activation(frame, frame.code.owner_of(name))
        return owner if owner is not None and owner.live else frame

    def _activation(self, frame, code):
        """The nearest calling frame of ``code``, found once for each frame and code."""
        passed = []
        found = frame
        while found is not None and found.code is not code:
            if id(code) in found.owners:
                found = found.owners[id(code)]
                break
            passed.append(found)
            found = found.parent
        for caller in passed:
            caller.owners[id(code)] = found
        return found


def _code_table(root):
    table = {}
    for code, parent in program_codes(root):
        table[id(code)] = _Code(code, None if parent is None else table[id(parent)])
    return table


class _Output:
    """Buffers records, counts their bytes, and remembers why the trace is not complete."""

    def __init__(self, write, limits):
        self._write = write
        self._records = []
        self._written = 0
        self._batch = 1
        self._buffered = 0
        self._bytes = 0
        self._max_bytes = limits["max_bytes"]
        self._max_event_bytes = int(limits["max_bytes"] * _EVENTS_SHARE)
        self._new_lines = []
        self._reason = "end"
        self.events_left = limits["max_events"]
        self.truncated = 0

    def put(self, text, final=False):
        """Buffer a record; False, and nothing is kept, where it would cross the limit."""
        if self._bytes + len(text) > (self._max_bytes if final else self._max_event_bytes):
            return False
        self._bytes += len(text)
        self._buffered += len(text)
        self._records.append(text)
        if len(self._records) >= self._batch or self._buffered >= _FLUSH_BYTES:
            self._written += len(self._records)
            self._batch = min(_FLUSH_RECORDS, 1 + self._written // 32)
            self._flush()
        return True

    def ran(self, line, at_once):
        self._new_lines.append(line)
        if at_once:
            self._flush()

    def fail(self, reason):
        if self._reason == "end":
            self._reason = reason

    def abandon(self):
        self._write = None
        self._records = []

    def close(self):
        complete = "true" if self._reason == "end" else "false"
        self._report_lines()
        self._records.append(
            f'["summary",{{"complete":{complete},"reason":"{self._reason}",'
            f'"truncated_values":{self.truncated}}}]'
        )
        self._flush()

    def _report_lines(self):
        if self._new_lines:
            self._records.append(f'["lines",[{",".join(map(str, self._new_lines))}]]')
            self._new_lines = []

    def _flush(self):
        self._report_lines()
        if not self._records:
            return
        data = "\n".join(self._records) + "\n"
        self._records = []
        self._buffered = 0
        if self._write is None:
            return
        try:
            self._write(data.encode("ascii"))
        except OSError:  # the program closed the descriptor
            self._write = None
            self.fail("hook_lost")


# --- drivers ----------------------------------------------------------------------------


def _driver(recorder):
    if sys.version_info >= (3, 12):
        from monitoring import MonitoringDriver

        return MonitoringDriver(recorder)
    from settrace import SettraceDriver

    return SettraceDriver(recorder)
