"""Public data sets as programs with tests: the references, and mutants of them."""

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tests.data_sets import CRUXEVAL, DATA, HUMANEVAL
from tests.security.mutations import MUTATIONS
from trainer_client.data.files import read_rows
from trainer_client.data.problem import Problem, load_problems
from trainer_client.micro.family import Split
from trainer_client.micro.problems import generate

REPOSITORY = Path(__file__).parents[2]
MICRO_PROBLEMS = 200
MUTANT_CPU_SECONDS = 0.5
SYNTAX_ERROR_EVERY = 12
MUTANT_ASSERTIONS = 2
"""An endless loop in each of a hundred calls takes minutes."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A program as ``/execute`` or ``/trace`` takes it."""

    path: str
    fault: str
    """``none``, or a key of ``MUTATIONS``, or ``syntax``."""
    program: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """A reference solution."""

    id: str
    code: str
    entry: str | None
    """The function that is called, a method by its bare name; None for a program that prints."""
    tests: list[dict[str, Any]]
    fewer: list[dict[str, Any]]
    """The tests of a mutant."""
    call: str | None = None
    """A call to be traced."""


@dataclass(frozen=True, slots=True)
class DataSet:
    name: str
    items: Callable[[], Iterator[Item]]
    file: Path | None = None
    part: int | None = None
    """References of it in the long test, where all would take too long."""

    @property
    def missing(self) -> str | None:
        if self.file is None or self.file.exists():
            return None
        return f"the data set is not beside the repository: no {self.file}"

    def cases(self, most: int | None = None) -> list[Case]:
        """Each reference and one mutant of it, the faults taking turns; of ``most`` references
        where given, taken from all over the set."""
        items = list(self.items())
        step = 1 if most is None else max(1, len(items) // most)
        chosen = islice(items[::step], most)
        return [case for number, item in enumerate(chosen) for case in _cases(item, number)]


def _cases(item: Item, number: int) -> Iterator[Case]:
    yield Case("/execute", "none", {"id": item.id, "code": item.code, "tests": item.tests})
    fault, mutant = _mutant(item, number)
    hurried = {"cpu_seconds": MUTANT_CPU_SECONDS, "wall_seconds": 20, "memory_mb": 256}
    bad = {"id": item.id, "code": mutant, "limits": hurried}
    options = {"tests": item.fewer, "stop_on_failure": "endless" in fault}
    yield Case("/execute", fault, bad | options)
    if number % SYNTAX_ERROR_EVERY == 0:
        yield Case("/execute", "syntax", bad | options | {"code": item.code + "\n)"})
    if item.call is not None:
        for code, name in ((item.code, "none"), (mutant, fault)):
            traced = {"id": item.id, "code": f"{code}\n__input = lambda: {item.call}\n"}
            call = {"call": {"function": "__input"}, "limits": hurried}
            yield Case("/trace", name, traced | call)


def _mutant(item: Item, number: int) -> tuple[str, str]:
    """A fault and the program that has it: the first that it can have, in turn from ``number``."""
    names = list(MUTATIONS)
    for name in (*names[number % len(names) :], *names):
        tree = _parsed(item.code)
        if MUTATIONS[name](_entry(tree, item.entry)):
            return name, ast.unparse(ast.fix_missing_locations(tree))
    raise AssertionError("an endless loop fits into any program")


def _entry(tree: ast.Module, name: str | None) -> ast.FunctionDef | ast.Module:
    """The last function of that name, or the whole program."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return next((node for node in reversed(functions) if node.name == name), tree)


# --- the sets -------------------------------------------------------------------------------


def _rows(path: Path) -> Iterator[Row]:
    return (row for _, row in read_rows(path))


def _assert(code: str) -> dict[str, Any]:
    return {"kind": "assert", "code": code}


def _humaneval() -> Iterator[Item]:
    for row in _rows(HUMANEVAL):
        code, entry = row["prompt"] + row["canonical_solution"], row["entry_point"]
        yield Item(row["task_id"], code, entry, *_checks(row["test"], entry))


def _mbpp() -> Iterator[Item]:
    for row in _rows(MBPP):
        tests = [_assert(test) for test in (*row["test_list"], *row["challenge_test_list"])]
        code = f"{row['code']}\n{row['test_setup_code']}"
        yield Item(
            f"mbpp/{row['task_id']}",
            code,
            _called(tests[0]["code"], code),
            tests,
            tests[:MUTANT_ASSERTIONS],
        )


def _called(test: str, code: str) -> str:
    """The function of ``code`` that ``test`` calls."""
    defined = {n.name for n in ast.walk(_parsed(code)) if isinstance(n, ast.FunctionDef)}
    names = (n.id for n in ast.walk(_parsed(test)) if isinstance(n, ast.Name))
    return next((name for name in names if name in defined), sorted(defined)[-1])


def _leetcode() -> Iterator[Item]:
    for row in _rows(LEETCODE):
        code, entry = row["prompt"] + row["completion"], row["entry_point"]
        yield Item(row["task_id"], code, entry.rpartition(".")[2], *_checks(row["test"], entry))


def _checks(test: str, entry: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The whole of it, and its beginning."""
    whole, few = (f"{text}\ncheck({entry})" for text in (test, _first_assertions(test)))
    return [_assert(whole)], [_assert(few)]


def _first_assertions(test: str) -> str:
    """``check`` with no more than that many assertions about the candidate."""
    tree = _parsed(test)
    check = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    asserted = [node for node in check.body if "candidate" in ast.unparse(node)]
    check.body = asserted[:MUTANT_ASSERTIONS]
    return ast.unparse(tree)


def _parsed(code: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\\." in a reference
        return ast.parse(code)


def _cruxeval() -> Iterator[Item]:
    for _, row in read_rows(CRUXEVAL):
        call = f"f({row['input']})"
        code = f"{row['code']}\nif __name__ == '__main__':\n    print({call})\n"
        printed = f"{ast.literal_eval(row['output'])}\n"
        tests = [
            {"kind": "stdio", "stdout": printed},
            _assert(f"assert {call} == {row['output']}"),
        ]
        yield Item(row["id"], code, "f", tests, tests, call)


def _easy() -> Iterator[Item]:
    return map(_problem, load_problems([EASY]))


def _micro() -> Iterator[Item]:
    return map(_problem, generate(Split.HELD_OUT, MICRO_PROBLEMS, seed=0))


def _problem(problem: Problem) -> Item:
    assert problem.reference is not None
    tests = [test.model_dump(exclude_unset=True) for test in problem.tests]
    entry = tests[0].get("function")
    return Item(problem.id, problem.reference, entry, tests, tests[:MUTANT_ASSERTIONS])


MBPP = DATA / "mbpp_train_val.jsonl.gz"
LEETCODE = DATA / "LeetCodeDataset-v0.2.0-train.jsonl.gz"
EASY = REPOSITORY / "recipes/data/easy_python.jsonl"

SETS = (
    DataSet("HumanEval", _humaneval, HUMANEVAL),
    DataSet("MBPP", _mbpp, MBPP),
    DataSet("LeetCode", _leetcode, LEETCODE, part=120),
    DataSet("CRUXEval", _cruxeval, CRUXEVAL),
    DataSet("easy", _easy),
    DataSet("micro", _micro),
)
