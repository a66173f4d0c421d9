"""What a recipe is refused for before there is a model or an executor."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from trainer_client.config import (
    RECIPE_FILE,
    ConfigError,
    Recipe,
    check_same_run,
    load_recipe,
    save_recipe,
)
from trainer_client.micro.model import CHECKPOINT
from trainer_client.training.planning import check_template, plan


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A recipe of the micro model with some fields changed."""

    def changed(*words: str) -> Recipe:
        fixed = ["--data.count", "9", "--output_dir", str(tmp_path / "out")]
        return load_recipe(Path("recipes/micro.yaml"), [*fixed, *words])

    return changed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reward.extract", "os:path"], "reward.extract is 'os:path', which is no function but"),
        (["--alignment.questions.format", "json:loads"], "format is 'json:loads': .*argument"),
        (["--alignment.questions.format", "builtins:dict"], "'builtins:dict': it has no methods"),
        (["--alignment.questions.format", "os:path"], "'os:path': .*not callable; name a class"),
        (["--grpo.eval_strategy", "steps"], "eval_strategy is 'steps', .*; give evaluation.data"),
        (["--output_dir", "README.md"], "output_dir is 'README.md', but README.md is a file"),
        (["--output_dir", "README.md/x"], "output_dir is 'README.md/x', but README.md is a file"),
    ],
)
def test_what_could_not_work_is_named(small: Any, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(small(*words))


def test_conversations_need_a_chat_template(small: Any) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(CHECKPOINT)
    check_template(small(), tokenizer)
    chat = small("--data", "{type: jsonl, paths: [p.jsonl]}")
    with pytest.raises(ConfigError, match="data.style is 'chat', but .* no chat template"):
        check_template(chat, tokenizer)
    tokenizer.chat_template = "{{ messages }}"
    check_template(chat, tokenizer)


def saved(folder: Path, step: int) -> Path:
    """A checkpoint as far as it is looked at."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text("{}")
    (path / "alignment_pool.jsonl").touch()
    torch.save({}, path / "optimizer.pt")
    save_file({"w": torch.zeros(9)}, path / "model.safetensors")
    return path


DAMAGE: dict[str, Callable[[Path], object]] = {
    "trainer_state.json is missing": lambda path: (path / "trainer_state.json").unlink(),
    "alignment_pool.jsonl is missing": lambda path: (path / "alignment_pool.jsonl").unlink(),
    "optimizer.pt is cut off": lambda path: (path / "optimizer.pt").write_bytes(b""),
    "model.safetensors is cut off": lambda path: os.truncate(path / "model.safetensors", 70),
    "trainer_state.json is cut off": lambda path: os.truncate(path / "trainer_state.json", 1),
}


@pytest.mark.parametrize("flaw", DAMAGE)
def test_a_run_goes_on_from_its_last_whole_checkpoint(
    small: Any, tmp_path: Path, flaw: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = saved(tmp_path / "out", 9), saved(tmp_path / "out", 10)
    assert plan(small("--resume")).resume_from == broken
    DAMAGE[flaw](broken)
    assert plan(small("--resume")).resume_from == whole
    assert f"checkpoint-10 cannot be gone on from: {flaw}" in capsys.readouterr().err
    DAMAGE[flaw](whole)
    with pytest.raises(ConfigError, match=f"has no whole checkpoint .*checkpoint-9 .*{flaw}"):
        plan(small("--resume"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", "5", "seed is 5, but the run in .* began with 0; go on with that, or start"),
        ("data.seed", "5", "data.seed is 5, but the run in .* began with 1"),
        ("optimizer", "adamw", "optimizer.type is 'adamw', but .* began with 'muon'"),
        ("lora", "{r: 4}", "lora is {'r': 4}, but .* began with None"),
    ],
)
def test_a_run_goes_on_as_what_it_was(
    small: Any, tmp_path: Path, field: str, value: str, message: str
) -> None:
    saved(tmp_path / "out", 1)
    save_recipe(small("--resume"), tmp_path / "out" / RECIPE_FILE)
    plan(small("--resume", "--grpo.max_steps", "99"))
    lora = ["--optimizer", "adamw"] if field == "lora" else []
    if lora:
        save_recipe(small(*lora), tmp_path / "out" / RECIPE_FILE)
    with pytest.raises(ConfigError, match=message):
        plan(small("--resume", *lora, f"--{field}", value))


def test_files_of_a_run_may_have_been_moved(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "model: {type: hf, path: m}\ndata: {type: jsonl, paths: [a/p.jsonl]}\noutput_dir: out\n"
    )
    save_recipe(load_recipe(tmp_path / "r.yaml"), tmp_path / "saved.yaml")
    check_same_run(
        load_recipe(tmp_path / "r.yaml", ["--data.paths", "[/b/p.jsonl]"]), tmp_path / "saved.yaml"
    )
    with pytest.raises(ConfigError, match=r"data.paths is \['/b/q.jsonl'\], but"):
        check_same_run(
            load_recipe(tmp_path / "r.yaml", ["--data.paths", "[/b/q.jsonl]"]),
            tmp_path / "saved.yaml",
        )
