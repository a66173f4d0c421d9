"""Record what a program does, line by line, while it runs in this process.

::

    recorder = Recorder(code, limits, detail, write, source, plans)
    recorder.start()
    try:
        exec(code, globals)                # and, for a call: function(*args)
    finally:
        recorder.stop()
    recorder.finish()

``code`` is the compiled module, ``source`` its text. ``limits`` holds ``max_events max_value_chars
max_items max_depth max_bytes``. ``detail`` is ``"lines"`` or ``"final"``. ``write(data)`` takes
whole lines of ASCII; it is called for each of the first records and then for ever more of them, up
to 64, so at most about a thirtieth is lost when the process is killed; with it go the end values of
the frames that have not ended. Exceptions of the program pass through; none of the tracer's own
reaches it. What the records are, says ``PROTOCOL.md``.

Events. Only code objects compiled from the program count, known by identity. ``call`` fires when a
frame starts and each time a generator or coroutine resumes (the same frame id); ``yield`` when it
pauses; ``exception`` when an exception arises in or enters a frame, and again when it leaves the
frame if a handler or ``finally`` ran or a variable changed in between; not for the StopIteration
that ends a loop or ``await``. A frame's last event is a ``return`` or ``exception``.
Variables are locals, parameters, cells and closures of a function, the namespace of a class body
or the module. Python ≤ 3.11 runs a comprehension in a frame of its own; later ones inline it.

Definitions. A variable is defined by each instruction that binds it, or stores into or deletes an
item or attribute of what it holds (``a[i] = x``, ``self.x.y += 1``; ``bindings.py``), whether or
not the value differs, by the call for parameters, and by a visit of a line which *names* it, does
none of that to it, and at the end (or first call) of which its text, or the length of a cut one,
has changed: ``a.append(1)``, ``heappush(a, x)``. So a change through an alias is an event but no
definition. The value is the one at the end of that visit: at the frame's
next event; a variable that is gone by then (``x = 1; del x``) has none. A definition belongs to the
frame that owns the variable: a global's to the module, a closure's to the nearest calling frame
of the function that declares it, or, once that has ended, to the frame that ran. ``del`` leaves
the last definition standing. Names bound without an instruction (``globals()[...] =``,
``import *``) have events only.

A program that is certain to define its variables in plain ways only may count its definitions
itself (``plans``, of ``counting.py``, else empty): for detail ``final``.

Hooks. ``sys.monitoring`` on Python ≥ 3.12, ``sys.settrace`` and ``threading.settrace`` before. A
program that takes the hook away, or recurses so deeply that the tracer itself cannot run, gives
``complete: false``, ``hook_lost``. On 3.11 settrace ends at a ``RecursionError`` and a
closure variable that several threads write may lose a write (fixed by PEP 667).
"""

import os
import sys
from builtins import (
    KeyboardInterrupt,
    RecursionError,
    TypeError,
    any,
    bool,
    dict,
    id,
    int,
    len,
    next,
    object,
    repr,
    set,
    sorted,
    str,
    type,
)
from itertools import count
from json.encoder import encode_basestring_ascii as quote
from threading import Lock, get_ident

from activation import MISSING, Definition, Frame, defined
from bindings import FREE, GLOBAL, LOCAL, NAME, hidden, item_stores, program_codes
from codes import Move, Place, code_table
from contents import size
from describe import Describer
from flow import Effects
from labels import class_name
from records import Records
from scalars import ATOMS, CONSTANTS
from texts import Cut

if sys.version_info >= (3, 12):
    from monitoring import MonitoringDriver as Driver
else:
    from settrace import SettraceDriver as Driver

_FOREVER = object()
_LEAST, _MOST = -(10**15), 10**15
_DIGITS = 16
"""Between them an int has no more characters than this."""


