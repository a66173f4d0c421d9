"""The trainer with both objectives: a tiny random policy, the real executor under gVisor."""

import dataclasses
import inspect
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import GenerationConfig
from transformers.integrations import is_tensorboard_available, is_wandb_available
from trl import GRPOConfig, GRPOTrainer
from trl.import_utils import is_vllm_available
from trl.trainer.grpo_trainer import split_tensor_dict

from executor_api.wire import StdioTest
from tests.service import KEY, Service
from tests.trainer_client.tiny_policy import any_program, save_tiny_policy
from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.alignment.pool import FILE_NAME
from trainer_client.client import ExecutorClient, Unauthorized
from trainer_client.client.answers import NoVerdicts
from trainer_client.config import RECIPE_FILE, ConfigError, Recipe, load_recipe
from trainer_client.models import load_policy
from trainer_client.rewards import ExecutionReward
from trainer_client.training import train
from trainer_client.training.callbacks import METRICS_FILE
from trainer_client.training.groups import code_groups
from trainer_client.training.samples import FILE_NAME as SAMPLES_FILE
from trainer_client.training.samples import AskedSample, CodeSample, read_samples
from trainer_client.training.trainer import _COMPLETIONS, _IDS, CodeRLPlusTrainer

pytestmark = pytest.mark.gvisor

GROUP = 2
MUON = {"muon": {"learning_rate": 1e-2}}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODERL_API_KEY", KEY)


@pytest.fixture
def fields(policy: Path, live_executor: Service, tmp_path: Path) -> dict[str, Any]:
    """Recipe fields: groups of two rollouts, three groups to a batch. No rollout passes both
    tests, about half of them pass one."""
    problems = tmp_path / "problems.jsonl"
    tests = [{"kind": "stdio", "stdout": text} for text in ("0\n", "never\n")]
    problems.write_text(
        "".join(
            json.dumps({"id": f"p{i}", "prompt": f"Problem {i}.", "tests": tests}) + "\n"
            for i in range(12)
        )
    )
    return {
        "model": {"type": "hf", "path": str(policy)},
        "data": {"type": "jsonl", "paths": [str(problems)], "instruction": "Go."},
        "executor": {"url": [live_executor.url]},
        "reward": {"extract": "tests.trainer_client.tiny_policy:any_program"},
        "alignment": {"groups": 1, "max_prompt_tokens": 2000},
        "grpo": {
            "max_steps": 2,
            "num_generations": GROUP,
            "per_device_train_batch_size": 6,
            "max_completion_length": 8,
            "learning_rate": 1e-2,
        },
        "output_dir": str(tmp_path / "out"),
    }


def recipe(fields: dict[str, Any], **changes: Any) -> Recipe:
    """The recipe with some fields of its sections changed."""
    merged = {
        key: {**fields.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    return Recipe.model_validate({**fields, **merged})


def metrics(chosen: Recipe) -> list[dict[str, Any]]:
    lines = (chosen.output_dir / METRICS_FILE).read_text().splitlines()
    return [entry for line in lines if "loss" in (entry := json.loads(line))]


class Spy(CodeRLPlusTrainer):
    """Keeps what the override returned."""

    batches: list[dict[str, Any]]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        self.batches.append(output)
        return output


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Spy]]:
    monkeypatch.setattr(Spy, "batches", [], raising=False)
    monkeypatch.setattr(train, "CodeRLPlusTrainer", Spy)
    yield Spy


