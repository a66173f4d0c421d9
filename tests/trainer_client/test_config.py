"""Recipes: overrides, typing, and errors that name field, value and remedy."""

import shlex
from pathlib import Path

import pytest

from trainer_client.config import (
    PAPER_OPTIONS,
    ConfigError,
    DatasetData,
    ExecutorConfig,
    JsonlData,
    QuestionOptions,
    load_recipe,
    save_recipe,
)

RECIPE = """
model: {type: hf, path: some/model}
data: {type: jsonl, paths: [p.jsonl, /abs/q.jsonl]}
grpo: {max_steps: 3, learning_rate: 1e-6}
output_dir: out
"""


MUON = ["--optimizer", "{type: muon, adamw_learning_rate: 1e-4}"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE)
    return path


def test_numbers_are_numbers_and_paths_are_relative_to_the_recipe(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.grpo == {"max_steps": 3, "learning_rate": 1e-6}
    assert isinstance(loaded.data, JsonlData)
    assert loaded.data.paths == [recipe.parent / "p.jsonl", Path("/abs/q.jsonl")]


def test_overrides_reach_any_depth_with_yaml_types(recipe: Path) -> None:
    words = (
        "--alignment.mode replace --grpo.learning_rate=2e-5 --resume "
        "--alignment.questions.max_variables 2 --lora.r 8 --seed 7 "
        "--executor.url http://a:1/,http://b:2 --optimizer adamw"
    )
    loaded = load_recipe(recipe, shlex.split(words))
    assert loaded.alignment.mode == "replace"
    assert loaded.alignment.questions.max_variables == 2
    assert loaded.grpo["learning_rate"] == 2e-5
    assert loaded.grpo["max_steps"] == 3
    assert (loaded.resume, loaded.seed, loaded.lora) == (True, 7, {"r": 8})
    assert loaded.executor.url == ["http://a:1", "http://b:2"]
    assert loaded.optimizer.type == "adamw"


def test_no_is_text_where_text_is_meant_and_false_where_not(recipe: Path) -> None:
    words = "--grpo.save_strategy no --grpo.bf16 no --grpo.use_cpu yes --alignment.enabled off"
    loaded = load_recipe(recipe, words.split())
    assert loaded.grpo["save_strategy"] == "no"
    assert (loaded.grpo["bf16"], loaded.grpo["use_cpu"]) == (False, True)
    assert loaded.alignment.enabled is False
    save_recipe(loaded, recipe.parent / "again.yaml")
    again = load_recipe(recipe.parent / "again.yaml")
    assert again.grpo == loaded.grpo


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--alignment.mode", "prepend"], "alignment.mode is 'prepend'.*append"),
        (["--alignmnt.mode", "append"], "alignmnt: there is no such field"),
        (["--grpo.learning_rat", "1"], "grpo.learning_rat is 1.*did you mean 'learning_rate'"),
        (["--grpo.max_steps", "many"], "grpo.max_steps is 'many'.*integer"),
        (["--grpo.seed", "1"], "set the recipe's seed"),
        (["--lora.rank", "1"], "lora.rank is 1"),
        (["--model.type", "onnx"], "model is .*'hf', 'gguf', 'micro'"),
        (["--seed.x", "1", "--seed", "1"], None),
        (["--grpo.max_steps.x", "1"], "'max_steps' is 3, not a section"),
        (["max_steps", "1"], "override 'max_steps': write --section.field value"),
        (["--seed", "[1"], r"--seed: '\[1' is not YAML"),
        (["--data", "{type: micro, hide: 3}"], "^[^ ]*: data.hide is 3"),
        (["--data", "{type: jsonl}"], "data.paths: this field is required"),
        (["--data.paths", "[3]"], "data.paths.0 is 3"),
        (["--executor.url", "3"], "executor.url is 3"),
        (["--alignment.ratio", "1"], "alignment.ratio is 1"),
        (["--output_dir", "null"], "output_dir is None"),
        (["--algorithm", "trpo"], "algorithm.type is 'trpo'.*reinforce_pp"),
        (["--algorithm", "ppo"], "algorithm.type is 'ppo'.*value head is not offered.*verl"),
        (
            ["--algorithm", "gspo", "--grpo.importance_sampling_level", "token"],
            "grpo.importance_sampling_level is 'token', but algorithm 'gspo' means 'sequence'",
        ),
        (
            ["--algorithm", "rloo", "--grpo.scale_rewards", "group"],
            "grpo.scale_rewards is 'group', but algorithm 'rloo' means 'none'; remove",
        ),
        (
            ["--algorithm", "dapo", "--grpo.loss_type", "bnpo"],
            "grpo.loss_type is 'bnpo', but algorithm 'dapo' means 'dapo'",
        ),
        (
            ["--algorithm.type", "dapo", "--algorithm.overlong_penalty.max_length", "600"],
            "max_length is 600, but completions end at 512 tokens",
        ),
        (
            ["--algorithm.type", "dapo", "--algorithm.overlong_penalty.cache", "513"],
            r"cache is 513, more than max_length \(512\)",
        ),
        (
            ["--algorithm.type", "dapo", "--grpo.max_completion_length", "null"],
            "grpo.max_completion_length is null",
        ),
        (["--executor.url", "localhost:8000"], r"executor.url.*give it as http://HOST:PORT"),
        (["--executor.url", "http://a:1,"], r"executor.url.*endpoint ''"),
        (["--executor.url", "[]"], r"executor.url is .*give the address of an executor, or 'auto'"),
        (["--optimizer", "muon", "--lora.r", "8"], "optimizer.type is 'muon' and lora is given"),
        (
            ["--optimizer", "muon", "--grpo.weight_decay", "0.1"],
            "grpo.weight_decay is 0.1, but optimizer.type is 'muon', which does not read it",
        ),
        (
            [*MUON, "--grpo.learning_rate", "0.1"],
            "grpo.learning_rate is 0.1, .*set optimizer.learning_rate",
        ),
        (["--alignment.groups", "2", "--alignment.ratio", "0.4"], "ratio is 0.4, but .*groups is"),
        (["--alignment", "{groups: 2, ratio: 0.5}"], "groups overrides ratio"),
        (["--grpo.resume_from_checkpoint", "/nope"], r"is '/nope': set .* \(--resume\)"),
        (["--grpo.data_seed", "77"], "grpo.data_seed is 77: set the recipe's seed, or data.seed"),
        (
            ["--executor.url", "http://h:1", "--executor.runtime", "docker"],
            "executor.runtime is 'docker', but executor.url names an executor",
        ),
        (
            ["--alignment.questions", "{min_difficulty: 9, max_difficulty: 1}"],
            "min_difficulty is above max_difficulty",
        ),
        (["--alignment.questions.format", "json"], "'json' does not ask for exceptions"),
        (
            ["--alignment.setting", "paper", "--alignment.questions.reward", "fraction"],
            "'json' cannot say all.*set questions.reward to 'paper'",
        ),
        (
            ["--alignment.setting", "paper", "--alignment.questions.ask_return"],
            "'json' has one place for the output",
        ),
    ],
)
def test_errors_name_field_value_and_remedy(
    recipe: Path, overrides: list[str], message: str | None
) -> None:
    if message is None:
        assert load_recipe(recipe, overrides).seed == 1
        return
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe, overrides)


