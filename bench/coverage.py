"""What coverage costs a program: its CPU time with coverage over that without.

    coderl bench coverage
    coderl bench coverage --python /usr/bin/python3.13 --rounds 9

Both ways run each program in fresh processes of the interpreter given, in turns; the least CPU time
of each counts, since other work on the machine only adds to it. ``begin`` is what coverage takes
before the program's first instruction, and is in the ratio.

Simplifications: no sandbox, which changes neither computing nor the hook; and nobody reads the
notes, each of which, one a line and one a branch, is a write to a pipe or to shared memory.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

GUEST = Path(__file__).parents[1] / "executor_api" / "guest"

PROGRAMS = {
    "sum over integers": """
t = 0
for i in range(300_000):
    t += i * i % 7
""",
    "while": """
def f(n):
    t = 0
    while n:
        n -= 1
        t += n
f(300_000)
""",
    "if and else": """
def f(n):
    t = 0
    for i in range(n):
        if i % 3:
            t += i
        else:
            t -= 1
f(300_000)
""",
    "lists": """
xs, ys = [], []
for i in range(150_000):
    xs.append(i)
    if i % 2:
        ys.append(xs[-1])
xs.sort()
""",
    "dictionary": """
d = {}
for i in range(150_000):
    k = str(i % 1000)
    d[k] = d.get(k, 0) + 1
""",
    "recursion": """
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)
fib(25)
""",
    "loop with break": """
def f(xs):
    t = 0
    for x in xs:
        t += x % 7
        if x == 299_999:
            break
f(range(300_001))
""",
    "if that is never true": """
def f(n):
    t = 0
    for i in range(n):
        if i < 0:
            t += 1
        t += 2
f(300_000)
""",
    "if that is always true": """
def f(n):
    t = 0
    for i in range(n):
        if i >= 0:
            t += 1
        t += 2
f(300_000)
""",
    "always true, last in a loop": """
def f(n):
    t = 0
    for i in range(n):
        if 0 <= i < n:
            t += 1
f(300_000)
""",
    "while with break": """
def f(n):
    t = 0
    while n >= 0:
        n -= 1
        t += n
        if not n:
            break
    return t
f(300_000)
""",
    "condition on two lines": """
def f(n):
    t = 0
    for i in range(n):
        if (i >= 0
                and n):
            t += 1
        t += 2
f(300_000)
""",
    "value on two lines": """
def f(n):
    t = 0
    for i in range(n):
        t += (i >= 0
              and n)
f(300_000)
""",
}

_CHILD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from covered import Coverage
from waymarks import marked
source = sys.stdin.read()
code = compile(source, "<program>", "exec")
begun = time.process_time()
if sys.argv[2] == "covered":
    code = marked(code, source)
    Coverage(code, len).start()
started = time.process_time()
exec(code, {})
print(json.dumps([started - begun, time.process_time() - begun]))
"""


def measure(python: str, code: str, way: str) -> tuple[float, float]:
    """CPU seconds of (beginning coverage, all)."""
    command = [python, "-c", _CHILD, str(GUEST), way]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, input=code, capture_output=True, text=True, check=True, env=environment
    )
    begin, total = json.loads(done.stdout)
    return begin, total


def main() -> None:
    parser = argparse.ArgumentParser(prog="coderl bench coverage", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for name, code in PROGRAMS.items():
        pairs = [
            (measure(options.python, code, "plain"), measure(options.python, code, "covered"))
            for _ in range(options.rounds)
        ]
        plain = min(total for (_, total), _ in pairs)
        covered = min(total for _, (_, total) in pairs)
        begin = min(begin for _, (begin, _) in pairs)
        rows.append({"program": name, "plain": plain, "covered": covered, "begin": begin})
    if options.json:
        print(json.dumps(rows))
        return
    table = Table("program", "plain, ms", "covered, ms", "begin, ms", "ratio")
    for row in rows:
        times = [f"{1000 * row[way]:.1f}" for way in ("plain", "covered", "begin")]
        table.add_row(row["program"], *times, f"{row['covered'] / row['plain']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