def test_both_objectives_are_trained_and_reported_apart(fields: dict[str, Any]) -> None:
    chosen = recipe(fields, grpo={"max_steps": 3})
    result = train.run(chosen)
    assert (result.steps, result.interrupted) == (3, False)
    first, second, third = metrics(chosen)
    assert first["alignment/groups"] == 0
    assert "alignment/reward" not in first
    for entry in (second, third):
        assert entry["alignment/groups"] == 1
        assert 0 <= entry["alignment/reward"] <= 1
    for entry in (first, second, third):
        assert entry["code/pass_rate"] == 0
        assert entry["code/verdict/wrong_answer"] == 6
        assert entry["executor/failures"] == 0
        assert entry["executor/latency_seconds"] > 0
        assert entry["alignment/pool"] == 6
        assert 0 <= entry["executor/wait_share"] < 1
        assert 0 <= entry["executor/wait_seconds"] < entry["executor/wait_share"] * 600 + 1e-9
        assert entry["tokens/per_second"] > 0
        assert (entry["tokens/alignment"] > 0) == (entry is not first)
    totals = [entry["tokens/generated"] for entry in (first, second, third)]
    each = [entry["tokens/code"] + entry["tokens/alignment"] for entry in (first, second, third)]
    assert totals == [sum(each[: i + 1]) for i in range(3)]
    assert (chosen.output_dir / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("mode", "sizes"),
    [("append", [6, 8]), ("replace", [6, 6]), ("same_step", [8, 8]), ("off", [6, 6])],
)
def test_batches_hold_whole_groups(
    fields: dict[str, Any], spy: type[Spy], mode: str, sizes: list[int]
) -> None:
    alignment = {"enabled": False} if mode == "off" else {"mode": mode}
    train.run(recipe(fields, alignment=alignment))
    assert [len(batch["advantages"]) for batch in spy.batches] == sizes
    for batch in spy.batches:
        assert next(iter(batch.values())).ndim > 0  # TRL shuffles by the length of the first
        assert int(batch["num_items_in_batch"]) == int(batch["completion_mask"].sum())
        groups = batch["prompt_ids"].unflatten(0, (-1, GROUP))
        assert (groups == groups[:, :1]).all()
        assert batch["advantages"].view(-1, GROUP).sum(1).abs().max() < 1e-4


def test_one_call_or_two_generate_the_same_kind_of_batch(
    fields: dict[str, Any], spy: type[Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs and answers in one call, as on an accelerator, or apart, as on a processor."""
    seen = []
    for apart in (True, False):
        fixed = property(lambda _, a=apart: a, lambda *_: None)
        monkeypatch.setattr(Spy, "answers_apart", fixed, raising=False)
        name = str(Path(fields["output_dir"]) / str(apart))
        chosen = recipe(fields, alignment={"groups": 2}, output_dir=name)
        train.run(chosen)
        entry = metrics(chosen)[1]
        assert entry["tokens/code"] == 6 * 8 and entry["tokens/alignment"] == 4 * 8
        seen.append({k: v for k, v in entry.items() if k.startswith("completions/")})
    assert seen[0] == seen[1]
    assert seen[0]["completions/mean_length"] == 8
    assert [len(batch["advantages"]) for batch in spy.batches] == [6, 10, 6, 10]


@pytest.mark.parametrize(("mode", "first"), [("append", 2), ("same_step", 4)])
def test_a_grown_batch_splits_into_steps_without_a_remainder(
    fields: dict[str, Any], spy: type[Spy], mode: str, first: int
) -> None:
    """Three slices of one group each, grown by three groups: TRL drops what does not divide."""
    grpo = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
    train.run(recipe(fields, grpo=grpo, alignment={"groups": 3, "mode": mode}))
    sizes = [[len(s["advantages"]) for s in split_tensor_dict(b, 3)] for b in spy.batches]
    assert sizes == [[first] * 3, [4, 4, 4]]


def test_questions_of_the_same_step_are_about_its_own_failures(
    fields: dict[str, Any], spy: type[Spy]
) -> None:
    chosen = recipe(fields, alignment={"groups": 2, "mode": "same_step"})
    train.run(chosen)
    tokenizer = load_policy(chosen.model, chosen.output_dir)[1]
    for batch in spy.batches:
        texts = tokenizer.batch_decode(batch["completion_ids"][:6], skip_special_tokens=True)
        written = {any_program(text) for text in texts}
        for i in (6, 8):
            question = tokenizer.decode(batch["prompt_ids"][i], skip_special_tokens=True)
            assert any(program in question for program in written)
    for entry in metrics(chosen):
        assert (entry["alignment/groups"], entry["alignment/pool"]) == (2, 6)
        assert entry["executor/wait_seconds"] > 0


def test_programs_are_sent_while_others_are_still_written(
    fields: dict[str, Any], policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy for which a sixth of all tokens end a completion, so they end at their own times."""
    begun: list[int] = []

    class Watched(ExecutionReward):
        async def begin(self, batch: Any, completions: Any) -> None:
            begun.append(len(completions))
            await super().begin(batch, completions)

    monkeypatch.setattr(train, "ExecutionReward", Watched)
    ending = shutil.copytree(policy, tmp_path / "ending")
    GenerationConfig(eos_token_id=list(range(40)), pad_token_id=257).save_pretrained(ending)
    grpo = {"max_steps": 1, "max_completion_length": 24}
    chosen = recipe(fields, model={"path": str(ending)}, grpo=grpo)
    train.run(chosen)
    *early, final = begun
    assert final == 6
    assert len(early) > 1 and sum(early) <= 6
    assert metrics(chosen)[0]["code/verdict/wrong_answer"] == 6


def test_too_few_failures_of_the_same_step_make_a_smaller_batch(
    fields: dict[str, Any], spy: type[Spy]
) -> None:
    """Six questions for fifty groups, and none at all where every question is too long."""
    alignment: dict[str, Any] = {"groups": 50, "mode": "same_step"}
    train.run(recipe(fields, alignment=alignment))
    train.run(
        recipe(
            fields,
            alignment={**alignment, "max_prompt_tokens": 16},
            output_dir=fields["output_dir"] + "2",
        )
    )
    assert [len(batch["advantages"]) for batch in spy.batches] == [18, 18, 6, 6]


def test_groups_that_would_not_split_are_refused(fields: dict[str, Any]) -> None:
    grpo = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
    with pytest.raises(ConfigError, match=r"alignment.groups is 2: .*multiple of 3"):
        train.run(recipe(fields, grpo=grpo, alignment={"groups": 2}))
    with pytest.raises(ConfigError, match=r"alignment.groups is 9, .* only 3 groups to replace"):
        train.run(recipe(fields, alignment={"groups": 9, "mode": "replace"}))


def test_a_batch_that_the_problems_cannot_fill_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"data has 12 problems, less than the 15 groups"):
        train.run(recipe(fields, grpo={"per_device_train_batch_size": 15 * GROUP}))


def test_an_evaluation_that_would_split_groups_is_refused(fields: dict[str, Any]) -> None:
    grpo = {"per_device_eval_batch_size": 7}
    odd = recipe(fields, grpo=grpo, evaluation={"data": fields["data"]})
    with pytest.raises(ConfigError, match=r"per_device_eval_batch_size is 7: .* a multiple of 2"):
        train.run(odd)


def test_questions_in_chat_about_problems_in_text_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"alignment.questions.format is 'chat', a conversation"):
        train.run(recipe(fields, data={"style": "text"}))


