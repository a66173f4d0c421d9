"""Every attack gets the verdict that describes it and nothing else; the honest programs that run
in the same sandbox after it are accepted, and find nothing that it has left."""

from typing import Any

import pytest

from tests.security.attacks import LOOK, UNREACHABLE, Attack, attempt, check
from tests.security.cheats import CHEATS, HONEST
from tests.security.escapes import ESCAPES
from tests.security.native import NATIVE
from tests.service import Service


def parameters(attacks: list[Attack]) -> list[object]:
    return [
        pytest.param(
            attack,
            id=attack.name,
            marks=[pytest.mark.xfail(reason=attack.survives, strict=True)] * bool(attack.survives)
            + [pytest.mark.languages] * (attack.language != "python"),
        )
        for attack in attacks
    ]


def attempt_and_check(
    service: Service, attack: Attack, request: pytest.FixtureRequest, *honest: dict[str, Any]
) -> None:
    tried = attempt(service, attack, *honest)
    request.node.user_properties += [
        *(("runtime", tried.result["runtime"]), ("family", attack.family)),
        *(("verdict", tried.result["verdict"]), ("retired", sorted(tried.retired.items()))),
    ]
    check(attack, tried)


@pytest.mark.parametrize("attack", parameters(CHEATS))
def test_cheat(service: Service, attack: Attack, request: pytest.FixtureRequest) -> None:
    attempt_and_check(service, attack, request, HONEST[attack.tests[0]["kind"]])


@pytest.mark.parametrize("attack", parameters([*ESCAPES, *NATIVE]))
def test_escape(service: Service, attack: Attack, request: pytest.FixtureRequest) -> None:
    attempt_and_check(service, attack, request)


LEAVE = """
import os, socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0mark")
listener.listen()
for folder in ("/tmp", "/dev/shm", "."):
    open(folder + "/left", "w").close()
if os.fork() == 0:
    time.sleep(9)
"""


def test_what_is_left_would_be_found(service: Service) -> None:
    program = {"code": LEAVE + LOOK, "tests": [UNREACHABLE], "isolation": "sandbox"}
    (result,) = service.execute(program)
    found = result["tests"][0]["stdout"]
    kinds = ("process", "/tmp/left", "/dev/shm/left", "./left", "socket")
    assert [kind for kind in kinds if f"'{kind}'" not in found] == []
