"""Train from a recipe: ``coderl train RECIPE.yaml [--field value …]``.

Simplifications: one policy, no critic; no update begins before all its rollouts are judged;
evaluation is the sampled pass rate on held-out problems. Several processes: ``accelerate launch``
with ``executor.url`` set, so that all of them share one executor.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PrinterCallback, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from trl import GRPOConfig  # type: ignore[attr-defined]

from trainer_client.algorithms.algorithm import Algorithm
from trainer_client.alignment.objective import Alignment
from trainer_client.alignment.store import FILE_NAME as ASKED_FILE
from trainer_client.alignment.store import SampleStore
from trainer_client.client import ExecutorClient, ExecutorError
from trainer_client.client.answers import NoVerdicts
from trainer_client.config import (
    RECIPE_FILE,
    ConfigError,
    Muon,
    Recipe,
    load_recipe,
    save_recipe,
)
from trainer_client.data.problem import DataError
from trainer_client.local_executor import ExecutorNotReady, check_given, running_executor
from trainer_client.models import Policy, load_policy
from trainer_client.report import REPORT_FILES
from trainer_client.rewards import ExecutionReward
from trainer_client.training.callbacks import (
    METRICS_FILE,
    MetricsFile,
    PoolCheckpoint,
    Progress,
    StopOnInterrupt,
)
from trainer_client.training.optimizers import muon_and_adamw
from trainer_client.training.places import checkpoint
from trainer_client.training.planning import Plan, check_template, plan
from trainer_client.training.samples import FILE_NAME as SAMPLES_FILE
from trainer_client.training.samples import SampleLog
from trainer_client.training.trainer import CodeRLPlusTrainer
from trainer_client.training.watched import RunExecutor, Watched

__all__ = ["RunResult", "build_trainer", "main", "run"]

CLOSE_SECONDS = 10.0
_OF_THE_RUN = (METRICS_FILE, SAMPLES_FILE, ASKED_FILE, *REPORT_FILES)
"""Removed at a fresh start: this run may write none of its own, and be taken for an earlier one."""
_NO_EXECUTOR = (ExecutorError, ExecutorNotReady, NoVerdicts)
"""What ends a run in the middle of a step."""


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
    except _NO_EXECUTOR as error:
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
    set_seed(recipe.seed)
    planned = plan(recipe)
    check_given(recipe.executor)
    base = recipe.output_dir / "base"
    policy = load_policy(recipe.model, base, all_trained=recipe.lora is None)
    check_template(recipe, policy[1])
    with (
        running_executor(recipe.executor, recipe.output_dir / "executor.log") as urls,
        _training(planned, policy, urls) as trainer,
    ):
        return _run(planned, trainer)


def _run(planned: Plan, trainer: CodeRLPlusTrainer) -> RunResult:
    recipe = planned.recipe
    resume_from = str(planned.resume_from) if planned.resume_from else None
    stop = StopOnInterrupt(trainer.accelerator)
    trainer.add_callback(stop)
    if trainer.accelerator.is_main_process:
        for name in _OF_THE_RUN if resume_from is None else ():
            (recipe.output_dir / name).unlink(missing_ok=True)
        save_recipe(recipe, recipe.output_dir / RECIPE_FILE)
    evaluation = recipe.evaluation
    metrics: dict[str, float] = {}
    if evaluation.data is not None and evaluation.at_start and resume_from is None:
        trainer.evaluate()
    try:
        metrics |= trainer.train(resume_from_checkpoint=resume_from).metrics
    except _NO_EXECUTOR as error:
        raise type(error)(f"{error}; {_keep_last_step(trainer)}") from error
    finally:
        stop.restore()
    trainer.save_model(str(recipe.output_dir))
    if evaluation.data is not None and evaluation.at_end and not stop.interrupted:
        metrics |= trainer.evaluate()
    return RunResult(recipe.output_dir, trainer.state.global_step, stop.interrupted, metrics)


def _keep_last_step(trainer: CodeRLPlusTrainer) -> str:
    """Save a checkpoint of the last finished step, as an interrupt does; how to go on."""
    if trainer.state.global_step == 0:
        return "no step was finished, so start again"
    kept = checkpoint(trainer.args, trainer.state)
    if not (kept / TRAINER_STATE_NAME).is_file():
        if trainer.accelerator.num_processes > 1:
            return (
                "go on from the last checkpoint with --resume, if there is one"  # the others wait
            )
        trainer.save_checkpoint()
    return f"{kept} holds the last finished step: go on with --resume"


@contextlib.contextmanager
def _training(planned: Plan, policy: Policy, urls: list[str]) -> Iterator[CodeRLPlusTrainer]:
    """The trainer with its HTTP client, which is closed in the loop that used it."""
    seconds = planned.recipe.executor.deadline_seconds
    client = ExecutorClient(urls, planned.api_key, deadline_seconds=seconds)
    trainer = build_trainer(planned, policy, Watched(client, urls))
    try:
        yield trainer
    finally:
        trainer.close()
        closing = asyncio.run_coroutine_threadsafe(client.aclose(), trainer.async_loop)
        closing.result(CLOSE_SECONDS)


def build_trainer(planned: Plan, policy: Policy, client: RunExecutor) -> CodeRLPlusTrainer:
    """The trainer that the recipe describes, judged by ``client``. Raises ``ConfigError`` where
    TRL refuses it."""
    recipe, arguments = planned.recipe, planned.arguments
    model, tokenizer = policy
    code_reward = ExecutionReward(
        client, recipe.reward.type, planned.extract, recipe.reward.patience
    )
    alignment = _alignment(planned, client)
    try:
        trainer = CodeRLPlusTrainer(
            code_reward=code_reward,
            alignment=alignment,
            algorithm=_algorithm(recipe, arguments),
            deadline_seconds=recipe.executor.deadline_seconds,
            samples=_samples(recipe),
            model=model,
            processing_class=tokenizer,
            args=arguments,
            train_dataset=planned.train,
            eval_dataset=planned.held_out,
            optimizers=(_optimizer(recipe, model), None),
            peft_config=_lora(recipe),
            callbacks=[MetricsFile(), Progress()],
        )
    except (ImportError, ValueError) as error:
        raise ConfigError(f"the trainer refuses the recipe: {error}") from error
    trainer.remove_callback(PrinterCallback)
    if alignment is not None:
        trainer.add_callback(PoolCheckpoint(alignment, planned.resume_from))
    return trainer


def _algorithm(recipe: Recipe, arguments: GRPOConfig) -> Algorithm | None:
    if recipe.algorithm is None:
        return None
    return Algorithm(recipe.algorithm, arguments.max_completion_length, recipe.seed)


def _alignment(planned: Plan, client: RunExecutor) -> Alignment | None:
    recipe = planned.recipe
    if not recipe.alignment.enabled:
        return None
    store = SampleStore(recipe.output_dir)
    return Alignment(recipe.alignment, planned.format, client, recipe.seed, store)


def _samples(recipe: Recipe) -> SampleLog | None:
    if not recipe.logging.samples:
        return None
    return SampleLog(recipe.output_dir, recipe.logging, recipe.seed)


def _optimizer(recipe: Recipe, model: PreTrainedModel) -> Any:
    """None: TRL makes its own."""
    config = recipe.optimizer
    if not isinstance(config, Muon):
        return None
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
