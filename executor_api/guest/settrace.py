"""Drives a recorder with ``sys.settrace``; Python 3.11."""

import sys
import threading
from builtins import BaseException, frozenset, id
from dis import opmap

from bindings import ends_iteration

_RETURN = frozenset({opmap["RETURN_VALUE"]})
_YIELD = opmap["YIELD_VALUE"]
_RESUME = opmap["RESUME"]


class Hook:
    """``_hook`` in all threads."""

    def start(self):
        threading.settrace(self._hook)
        sys.settrace(self._hook)

    def intact(self):
        return sys.gettrace() is self._hook

    def remove(self):
        """In other threads the hook removes itself at its next call."""
        threading.settrace(None)
        sys.settrace(None)


class SettraceDriver(Hook):
    def __init__(self, recorder):
        self._recorder = recorder
        self._locals = {key: _local_hook(recorder, code) for key, code in recorder.codes.items()}
        self._hook = self._global_hook()

    def _global_hook(self):
        recorder, hooks = self._recorder, self._locals

        def hook(frame, event, argument):
            try:
                local = hooks.get(id(frame.f_code))
                if local is None:
                    return None
                if not recorder.recording:
                    sys.settrace(None)
                    return None
                if recorder.codes[id(frame.f_code)].flow.branching:
                    frame.f_trace_opcodes = True
                recorder.called(frame, not _resumes(frame), frame.f_lasti)
            except BaseException as error:
                if recorder.failed(error):
                    raise
            return local

        return hook


def _resumes(frame):
    """True where a generator goes on, by ``send`` or ``throw``; false at a frame's start."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] == _RESUME:
        return code[at + 1] & 3 != 0
    return code[at] == _YIELD


def _local_hook(recorder, code):
    stores = code.flow.branching
    instructions = code.code.co_code
    raised_at = {}

    def hook(frame, event, argument):
        try:
            if event == "opcode":
                found = stores.get(frame.f_lasti)
                if found is not None and recorder.recording:
                    recorder.stored(frame, found)
            elif not recorder.recording:
                sys.settrace(None)
            elif event == "line":
                raised_at.pop(id(frame), None)
                recorder.line(frame, frame.f_lineno, frame.f_lasti)
            elif event == "exception":
                if ends_iteration(code.code, frame.f_lasti, argument[0]):
                    return hook
                raised_at[id(frame)] = frame.f_lasti
                recorder.raised(frame, frame.f_lasti, argument[1])
            elif event == "return":
                _left(frame, argument, raised_at.pop(id(frame), None))
        except BaseException as error:
            if recorder.failed(error):
                raise
        return hook

    def _left(frame, value, raised):
        """Returned, yielded, or unwound? settrace does not say; the instruction does, unless an
        exception was thrown in just where the frame had paused."""
        instruction = instructions[frame.f_lasti]
        if raised == frame.f_lasti:
            recorder.unwound(frame, frame.f_lasti)
        elif instruction in _RETURN:
            recorder.returned(frame, "return", frame.f_lasti, value)
        elif instruction == _YIELD:
            recorder.returned(frame, "yield", frame.f_lasti, value)
        else:
            recorder.unwound(frame, frame.f_lasti)

    return hook
