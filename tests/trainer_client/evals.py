"""Small cases and results for the tests of evaluations."""

from executor_api.wire import AssertTest
from trainer_client.data.problem import Problem
from trainer_client.evals.cases import Case
from trainer_client.evals.metrics import compute_metrics
from trainer_client.evals.programs import problem_case
from trainer_client.evals.results import Problem as Outcome
from trainer_client.evals.results import Results
from trainer_client.evals.wording import generic

A, W, N = "accepted", "wrong_answer", "no_verdict"


def problem(id: str = "add", starter_code: str = "", preamble: str = "") -> Problem:
    return Problem(
        id=id,
        prompt="Add two numbers with `add`.",
        starter_code=starter_code,
        preamble=preamble,
        tests=[AssertTest(kind="assert", code=f"assert add({n}, 2) == {n + 2}") for n in range(2)],
    )


def case(id: str = "add") -> Case:
    made = problem(id)
    return problem_case(made, generic(made))


def results(benchmark: str, *problems: Outcome, ks: tuple[int, ...] = (1,)) -> Results:
    return Results(
        benchmark=benchmark,
        subject="somebody",
        data={"source": "here"},
        sampling={},
        executor={"runtime": "runsc"},
        started="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        ks=list(ks),
        metrics=compute_metrics(benchmark, problems, ks)[0],
        verdicts={},
        problems=list(problems),
    )
