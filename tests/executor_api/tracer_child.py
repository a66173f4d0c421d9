"""Runs programs under the recorder, under a naive tracer, or under none: the tracer's test bench.

Any Python ≥ 3.11, standard library only: ``python tracer_child.py GUEST_FOLDER``. Jobs as in
``forked_jobs.py``.
"""

import dis
import io
import random
import sys

sys.path.insert(0, sys.argv[1])

from bindings import OPTIMIZED, hidden, program_codes
from counting import counted
from describe import Describer
from forked_jobs import serve
from tracer import Recorder

_ENDS = ("FOR_ITER", "SEND", "END_SEND")  # where settrace sees a loop or await end


class NaiveTracer:
    """Describes every variable at every event; the truth to compare with."""

    def __init__(self, code, limits):
        self._codes = {id(code) for code, _ in program_codes(code)}
        self._describe = Describer(
            limits["max_value_chars"], limits["max_items"], limits["max_depth"]
        )
        self._frames = {}  # id → its number and itself, so that no other has that id
        self._most = limits.get("naive_events")
        self._namespaces = {}
        self.events = []

    def start(self):
        sys.settrace(self._hook)

    def stop(self):
        sys.settrace(None)

    def _hook(self, frame, event, argument):
        if id(frame.f_code) not in self._codes:
            return None
        at = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        if event == "exception" and argument[0] is StopIteration and at in _ENDS:
            return self._hook
        if event == "line" and not frame.f_lineno:  # of an empty program
            return self._hook
        if len(self.events) == self._most:
            sys.settrace(None)
            return None
        if id(frame) not in self._frames:
            self._frames[id(frame)] = len(self._frames), frame
        number = self._frames[id(frame)][0]
        if number not in self._namespaces and not frame.f_code.co_flags & OPTIMIZED:
            self._namespaces[number] = frame.f_locals
        variables = self._namespaces.get(number)
        state = self._state(frame.f_locals if variables is None else variables)
        self.events.append([event, frame.f_lineno, number, state])
        return self._hook

    def _state(self, variables):
        named = {k: v for k, v in dict(variables).items() if type(k) is str and not hidden(k)}
        return {k: str(self._describe(v)) for k, v in named.items()}


class Told(io.StringIO):
    """Output that tells how much of it there is."""

    def __init__(self, tell):
        super().__init__()
        self._tell = tell

    def write(self, text):
        written = super().write(text)
        self._tell(self.tell())
        return written


def run(job):
    code = compile(job["code"], "<program>", "exec")
    records = []
    tracer = None
    if job["mode"] == "record":
        plans = {}
        if job.get("count") and (found := counted(job["code"], "<program>")) is not None:
            code, plans = found
        tracer = Recorder(code, job["limits"], job["detail"], records.append, job["code"], plans)
    elif job["mode"] == "naive":
        tracer = NaiveTracer(code, job["limits"])
    answer = perform(code, job, tracer)
    if job["mode"] == "record":
        tracer.finish()
        answer["records"] = b"".join(records).decode("ascii")
        answer["counted"] = bool(plans)
    elif job["mode"] == "naive":
        answer["events"] = tracer.events
    return answer


def perform(code, job, tracer):
    sys.stdin, sys.stdout = io.StringIO(job.get("stdin", "")), io.StringIO()
    if job.get("tell"):
        sys.stdout = Told(tracer.wrote)
    random.seed(0)
    namespace = {"__name__": "__main__"}
    answer = {"raised": None, "value": None}
    if tracer:
        tracer.start()
    try:
        exec(code, namespace)
        if job.get("call"):
            answer["value"] = repr(eval(job["call"], namespace))
    except BaseException as error:
        answer["raised"] = type(error).__name__
    finally:
        if tracer:
            tracer.stop()
    answer["stdout"] = sys.stdout.getvalue()
    return answer


if __name__ == "__main__":
    serve(run)
