"""``proto/`` is what the code says: no drift, and golden pairs that hold."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from executor_api import wire
from tests.service import Service, running_service

ROOT = Path(__file__).parent.parent
GOLDEN = sorted((ROOT / "proto" / "golden").glob("*.json"))
MODELS = {
    "/execute": (wire.ExecuteRequest, wire.ExecuteResponse),
    "/trace": (wire.TraceRequest, wire.TraceResponse),
}


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "export_proto", ROOT / "scripts" / "export_proto.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


export_proto = _script()


def golden(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda path: path.stem)
def pair(request: pytest.FixtureRequest) -> dict[str, Any]:
    return golden(request.param)


def test_the_export_is_up_to_date() -> None:
    on_disk = {
        path.relative_to(ROOT / "proto"): path.read_text(encoding="utf-8")
        for path in [ROOT / "proto" / "openapi.json", *(ROOT / "proto" / "schemas").iterdir()]
    }
    assert on_disk == export_proto.exported(), "run: python scripts/export_proto.py"


def test_the_openapi_document_names_every_endpoint_and_model() -> None:
    document = golden(ROOT / "proto" / "openapi.json")
    assert {"/execute", "/trace", "/healthz", "/readyz", "/version"} <= set(document["paths"])
    text = json.dumps(document)
    referenced = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert referenced <= set(document["components"]["schemas"])


def test_golden_pairs_fit_the_models(pair: dict[str, Any]) -> None:
    request_model, response_model = MODELS[pair["path"]]
    request = request_model.model_validate(pair["request"])
    response = response_model.model_validate(pair["response"])
    assert [result.id for result in response.results] == [p.id for p in request.programs]
    assert [result.index for result in response.results] == list(range(len(request.programs)))


def test_golden_pairs_show_every_verdict_a_program_can_earn() -> None:
    shown = {
        test["verdict"]
        for path in GOLDEN
        for result in golden(path)["response"]["results"]
        for test in result.get("tests", [])
    }
    assert shown == set(wire.Verdict) - {wire.Verdict.SANDBOX_ERROR}


def test_golden_programs_earn_the_verdict_in_their_name() -> None:
    """``execute-time_limit.json`` shows at least one program with that verdict, first."""
    for path in GOLDEN:
        name = path.stem.partition("-")[2]
        if path.stem.startswith("execute-") and name in set(wire.Verdict) - {"skipped"}:
            assert golden(path)["response"]["results"][0]["verdict"] == name


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service("runsc") as running:
        yield running


@pytest.mark.gvisor
def test_the_service_answers_the_golden_requests(service: Service, pair: dict[str, Any]) -> None:
    response = service.client.post(pair["path"], json=pair["request"])
    assert response.status_code == 200, response.text
    if pair["path"] == "/trace":
        _same_python(response.json()["results"], pair["response"]["results"])
    assert export_proto.without_volatile(response.json()) == pair["response"]


def _same_python(answered: list[dict[str, Any]], stored: list[dict[str, Any]]) -> None:
    """Which lines a trace visits is the interpreter's affair: compare within a minor version."""
    here, there = (results[0]["python"].rpartition(".")[0] for results in (answered, stored))
    if here != there:
        pytest.skip(f"the golden traces are of Python {there}, the guest's is {here}")
