"""What the children of the test benches share: jobs from standard input, each run in a process of
its own. Any Python ≥ 3.11, standard library only."""

import json
import os
import sys
import traceback


def serve(run):
    """Read one JSON job a line, write what ``run(job)`` returns as one line of JSON, or
    ``{"failure"}`` with a traceback."""
    for line in sys.stdin:
        sys.__stdout__.write(_run_in_fork(run, json.loads(line)) + "\n")
        sys.__stdout__.flush()


def _run_in_fork(run, job):
    source, sink = os.pipe()
    if (child := os.fork()) == 0:
        try:
            answer = run(job)
        except BaseException:
            answer = {"failure": traceback.format_exc()}
        with os.fdopen(sink, "w") as out:
            json.dump(answer, out)
        os._exit(0)
    os.close(sink)
    with os.fdopen(source) as answers:
        text = answers.read()
    os.waitpid(child, 0)
    return text