class Recorder:
    """Records one run; see the module's docstring. Knows nothing of the hook that drives it."""

    def __init__(self, code, limits, detail, write, source, plans):
        self.frames = {}
        self.recording = False
        self._every_event = detail == "lines"
        self._describe = Describer(
            limits["max_value_chars"], limits["max_items"], limits["max_depth"]
        )
        # The exact type whose values take the short way; none where texts are shorter than that.
        self._plain = int if limits["max_value_chars"] >= _DIGITS else None
        self._records = Records(write, limits)
        self._texts = {}
        self._ran = set()
        self._numbers = count()
        self._module = None
        self._globals = {}
        self._last_final = None
        self._lock = Lock()
        self._thread = get_ident()
        effects = Effects([code for code, _ in program_codes(code)])
        self._learns = effects.plain
        self._fixed = ATOMS if effects.renames else CONSTANTS
        self.codes = code_table(code, effects, item_stores(source), plans)
        module = self.codes[id(code)]
        self._nobody = Frame(-1, module, None, None)
        self.current = self._nobody  # the frame of the last event, if the next may be quick
        self._driver = Driver(self)

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
                self._records.fail("hook_lost")
            self._driver.remove()

    def finish(self):
        """Write the end values of frames that have not ended, and the summary."""
        with self._lock:
            if self._module is not None:
                self.frames.setdefault(-1, self._module)
            for frame in sorted(self.frames.values(), key=lambda frame: frame.id):
                self._write_final(frame)
            self._records.close()

    def _halt(self, reason):
        """Stop recording at a cap; the program runs on, perhaps until it is killed."""
        self._records.stop(reason)
        self.recording = False
        self._driver.remove()

    def _abandon(self):
        """In a process the program forked: it must not write into the trace."""
        if self.recording:
            self.recording = False
            self._driver.remove()
        self._records.abandon()

    def failed(self, error):
        """True if ``error``, caught in a callback, is the program's (its signal handler ran there):
        the caller raises it again. The tracer's own ends the recording, except that recursion
        without room for us only leaves a gap."""
        self.current = self._nobody
        traceback = error.__traceback__
        while traceback is not None:
            if id(traceback.tb_frame.f_code) in self.codes:
                return True
            traceback = traceback.tb_next
        if type(error) is KeyboardInterrupt:
            return True
        self._records.fail("hook_lost")
        self._learns = False  # an event is missing: where its frame is now, is not known
        if type(error) is not RecursionError and self.recording:
            self._halt("hook_lost")
        return False

    # --- what the drivers report --------------------------------------------------------
    # ``offset``: of the instruction that the event is at; None where that does not run next.

    def called(self, python_frame, fresh, offset):
        with self._lock:
            caller, python_caller = self._caller(python_frame)
            if caller is not None and caller.code.plan is None:
                self._settle_caller(caller, python_caller)
            elif get_ident() != self._thread:
                self._learns = False  # another thread may change anything at any time
            frame = None if fresh else self.frames.get(id(python_frame))
            if frame is not None:
                line = python_frame.f_lineno or frame.at.line
                self._observe(frame, python_frame, "call", line, offset)
                return
            frame = self._enter(python_frame, caller)
            if frame.code.plan is not None:
                return
            move = frame.code.enter(offset) if self._learns else None
            if move is None:
                frame.stored = frame.code.parameters
                self._observe(frame, python_frame, "call", frame.at.line, offset)
            else:
                self.follow(frame, python_frame, move)

    def line(self, python_frame, line, offset):
        if not line:  # the one instruction of an empty program
            return
        if line not in self._ran:
            with self._lock:
                self._ran.add(line)
                self._records.ran(line, at_once=not self._every_event)
        frame = self._closed(python_frame)
        if frame is not None:
            move = frame.at.moves.get(offset) or self._learn(frame, "line", line, offset)
            if move is not None:
                self.follow(frame, python_frame, move, frame is not self.current)
                return
        with self._lock:
            self._observe(self._frame(python_frame), python_frame, "line", line, offset)

    def returned(self, python_frame, kind, offset, value):
        """``kind``: return or yield."""
        frame = self._closed(python_frame)
        move = None
        if frame is not None:
            move = frame.at.moves.get(~offset)
            if move is None:
                line = python_frame.f_lineno or frame.at.line
                move = self._learn(frame, kind, line, offset)
        text = self._result(value)
        if move is not None:
            self.follow(frame, python_frame, move, frame is not self.current, text)
        else:
            with self._lock:
                frame = self._frame(python_frame)
                line = python_frame.f_lineno or frame.at.line
                self._observe(frame, python_frame, kind, line, offset, result=text)
        if kind == "return":
            self._leave(python_frame, frame)

    def counted(self, python_frame):
        """A frame that counts its own definitions has returned."""
        self._leave(python_frame, self._frame(python_frame))

    def raised(self, python_frame, offset, error):
        if self.codes[id(python_frame.f_code)].plan is not None:
            return
        with self._lock:
            frame = self._frame(python_frame)
            line = python_frame.f_lineno or frame.at.line
            frame.raised = self._result(error)
            self._observe(frame, python_frame, "exception", line, offset, result=frame.raised)

    def unwound(self, python_frame, offset):
        frame = self._frame(python_frame)
        if frame.code.plan is None:
            line = python_frame.f_lineno or frame.at.line
            with self._lock:
                self._observe(
                    frame, python_frame, "exception", line, offset, frame.quiet, frame.raised
                )
        self._leave(python_frame, frame)

    def ran(self, line):
        """A line of code that counts its own definitions."""
        with self._lock:
            if line and line not in self._ran:
                self._ran.add(line)
                self._records.ran(line, at_once=True)

    def wrote(self, characters):
        """The program has written so much to standard output in all."""
        if self.recording and self._every_event and not self._records.full:
            self._records.wrote(characters)

    def stored(self, python_frame, stores):
        frame = self.frames.get(id(python_frame))
        if frame is not None:
            frame.stored = (*frame.stored, *stores)

    # --- frames -------------------------------------------------------------------------

    def _closed(self, python_frame):
        """What is known of the frame, if no event of another can have bound its variables."""
        frame = self.current
        if frame.key != id(python_frame):
            frame = self.frames.get(id(python_frame)) if self._learns else None
            if frame is None or not frame.code.closed or frame.code.code is not python_frame.f_code:
                return None
        return frame

    def _frame(self, python_frame):
        frame = self.frames.get(id(python_frame))
        if frame is None or frame.code.code is not python_frame.f_code:
            self._records.fail("hook_lost")  # its start was lost
            frame = self._enter(python_frame, self._caller(python_frame)[0])
        return frame

    def _enter(self, python_frame, caller):
        code = self.codes[id(python_frame.f_code)]
        key = id(python_frame)
        frame = Frame(next(self._numbers), code, caller, key)
        stale = self.frames.get(key)
        if stale is not None:  # a generator dropped before its end, whose address is used again
            self._write_final(stale)
        self.frames[key] = frame
        if not code.optimized:
            frame.namespace = python_frame.f_locals
        if code.is_module and self._module is None:
            self._module = frame
            self._globals = python_frame.f_globals
        parent = "null" if caller is None else caller.id
        self._records.put(f'["frame",{frame.id},{parent},{code.head}')
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
        self.current = self._nobody
        if frame.code.plan is not None:
            self._count_definitions(frame, python_frame)
        self.frames.pop(id(python_frame), None)
        if self._learns:  # no other thread runs
            self._write_final(frame)
        else:
            with self._lock:
                self._write_final(frame)
        frame.namespace = None
        frame.live = frame is self._module

    def _count_definitions(self, frame, python_frame):
        """What the frame has counted itself (``counting.py``)."""
        variables = frame.namespace
        if variables is None:
            variables = python_frame.f_locals
        for name, visits, counter, line in frame.code.plan:
            visits += variables.get(counter, 0)
            value = variables.get(name, MISSING)
            if visits and value is not MISSING:
                last = frame.definitions[name] = Definition()
                last.visits = visits
                last.line = variables[line] if type(line) is str else line
                if id(type(value)) in ATOMS:
                    last.value = value
                else:
                    last.text, last.type = self._describe(value), class_name(type(value))

    def _write_final(self, frame):
        entries = ""
        cut = 0
        for name, last in frame.definitions.items():
            value = last.value
            if type(value) is self._plain and _LEAST < value < _MOST:
                entries += f',{quote(name)}:["{value}","int",{last.line},{last.visits}]'
                continue
            if value is not MISSING:
                last.text, last.type = self._describe(value), class_name(type(value))
            if last.text is not None:
                cut += type(last.text) is Cut
                entries += (
                    f",{quote(name)}:[{quote(last.text)},{quote(last.type)},"
                    f"{last.line},{last.visits}]"
                )
        text = f'["final",{frame.id},{{{entries[1:]}}}]'
        if entries and text != self._last_final:
            self._records.put(text)
            self._records.truncated += cut
            self._last_final = text

    # --- events whose meaning is known --------------------------------------------------

    # Nearly every event of a loop comes to ``follow``, so what tracing costs is what it takes: a
    # few calls of functions more would tell. Hence the short way of ints, the most frequent values,
    # is written out in it.
    def follow(self, frame, python_frame, move, others_ran=False, result=""):
        """Record the event that ``move`` stands for. ``others_ran``: since the frame's last event
        there were events in other frames. ``result``: see ``_result``."""
        if frame.stored:  # on a line that branches, by a way that is known
            frame.stored = ()
        text = ""
        reads = move.reads
        acts = (others_ran or move.acts) and (frame.watched or bool(frame.loose))
        if reads or acts or move.watches:
            variables = frame.namespace
            if variables is None:
                variables = python_frame.f_locals
            for name, key, times, line in reads:
                value = variables.get(name, MISSING)
                if type(value) is not self._plain or not _LEAST < value < _MOST:
                    text += self._read(frame, name, value, key, times, line)
                    continue
                new = repr(value)
                if times:
                    last = frame.definitions.get(name)
                    if last is None:
                        last = frame.definitions[name] = Definition()
                    last.visits += times
                    last.line = line
                    last.value = value
                known = frame.said.get(name)
                frame.said[name] = value, new
                if known is None or known[1] != new:
                    text += f'{key}"{new}"'
                if frame.loose:
                    frame.loose.pop(name, None)
            if acts:
                text += self._look_again(frame, variables, reads)
            frame.watched = None
            if move.watches:
                if not acts:
                    self._texts.clear()
                self._watch(frame, variables, move.line)
        elif frame.watched is not None:
            frame.watched = None
        frame.at = move
        self.current = frame
        if self._every_event:
            records = self._records
            records.pending.append(f"{move.head}{frame.number}{text}{result}]")
            room = records.room = records.room - 1
            if room <= 0:
                self._make_room()

    def _read(self, frame, name, value, key, times, line):
        """Define ``name``; return the part of the event's record that tells its change."""
        described = _FOREVER
        if times:
            last = defined(frame.definitions, name, times, line)
        if value is MISSING:
            frame.loose.pop(name, None)
            return "" if frame.said.pop(name, None) is None else f"{key}null"
        new = self._describe(value)
        kind = type(value)
        if id(kind) in ATOMS:
            described = value
            frame.loose.pop(name, None)
        elif id(kind) not in self._fixed:
            frame.loose[name] = None
        if times:
            last.value = value if described is value else MISSING
            last.text, last.type = new, class_name(kind)
            last.mark = None if described is value else self._mark_of(value, new)
        known = frame.said.get(name)
        frame.said[name] = described, new
        if known is not None and known[1] == new:
            return ""
        self._records.truncated += self._every_event and type(new) is Cut
        return f"{key}{quote(new)}"

    def _look_again(self, frame, variables, reads):
        """Define what the visit's line named and changed; return the part of the event's record
        that tells of all that has changed unbound."""
        self._texts.clear()
        text = ""
        said = frame.said
        for name in frame.loose if self._every_event else ():
            value = variables.get(name, MISSING)
            if value is MISSING:
                continue
            new = self._text(value)
            if said[name][1] != new:
                said[name] = _FOREVER, new
                text += f",{quote(name)},{quote(new)}"
                self._records.truncated += type(new) is Cut
        if frame.watched:
            self._settle_watched(frame, variables, [name for name, *_ in reads])
        return text

    def _learn(self, frame, kind, line, offset):
        """The move to this event, made and remembered; None if it need not always mean the same."""
        if frame.at.offset is None or not self._learns or not self.recording:
            return None
        if frame.namespace is not None and type(frame.namespace) is not dict:
            return None
        passage = frame.code.flow.passage(frame.at.offset, offset)
        if passage is None or passage.stores is None:
            return None
        if any(scope is not LOCAL for _, scope, _ in passage.stores):
            return None
        move = Move(kind, line, offset, passage, frame.code)
        frame.at.moves[offset if kind == "line" else ~offset] = move
        return move

    def _make_room(self):
        self._records.more()
        if self._records.full:
            self._learns = False
            self.current = self._nobody

    # --- events, with a look at everything ----------------------------------------------

    def _observe(self, frame, python_frame, kind, line, offset, news_only=False, result=""):
        if not self.recording:
            return
        before = frame.at.offset
        if before is not None and kind != "call":
            passage = frame.code.flow.passage(before, offset)
            if passage is not None and passage.stores is not None:
                frame.stored = passage.stores
        names = kind == "line" and frame.code.names.get(line)
        variables = None
        changed = {}
        if self._every_event or frame.stored or frame.watched or names:
            self._texts.clear()
            variables = self._variables(frame, python_frame)
        if self._every_event:
            changed = self._changes(frame, variables)
        if frame.stored or frame.watched:
            self._settle(frame, variables)
        frame.watched = None
        if names and frame.code.flow.acts(line):
            self._watch(frame, variables, line)
        frame.quiet = kind == "exception"
        here = line if kind == "line" else frame.at.line
        frame.at = Place(here, None if frame.quiet else offset, frame.code)
        self.current = frame if self._learns and not frame.quiet else self._nobody
        if self._every_event and (changed or not news_only):
            self._write_event(kind, line, frame, changed, result)

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
            if id(type(value)) in ATOMS:
                said[name] = value, text
                frame.loose.pop(name, None)
            else:
                said[name] = _FOREVER, text
                if id(type(value)) not in self._fixed:
                    frame.loose[name] = None
        if present < len(said):
            for name in said.keys() - {name for name in variables if type(name) is str}:
                del said[name]
                frame.loose.pop(name, None)
                changed[name] = None
        return changed

    def _write_event(self, kind, line, frame, changed, result):
        records = self._records
        if records.full:
            self._halt(records.full)
            return
        fields = ""
        for name, text in changed.items():
            records.truncated += type(text) is Cut
            fields += f",{quote(name)},{'null' if text is None else quote(text)}"
        records.pending.append(f'["event","{kind}",{line},{frame.id}{fields}{result}]')
        records.room -= 1
        if records.room <= 0:
            self._make_room()

    def _result(self, value):
        """What is returned, yielded or raised, as the end of the event's record."""
        if not self._every_event:
            return ""
        if type(value) is self._plain and _LEAST < value < _MOST:
            return f',"{value}"'
        text = self._describe(value)
        self._records.truncated += type(text) is Cut
        return f",{quote(text)}"

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
        stored, frame.stored = frame.stored, ()
        for name, scope, line in stored:
            self._define(frame, name, scope, line, variables)
        if frame.watched:
            self._settle_watched(frame, variables, [name for name, _, _ in stored])

    def _settle_watched(self, frame, variables, bound):
        for name, scope, mark in frame.watched:
            if name not in bound:
                self._define_if_changed(frame, name, scope, mark, variables)

    def _settle_caller(self, frame, python_frame):
        """What a line changed before it calls must not be taken for what the call changes."""
        if frame.watched is not None and not frame.watched:
            return
        self._texts.clear()
        variables = frame.namespace
        if variables is None:
            variables = python_frame.f_locals
        elif type(variables) is not dict:
            variables = self._variables(frame, python_frame)
        if frame.watched:
            bound = [name for name, _, _ in self._stored_by(frame, python_frame)]
            self._settle_watched(frame, variables, bound)
        self._watch(frame, variables, frame.at.line, told=frame.watched is None)

    def _stored_by(self, frame, python_frame):
        """What the visit has bound by now."""
        if frame.at.offset is None:
            return frame.stored
        passage = frame.code.flow.passage(frame.at.offset, python_frame.f_lasti)
        return frame.stored if passage is None or passage.stores is None else passage.stores

    def _define(self, frame, name, scope, line, variables):
        if scope is LOCAL:
            value, definitions = variables.get(name, MISSING), frame.definitions
        else:
            value = self._values(scope, variables).get(name, MISSING)
            definitions = self._owner(frame, name, scope).definitions
        last = defined(definitions, name, 1, line)
        if id(type(value)) in ATOMS:
            last.value = value
            last.mark = None
        elif value is not MISSING:
            last.value = MISSING
            last.text = self._text(value)
            last.type = class_name(type(value))
            last.mark = self._mark(value)

    def _define_if_changed(self, frame, name, scope, before, variables):
        value = self._values(scope, variables).get(name, MISSING)
        if value is MISSING or id(type(value)) in CONSTANTS:
            return
        mark = self._mark(value)
        if mark == before:
            return
        last = self._owner(frame, name, scope).definitions.get(name)
        # Where this is its mark already, a frame called in this visit defined it.
        if last is None or last.value is not MISSING or last.mark != mark:
            self._define(frame, name, scope, frame.at.line, variables)

    def _watch(self, frame, variables, line, told=True):
        """Begin a visit: note the texts of what its line names and may change. ``told``: the last
        event has told of all that had changed."""
        watched = []
        for name, scope in frame.code.names.get(line, ()):
            if scope is LOCAL:
                value = variables.get(name, MISSING)
            else:
                if scope is NAME:
                    scope = LOCAL if name in variables else GLOBAL
                value = self._values(scope, variables).get(name, MISSING)
            if id(type(value)) in CONSTANTS or value is MISSING:
                continue
            if told and scope is LOCAL and self._every_event and name in frame.said:
                mark = self._mark_of(value, frame.said[name][1])
            else:
                mark = self._mark(value)
            watched.append((name, scope, mark))
        frame.watched = watched

    def _values(self, scope, variables):
        return self._globals if scope is GLOBAL else variables

    def _mark(self, value):
        """What tells a changed value: its text, and its length where the text is cut."""
        return self._mark_of(value, self._text(value))

    def _mark_of(self, value, text):
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
            if found.owners and id(code) in found.owners:
                found = found.owners[id(code)]
                break
            passed.append(found)
            found = found.parent
        for caller in passed:
            caller.owners = (caller.owners or {}) | {id(code): found}
        return found
