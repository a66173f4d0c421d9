"""The pool: bounded, chosen by seed and step, and the same after a checkpoint."""

from pathlib import Path

import pytest

from trainer_client.alignment.pool import FILE_NAME, AlignmentPool
from trainer_client.alignment.sample import AlignmentSample


def samples(count: int) -> list[AlignmentSample]:
    texts = [f"x = {i}  # \u2028" for i in range(count)]
    return [AlignmentSample(program=t, stdin="é\n", variables={"x": "1"}) for t in texts]


def test_the_newest_fit_and_each_question_is_held_once() -> None:
    pool = AlignmentPool(3, seed=0)
    many = samples(5)
    pool.replace([*many, many[4]])
    assert pool.samples == many[2:]
    pool.replace(many[:1])
    assert pool.samples == many[:1]


def test_the_choice_follows_from_seed_step_and_contents() -> None:
    def choose(seed: int, step: int) -> list[AlignmentSample]:
        pool = AlignmentPool(100, seed)
        pool.replace(samples(50))
        return pool.choose(8, step)

    assert choose(1, 2) == choose(1, 2)
    assert choose(1, 2) != choose(1, 3)
    assert choose(1, 2) != choose(2, 2)
    assert len({s.id for s in choose(1, 2)}) == 8


def test_fewer_questions_than_wanted() -> None:
    pool = AlignmentPool(10, 0)
    assert pool.choose(4, 0) == []
    pool.replace(samples(2))
    assert len(pool.choose(4, 0)) == 2


def test_a_checkpoint_restores_contents_and_choice(tmp_path: Path) -> None:
    pool, restored = AlignmentPool(10, 3), AlignmentPool(10, 3)
    pool.replace(samples(6))
    pool.save(tmp_path / "checkpoint-1")
    restored.restore(tmp_path / "checkpoint-1")
    assert restored.samples == pool.samples
    assert restored.choose(3, 9) == pool.choose(3, 9)


def test_a_checkpoint_without_a_pool_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{FILE_NAME} is missing"):
        AlignmentPool(1, 0).restore(tmp_path)
    (tmp_path / FILE_NAME).write_text("{}\n")
    with pytest.raises(ValueError, match=f"{FILE_NAME} is malformed"):
        AlignmentPool(1, 0).restore(tmp_path)
