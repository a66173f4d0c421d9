"""Runs programs under the guest's coverage, or under coverage.py: the test bench of coverage.

Any Python ≥ 3.11: ``python coverage_child.py GUEST_FOLDER FOLDER_OF_COVERAGE_PY``. Jobs as in
``forked_jobs.py``: ``{"code", "oracle", "traced"}``.
"""

# ruff: noqa: E402 (the path comes first)
import contextlib
import io
import json
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, sys.argv[1])
sys.path.append(sys.argv[2])
warnings.simplefilter("ignore")

from branches import Branches, all_codes
from coverage import Coverage as Oracle
from covered import Coverage
from forked_jobs import serve
from tracer import Recorder
from waymarks import marked

_LIMITS = dict.fromkeys(("max_events", "max_bytes"), 1 << 30)
_LIMITS |= {"max_value_chars": 200, "max_items": 20, "max_depth": 4}


def run(job):
    return theirs(job["code"]) if job["oracle"] else ours(job["code"], job["traced"])


def ours(code, traced):
    notes, records = [], []
    compiled = compile(code, "<program>", "exec")
    if not traced:
        compiled = marked(compiled, code)
    coverage = Coverage(compiled, notes.append, alone=not traced)
    coverage.start()
    recorder = Recorder(compiled, _LIMITS, "lines", records.append, code, {})
    if traced:
        recorder.start()
    run = perform(compiled)
    coverage.stop()
    if traced:
        recorder.stop()
    possible, *seen = map(json.loads, notes)
    return run | {"possible": possible, "seen": seen, "untold": untold(compiled)}


def untold(compiled):
    """Arcs that only a branch's own event tells of, each time it is passed."""
    found = set()
    for code in map(Branches, all_codes(compiled)):
        for ways in code.ways.values():
            found.update(arc for to, arc in ways.items() if arc and to not in code.telling)
    return sorted(found)


def theirs(code):
    with tempfile.TemporaryDirectory() as folder:
        file, report = Path(folder, "program.py"), Path(folder, "report.json")
        file.write_text(code)
        oracle = Oracle(data_file=None, branch=True, config_file=False, include=[str(file)])
        oracle.start()
        run = perform(compile(code, str(file), "exec"))
        oracle.stop()
        oracle.json_report(outfile=str(report))
        (found,) = json.loads(report.read_text())["files"].values()
    return run | found


def perform(compiled):
    raised = None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compiled, {"__name__": "__main__"})
        except BaseException as error:
            raised = type(error).__name__
    return {"raised": raised, "stdout": out.getvalue()}


if __name__ == "__main__":
    serve(run)
