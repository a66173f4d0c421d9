"""Train from a recipe: ``coderl train RECIPE.yaml [--field value …]``.

Simplifications: one policy, no critic; no update begins before all its rollouts are judged;
evaluation is the sampled pass rate on held-out problems. Several processes: ``accelerate launch``
with ``executor.url`` set, so that all of them share one executor.
"""

import asyncio
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PrinterCallback, set_seed
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from transformers.trainer_utils import get_last_checkpoint
from trl import GRPOConfig  # type: ignore[attr-defined]

from trainer_client.algorithms.algorithm import Algorithm
from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.alignment.formats import AlignmentFormat, ChatFormat, JsonFormat
from trainer_client.alignment.objective import Alignment
from trainer_client.alignment.store import SampleStore
from trainer_client.client import ExecutorClient, ExecutorError
from trainer_client.config import (
    ConfigError,
    DataConfig,
    DatasetData,
    JsonlData,
    MicroData,
    Muon,
    Recipe,
    load_recipe,
    save_recipe,
)
from trainer_client.data.problem import DataError, load_problems
from trainer_client.data.rows import to_dataset
from trainer_client.data.selection import selected
from trainer_client.local_executor import ExecutorNotReady, running_executor
from trainer_client.models import Policy, device_dtype, load_policy
from trainer_client.rewards import ExecutionReward, NoVerdicts, import_object, resolve_extract
from trainer_client.training.callbacks import (
    METRICS_FILE,
    MetricsFile,
    PoolCheckpoint,
    Progress,
    StopOnInterrupt,
)
from trainer_client.training.optimizers import muon_and_adamw
from trainer_client.training.samples import SampleLog
from trainer_client.training.trainer import CodeRLPlusTrainer

__all__ = ["RunResult", "build_trainer", "main", "run"]

CLOSE_SECONDS = 10.0
RECIPE_FILE = "recipe.yaml"
"""The recipe as it was run, with its overrides, in the output directory."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run left behind."""

    output_dir: Path
    """The trained model, ``checkpoint-*``, ``recipe.yaml``, ``metrics.jsonl``, ``samples.jsonl``,
    ``executor.log``."""
    steps: int
    interrupted: bool
    metrics: dict[str, float]
    """Of the last evaluation and the whole training."""


def main(recipe: Path, overrides: Sequence[str] = ()) -> int:
    """Load a recipe with its overrides and run it; return the exit status of ``coderl train``:
    0 after the last step, 1 where the run failed or was interrupted, 2 for a recipe that is not
    valid (said before any work is done)."""
    try:
        result = run(load_recipe(recipe, overrides))
    except (ConfigError, DataError) as error:
        print(f"coderl train: {error}", file=sys.stderr)
        return 2
    except (ExecutorError, ExecutorNotReady, NoVerdicts) as error:
        print(f"coderl train: {error}", file=sys.stderr)
        return 1
    if result.interrupted:
        print(
            f"interrupted after step {result.steps}; go on with --resume",
            file=sys.stderr,
        )
    return int(result.interrupted)


def run(recipe: Recipe) -> RunResult:
    """Train as the recipe says. The executor, if ``auto``, lives exactly as long as this call."""
    _quiet()
    set_seed(recipe.seed)
    policy = load_policy(recipe.model, recipe.output_dir / "base")
    with (
        running_executor(recipe.executor, recipe.output_dir / "executor.log") as urls,
        _training(recipe, policy, urls) as trainer,
    ):
        return _run(recipe, trainer)


def _run(recipe: Recipe, trainer: CodeRLPlusTrainer) -> RunResult:
    resume_from = _resume_from(recipe)
    stop = StopOnInterrupt()
    trainer.add_callback(stop)
    if trainer.accelerator.is_main_process:
        save_recipe(recipe, recipe.output_dir / RECIPE_FILE)
    evaluation = recipe.evaluation
    metrics: dict[str, float] = {}
    if evaluation.data is not None and evaluation.at_start and resume_from is None:
        trainer.evaluate()
    try:
        metrics |= trainer.train(resume_from_checkpoint=resume_from).metrics
    finally:
        stop.restore()
    if evaluation.data is not None and evaluation.at_end and not stop.interrupted:
        metrics |= trainer.evaluate()
    trainer.save_model(str(recipe.output_dir))
    return RunResult(recipe.output_dir, trainer.state.global_step, stop.interrupted, metrics)


@contextlib.contextmanager
def _training(recipe: Recipe, policy: Policy, urls: list[str]) -> Iterator[CodeRLPlusTrainer]:
    """The trainer with its HTTP client, which is closed in the loop that used it."""
    key = os.environ.get(recipe.executor.api_key_env)
    client = ExecutorClient(urls, key, deadline_seconds=recipe.executor.deadline_seconds)
    trainer = build_trainer(recipe, policy, client)
    try:
        yield trainer
    finally:
        trainer.close()
        closing = asyncio.run_coroutine_threadsafe(client.aclose(), trainer.async_loop)
        closing.result(CLOSE_SECONDS)