def test_a_missing_section_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("model: {type: hf, path: x}")
    with pytest.raises(ConfigError, match="data: this field is required"):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(ConfigError, match="no such recipe"):
        load_recipe(tmp_path / "absent.yaml")
    (tmp_path / "r.yaml").write_text("- a list")
    with pytest.raises(ConfigError, match="a mapping of sections"):
        load_recipe(tmp_path / "r.yaml")


def test_a_file_that_cannot_be_read_as_it_is_meant_is_refused(recipe: Path) -> None:
    recipe.write_text(f"{RECIPE}seed: 1\ngrpo: {{beta: 0.1}}\n")
    with pytest.raises(ConfigError, match="r.yaml: grpo is there twice, in line 4 and in line 7"):
        load_recipe(recipe)
    recipe.write_bytes(RECIPE.encode() + b"# \xe9\n")
    with pytest.raises(ConfigError, match=r"r.yaml: not UTF-8 \(.*0xe9.*; save it as UTF-8"):
        load_recipe(recipe)


def test_what_a_file_says_of_its_own_executor_may_be_overruled(recipe: Path) -> None:
    recipe.write_text(f"{RECIPE}executor: {{url: auto, sandboxes: 2}}\n")
    given = load_recipe(recipe, ["--executor.url", "http://h:1"])
    save_recipe(given, recipe)
    assert load_recipe(recipe).executor.url == ["http://h:1"]


