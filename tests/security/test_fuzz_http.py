"""Requests generated from the OpenAPI document, right and wrong ones, against a real service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.service import KEY, Service, running_service

pytestmark = pytest.mark.gvisor

schema = schemathesis.openapi.from_path(Path(__file__).parents[2] / "proto" / "openapi.json")


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Service]:
    limits = {"CODERL_PROGRAM_SECONDS": "3", "CODERL_AUTH_FAILURES": "100000"}
    with running_service("runsc", **limits) as service:
        yield service
        log = service.log_file.read_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


UNCHECKED = [
    negative_data_rejection,  # `"deduplicate": 0` is read as false, as Pydantic does
    positive_data_acceptance,  # the schema cannot say that test code must parse
]


@schema.parametrize()
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: Case, fuzzed: Service) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    case.call_and_validate(
        base_url=fuzzed.url, headers=headers, timeout=60, excluded_checks=UNCHECKED
    )
