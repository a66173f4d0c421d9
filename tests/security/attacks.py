"""What an attack is, and how it is tried: between it and the next attack runs a program that looks
for what is left of it."""

import json
import math
import re
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.service import Service

SECRET = f"secret-{secrets.token_hex(8)}"
"""What the tests of an attack expect, where nothing else is said. It is nowhere in the sandbox."""

INSIDE = f"inside-{secrets.token_hex(8)}"
"""The same of the tests that are judged in the sandbox, but not by the program's process."""

HOST_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home", "/srv", "/etc")
MARK = f"mark-{secrets.token_hex(8)}"
"""A file that the tests place in those folders of the machine, as far as they may."""

LIMITS = {
    **{"cpu_seconds": 0.5, "wall_seconds": 1.5, "memory_mb": 64},
    **{"output_bytes": 100_000, "processes": 8},
}
BUILD_SECONDS = 30
"""That a compiler may take before that."""
MARGIN_SECONDS = 1.0
"""By which a test may cross its limit."""
TURN_SECONDS = 10.0
"""Beyond that, for a busy machine: to clean up, or to start another sandbox."""
HELD_UP_SECONDS = 1.5
"""For which the service may leave a caller of another route without an answer."""
SHOWN_CHARS = 16_000
"""Of an exception or a value, in a result."""

UNREACHABLE = {"kind": "stdio", "stdin": "", "stdout": "unreachable"}
CALL = {"kind": "call", "function": "f", "args": [3], "expected": SECRET}
ASSERT = {"kind": "assert", "code": f"assert f(3) == {SECRET!r}"}
OPAQUE = {"kind": "assert", "code": f"with open('/dev/null'):\n    assert f(3) == {INSIDE!r}"}
"""An assertion that the host cannot turn into a call: it stays ``trust: low``."""

CLEAN = "clean"
LOOK = """
import ctypes, os, socket

found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if os.stat(f"/proc/{pid}").st_uid != 0 and int(pid) != os.getpid():
            found.append(("process", pid, open(f"/proc/{pid}/cmdline").read()))
    except OSError:
        continue
for folder in ("/tmp", "/dev/shm", "/box", "."):
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.realpath(path) != os.getcwd():
            found.append(("file", path))
libc = ctypes.CDLL(None, use_errno=True)
for what, get in (("shm", libc.shmget), ("sem", libc.semget)):
    if get(7391, 0, 0) >= 0:
        found.append((what, 7391))
if libc.msgget(7391, 0) >= 0:
    found.append(("msg", 7391))
if libc.mq_open(b"/mark", os.O_RDONLY) >= 0:
    found.append(("mq", "/mark"))
for address in ("\\0mark", ("127.0.0.1", 7391)):
    family = socket.AF_UNIX if type(address) is str else socket.AF_INET
    try:
        socket.socket(family).connect(address)
        found.append(("socket", address))
    except OSError:
        continue
for path in ("/tmp", "/dev/shm"):
    if open("/proc/self/mounts").read().count(f" {path} ") != 1:
        found.append(("mount", path))
if socket.gethostname() != "sandbox":
    found.append(("hostname", socket.gethostname()))
print(found or "clean")
"""
"""Prints what a program before it has left where a program could have, or that it is clean."""


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    family: str
    code: str
    verdicts: frozenset[str]
    """Any of which describes it."""
    tests: tuple[dict[str, Any], ...] = (UNREACHABLE,)
    language: str = "python"
    limits: dict[str, Any] = field(default_factory=dict)
    """Where they are others than ``LIMITS``."""
    before: tuple[dict[str, Any], ...] = ()
    """Honest programs that run before it."""
    survives: str | None = None
    """Why it still gets what it wants."""

    @property
    def program(self) -> dict[str, Any]:
        limits = LIMITS | self.limits
        return {
            **{"id": self.name, "code": self.code, "tests": list(self.tests), "limits": limits},
            **{"language": self.language},
        }


def family(name: str, test: dict[str, Any], attacks: dict[str, tuple[str, str]]) -> list[Attack]:
    """Attacks of one family on the same test: name → (verdicts, code)."""
    return [
        Attack(each, name, code, frozenset(verdicts.split("|")), (test,))
        for each, (verdicts, code) in attacks.items()
    ]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of an attack."""

    result: dict[str, Any]
    neighbours: list[dict[str, Any]]
    """Of the honest programs."""
    seconds: float
    """From the request to the answer for all of them."""
    retired: Counter[str]
    """Sandboxes thrown away meanwhile, by reason."""
    held_up: float
    """The longest that the service left another caller waiting meanwhile."""


def attempt(service: Service, attack: Attack, *honest: dict[str, Any]) -> Tried:
    """Run the attack, an honest program, and one that looks for what is left."""
    before = _retired(service)
    look = {"id": "look", "code": LOOK, "tests": [UNREACHABLE | {"stdout": CLEAN}]}
    started = time.monotonic()
    with _Bystander(service.url) as bystander:
        programs = (*attack.before, attack.program, *honest, look)
        results = service.execute(*programs, deduplicate=False)
    result = results.pop(len(attack.before))
    seconds, retired = time.monotonic() - started, _retired(service) - before
    tried = Tried(result, results, seconds, retired, bystander.longest)
    if results[-1]["verdict"] != "accepted":  # what is left is not to be found a second time
        service.execute(look | {"isolation": "sandbox"})
    return tried


def _retired(service: Service) -> Counter[str]:
    text = service.client.get("/metrics").text
    found = re.findall(r'^coderl_sandboxes_retired_total{reason="(\w+)"} (\S+)', text, re.M)
    return Counter({reason: int(float(count)) for reason, count in found})


class _Bystander:
    """Asks the service whether it is there, over and over."""

    def __init__(self, url: str) -> None:
        self.longest = 0.0
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "_Bystander":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60, verify=False) as client:
            while not self._over.wait(0.05):
                started = time.monotonic()
                try:
                    client.get("/healthz")
                except httpx.HTTPError:
                    self.longest = math.inf
                    return
                self.longest = max(self.longest, time.monotonic() - started)


def check(attack: Attack, tried: Tried) -> None:
    """Raise ``AssertionError`` where the attack got anything, or others had to pay for it."""
    result, limits = tried.result, LIMITS | attack.limits
    built = result["verdict"] != "compile_error"
    seconds = (limits["wall_seconds"] if built else BUILD_SECONDS) + MARGIN_SECONDS
    assert result["verdict"] in attack.verdicts, result
    assert result["passed"] == 0
    assert not tried.retired["died"]
    for test in result["tests"]:
        said = [test["stdout"], test["stderr"], test["value"], test["exception"]]
        assert SECRET not in json.dumps(said)
        assert INSIDE not in json.dumps(said)
        assert max(len(test["stdout"]), len(test["stderr"])) <= limits["output_bytes"]
        assert len(json.dumps(said[2:])) <= SHOWN_CHARS
        assert test["wall_seconds"] <= seconds
    for neighbour in tried.neighbours:
        assert neighbour["verdict"] == "accepted", neighbour["tests"]
    assert tried.seconds <= seconds * len(attack.tests) + TURN_SECONDS
    assert tried.held_up <= HELD_UP_SECONDS
