"""Which lines and branches of a program have run, told as they are first seen.

::

    coverage = Coverage(code, note)        # code: the compiled module
    coverage.start()
    exec(code, globals)                    # as often as there are tests
    coverage.check()

``note(data)`` takes one JSON array at a time, as bytes, each at most once:

* ``["possible", [line, …], [[line, line], …]]``: all lines and arcs (``branches.py``); first
* ``[line]`` or ``[line, line]``: a line or an arc that has run for the first time
* ``["lost"]``: the hook is gone, so that from some moment on nothing was seen

From Python 3.12 by ``sys.monitoring``: an event is switched off as soon as it can tell nothing new,
so what has run before costs nothing. A branch of which one way has been taken is switched off, too,
where the other is the only one to the instruction it leads to: that instruction tells, and most
others are given one (``waymarks.py``). Python 3.11 has ``sys.settrace``, which costs at every line
until a function has nothing new to tell.

Children that the program forks are not covered. The hooks see threads.
"""

import os
import sys
from builtins import all, frozenset, hasattr, id, len, next, set, sorted
from dis import findlinestarts, opmap

from branches import Branches, all_codes, lines_of
from settrace import Hook

_TOOLS = (1, 3, 4, 2, 0)
_NAME = "coderl-coverage"
LOST = b'["lost"]'


class Coverage:
    """One program in this process. ``alone``: no other tool watches its code; otherwise CPython
    loses events of single instructions, and only the first of a line may tell of a branch."""

    def __init__(self, code, note, alone=True):
        self._note = note
        self._seen = set()
        self._codes = {id(found): _Code(found, alone) for found in all_codes(code)}
        self._keep_branches()
        driver = _Monitoring if hasattr(sys, "monitoring") else _Settrace
        self._driver = driver(self._codes, self._seen, self._saw)

    def _keep_branches(self):
        """Leave the arcs of lines that branch."""
        ways = {}
        for code in self._codes.values():
            for line, to in code.arcs:
                ways.setdefault(line, set()).add(to)
        for code in self._codes.values():
            code.arcs = {arc for arc in code.arcs if len(ways[arc[0]]) > 1}

    def start(self):
        lines = sorted(set().union(*(code.lines for code in self._codes.values())))
        arcs = sorted(set().union(*(code.arcs for code in self._codes.values())))
        texts = ",".join(f"[{line},{to}]" for line, to in arcs)
        self._note(f'["possible",{lines},[{texts}]]'.encode())
        os.register_at_fork(after_in_child=self._forked)
        self._driver.start()

    def stop(self):
        self.check()
        self._driver.remove()

    def check(self):
        """Say so where the hook is gone."""
        if not self._driver.intact():
            self._saw("lost", LOST)

    def _saw(self, what, note):
        if what not in self._seen:
            self._note(note)
            self._seen.add(what)

    def _forked(self):
        self._note = len


class _Code:
    """What one code object can tell."""

    __slots__ = ("arcs", "code", "lines", "telling", "ways")

    def __init__(self, code, alone):
        self.code = code
        self.lines = lines_of(code)
        branches = Branches(code)
        self.ways, self.arcs = branches.ways, branches.arcs()
        self.telling = branches.telling
        if not alone:
            starts = {offset for offset, _ in findlinestarts(code)}
            self.telling = {at: arc for at, arc in self.telling.items() if at in starts}


