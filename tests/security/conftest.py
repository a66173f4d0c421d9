"""A service under each runtime, and a table of what the attacks came to."""

import contextlib
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.attacks import HOST_FOLDERS, MARK
from tests.service import Service, running_service

REPOSITORY = Path(__file__).parents[2]
RUNTIMES = [
    pytest.param("runsc", marks=pytest.mark.gvisor),
    pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.slow, pytest.mark.exhaustive]),
]


@pytest.fixture(scope="session")
def sandbox_image() -> None:
    """The image of the docker runtime, from the sources as they are."""
    subprocess.run([REPOSITORY / "scripts/build-base-image.sh"], check=True, timeout=600)
    build = ("docker", "build", "-q", "-t", "coderl-sandbox", "-f", "services/sandbox/Dockerfile")
    subprocess.run([*build, "."], cwd=REPOSITORY, check=True, timeout=600)


@pytest.fixture(scope="session", autouse=True)
def marks() -> Iterator[None]:
    """Files of the machine that no sandbox may show."""
    placed = []
    for folder in HOST_FOLDERS:
        with contextlib.suppress(OSError):
            (Path(folder) / MARK).write_text(MARK)
            placed.append(Path(folder) / MARK)
    assert placed
    yield
    for path in placed:
        path.unlink()


@pytest.fixture(scope="session", params=RUNTIMES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """With one sandbox: what runs after an attack, runs where it has been."""
    if request.param == "docker":
        request.getfixturevalue("sandbox_image")
    with running_service(request.param, "--sandboxes", "1", CODERL_ATTEMPTS="1") as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """For each family: attacks tried, how many of them survived, and the verdicts."""
    table: dict[tuple[str, str], list[pytest.TestReport]] = defaultdict(list)
    for outcome in ("passed", "failed", "xfailed"):
        for report in terminalreporter.getreports(outcome):
            found = dict(report.user_properties)
            if "family" in found and report.when == "call":
                table[found["runtime"], found["family"]].append(report)
    if not table:
        return
    terminalreporter.section("attacks")
    write = terminalreporter.write_line
    write(f"{'runtime':8} {'family':28} {'tried':>5} {'survived':>8}  verdicts")
    for (runtime, family), reports in sorted(table.items()):
        verdicts = Counter(dict(report.user_properties)["verdict"] for report in reports)
        said = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.most_common())
        survived = sum(report.outcome != "passed" for report in reports)
        write(f"{runtime:8} {family:28} {len(reports):5} {survived:8}  {said}")
    tried = [report for reports in table.values() for report in reports]
    survivors = [report for report in tried if report.outcome != "passed"]
    retired = sum((Counter(dict(dict(r.user_properties)["retired"])) for r in tried), Counter())
    write(f"{len(tried)} attacks, {len(survivors)} survivors; sandboxes retired: {dict(retired)}")
    for report in survivors:
        name = report.nodeid.partition("[")[2].removesuffix("]")
        write(f"  {name}: {getattr(report, 'wasxfail', 'see its failure above')}")