def test_the_paper_setting_is_a_preset_that_questions_override(recipe: Path) -> None:
    paper = load_recipe(recipe, ["--alignment.setting", "paper"]).alignment.questions
    assert paper == QuestionOptions(**PAPER_OPTIONS)
    overrides = ["--alignment.setting", "paper", "--alignment.questions.input", "failing"]
    mixed = load_recipe(recipe, overrides).alignment.questions
    assert mixed == QuestionOptions(**{**PAPER_OPTIONS, "input": "failing"})


def test_an_algorithm_has_its_short_form_and_its_own_parts(recipe: Path) -> None:
    assert load_recipe(recipe).algorithm is None
    dapo = load_recipe(recipe, ["--algorithm", "dapo"]).algorithm
    assert dapo is not None
    assert (dapo.dynamic_sampling.enabled, dapo.overlong_penalty.enabled) == (True, True)
    assert dapo.overlong_penalty.bounds(20_480) == (20_480, 4_096)  # the paper's
    overrides = ["--algorithm.type", "rloo", "--algorithm.dynamic_sampling.enabled"]
    rloo = load_recipe(recipe, overrides).algorithm
    assert rloo is not None
    assert (rloo.dynamic_sampling.enabled, rloo.overlong_penalty.enabled) == (True, False)
    recipe.write_text(f"{RECIPE}\nalgorithm: dapo\n")
    changed = load_recipe(recipe, ["--algorithm.dynamic_sampling.enabled", "false"]).algorithm
    assert changed is not None
    assert (changed.type, changed.dynamic_sampling.enabled) == ("dapo", False)


def test_a_saved_recipe_is_the_same_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "model").mkdir(parents=True)
    for name in ("rows.jsonl", "rates.jsonl", "questions.jsonl", "benchmark.jsonl"):
        (here / name).touch()
    (here / "r.yaml").write_text(
        """
model: {type: hf, path: model}
data:
  type: dataset
  name: rows.jsonl
  filters: {pass_rates: rates.jsonl, decontaminate: [benchmark.jsonl, openai/humaneval]}
evaluation: {data: {type: dataset, name: some/set, filters: {max_prompt_chars: 9}}}
alignment: {prebuilt: questions.jsonl}
output_dir: out
"""
    )
    monkeypatch.chdir(here)
    recipe = load_recipe(Path("r.yaml"))
    save_recipe(recipe.model_copy(update={"resume": True}), Path("out/recipe.yaml"))
    monkeypatch.chdir(tmp_path)
    again = load_recipe(here / "out" / "recipe.yaml")
    assert again.model.path == str(here / "model")
    assert again.resume is False
    assert isinstance(again.data, DatasetData) and isinstance(recipe.data, DatasetData)
    assert (again.data.name, again.output_dir) == (str(here / "rows.jsonl"), here / "out")
    assert again.data.filters.pass_rates == here / "rates.jsonl"
    assert again.data.filters.decontaminate == [str(here / "benchmark.jsonl"), "openai/humaneval"]
    assert again.alignment.prebuilt == here / "questions.jsonl"
    assert again.evaluation == recipe.evaluation


@pytest.mark.parametrize(("value", "key"), [("", None), (" k \n", "k"), (None, None)])
def test_the_api_key_is_that_of_the_environment(
    value: str | None, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODERL_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("CODERL_API_KEY", value)
    assert ExecutorConfig().api_key == key


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE", "secret secret")
    with pytest.raises(ConfigError, match="variable MINE holds no API key") as refused:
        _ = ExecutorConfig(api_key_env="MINE").api_key
    assert "secret" not in str(refused.value)