class _Monitoring:
    """Python ≥ 3.12."""

    def __init__(self, codes, seen, saw):
        self._codes, self._seen, self._saw = codes, seen, saw
        self._tool = None
        self._events = {key: _events_of(code) for key, code in codes.items()}

    def start(self):
        monitoring = sys.monitoring
        self._tool = next(tool for tool in _TOOLS if monitoring.get_tool(tool) is None)
        monitoring.use_tool_id(self._tool, _NAME)
        for event, callback in self._callbacks(monitoring.events).items():
            monitoring.register_callback(self._tool, event, callback)
        for key, code in self._codes.items():
            monitoring.set_local_events(self._tool, code.code, self._events[key])

    def intact(self):
        monitoring = sys.monitoring
        return monitoring.get_tool(self._tool) == _NAME and all(
            monitoring.get_local_events(self._tool, code.code) == self._events[key]
            for key, code in self._codes.items()
        )

    def remove(self):
        monitoring = sys.monitoring
        if monitoring.get_tool(self._tool) != _NAME:
            return
        for code in self._codes.values():
            monitoring.set_local_events(self._tool, code.code, 0)
        for event in self._callbacks(monitoring.events):
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)

    def _callbacks(self, events):
        return {
            events.LINE: self._line_callback(),
            events.BRANCH: self._branch_callback(),
            events.INSTRUCTION: self._instruction_callback(),
        }

    def _line_callback(self):
        saw, took, current = self._saw, self._took, sys._getframe
        disable, codes = sys.monitoring.DISABLE, self._codes
        telling = {key: code.telling for key, code in codes.items()}

        def callback(code, line):
            if line in codes[id(code)].lines:
                saw(line, b"[%d]" % line)
            # CPython skips INSTRUCTION where LINE is switched off at that moment.
            arc = telling[id(code)].get(current(1).f_lasti)
            if arc is not None:
                took(code, arc)
            return disable

        return callback

    def _instruction_callback(self):
        took, disable = self._took, sys.monitoring.DISABLE
        telling = {key: code.telling for key, code in self._codes.items()}

        def callback(code, offset):
            arc = telling[id(code)].get(offset)
            if arc is not None:
                took(code, arc)
            return disable

        return callback

    def _branch_callback(self):
        took, disable, codes = self._took, sys.monitoring.DISABLE, self._codes
        awaited = {key: {} for key in codes}  # offset → the destination that is still to be seen

        def callback(code, offset, destination):
            other = awaited[id(code)].get(offset)
            if other is not None and destination != other:
                return None
            ways = codes[id(code)].ways.get(offset)
            if ways is None:
                return disable
            took(code, ways[destination])
            other = self._untold(codes[id(code)], ways)
            if other is None:
                return disable
            awaited[id(code)][offset] = other
            return None

        return callback

    def _took(self, code, arc):
        if arc in self._codes[id(code)].arcs:
            self._saw(arc, b"[%d,%d]" % arc)

    def _untold(self, code, ways):
        """The destination whose arc nothing but the branch's own event would tell."""
        for destination, arc in ways.items():
            if arc in code.arcs and arc not in self._seen and destination not in code.telling:
                return destination
        return None


def _events_of(code):
    """Those its code object needs: the instructions' only where others than the first of a line
    tell of an arc."""
    events = sys.monitoring.events
    if not code.arcs:
        return events.LINE
    starts = {offset for offset, _ in findlinestarts(code.code)}
    more = 0 if starts.issuperset(code.telling) else events.INSTRUCTION
    return events.LINE | events.BRANCH | more


_LEAVES = frozenset((opmap["RETURN_VALUE"], opmap["RAISE_VARARGS"]))


class _Settrace(Hook):
    """Python 3.11."""

    def __init__(self, codes, seen, saw):
        self._codes, self._seen, self._saw = codes, seen, saw
        self._untold = {key: code.lines | code.arcs for key, code in codes.items()}
        self._hook = self._global_hook()

    def _global_hook(self):
        untold = self._untold

        def hook(frame, event, argument):
            left = untold.get(id(frame.f_code))
            return self._local_hook(frame, left) if left else None

        return hook

    def _local_hook(self, frame, left):
        """For one entry into a frame, of whose code ``left`` is still to be seen."""
        saw, last = self._saw, frame.f_lineno
        instructions, leaving = frame.f_code.co_code, -frame.f_code.co_firstlineno

        def told(what, note):
            saw(what, note)
            left.discard(what)
            if not left:
                frame.f_trace_lines = False

        def hook(frame, event, argument):
            nonlocal last
            if event == "line":
                line = frame.f_lineno
                if line in left:
                    told(line, b"[%d]" % line)
            elif event == "return" and instructions[frame.f_lasti] in _LEAVES:
                line = leaving
            else:
                return hook
            if (last, line) in left:
                told((last, line), b"[%d,%d]" % (last, line))
            last = line
            return hook

        return hook