def test_what_would_reach_the_reference_model_alone_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"model_init_kwargs is .* the fields of 'model'"):
        train.run(recipe(fields, grpo={"model_init_kwargs": {"dtype": "bfloat16"}}))


def test_a_group_on_two_processes_is_refused() -> None:
    arguments = GRPOConfig(num_generations=4, per_device_train_batch_size=8, use_cpu=True)
    assert code_groups(arguments, 1) == 2
    with pytest.raises(ConfigError, match=r"generation batch \(2 rollouts\) .* groups of 4"):
        code_groups(arguments, 4)


def test_vllm_that_is_not_installed_is_refused(fields: dict[str, Any]) -> None:
    if is_vllm_available():
        pytest.skip("vllm is installed")
    with pytest.raises(ConfigError, match=r"grpo.use_vllm is true.*pip install 'trl\[vllm\]'"):
        train.run(recipe(fields, grpo={"use_vllm": True}))


def test_what_the_trainer_refuses_is_an_error_of_the_recipe(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"set reward.weight and alignment.weight instead"):
        train.run(recipe(fields, grpo={"reward_weights": [1.0]}))
    with pytest.raises(ConfigError, match=r"the trainer refuses the recipe: .*Mixture-of-Experts"):
        train.run(recipe(fields, grpo={"router_aux_loss_coef": 0.1}))


def test_a_pool_smaller_than_planned_asks_what_it_has(
    fields: dict[str, Any], spy: type[Spy]
) -> None:
    train.run(recipe(fields, alignment={"groups": 50}))
    assert [len(batch["advantages"]) for batch in spy.batches] == [6, 6 + 6 * GROUP]


def test_long_questions_are_dropped(fields: dict[str, Any]) -> None:
    chosen = recipe(fields, alignment={"max_prompt_tokens": 16})
    train.run(chosen)
    assert [entry["alignment/pool"] for entry in metrics(chosen)] == [0, 0]
    assert metrics(chosen)[0]["alignment/dropped/long_prompt"] == 6


def test_evaluation_asks_no_questions_and_leaves_the_pool_alone(
    fields: dict[str, Any], spy: type[Spy]
) -> None:
    grpo = {"per_device_eval_batch_size": 6, "eval_strategy": "steps", "eval_steps": 1}
    chosen = recipe(fields, grpo=grpo, evaluation={"data": fields["data"]})
    result = train.run(chosen)
    assert result.metrics["eval_code/pass_rate"] == 0
    sizes = [len(batch["advantages"]) for batch in spy.batches]
    evaluation = [6] * 4
    assert sizes == [*evaluation, 6, *evaluation, 8, *evaluation, *evaluation]
    assert [entry["alignment/pool"] for entry in metrics(chosen)] == [6, 6]


