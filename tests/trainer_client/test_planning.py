"""What a recipe is refused for before there is a model or an executor."""

from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from trainer_client.config import ConfigError, Recipe, load_recipe
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
        (["--grpo.eval_strategy", "steps"], "eval_strategy is .*; give evaluation.data"),
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
