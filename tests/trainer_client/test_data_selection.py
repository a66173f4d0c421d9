"""Which problems of a data set are trained on: overlaps, pass rates, recipes."""

import json
from pathlib import Path
from typing import Any

import pytest

from executor_api.wire import StdioTest
from tests.service import KEY, Service
from trainer_client import ExecutorClient
from trainer_client.alignment.questions import make_samples
from trainer_client.config import ConfigError, DatasetData, Filters, QuestionOptions, load_recipe
from trainer_client.data.contamination import Contamination, Overlap
from trainer_client.data.difficulty import PassRate, outside, read_pass_rates
from trainer_client.data.formats import FORMATS
from trainer_client.data.problem import DataError, Problem, save_problems
from trainer_client.data.rows import code_row
from trainer_client.data.selection import select, selected
from trainer_client.data.summary import summarize
from trainer_client.rewards import ExecutionReward

FACTS = (
    "Given the heights of a row of towers, count the towers from which a guard can see the sea, "
    "which lies beyond the last of them, when no tower behind it is as tall."
)
CODE = (
    "def visible(heights):\n    seen, tallest = 0, 0\n    for height in reversed(heights):\n"
    "        if height > tallest:\n            seen, tallest = seen + 1, height\n    return seen\n"
)


def problem(id: str, prompt: str, **fields: Any) -> Problem:
    return Problem(id=id, prompt=prompt, tests=[StdioTest(kind="stdio", stdout="1")], **fields)


# --- contamination ------------------------------------------------------------------------

HELD_OUT = problem("eval/sea", FACTS, reference=CODE)


def overlap(candidate: Problem, **options: Any) -> Overlap | None:
    return Contamination([HELD_OUT], **options).overlap(candidate)


def test_a_statement_in_other_clothes_overlaps() -> None:
    disguised = FACTS.upper().replace(",", " --").replace(" ", "\n")
    found = overlap(problem("x", f"Read this well! {disguised} Good luck."))
    assert found is not None
    assert (found.id, found.with_id, found.kind, found.ratio) == ("x", "eval/sea", "statement", 1)
    assert len(found.example.split()) == 13 and found.example in " ".join(_words(FACTS))


def _words(text: str) -> list[str]:
    return text.lower().replace(",", "").replace(".", "").split()