def build_trainer(recipe: Recipe, policy: Policy, client: ExecutorClient) -> CodeRLPlusTrainer:
    """The trainer that the recipe describes, judged by ``client``."""
    model, tokenizer = policy
    code_reward = ExecutionReward(
        client, recipe.reward.type, resolve_extract(recipe.reward.extract), recipe.reward.patience
    )
    alignment = _alignment(recipe, client)
    held_out = recipe.evaluation.data
    arguments = _arguments(recipe)
    trainer = CodeRLPlusTrainer(
        code_reward=code_reward,
        alignment=alignment,
        algorithm=_algorithm(recipe, arguments),
        samples=_samples(recipe),
        model=model,
        processing_class=tokenizer,
        args=arguments,
        train_dataset=_dataset(recipe.data),
        eval_dataset=None if held_out is None else _dataset(held_out),
        optimizers=(_optimizer(recipe, model), None),
        peft_config=_lora(recipe),
        callbacks=[MetricsFile(), Progress()],
    )
    trainer.remove_callback(PrinterCallback)
    if alignment is not None:
        resume_from = _resume_from(recipe)
        trainer.add_callback(PoolCheckpoint(alignment, Path(resume_from) if resume_from else None))
    return trainer


def _quiet() -> None:
    """No usage telemetry, and no warnings that a user can do nothing about: forks from the
    tokenizers, a name of transformers' that TRL still uses."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", ".*gradient_checkpointing.*", FutureWarning)


def _arguments(recipe: Recipe) -> GRPOConfig:
    on_gpu = torch.cuda.is_available()
    defaults: dict[str, Any] = {
        "use_cpu": not on_gpu,
        "bf16": on_gpu and device_dtype("auto").itemsize == 2,
        "gradient_checkpointing": on_gpu,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "reward_weights": _reward_weights(recipe),
    }
    _check_reporting(recipe.grpo.get("report_to"))
    if recipe.algorithm is not None:
        settings = ALGORITHMS[recipe.algorithm.type]
        defaults |= {**settings.values, **settings.defined_by}
    try:
        return GRPOConfig(
            output_dir=str(recipe.output_dir), seed=recipe.seed, **{**defaults, **recipe.grpo}
        )
    except ValueError as error:
        raise ConfigError(f"grpo: {error}") from None


def _algorithm(recipe: Recipe, arguments: GRPOConfig) -> Algorithm | None:
    if recipe.algorithm is None:
        return None
    return Algorithm(recipe.algorithm, arguments.max_completion_length, recipe.seed)


def _check_reporting(chosen: str | list[str] | None) -> None:
    """Every place to report to is known and its package installed, before anything starts."""
    names = [chosen] if isinstance(chosen, str) else chosen or []
    available = get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    for name in (name for name in names if name not in ("none", "all", *available)):
        if name not in INTEGRATION_TO_CALLBACK:
            known = ", ".join(INTEGRATION_TO_CALLBACK)
            raise ConfigError(f"grpo.report_to is {name!r}; it has to be none, all, or of: {known}")
        raise ConfigError(
            f"grpo.report_to is {name!r}, whose package is not installed: pip install {name}, or "
            f"leave it out (the metrics are in {METRICS_FILE} in any case)"
        )


def _reward_weights(recipe: Recipe) -> list[float]:
    code = recipe.reward.weight
    return [code, recipe.alignment.weight] if recipe.alignment.enabled else [code]


def _alignment(recipe: Recipe, client: ExecutorClient) -> Alignment | None:
    config = recipe.alignment
    if not config.enabled:
        return None
    store = SampleStore(recipe.output_dir)
    return Alignment(config, _format(config.questions.format), client, recipe.seed, store)


def _samples(recipe: Recipe) -> SampleLog | None:
    if not recipe.logging.samples:
        return None
    return SampleLog(recipe.output_dir, recipe.logging, recipe.seed)


def _format(name: str) -> AlignmentFormat:
    if name in ("chat", "json"):
        return ChatFormat() if name == "chat" else JsonFormat()
    made: AlignmentFormat = import_object("alignment.questions.format", name)()
    return made


def _dataset(config: DataConfig) -> Dataset:
    if isinstance(config, JsonlData):
        problems = load_problems(config.paths, config.split)
        return to_dataset(problems, config.style, config.instruction)
    if isinstance(config, DatasetData):
        selection = selected(config)
        if int(os.environ.get("RANK", "0")) == 0:
            print(f"{config.name}: {selection}", file=sys.stderr)
        return to_dataset(selection.kept, config.style, config.instruction)
    return _micro_dataset(config)


def _micro_dataset(config: MicroData) -> Dataset:
    from trainer_client.micro.family import Split
    from trainer_client.micro.problems import generate

    problems = generate(Split(config.split), config.count, config.seed, config.hide)
    return to_dataset(problems, "text")


def _optimizer(recipe: Recipe, model: PreTrainedModel) -> Any:
    """None: TRL makes its own."""
    config = recipe.optimizer
    if not isinstance(config, Muon):
        return None
    if recipe.lora is not None:
        raise ConfigError("optimizer.type is 'muon' and lora is given; use 'adamw' with LoRA")
    return muon_and_adamw(
        model,
        learning_rate=config.learning_rate,
        adamw_learning_rate=config.adamw_learning_rate
        or recipe.grpo.get("learning_rate", GRPOConfig.learning_rate),
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )


def _lora(recipe: Recipe) -> Any:
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(**{"task_type": "CAUSAL_LM", **recipe.lora})


def _resume_from(recipe: Recipe) -> str | None:
    if not recipe.resume:
        return None
    exists = recipe.output_dir.is_dir()
    found = get_last_checkpoint(str(recipe.output_dir)) if exists else None  # type: ignore[no-untyped-call]
    if found is None:
        raise ConfigError(
            f"resume is true, but {recipe.output_dir} has no checkpoint; start without --resume"
        )
    return str(found)
