"""Which model a name means, and how it is asked."""

from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model

from tests.trainer_client.tiny_policy import save_tiny_policy
from trainer_client.config import ConfigError
from trainer_client.continuation import before
from trainer_client.evals.cases import EvalError, Prompt
from trainer_client.evals.models import complete_prompts, load_model, style_of
from trainer_client.generation import Sampling
from trainer_client.models import Policy

PROMPT = Prompt(
    messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
    text="Hello",
    stop=("e", "\n"),
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def policy(directory: Path) -> Policy:
    return load_model(str(directory), "float32")


def test_a_package_is_looked_for_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"'json': it has 0 GGUF files"):
        load_model("package:json", "auto")


def test_directories_of_runs(directory: Path, policy: Policy, tmp_path: Path) -> None:
    """The last checkpoint of a run that was interrupted, and an adapter."""
    for step in (9, 10):
        save_tiny_policy(tmp_path / "run" / f"checkpoint-{step}")
    (tmp_path / "run" / "checkpoint-9" / "config.json").write_text("{}")
    last, _ = load_model(str(tmp_path / "run"), "float32")
    assert last.num_parameters() == policy[0].num_parameters()

    base, tokenizer = load_model(str(directory), "float32")
    adapted = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]))
    adapted.peft_config["default"].base_model_name_or_path = str(directory)
    adapted.save_pretrained(tmp_path / "adapter")
    tokenizer.save_pretrained(tmp_path / "adapter")
    model, _ = load_model(str(tmp_path / "adapter"), "float32")
    assert model.num_parameters() > last.num_parameters()


def test_names_that_mean_nothing(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="no such file or directory"):
        load_model("./nowhere", "auto")
    with pytest.raises(EvalError, match=r"neither a model \(config.json\) nor a checkpoint"):
        load_model(str(tmp_path), "auto")


def test_samples_of_a_prompt_stand_together(policy: Policy) -> None:
    other = Prompt(PROMPT.messages, "A much longer text", PROMPT.stop)
    sampling = Sampling(samples=3, temperature=1.0, max_new_tokens=6, batch=4, seed=5)
    told: list[int] = []
    found = complete_prompts(policy, [other, PROMPT], "text", sampling, told.append)
    assert len(found) == 6 and told == [4, 6]
    assert found == complete_prompts(policy, [other, PROMPT], "text", sampling)
    assert len(set(found[:3])) > 1 and not set(found[:3]) & set(found[3:])


def test_continuations_end_where_the_benchmark_says(policy: Policy) -> None:
    stops = tuple("abcdefghijklmnopqrstuvwxyz")
    sampling = Sampling(samples=8, temperature=1.0, max_new_tokens=12)
    found = complete_prompts(policy, [Prompt([], "Hello", stops)], "text", sampling)
    assert not any(stop in text for text in found for stop in stops)
    assert before("one\ndef two", ("\nclass", "\ndef")) == "one"
    assert before("one", ("\ndef",)) == "one"


def test_nucleus_sampling_of_almost_nothing_is_greedy(policy: Policy) -> None:
    greedy = Sampling(temperature=0.0, max_new_tokens=5)
    narrow = Sampling(temperature=1.0, top_p=0.001, max_new_tokens=5)
    assert complete_prompts(policy, [PROMPT], "chat", greedy) == complete_prompts(
        policy, [PROMPT], "chat", narrow
    )


def test_a_template_without_system_messages_still_gets_their_text(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = policy
    assert style_of(tokenizer) == "chat"
    monkeypatch.setattr(tokenizer, "chat_template", NO_SYSTEM)
    merged = Prompt([{"role": "user", "content": "Be brief.\n\nHello"}], "")
    sampling = Sampling(temperature=0.0, max_new_tokens=5)
    found = complete_prompts((model, tokenizer), [PROMPT, merged], "chat", sampling)
    assert found[0] == found[1]


def test_a_prompt_that_does_not_fit_is_refused_first(policy: Policy) -> None:
    with pytest.raises(EvalError, match=r"take 2053 tokens, but the model has a context of 2048"):
        complete_prompts(policy, [PROMPT], "text", Sampling(max_new_tokens=2048))
    with pytest.raises(EvalError, match="the model has no chat template"):
        model, tokenizer = load_model("micro", "auto")
        complete_prompts((model, tokenizer), [PROMPT], "chat", Sampling())
