"""Drives a recorder with ``sys.monitoring`` (PEP 669); Python ≥ 3.12.

Local events on the program's own code objects, so other code runs at full speed. Two details:
``INSTRUCTION`` is switched off, the first time it fires, at every instruction that neither binds
nor repeats a loop on one line; and as such a loop fires ``LINE`` once, its jump back stands for the
further visits. (Not through ``JUMP``: CPython 3.12 and 3.13 skip the handlers around an exception
raised in its callback, and a signal handler of the program may raise in any.)
"""

import sys
from builtins import BaseException, all, id, next, tuple, type

from bindings import ends_iteration

_TOOLS = (4, 3, 1, 2, 0)
_NAME = "coderl-tracer"


class MonitoringDriver:
    def __init__(self, recorder):
        self._recorder = recorder
        self._tool = None
        self._jumps = {}  # id of a frame → the offset that its loop on one line jumped back to

    def start(self):
        monitoring = sys.monitoring
        self._tool = next(tool for tool in _TOOLS if monitoring.get_tool(tool) is None)
        monitoring.use_tool_id(self._tool, _NAME)
        events = monitoring.events
        callbacks = self._callbacks(events)
        self._events = tuple(callbacks)
        for event, callback in callbacks.items():
            monitoring.register_callback(self._tool, event, callback)
        # Exceptions have no local events: the callbacks look at the code object.
        self._global = events.RAISE | events.PY_UNWIND | events.PY_THROW
        monitoring.set_events(self._tool, self._global)
        self._local = events.PY_START | events.PY_RESUME | events.PY_RETURN | events.PY_YIELD
        self._local |= events.LINE
        for code in self._recorder.codes.values():
            monitoring.set_local_events(self._tool, code.code, self._events_of(code))

    def _events_of(self, code):
        return self._local | (sys.monitoring.events.INSTRUCTION if code.plan is None else 0)

    def intact(self):
        monitoring = sys.monitoring
        if monitoring.get_tool(self._tool) != _NAME:
            return False
        return monitoring.get_events(self._tool) == self._global and all(
            monitoring.get_local_events(self._tool, code.code) == self._events_of(code)
            for code in self._recorder.codes.values()
        )

    def remove(self):
        monitoring = sys.monitoring
        if self._tool is None or monitoring.get_tool(self._tool) != _NAME:
            return
        monitoring.set_events(self._tool, 0)
        for code in self._recorder.codes.values():
            monitoring.set_local_events(self._tool, code.code, 0)
        for event in self._events:
            monitoring.register_callback(self._tool, event, None)
        monitoring.free_tool_id(self._tool)

    def _callbacks(self, events):
        return {
            events.PY_START: self._start_callback(),
            events.PY_RESUME: self._guarded(
                lambda frame, at, *_: self._recorder.called(frame, False, at)
            ),
            events.PY_THROW: self._guarded(self._thrown),
            events.PY_RETURN: self._left_callback("return"),
            events.PY_YIELD: self._left_callback("yield"),
            events.RAISE: self._guarded(self._raised),
            events.PY_UNWIND: self._guarded(self._unwound),
            events.LINE: self._line_callback(),
            events.INSTRUCTION: self._instruction_callback(),
        }

    def _guarded(self, report):
        recorder, current = self._recorder, sys._getframe

        def callback(code, *arguments):
            try:
                if recorder.recording and id(code) in recorder.codes:
                    report(current(1), *arguments)
            except BaseException as error:
                if recorder.failed(error):
                    raise

        return callback

    def _start_callback(self):
        recorder, current, codes = self._recorder, sys._getframe, self._recorder.codes

        def callback(code, offset):
            try:
                if recorder.recording and id(code) in codes:
                    recorder.called(current(1), True, offset)
            except BaseException as error:
                if recorder.failed(error):
                    raise

        return callback

    def _left_callback(self, kind):
        recorder, jumps, current = self._recorder, self._jumps, sys._getframe
        counting = {key for key, code in recorder.codes.items() if code.plan is not None}
        codes = recorder.codes.keys() - counting

        def callback(code, offset, value):
            try:
                if not recorder.recording:
                    return
                if id(code) in codes:
                    frame = current(1)
                    if jumps:
                        jumps.pop(id(frame), None)
                    recorder.returned(frame, kind, offset, value)
                elif id(code) in counting:
                    recorder.counted(current(1))
            except BaseException as error:
                if recorder.failed(error):
                    raise

        return callback

    def _line_callback(self):
        recorder, jumps, current = self._recorder, self._jumps, sys._getframe
        follow, disable = recorder.follow, sys.monitoring.DISABLE
        counting = {key for key, code in recorder.codes.items() if code.plan is not None}

        def callback(code, line):
            try:
                frame = current(1)
                offset = frame.f_lasti
                if jumps and jumps.pop(id(frame), None) == offset:
                    return None  # told by the jump
                known = recorder.current
                if known.key == id(frame):
                    move = known.at.moves.get(offset)
                    if move is not None:
                        follow(known, frame, move)
                        return None
                if id(code) in counting:
                    recorder.ran(line)
                    return disable
                if recorder.recording:
                    recorder.line(frame, line, offset)
            except BaseException as error:
                if recorder.failed(error):
                    raise
            return None

        return callback

    def _instruction_callback(self):
        recorder, current = self._recorder, sys._getframe
        disable = sys.monitoring.DISABLE
        flows = {key: code.flow for key, code in recorder.codes.items() if code.flow}
        stores = {key: flow.branching for key, flow in flows.items()}
        loops = {key: flow.loops for key, flow in flows.items()}

        def callback(code, offset):
            try:
                found = stores[id(code)].get(offset)
                if found is not None:
                    if recorder.recording:
                        recorder.stored(current(1), found)
                elif offset in loops[id(code)]:
                    if recorder.recording:
                        self._repeat(current(1), *loops[id(code)][offset])
                else:
                    return disable
            except BaseException as error:
                if recorder.failed(error):
                    raise
            return None

        return callback

    def _thrown(self, frame, *_):
        known = self._recorder.frames.get(id(frame))
        fresh = known is None or known.code.code is not frame.f_code
        self._recorder.called(frame, fresh, None)

    def _raised(self, frame, offset, error):
        if not ends_iteration(frame.f_code, offset, type(error)):
            self._recorder.raised(frame, offset, error)

    def _unwound(self, frame, offset, *_):
        self._jumps.pop(id(frame), None)
        self._recorder.unwound(frame, offset)

    def _repeat(self, frame, destination, line):
        self._jumps[id(frame)] = destination
        self._recorder.line(frame, line, destination)
