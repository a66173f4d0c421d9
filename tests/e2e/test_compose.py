"""``docker compose up`` for real: the service over HTTP, and attacks on the gate in front of the
Docker socket, made from where a captured executor would make them."""

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from executor_api.sandbox.docker_spec import LEFT_OVER, NAME_PREFIX, create_body, create_bytes

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).parents[2]
PROJECT = "coderl-e2e"
KEY = secrets.token_hex(16)
API = "/v1.41"
OURS = f"{NAME_PREFIX}0123456789abcdef"


def _compose(*arguments: str, environment: dict[str, str], check: bool = True) -> str:
    done = subprocess.run(
        ["docker", "compose", "-p", PROJECT, *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if check and done.returncode:
        logs = _compose("logs", "--tail", "40", environment=environment, check=False)
        pytest.fail(f"docker compose {' '.join(arguments)}: {done.stderr}\n{logs}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The base address of a service that docker compose started and found healthy."""
    subprocess.run([REPOSITORY / "scripts/build-base-image.sh"], check=True, timeout=600)
    port = _free_port()
    environment = {
        "CODERL_API_KEYS": f"e2e:{KEY}",
        "CODERL_BIND": "127.0.0.1",
        "CODERL_PORT": str(port),
        "CODERL_SANDBOXES": "2",
    }
    try:
        _compose("up", "--build", "--detach", "--wait", environment=environment)
        yield f"http://127.0.0.1:{port}"
    finally:
        _compose("down", "--volumes", environment=environment, check=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _post(service: str, path: str, body: dict[str, Any], key: str | None = KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.post(service + path, json=body, headers=headers, timeout=120)


def _program(code: str, **test: Any) -> dict[str, Any]:
    return {"programs": [{"id": "p", "code": code, "tests": [test]}]}


# --- the service ---------------------------------------------------------------------------


def test_ready(service: str) -> None:
    assert httpx.get(f"{service}/readyz", timeout=30).status_code == 200


@pytest.mark.parametrize("key", [None, "wrong"])
def test_no_key_no_service(service: str, key: str | None) -> None:
    body = _program("print(1)", kind="stdio", stdout="1\n")
    assert _post(service, "/execute", body, key).status_code == 401


def test_right_program_is_accepted_under_docker(service: str) -> None:
    body = _program("print(int(input()) + 1)", kind="stdio", stdin="2\n", stdout="3\n")
    (result,) = _post(service, "/execute", body).json()["results"]
    assert (result["verdict"], result["passed"], result["runtime"]) == ("accepted", 1, "docker")


def test_wrong_program_is_not(service: str) -> None:
    body = _program("def f(x): return x", kind="call", function="f", args=[1], expected=2)
    (result,) = _post(service, "/execute", body).json()["results"]
    assert (result["verdict"], result["passed"]) == ("wrong_answer", 0)


def test_program_sees_gvisor_and_no_network(service: str) -> None:
    code = (
        "import socket\n"
        "print(open('/proc/version').read().split()[2])\n"
        "try:\n    socket.create_connection(('gate', 2375), 5)\n"
        "except OSError:\n    print('no network')\n"
    )
    body = _program(code, kind="stdio", stdout="4.4.0\nno network\n")
    (result,) = _post(service, "/execute", body).json()["results"]
    assert result["verdict"] == "accepted", result


def test_trace(service: str) -> None:
    body = {"programs": [{"id": "t", "code": "n = 2\nm = n * 3\n"}]}
    (result,) = _post(service, "/trace", body).json()["results"]
    assert result["status"] == "completed"
    assert result["final"]["0"]["m"]["value"] == "6"


def test_executor_runs_without_root_and_without_the_socket(service: str) -> None:
    ask = ("exec", "-T", "executor", "python", "-c")
    seen = _compose(
        *ask,
        "import os; print(os.getuid(), os.path.exists('/var/run/docker.sock'))",
        environment={"CODERL_API_KEYS": KEY},
    )
    assert seen.split() == ["10001", "False"]


def test_a_trainer_elsewhere_trains_against_it_with_its_key(service: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "coderl", "train", "recipes/micro.yaml"),
            *("--executor.url", service, "--output_dir", str(tmp_path)),
            *("--grpo.max_steps", "2", "--data.count", "64"),
        ],
        cwd=REPOSITORY,
        env=os.environ | {"CODERL_API_KEY": KEY, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [row for row in rows if "code/pass_rate" in row]
    assert len(steps) == 2
    assert all(row["executor/failures"] == 0 for row in steps)
    assert all(0 < row["code/pass_rate"] < 1 for row in steps)
    assert steps[1]["alignment/groups"] > 0


# --- the gate ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gate(service: str) -> str:
    """The gate's address on the network it shares with the executor."""
    said = subprocess.run(
        ["docker", "inspect", f"{PROJECT}-gate-1"], capture_output=True, check=True, timeout=60
    )
    networks = json.loads(said.stdout)[0]["NetworkSettings"]["Networks"]
    address: str = networks[f"{PROJECT}_gate"]["IPAddress"]
    return address


def _ask(
    gate: str, method: str, path: str, body: bytes | None = None, *, chunked: bool = False
) -> int:
    """The status of one request, its path sent as it is."""
    connection = http.client.HTTPConnection(gate, 2375, timeout=60)
    try:
        headers = {"Content-Type": "application/json"}
        data = iter([body]) if chunked and body is not None else body
        connection.request(method, path, data, headers, encode_chunked=chunked)
        return connection.getresponse().status
    finally:
        connection.close()


def _create(**changes: Any) -> bytes:
    body = create_body()
    body["HostConfig"] |= changes.pop("HostConfig", {})
    return json.dumps(body | changes).encode()


CREATE = f"{API}/containers/create?name={OURS}"


def test_gate_lets_the_pinned_sandbox_pass_and_be_removed(gate: str) -> None:
    assert _ask(gate, "POST", CREATE, create_bytes()) == 201
    assert _ask(gate, "GET", f"{API}/containers/{OURS}/json") == 200
    assert _ask(gate, "DELETE", f"{API}/containers/{OURS}?force=True") == 204


def test_gate_lets_left_over_sandboxes_be_listed(gate: str) -> None:
    query = {"limit": -1, "all": 1, "size": 0, "trunc_cmd": 0, "filters": json.dumps(LEFT_OVER)}
    assert _ask(gate, "GET", f"{API}/containers/json?{urlencode(query)}") == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_create(Image="python:3.13-slim"), id="another image"),
        pytest.param(_create(Cmd=["sh"]), id="another command"),
        pytest.param(_create(HostConfig={"Runtime": "runc"}), id="another runtime"),
        pytest.param(_create(HostConfig={"Privileged": True}), id="privileged"),
        pytest.param(_create(HostConfig={"Binds": ["/:/host"]}), id="a bind mount"),
        pytest.param(_create(HostConfig={"NetworkMode": "host"}), id="a network"),
        pytest.param(_create(HostConfig={"CapAdd": ["ALL"]}), id="all capabilities"),
        pytest.param(
            create_bytes()[:-1] + b', "hostconfig": {"Privileged": true}}', id="a key in lower case"
        ),
        pytest.param(create_bytes() + b" ", id="one byte more"),
        pytest.param(create_bytes() + b" " * 100_000, id="more than is buffered"),
        pytest.param(b"{}", id="empty"),
    ],
)
def test_gate_denies_any_other_container(gate: str, body: bytes) -> None:
    assert _ask(gate, "POST", CREATE, body) == 403


def test_gate_denies_a_body_without_a_length(gate: str) -> None:
    assert _ask(gate, "POST", CREATE, create_bytes(), chunked=True) == 403


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/containers/create",
        f"{API}/containers/create?name=other",
        f"{API}/containers/create?name={OURS}&name=other",
        f"{API}/containers/create?name={OURS}%2f..%2fother",
        f"/containers/create?name={OURS}",
    ],
)
def test_gate_denies_another_name(gate: str, path: str) -> None:
    assert _ask(gate, "POST", path, create_bytes()) == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"/v1.23/containers/{OURS}/start", b'{"Binds": ["/:/host"]}'),
        ("POST", f"{API}/containers/{OURS}/start", b'{"Binds": ["/:/host"]}'),
        ("POST", f"{API}/containers/{OURS}/exec", b'{"Cmd": ["sh"]}'),
        ("POST", f"{API}/containers/{OURS}/update", b'{"Memory": 0}'),
        ("POST", f"{API}/containers/{OURS}/rename?name=other", None),
        ("PUT", f"{API}/containers/{OURS}/archive?path=/", b"x"),
        ("GET", f"{API}/containers/{OURS}/archive?path=/etc", None),
        ("GET", f"{API}/containers/{PROJECT}-gate-1/json", None),
        ("POST", f"{API}/containers/{PROJECT}-gate-1/attach?stream=1", None),
        ("POST", f"{API}/containers/{PROJECT}-gate-1/kill", None),
        ("DELETE", f"{API}/containers/{PROJECT}-gate-1?force=1", None),
        ("GET", f"{API}/containers/{OURS}/../{PROJECT}-gate-1/json", None),
        ("GET", f"{API}/containers/{OURS}%2f..%2f{PROJECT}-gate-1/json", None),
        ("DELETE", f"{API}/containers/{OURS}/../{PROJECT}-gate-1", None),
        ("GET", f"{API}/containers/json?all=1", None),
        ("POST", f"{API}/containers/prune", None),
        ("POST", f"{API}/build", b"x"),
        ("POST", f"{API}/commit?container={OURS}", b"{}"),
        ("POST", f"{API}/images/create?fromImage=evil", None),
        ("POST", f"{API}/images/load", b"x"),
        ("POST", f"{API}/images/coderl-sandbox/tag?repo=other", None),
        ("DELETE", f"{API}/images/coderl-sandbox", None),
        ("GET", f"{API}/images/coderl-gate/json", None),
        ("POST", f"{API}/networks/create", b"{}"),
        ("POST", f"{API}/volumes/create", b"{}"),
        ("POST", f"{API}/plugins/pull?remote=evil", b"[]"),
        ("POST", f"{API}/swarm/init", b"{}"),
        ("GET", f"{API}/events", None),
        ("POST", "/session", None),
        ("POST", "/grpc", None),
    ],
)
def test_gate_denies_everything_else(gate: str, method: str, path: str, body: bytes | None) -> None:
    assert _ask(gate, method, path, body) == 403
