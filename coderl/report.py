"""``coderl report``: the page of a training run, with traces of failed programs where asked for."""

from pathlib import Path

import typer

from coderl.executors import executor_config, failing, with_client
from executor_api.wire import TraceProgram, TraceResult
from trainer_client import ExecutorError
from trainer_client.client.types import Trace
from trainer_client.report import Report, write_report
from trainer_client.run_report import NoRun, read_run, request_trace, traced

__all__ = ["report_run"]

TRACE_SECONDS = 120.0


def report_run(run: Path, trace: bool, url: str | None, runtime: str | None) -> Path:
    """Write the report of a run into its directory; return the page's path."""
    try:
        report = read_run(run)
    except NoRun as error:
        raise typer.BadParameter(str(error), param_hint="RUN") from None
    if trace:
        with failing("report: no traces"):
            _add_traces(report, run / "executor.log", url, runtime)
    return write_report(report, run)


def _add_traces(report: Report, log: Path, url: str | None, runtime: str | None) -> None:
    """Run the failed programs that are shown, each on the input it failed on."""
    wanted = [(rollout, request_trace(rollout)) for rollout in report.rollouts]
    asked = [(rollout, program) for rollout, program in wanted if program is not None]
    if not asked:
        return
    results = _trace([program for _, program in asked], log, url, runtime)
    for (rollout, program), result in zip(asked, results, strict=True):
        if isinstance(result, TraceResult) and result.status != "sandbox_error":
            rollout.trace = traced(program.code, result)


def _trace(
    programs: list[TraceProgram], log: Path, url: str | None, runtime: str | None
) -> list[Trace]:
    config = executor_config(url, runtime, sandboxes=1)
    results = with_client(
        config,
        lambda client: client.trace(
            programs, deadline_seconds=TRACE_SECONDS, return_exceptions=True
        ),
        log,
    )
    if isinstance(results[0], ExecutorError) and not any(
        isinstance(result, TraceResult) for result in results
    ):
        raise results[0]
    return results
