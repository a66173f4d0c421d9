"""The experiments' own arithmetic and recipes; the runs themselves take hours."""

from pathlib import Path

import numpy as np
import pytest

from experiments import documents
from experiments.micro.analyse import (
    MEASURES,
    SMOOTH,
    _column,
    draw,
    effect,
    effects_table,
    means_table,
    smooth,
    summary,
)
from experiments.micro.design import ARMS, GROUP, HYPOTHESES, phases, recipe_fields
from experiments.micro.measure import Measures
from experiments.micro.run import Point, Result
from trainer_client.config import Recipe
from trainer_client.micro.family import Split

SHARES = {"grpo": 0, "grpo_few": 0, "commented_grpo": 0, "ratio_20": 0.2, "ratio_60": 0.6}


@pytest.mark.parametrize("arm", [*ARMS, *HYPOTHESES])
def test_every_arm_is_a_recipe_with_its_share_of_questions(arm: str) -> None:
    recipe = Recipe.model_validate(recipe_fields(arm, 3, "/start", "/out"))
    questions = recipe.alignment.groups or 0 if recipe.alignment.enabled else 0
    code = recipe.grpo["per_device_train_batch_size"] // GROUP
    assert questions / (code + questions) == pytest.approx(SHARES.get(arm, 0.4), abs=0.05)
    assert recipe.seed == 3
    assert recipe.model.type == "micro" and str(recipe.model.path) == "/start"


def test_prebuilt_questions_are_those_of_the_start() -> None:
    recipe = Recipe.model_validate(recipe_fields("prebuilt", 0, "/start", "/out"))
    assert recipe.alignment.prebuilt == Path("/start/prebuilt.jsonl")


def test_seeds_have_starts_and_problems_of_their_own() -> None:
    assert phases(0, False)[0].seed != phases(1, False)[0].seed
    first, second = (recipe_fields("grpo", seed, "s", "o")["data"]["seed"] for seed in (0, 1))
    assert first != second


def measures(passed: list[int], fraction: list[float]) -> Measures:
    return Measures(
        passed=passed, greedy=[1, 0], output=[1, 1], test_output=[0, 0], fraction=fraction
    )


def test_means_of_a_run() -> None:
    found = summary(measures([8, 2, 0, 0], [1.0, 0.5]))
    assert found == dict(zip(MEASURES, (10 / 32, 0.5, 0.5, 1.0, 0.0, 0.75, 0.5), strict=True))


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    found = effect([1.0, 2.0, 3.0, 4.0, 5.0])
    # mean 3, deviation sqrt(2.5), t(0.975, 4) = 2.7764451
    half = 2.7764451 * (2.5 / 5) ** 0.5
    assert (found.mean, found.seeds) == (3.0, 5)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))
    assert found.d == pytest.approx(3 / 2.5**0.5)


def result(arm: str, seed: int, passed: int) -> Result:
    return Result(
        arm=arm, seed=seed, split=Split.HELD_OUT, seconds=1.0, curve=[],
        measures=measures([passed], [1.0]),
    )  # fmt: skip


def test_arms_are_compared_within_a_seed() -> None:
    results = {
        "grpo": {seed: result("grpo", seed, seed) for seed in range(3)},
        "default": {seed: result("default", seed, seed + 4) for seed in range(4)},
    }
    row = effects_table(results, "grpo").splitlines()[-1]
    assert row.startswith("| default | **+0.500 [+0.500, +0.500]**<br>+0.0 |")
    means = [line.split("|")[2:4] for line in means_table(results).splitlines()[2:]]
    half = 4.3026527 * (1 / 8) / 3**0.5  # t(0.975, 2), of 0/8, 1/8, 2/8
    assert means[0] == [" 3 ", f" 0.125 ± {half:.3f} "]
    assert means[1][0] == " 4 "


def test_arms_from_another_start_are_not_compared() -> None:
    arms = ("commented_grpo", "commented", "default")
    results = {arm: {0: result(arm, 0, 1)} for arm in arms}
    assert effects_table(results, "default") == ""
    (row,) = effects_table(results, "commented_grpo").splitlines()[2:]
    assert row.startswith("| commented | ")


def test_curves_keep_zeros_and_leave_out_steps_without_a_value(tmp_path: Path) -> None:
    found = smooth(np.array([np.nan, *[0.0] * (SMOOTH - 1), np.nan, 1.0]))
    assert np.isnan(found[: SMOOTH - 1]).all()
    assert list(found[SMOOTH - 1 :]) == pytest.approx([0.0, 0.0, 1 / (SMOOTH - 1)])
    curve = [
        Point(step=step, seconds=step, tokens=step, pass_rate=0.0, exact=exact)
        for step, exact in ((1, None), (2, 0.5))
    ]
    assert _column(curve, "pass_rate") == [0.0, 0.0]
    one = result("default", 0, 1).model_copy(update={"curve": curve})
    draw({"default": {0: one}}, ["default"], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_results_stand_between_their_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "results.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n")
    monkeypatch.setattr(documents, "PAGE", page)
    documents.put("x", r"new \1")
    assert page.read_text() == (
        "a\n<!-- x -->\n\nnew \\1\n\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n"
    )
    with pytest.raises(ValueError, match="<!-- z -->"):
        documents.put("z", "")
