"""What a recipe comes to before there is a policy or an executor: all that a wrong one fails at."""

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_available_reporting_integrations,
)
from trl import GRPOConfig  # type: ignore[attr-defined]
from trl.import_utils import is_vllm_available

from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.alignment.formats import AlignmentFormat, ChatFormat, JsonFormat
from trainer_client.alignment.objective import prebuilt_samples
from trainer_client.config import (
    RECIPE_FILE,
    ConfigError,
    DataConfig,
    DatasetData,
    JsonlData,
    MicroData,
    MicroModel,
    Recipe,
    check_same_run,
)
from trainer_client.data.problem import load_problems
from trainer_client.data.rows import to_dataset
from trainer_client.data.selection import selected
from trainer_client.extraction import Extract, import_object, resolve_extract
from trainer_client.models import device_dtype
from trainer_client.training.callbacks import METRICS_FILE
from trainer_client.training.checkpoints import checkpoints, flaw
from trainer_client.training.groups import alignment_groups, code_groups

__all__ = ["Plan", "check_template", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe that was checked, and what it names."""

    recipe: Recipe
    arguments: GRPOConfig
    extract: Extract
    format: AlignmentFormat
    train: Dataset
    held_out: Dataset | None
    resume_from: Path | None
    """The checkpoint to go on from."""
    api_key: str | None = field(repr=False)
    """For the executor."""


def plan(recipe: Recipe) -> Plan:
    """Check what can be checked and load the data. Raises ``ConfigError`` and ``DataError``."""
    _quiet()
    arguments = _arguments(recipe)
    if arguments.world_size > 1 and recipe.executor.url == "auto":
        raise ConfigError(
            f"executor.url is 'auto', but {arguments.world_size} processes train: each would start "
            "an executor of its own; start one with `coderl serve` and give its address"
        )
    _warn_of_rounding(recipe)
    if recipe.alignment.enabled:
        prebuilt_samples(recipe.alignment)
        alignment_groups(arguments, recipe.alignment, arguments.world_size)
        _check_questions(recipe)
    if recipe.algorithm is not None and recipe.algorithm.dynamic_sampling.enabled:
        code_groups(arguments, arguments.world_size)
    _check_evaluation(recipe, arguments)
    if recipe.grpo.get("use_vllm") and not is_vllm_available():
        raise ConfigError(
            "grpo.use_vllm is true, but no vllm is installed that TRL works with: pip install "
            "'trl[vllm]', or remove grpo.use_vllm to generate with transformers"
        )
    extract = resolve_extract(recipe.reward.extract)
    format = _format(recipe.alignment.questions.format)
    resume_from, api_key = _resume_from(recipe), recipe.executor.api_key
    # The data last: large sets take minutes to read and filter.
    train = _dataset(recipe.data)
    _check_size(train, arguments)
    held_out = recipe.evaluation.data
    return Plan(
        recipe=recipe,
        arguments=arguments,
        extract=extract,
        format=format,
        train=train,
        held_out=None if held_out is None else _dataset(held_out),
        resume_from=resume_from,
        api_key=api_key,
    )


def _quiet() -> None:
    """No usage telemetry, and no warnings that a user can do nothing about: forks from the
    tokenizers, a name of transformers' that TRL still uses."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", ".*gradient_checkpointing.*", FutureWarning)


def _warn_of_rounding(recipe: Recipe) -> None:
    coarse = not isinstance(recipe.model, MicroModel) and recipe.model.dtype == "bfloat16"
    if coarse and recipe.lora is None and _is_first_process():
        print(
            "model.dtype is 'bfloat16': updates of less than about 1/256 of a weight are rounded "
            "away; 'auto' keeps float32 weights (grpo.bf16 computes in bfloat16 all the same)",
            file=sys.stderr,
        )


def _is_first_process() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


def _check_questions(recipe: Recipe) -> None:
    """Questions in a conversation do not go into one batch with prompts of plain text."""
    data, asked = recipe.data, recipe.alignment.questions.format
    text = isinstance(data, MicroData) or data.style == "text"
    if text and asked in ("chat", "json"):
        raise ConfigError(
            f"alignment.questions.format is {asked!r}, a conversation, but the problems are plain "
            "text: set data.style to 'chat', or name a format of text as package.module:Class"
        )


def check_template(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> None:
    """Conversations need a model that has a form for them."""
    if getattr(recipe.data, "style", "text") == "chat" and not tokenizer.chat_template:
        raise ConfigError(
            "data.style is 'chat', but the model's tokenizer has no chat template, as of a base "
            "model: set data.style to 'text', or choose a model that was tuned on conversations"
        )


def _check_evaluation(recipe: Recipe, arguments: GRPOConfig) -> None:
    """As TRL checks it where it evaluates during training."""
    if recipe.evaluation.data is None and arguments.eval_strategy != "no":
        raise ConfigError(
            f"grpo.eval_strategy is {recipe.grpo.get('eval_strategy')!r}, but there is nothing to "
            "evaluate on; give evaluation.data, or remove it"
        )
    size = arguments.num_generations_eval or arguments.num_generations or 1
    batch = arguments.per_device_eval_batch_size
    if recipe.evaluation.data is not None and batch * arguments.world_size % size:
        raise ConfigError(
            f"grpo.per_device_eval_batch_size is {batch}: times the number of processes, "
            f"{arguments.world_size}, it has to be a multiple of {size}, the rollouts of a problem"
        )


def _check_size(train: Dataset, arguments: GRPOConfig) -> None:
    """TRL leaves out what does not fill a generation batch: of too few problems, everything."""
    groups = (arguments.generation_batch_size or 0) // (arguments.num_generations or 1)
    if len(train) < groups:
        raise ConfigError(
            f"data has {len(train)} problems, less than the {groups} groups of a generation batch, "
            "so no step would be made; give more problems, or lower what makes the batch: "
            "grpo.per_device_train_batch_size × processes × steps_per_generation / num_generations"
        )


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
    if recipe.grpo.get("model_init_kwargs"):
        raise ConfigError(
            f"grpo.model_init_kwargs is {recipe.grpo['model_init_kwargs']!r}: it would reach the "
            "reference model alone; set the fields of 'model' instead"
        )
    if "reward_weights" in recipe.grpo:
        raise ConfigError(
            f"grpo.reward_weights is {recipe.grpo['reward_weights']!r}: set reward.weight and "
            "alignment.weight instead"
        )
    if recipe.algorithm is not None:
        settings = ALGORITHMS[recipe.algorithm.type]
        defaults |= {**settings.values, **settings.defined_by}
    try:
        return GRPOConfig(
            output_dir=str(recipe.output_dir), seed=recipe.seed, **{**defaults, **recipe.grpo}
        )
    except ValueError as error:
        raise ConfigError(f"grpo: {error}") from None


def _check_reporting(chosen: str | list[str] | None) -> None:
    """Every place to report to is known and its package installed."""
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


def _format(name: str) -> AlignmentFormat:
    if name in ("chat", "json"):
        return ChatFormat() if name == "chat" else JsonFormat()
    kind = import_object("alignment.questions.format", name)
    try:
        made: AlignmentFormat = kind()
    except TypeError as error:
        reason = str(error)
    else:
        if all(callable(getattr(made, method, None)) for method in ("prompt", "parse")):
            return made
        reason = "it has no methods prompt and parse"
    raise ConfigError(
        f"alignment.questions.format is {name!r}: {reason}; name a class that is made without "
        "arguments and has the methods of trainer_client.alignment.formats.AlignmentFormat"
    )


def _dataset(config: DataConfig) -> Dataset:
    if isinstance(config, JsonlData):
        problems = load_problems(config.paths, config.split)
        return to_dataset(problems, config.style, config.instruction)
    if isinstance(config, DatasetData):
        selection = selected(config)
        if _is_first_process():
            print(f"{config.name}: {selection}", file=sys.stderr)
        return to_dataset(selection.kept, config.style, config.instruction)
    return _micro_dataset(config)


def _micro_dataset(config: MicroData) -> Dataset:
    from trainer_client.micro.family import Split
    from trainer_client.micro.problems import generate

    problems = generate(Split(config.split), config.count, config.seed, config.hide)
    return to_dataset(problems, "text")


def _resume_from(recipe: Recipe) -> Path | None:
    """The last whole checkpoint. A run from the start is refused where there is one: it would be
    taken for this run's later."""
    _check_folder(recipe.output_dir)
    found = checkpoints(recipe.output_dir)
    if found and not recipe.resume:
        raise ConfigError(
            f"output_dir is {str(recipe.output_dir)!r}, which holds the checkpoints of a run; go "
            "on with --resume, choose another output_dir, or remove it"
        )
    if not recipe.resume:
        return None
    check_same_run(recipe, recipe.output_dir / RECIPE_FILE)
    return _last_whole(recipe, found)


def _last_whole(recipe: Recipe, found: Sequence[Path]) -> Path:
    skipped = []
    for path in found:
        reason = flaw(path, pool=recipe.alignment.enabled)
        if reason is None:
            return path
        skipped.append(f"{path.name} cannot be gone on from: {reason}")
        if _is_first_process():
            print(skipped[-1], file=sys.stderr)
    if not skipped:
        raise ConfigError(
            f"resume is true, but {recipe.output_dir} has no checkpoint; start without --resume"
        )
    raise ConfigError(
        f"resume is true, but {recipe.output_dir} has no whole checkpoint ({'; '.join(skipped)}); "
        "start in another output_dir"
    )


def _check_folder(folder: Path) -> None:
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is not None and not there.is_dir():
        raise ConfigError(
            f"output_dir is {str(folder)!r}, but {there} is a file; choose another output_dir"
        )
