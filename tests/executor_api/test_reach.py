"""Which programs get their streams in memory: none that may look for them elsewhere."""

import pytest

from executor_api.guest.reach import stays_within_streams

MANY_NAMES = "\n".join(f"name_{n} = {n}" for n in range(300))


@pytest.mark.parametrize(
    "code",
    [
        "print(sum(map(int, input().split())))",
        "import sys\ninput = sys.stdin.readline\nsys.stdout.write(input())",
        "import sys\nprint(sys.stdin.buffer.read())\nsys.setrecursionlimit(9999)",
        "from collections import *\nfrom heapq import heappush as push\nimport collections.abc",
        "from __future__ import annotations\nimport math",
        f"{MANY_NAMES}\nimport math",
        "class Solution:\n    def f(self): return [x for x in self.y]",
        "os = 1\nsignal = [os]\nprint(signal)",
    ],
)
def test_within(code: str) -> None:
    assert stays_within_streams(compile(code, "x", "exec"))


@pytest.mark.parametrize(
    "code",
    [
        "import os",
        "import os.path as p",
        "from os import *",
        "import math, numpy as np",
        "def f():\n    class A:\n        g = lambda self: [__import__('os') for _ in 'x']",
        "def f():\n    from subprocess import run",
        "print(open(0).read())",
        "import sys\nsys.stdin.fileno()",
        "import sys\nsys.modules['posix'].read(0, 9)",
        "import sys\nsys.__stdin__.read()",
        "import sys\nsys.stdin.buffer.raw.read()",
        "import sys\nsys.stdin.detach()",
        "eval(input())",
        "exec('import os')",
        "from . import os",
        "import threading",
        "import random\nrandom._os.fork()",
        "import signal",
        "import io\nio.FileIO(0)",
        f"{MANY_NAMES}\nimport os",
    ],
)
def test_beyond(code: str) -> None:
    assert not stays_within_streams(compile(code, "x", "exec"))