def test_an_evaluation_weighs_every_rollout_alike(fields: dict[str, Any]) -> None:
    """TRL's mean of the means of batches would not: here of 20 rollouts and of 4."""
    seen: list[list[float | None]] = []

    class Kept(ExecutionReward):
        async def __call__(self, *args: Any, **kwargs: Any) -> list[float | None]:
            seen.append([i % 3 / 2 for i in range(len(kwargs["task"]))])
            scored = await super().__call__(*args, **kwargs)
            self._scored = [
                dataclasses.replace(one, reward=reward)
                for one, reward in zip(self._scored, seen[-1], strict=True)
            ]
            return scored

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "ExecutionReward", Kept)
        grpo = {"max_steps": 1, "per_device_eval_batch_size": 20}
        evaluation = {"data": fields["data"], "at_start": False}
        result = train.run(recipe(fields, grpo=grpo, evaluation=evaluation))
    every = [reward for batch in seen[1:] for reward in batch if reward is not None]
    assert [len(batch) for batch in seen[1:]] == [20, 4]
    assert result.metrics["eval_code/reward"] == pytest.approx(sum(every) / 24)
    counts = [v for name, v in result.metrics.items() if name.startswith("eval_code/verdict/")]
    assert sum(counts) == 24


@pytest.mark.parametrize(
    ("optimizer", "mode"), [("adamw", "append"), ("adamw", "same_step"), ("muon", "append")]
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    fields: dict[str, Any], optimizer: str, mode: str, tmp_path: Path
) -> None:
    fields["alignment"]["mode"] = mode
    fields = {**fields, "optimizer": {"type": optimizer, **MUON.get(optimizer, {})}}
    fields["reward"] = {**fields["reward"], "type": "fraction"}
    grpo = {"max_steps": 4, "save_steps": 2}
    straight = recipe(fields, grpo=grpo, output_dir=str(tmp_path / "straight"))
    train.run(straight)
    resumed = recipe(fields, grpo=grpo, output_dir=str(tmp_path / "resumed"))
    (tmp_path / "resumed").mkdir()
    (straight.output_dir / "checkpoint-2").rename(tmp_path / "resumed" / "checkpoint-2")
    assert train.run(resumed.model_copy(update={"resume": True})).steps == 4
    ours, theirs = (load_policy(r.model.model_copy(update={"path": str(r.output_dir)}), tmp_path)
                    for r in (straight, resumed))  # fmt: skip
    start = load_policy(straight.model, tmp_path)[0].state_dict()
    for name, parameter in ours[0].state_dict().items():
        assert torch.equal(parameter, theirs[0].state_dict()[name]), name
    assert any(not torch.equal(p, start[name]) for name, p in ours[0].state_dict().items())
    pools = [(r.output_dir / "checkpoint-4" / FILE_NAME).read_text() for r in (straight, resumed)]
    assert pools[0] == pools[1]
    assert pools[0].count("\n") == 6
    assert [entry["step"] for entry in metrics(resumed)] == [3, 4]
    assert metrics(resumed)[-1]["tokens/generated"] == metrics(straight)[-1]["tokens/generated"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_with_a_checkpoint(
    fields: dict[str, Any], number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen = recipe(fields, grpo={"max_steps": 200})
    before = signal.getsignal(number)

    def interrupt_after_first_step() -> None:
        while not (chosen.output_dir / METRICS_FILE).is_file():
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt_after_first_step, daemon=True).start()
    result = train.run(chosen)
    assert result.interrupted
    assert result.steps < 200
    assert (chosen.output_dir / f"checkpoint-{result.steps}" / FILE_NAME).is_file()
    assert signal.getsignal(number) == before
    assert capfd.readouterr().err.count("finishing this step, then a checkpoint; once more") == 1


@pytest.mark.parametrize("algorithm", [None, "grpo", "reinforce_pp"])
def test_lora_trains_only_the_adapter_on_both_objectives(
    fields: dict[str, Any], algorithm: str | None
) -> None:
    """``grpo`` has a KL penalty: the reference is the policy without the adapter."""
    lora = {"r": 4, "target_modules": ["q_proj"]}
    chosen = recipe({**fields, "algorithm": algorithm}, lora=lora, reward={"type": "fraction"})
    train.run(chosen)
    assert metrics(chosen)[1]["alignment/groups"] == 1
    assert metrics(chosen)[1]["grad_norm"] > 0
    saved = load_file(chosen.output_dir / "adapter_model.safetensors")
    assert {name.split(".")[-2] for name in saved} == {"lora_A", "lora_B"}
    assert any(tensor.any() for name, tensor in saved.items() if "lora_B" in name)


def test_an_executor_that_is_gone_stops_the_run_and_keeps_it(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on the port: no reward, no gradient, and after three batches no run."""
    dead = "http://127.0.0.1:9"
    monkeypatch.setattr(
        train, "ExecutorClient", lambda url, key, **_: ExecutorClient(dead, connection_attempts=1)
    )
    chosen = recipe(fields, grpo={"max_steps": 9, "save_strategy": "no"})
    kept = chosen.output_dir / "checkpoint-2"
    with pytest.raises(NoVerdicts, match=f"3 batches in a row.*{kept} holds the last finished"):
        train.run(chosen)
    entries = metrics(chosen)
    assert len(entries) == 2
    for entry in entries:
        assert entry["executor/failures"] == 6
        assert entry["grad_norm"] == 0
        assert "code/reward" not in entry
    assert json.loads((kept / "trainer_state.json").read_text())["global_step"] == 2
    assert (kept / "optimizer.pt").is_file() and (kept / FILE_NAME).is_file()


def test_without_a_finished_step_there_is_nothing_to_go_on_from(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "check_given", lambda config: None)
    monkeypatch.setattr(
        train, "ExecutorClient", lambda url, key, **_: ExecutorClient(url, "another")
    )
    with pytest.raises(Unauthorized, match="no step was finished, so start again"):
        train.run(recipe(fields))
    assert not list(Path(fields["output_dir"]).glob("checkpoint-*"))


def test_the_private_names_used_still_exist_in_trl() -> None:
    method = GRPOTrainer._generate_and_score_completions
    assert list(inspect.signature(method).parameters) == ["self", "inputs"]
    source = inspect.getsource(GRPOTrainer)
    for name in (
        "self.async_loop",
        "self._metrics[mode]",
        "self.num_generations = ",
        "self.reward_weights = ",
        'self._logs["advantages"].extend(',
        '"advantages": deque(maxlen=args.generation_batch_size)',
    ):
        assert name in source
    own = {n for n in vars(CodeRLPlusTrainer) if callable(getattr(CodeRLPlusTrainer, n))}
    overridden = own & set(dir(GRPOTrainer)) - {"__init__"}
    assert overridden == {"_generate_and_score_completions", "_generate"}
    assert "self._metrics[mode].clear()" in inspect.getsource(GRPOTrainer.log)


def test_trl_uses_what_generation_returns_as_this_trainer_relies_on() -> None:
    """Rows and prompts are lists that it goes on with, completions have the place they have."""
    assert list(inspect.signature(GRPOTrainer._generate).parameters) == ["self", "prompts"]
    source = inspect.getsource(GRPOTrainer._generate)
    returned = source.rsplit("return ", 1)[1].strip().split(", ")
    assert (returned[_IDS], returned[_COMPLETIONS]) == ("completion_ids", "completions")
    assert len(returned) == 8
    method = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    generating = method.index("= self._generate(prompts)")
    assert method.index('prompts = [x["prompt"] for x in inputs]') < generating
    assert "self._calculate_rewards(inputs, prompts, completions" in method[generating:]
    assert "len(inputs)" not in method[generating:]
    lengths = set(re.findall(r'"completions/(\w+)"', source))
    each = ("min", "max", "mean")
    expected = {f"{kind}{of}_length" for kind in each for of in ("", "_terminated")}
    assert lengths == {"clipped_ratio", *expected}
    assert "unwrapped_model.generate(" in inspect.getsource(GRPOTrainer._generate_single_turn)
    assert "self.eos_token_ids" in source


def test_what_the_algorithms_count_on_still_exists_in_trl() -> None:
    """The fields they set, the values those may have, and the tensors they put in others' place."""
    known = {field.name for field in dataclasses.fields(GRPOConfig)}
    score = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    loss = inspect.getsource(GRPOTrainer._compute_loss)
    for settings in ALGORITHMS.values():
        assert {*settings.values, *settings.defined_by} <= known
        assert f'"{settings.defined_by["loss_type"]}"' in loss
        assert f'"{settings.defined_by["importance_sampling_level"]}"' in loss
        assert f'"{settings.defined_by["scale_rewards"]}"' in score
    assert "completion_ids=completion_ids_list" in inspect.getsource(GRPOTrainer._calculate_rewards)
    assert 'inputs["num_items_in_batch"]' in loss
    given = set(re.findall(r'output\["(\w+)"\] =|^ +"(\w+)": \w+,$', score, re.MULTILINE))
    names = {a or b for a, b in given}
    of_images = {name for name in names if re.search("pixel|image|spatial|tiles|type_ids", name)}
    assert names - of_images == {
        *("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages"),
        *("num_items_in_batch", "old_per_token_logps", "ref_per_token_logps", "tool_mask"),
        *("importance_sampling_ratio", "sampling_per_token_logps"),
    }


def test_rewards_are_recognized_as_asynchronous_and_named() -> None:
    from trl.trainer.utils import get_callable_name, is_async_callable

    reward = ExecutionReward(ExecutorClient("http://127.0.0.1:9"))
    assert is_async_callable(reward)
    assert get_callable_name(reward) == "code"


def test_a_run_keeps_samples_of_both_tasks_and_the_recipe(fields: dict[str, Any]) -> None:
    chosen = recipe(fields, grpo={"max_steps": 3}, logging={"every": 2, "rollouts": 2})
    train.run(chosen)
    samples = read_samples(chosen.output_dir)
    code = [s for s in samples if isinstance(s, CodeSample)]
    asked = [s for s in samples if isinstance(s, AskedSample)]
    assert [s.step for s in code] == [1, 1, 3, 3]
    assert [s.step for s in asked] == [3, 3]
    for sample in code:
        assert (sample.verdict, sample.reward) == ("wrong_answer", 0)
        assert sample.program == any_program(sample.completion)
        assert sample.failed is not None
        assert sample.failed.got in ("0\n", "1\n")
        expected = "0\n" if sample.failed.number == 1 else "never\n"
        assert sample.failed.test == StdioTest(kind="stdio", stdout=expected)
    for question in asked:
        assert question.program.startswith("text = ")
        assert "last" in question.answers
        assert question.given is None or set(question.given) <= set(question.answers)
    saved = load_recipe(chosen.output_dir / RECIPE_FILE)
    assert saved == chosen


def test_samples_of_steps_done_again_are_replaced(fields: dict[str, Any]) -> None:
    chosen = recipe(fields, grpo={"max_steps": 2, "save_steps": 1}, logging={"every": 1})
    train.run(chosen)
    first = (chosen.output_dir / SAMPLES_FILE).read_text()
    with pytest.raises(ConfigError, match="holds the checkpoints of a run; go on with --resume"):
        train.run(chosen)
    shutil.rmtree(chosen.output_dir / "checkpoint-2")
    with (chosen.output_dir / SAMPLES_FILE).open("a") as torn:
        torn.write('{"step": 1, "ta')
    train.run(chosen.model_copy(update={"resume": True}))
    assert (chosen.output_dir / SAMPLES_FILE).read_text() == first
    for name in ("b/samples.jsonl", "b/alignment.jsonl", "b/metrics.json", "b/report.html"):
        (chosen.output_dir / name).parent.mkdir(exist_ok=True)
        (chosen.output_dir / name).write_text("of a run before\n")
    without = {"alignment": {"enabled": False}, "logging": {"samples": False}}
    train.run(recipe(fields, **without, output_dir=str(chosen.output_dir / "b")))
    left = {path.name for path in (chosen.output_dir / "b").glob("*.json*")}
    assert METRICS_FILE in left
    assert not left & {SAMPLES_FILE, "alignment.jsonl", "metrics.json", "report.html"}


def test_tensorboard_gets_the_metrics(fields: dict[str, Any]) -> None:
    if not is_tensorboard_available():
        pytest.skip("no tensorboard: pip install tensorboard")
    chosen = recipe(fields, grpo={"report_to": "tensorboard", "max_steps": 1})
    train.run(chosen)
    (events,) = chosen.output_dir.glob("**/events.out.tfevents.*")
    assert b"executor/wait_share" in events.read_bytes()


def test_a_place_to_report_to_that_is_not_installed_is_refused(fields: dict[str, Any]) -> None:
    if is_wandb_available():
        pytest.skip("wandb is installed")
    with pytest.raises(ConfigError, match="pip install wandb"):
        train.run(recipe(fields, grpo={"report_to": "wandb"}))
