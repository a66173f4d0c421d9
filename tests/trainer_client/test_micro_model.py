"""The shipped checkpoint writes programs, answers questions, and leaves room to learn."""

import ast
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from executor_api.wire import CallSpec, ExecuteResult
from trainer_client.alignment.questions import Rollout
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import ConfigError
from trainer_client.data.problem import Problem
from trainer_client.evaluate import Programs, ask
from trainer_client.generation import Sampling, complete
from trainer_client.micro.alignment import MicroFormat
from trainer_client.micro.family import Split
from trainer_client.micro.model import CHECKPOINT, load_model, new_model, save_model
from trainer_client.micro.problems import generate
from trainer_client.micro.warmstart import (
    IGNORED,
    PHASES,
    Example,
    encode,
    examples,
    warm_start,
)

GREEDY = Sampling(temperature=0.0, max_new_tokens=48)
Policy = tuple[LlamaForCausalLM, PreTrainedTokenizerFast]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_model()


def test_checkpoint_is_small() -> None:
    assert sum(file.stat().st_size for file in CHECKPOINT.iterdir()) < 8_000_000


def test_checkpoint_has_between_one_and_five_million_parameters(policy: Policy) -> None:
    assert 1_000_000 <= policy[0].num_parameters() <= 5_000_000


def test_checkpoint_knows_the_operations_but_often_writes_another(policy: Policy) -> None:
    problems = generate(Split.HELD_OUT, 100, seed=7, hide=0.0)
    prompts = [p.prompt or "" for p in problems]
    greedy, sampled = (complete(*policy, prompts, how) for how in (GREEDY, Sampling(seed=0)))
    references = [p.reference or "" for p in problems]
    assert sum(map(str.__eq__, greedy, references)) >= 80
    assert 20 <= sum(map(str.__eq__, sampled, references)) <= 80


def question(text: str) -> AlignmentSample:
    return AlignmentSample(
        program="def f(s):\n    x = s[1:]\n    y = 'd' + x\n    return y\n",
        call=CallSpec(function="f", args=[text]),
        variables={"f.x": repr(text[1:]), "f.y": repr("d" + text[1:])},
    )


def test_checkpoint_answers_most_easy_questions(policy: Policy) -> None:
    questions = [question(text) for text in ("abc", "cab", "eeda", "bdace", "adeb", "ccba")]
    answers = ask(*policy, questions, MicroFormat(), GREEDY)
    assert sum(answers.fractions) >= 3
    assert len(answers.exact) == 6 and set(answers.exact) <= {0.0, 1.0}


def test_completions_come_in_the_order_of_the_prompts(policy: Policy) -> None:
    prompts = [p.prompt or "" for p in generate(Split.HELD_OUT, 12, seed=9)]
    small = Sampling(temperature=0.0, max_new_tokens=48, batch=5)
    together = complete(*policy, prompts, small)
    assert together == [complete(*policy, [prompt], GREEDY)[0] for prompt in prompts]


def test_sampling_is_reproducible_from_its_seed(policy: Policy) -> None:
    prompts = [p.prompt or "" for p in generate(Split.HELD_OUT, 40, seed=9, hide=1.0)]
    first, again, other = (complete(*policy, prompts, Sampling(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_saving_and_loading_keep_the_model(policy: Policy, tmp_path: Path) -> None:
    model, tokenizer = policy
    save_model(new_model(tokenizer, seed=1), tokenizer, tmp_path)
    loaded, _ = load_model(tmp_path)
    assert loaded.config.to_dict()["hidden_size"] == model.config.hidden_size
    assert loaded.dtype == model.dtype


def test_a_directory_without_a_checkpoint_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="make_micro_checkpoint"):
        load_model(tmp_path)


def test_only_the_completion_is_trained_on(policy: Policy) -> None:
    _, tokenizer = policy
    batch = encode(tokenizer, [Example("# ab\n", "x = 'a'\n"), Example("# abcdefgh\n", "y\n")])
    assert batch["input_ids"].shape == batch["labels"].shape == batch["attention_mask"].shape
    trained = [tokenizer.decode(row[row != IGNORED]) for row in batch["labels"]]
    assert trained == ["x = 'a'\n<eos>", "y\n<eos>"]


@pytest.mark.parametrize(("stale", "least", "most"), [(0.0, 40, 40), (1.0, 0, 12)])
def test_answers_are_the_programs_own_unless_they_are_stale(
    stale: float, least: int, most: int
) -> None:
    """Of forty; an edit may leave the last value as it is."""
    corpus = examples(replace(PHASES[0], writing=0.0, stale=stale))
    assert least <= sum(map(is_right, islice(corpus, 40))) <= most


def is_right(question: Example) -> bool:
    """Whether the last variable is said to hold what the program returns."""
    program, _, call = question.prompt.partition("# f(")
    names: dict[str, Any] = {}
    exec(program, names)
    given = ast.literal_eval(call.partition(")")[0])
    said = question.completion.splitlines()[-1].partition(" = ")[2]
    return bool(names["f"](given) == ast.literal_eval(said))


def test_warm_start_lowers_the_loss() -> None:
    losses: list[float] = []
    phases = [replace(PHASES[0], steps=12, batch=16, writing=0.5, bugs=bugs) for bugs in (0.0, 0.4)]
    warm_start(phases, lambda _, loss: losses.append(loss))
    assert len(losses) == 24 and sum(losses[-3:]) < 0.95 * sum(losses[:3])


def rollout(problem: Problem, verdict: str) -> Rollout:
    passed = None if verdict in ("sandbox_error", "skipped") else 0
    result = ExecuteResult.model_validate(
        {"id": "", "index": 0, "verdict": verdict, "passed": passed, "total": 9, "runtime": "runsc"}
    )
    return Rollout(problem.id, "", problem.tests, result)


def test_pass_rate_leaves_out_what_has_no_verdict() -> None:
    problem = generate(Split.TRAIN, 1, seed=0)[0]
    rows = [
        *(["accepted", "wrong_answer"], ["accepted", "sandbox_error"], ["accepted", "skipped"]),
        ["time_limit"] * 2,
    ]
    programs = Programs([[rollout(problem, verdict) for verdict in row] for row in rows])
    assert programs.pass_rates == [0.5, 1.0, 1.0, 0.0]
    assert [r.failed for r in programs.rollouts[2]] == [False, False]


def test_a_problem_without_any_verdict_is_an_error() -> None:
    problem = generate(Split.TRAIN, 1, seed=0)[0]
    with pytest.raises(ValueError, match="has no verdict: all of its 2 programs ended in s"):
        _ = Programs([[rollout(problem, "sandbox_error")] * 2]).pass_rates