def test_the_ratio_is_the_share_of_the_evaluation_problem() -> None:
    words = _words(FACTS)
    half = " ".join(words[: len(words) // 2 + 6])
    grams = len(words) - 12
    found = overlap(problem("x", f"{half} and something else."))
    assert found is not None
    assert found.ratio == pytest.approx((len(words) // 2 + 6 - 12) / grams)
    assert overlap(problem("x", half), min_overlap=0.9) is None


def test_a_reference_overlaps_whatever_the_statement() -> None:
    found = overlap(problem("x", "Towers.", reference=f"import sys\n\n\n# mine\n{CODE}"))
    assert found is not None
    assert (found.kind, found.ratio) == ("code", 1)


def test_what_is_common_to_many_texts_is_no_overlap() -> None:
    other = problem("x", "Given the heights of a row of towers, how many are there in total?")
    assert overlap(other) is None
    assert overlap(other, ngram=5, min_overlap=0.1) is not None
    again = problem(
        "x", "You see the sea, which lies beyond the last of them, when no tower burns."
    )
    assert overlap(again, min_overlap=0.0) is not None
    assert overlap(again, min_overlap=0.1) is None


def test_short_texts_overlap_only_as_a_whole() -> None:
    index = Contamination([problem("e", "Reverse a linked list in place.")])
    assert index.overlap(problem("x", "REVERSE a linked-list, in place")) is not None
    assert index.overlap(problem("x", "Reverse a linked list in place, and sort it.")) is None
    assert Contamination([problem("e", "Add.")]).overlap(problem("x", "Add.")) is None


def test_starter_code_belongs_to_the_statement() -> None:
    """As with HumanEval, whose statement is a docstring."""
    index = Contamination(
        [problem("e", "Complete it.", starter_code=f'def f():\n    """{FACTS}"""')]
    )
    assert index.overlap(problem("x", FACTS)) is not None


# --- pass rates ---------------------------------------------------------------------------


def rates(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_problems_within_bounds_of_their_pass_rate(tmp_path: Path) -> None:
    path = rates(
        tmp_path / "rates.jsonl",
        {"id": "never", "passed": 0, "samples": 8},
        {"id": "often", "passed": 6, "samples": 8, "step": 3},
        {"id": "always", "passed": 8, "samples": 8},
        {"id": "twice", "passed": 0, "samples": 8},
        {"id": "twice", "passed": 2, "samples": 2},
    )
    problems = [problem(id, "?") for id in ("never", "often", "always", "twice", "new")]
    found = read_pass_rates(path)
    assert found["twice"] == PassRate(id="twice", passed=2, samples=10)
    assert outside(problems, found, 0.2, 0.75) == {
        "never": "too hard",
        "always": "too easy",
        "new": "without a pass rate",
    }
    assert outside(problems, found) == {"new": "without a pass rate"}


def test_pass_rates_that_are_not_valid(tmp_path: Path) -> None:
    path = rates(
        tmp_path / "rates.jsonl",
        {"id": "a", "passed": 3, "samples": 2},
        {"id": "a", "passed": -1, "samples": 2},
        {"id": "a", "passed": 0, "samples": 0},
        {"id": "a", "passed": 0.5},
        {"id": "a", "passed": 1, "samples": 1},
    )
    with pytest.raises(DataError) as caught:
        read_pass_rates(path)
    assert [row.row for row in caught.value.rows] == [1, 2, 3, 4, 4]
    assert "passed is 3 of samples 2" in str(caught.value)
    assert "field 'samples' is 0: Input should be greater than or equal to 1" in str(caught.value)


def test_pass_rates_of_other_problems(tmp_path: Path) -> None:
    other = {"b": PassRate(id="b", passed=1, samples=2)}
    with pytest.raises(DataError, match="none of the 1 problems.*such as 'a', those.*'b'"):
        outside([problem("a", "?")], other)


# --- selection and recipes ----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    problems = [
        problem("same", FACTS, difficulty="Easy"),
        problem("hard", "Prove it.", difficulty="hard"),
        problem("long", "Go on. " * 200, difficulty="easy"),
        problem("solved", "Add two numbers.", difficulty="easy"),
        problem("good", "Multiply two numbers.", difficulty="easy"),
    ]
    save_problems(problems, tmp_path / "problems.jsonl")
    save_problems([HELD_OUT], tmp_path / "held_out.jsonl")
    rates(
        tmp_path / "rates.jsonl",
        *({"id": id, "passed": 4, "samples": 8} for id in ("same", "good")),
        {"id": "solved", "passed": 8, "samples": 8},
    )
    (tmp_path / "r.yaml").write_text(
        """
model: {type: hf, path: some/model}
data:
  type: dataset
  name: problems.jsonl
  filters:
    difficulties: [easy]
    max_prompt_chars: 300
    pass_rates: rates.jsonl
    max_pass_rate: 0.9
    decontaminate: [held_out.jsonl]
evaluation: {data: {type: dataset, name: owner/benchmark, split: test, format: humaneval}}
output_dir: out
"""
    )
    return tmp_path


def test_a_recipe_selects_its_problems(folder: Path) -> None:
    recipe = load_recipe(folder / "r.yaml")
    assert isinstance(recipe.data, DatasetData)
    selection = selected(recipe.data)
    assert [p.id for p in selection.kept] == ["good"]
    assert selection.dropped == {
        "of another difficulty": ["hard"],
        "with a longer statement": ["long"],
        "too easy": ["solved"],
        "contaminated": ["same"],
    }
    assert [o.with_id for o in selection.overlaps] == ["eval/sea"]
    assert str(selection) == (
        "1 of 5 problems kept, 1 of another difficulty, 1 with a longer statement, 1 too easy, "
        "1 contaminated"
    )
    held_out = recipe.evaluation.data
    assert isinstance(held_out, DatasetData) and held_out.name == "owner/benchmark"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--data.filters.min_pass_rate=0.95", "min_pass_rate is above max_pass_rate"),
        ("--data.filters.pass_rates=null", "give pass_rates"),
        ("--data.filters.ngram=0", "filters.ngram is 0"),
        ("--data.filters.min_overlap=2", "filters.min_overlap is 2"),
        ("--data.name=", "data.name"),
    ],
)
def test_filters_that_cannot_be_meant(folder: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(folder / "r.yaml", [override])


def test_filters_that_leave_nothing(folder: Path) -> None:
    recipe = load_recipe(folder / "r.yaml", ["--data.filters.difficulties", "[medium]"])
    assert isinstance(recipe.data, DatasetData)
    with pytest.raises(DataError, match="leave no problem.*5 of another difficulty.*loosen"):
        selected(recipe.data)


def test_without_filters_all_are_kept() -> None:
    selection = select([HELD_OUT], Filters())
    assert (selection.kept, str(selection)) == ([HELD_OUT], "1 of 1 problems kept")


# --- what training makes of them ----------------------------------------------------------

LEETCODE = {
    "task_id": "halves",
    "prompt": "from typing import *\nfrom math import *\n\n",
    "completion": "class Solution:\n    def f(self, x: List[int]) -> int:\n"
    "        return floor(sum(x) / 2)\n",
    "entry_point": "Solution().f",
    "test": "def check(candidate):\n    assert candidate(x = [3, 4]) == 3\n"
    "    assert candidate(x = [2]) == 1\n",
    "query": "Halve the sum.\nPlease complete the following python code precisely:\n"
    "```python\nclass Solution:\n    def f(self, x: List[int]) -> int:\n```",
    "meta": {"difficulty": "Easy"},
}


@pytest.mark.gvisor
async def test_rollouts_need_no_preamble_and_failures_can_be_asked_about(
    live_executor: Service,
) -> None:
    made = FORMATS["leetcode"](LEETCODE)
    assert made is not None and made.reference is not None
    row = code_row(made)
    (message,) = row["prompt"]
    assert "Halve the sum." in message["content"] and "class Solution:" in message["content"]
    assert "precisely" not in message["content"] and "import" not in message["content"]
    wrong = made.reference.replace("floor", "ceil")
    completions = [f"```python\n{code}```" for code in (made.reference, wrong)]
    columns = {name: [value] * 2 for name, value in row.items() if name != "prompt"}
    async with ExecutorClient(live_executor.url, KEY) as client:
        reward = ExecutionReward(client, "fraction")
        assert await reward([row["prompt"]] * 2, completions, **columns) == [1.0, 0.5]
        rollouts = [one.rollout for one in reward.take_scored() if one.rollout is not None]
        ((question,), dropped) = await make_samples(rollouts, client, QuestionOptions(), step=0)
    assert rollouts[0].code == row["reference"] == made.preamble + made.reference
    assert (dropped, question.program) == ({}, made.preamble + wrong)
    assert question.input_text == "Solution.f(x=[3, 4])"
    assert question.answers == {"Solution.f.x": "[3, 4]"}


def test_a_summary_counts() -> None:
    twice = problem("y", FACTS.lower(), split="test", difficulty=0.5)
    summary = summarize([HELD_OUT, twice])
    assert (summary.problems, summary.with_reference, summary.tests.total) == (2, 1, 2)
    assert summary.splits == {"train": 1, "test": 1}
    assert summary.difficulties == {"none": 1, "0.5": 1}
    assert summary.duplicates == [["eval/sea", "y"]]
