"""The choice of questions by the spread of rewards, and the record of all that were asked."""

from collections import Counter
from pathlib import Path

import pytest

from trainer_client.alignment.curriculum import Outcome, SpreadTable
from trainer_client.alignment.pool import AlignmentPool, load_samples
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.store import SampleStore


def sample(number: int, difficulty: float) -> AlignmentSample:
    return AlignmentSample(program=f"x = {number}", variables={"x": "1"}, difficulty=difficulty)


def outcome(asked: AlignmentSample, *rewards: float) -> Outcome:
    return Outcome(asked, [{"x": "1"} if reward else None for reward in rewards], rewards)


def test_what_is_not_known_is_expected_to_spread_most() -> None:
    table = SpreadTable()
    assert table.expected(sample(0, 3.0)) == 0.5
    table.observe([outcome(sample(0, 3.0), 1, 1, 1, 1)])
    # the prior, weighing 1, then a group without spread: 0.98 · 0.5 / (0.98 + 1)
    assert table.expected(sample(1, 3.2)) == pytest.approx(0.49 / 1.98)
    assert table.expected(sample(1, 4.0)) == 0.5


def test_questions_with_spread_are_chosen_more_often() -> None:
    pool = AlignmentPool(100, seed=0, by="spread")
    trivial, useful = ([sample(100 * hard + i, hard) for i in range(20)] for hard in (1, 6))
    for _ in range(200):
        pool.observe([outcome(trivial[0], 1, 1, 1, 1), outcome(useful[0], 0, 1, 0, 1)])
    pool.replace([*trivial, *useful])
    drawn = Counter(s.difficulty for step in range(200) for s in pool.choose(4, step))
    assert drawn[6] > 10 * drawn[1]
    assert len({s.id for s in pool.choose(40, 0)}) == 40


def test_what_was_learnt_is_kept_with_the_checkpoint(tmp_path: Path) -> None:
    pool = AlignmentPool(100, seed=0, by="spread")
    pool.replace([sample(i, i % 5) for i in range(30)])
    pool.observe([outcome(s, 0, s.difficulty > 2) for s in pool.samples])
    pool.save(tmp_path)
    again = AlignmentPool(100, seed=0, by="spread")
    again.restore(tmp_path)
    assert [again.choose(5, step) for step in range(9)] == [pool.choose(5, s) for s in range(9)]


def test_every_question_is_stored_and_taken_back_on_resume(tmp_path: Path) -> None:
    store = SampleStore(tmp_path)
    for step in range(4):
        store.append(step, [outcome(sample(step, 1.0), 0.5, 0.0)])
    store.take_back(2)
    store.append(2, [outcome(sample(9, 1.0), 1.0)])
    assert [(a.step, a.sample.program) for a in store] == [
        (0, "x = 0"), (1, "x = 1"), (2, "x = 9"),
    ]  # fmt: skip
    assert next(iter(store)).given == [{"x": "1"}, None]


def test_a_malformed_question_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(sample(0, 1.0).model_dump_json() + '\n{"program": 3}\n')
    with pytest.raises(ValueError, match=r"row 2(.|\n)*program"):
        load_samples(path)
