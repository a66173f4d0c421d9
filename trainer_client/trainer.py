"""TRL's GRPO trainer with a second, on-policy objective: aligning with execution.

One batch holds groups of both tasks; each prompt is its own group and the loss is the same,
so the ratio of groups is the only weight between them (CodeRL+, arXiv 2510.18471). All of it is
in one overridden method: questions made from the failures of the previous step go into the batch,
TRL generates, scores and normalizes, and the new failures are traced for the next step.

What stays TRL's: evaluation, the loss, ``num_items_in_batch``, gathering over processes, and the
advantages unless ``algorithm`` has its own. What needs care: each process's batch holds whole
groups, and all processes choose the same questions.
"""

import asyncio
from collections import Counter
from functools import partial
from math import gcd
from typing import Any

from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer  # type: ignore[attr-defined]

from trainer_client.algorithms.algorithm import Algorithm, Generate
from trainer_client.alignment.objective import Alignment
from trainer_client.alignment.questions import Rollout, make_samples
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.config import AlignmentConfig, ConfigError
from trainer_client.data import rows
from trainer_client.rewards import AlignmentReward, ExecutionReward

__all__ = ["CodeRLPlusTrainer"]

TRACE_SECONDS = 900.0
"""Backstop for a whole batch of traces; the client's own deadline comes first."""

Batch = list[rows.Row]


class CodeRLPlusTrainer(GRPOTrainer):
    """``GRPOTrainer`` on code rows, plus alignment groups where ``alignment`` is given.

    Args:
        code_reward: judges the code rows. Weights of the two rewards: ``args.reward_weights``.
        alignment: the second objective, None for the first alone.
        algorithm: what is not a field of ``args``, None for TRL's GRPO as ``args`` describes it.
        others: as for ``trl.GRPOTrainer``, but without ``reward_funcs``. The dataset has the
            columns of ``trainer_client.data.rows``.
    """

    args: GRPOConfig
    model: PreTrainedModel
    num_generations: int
    processing_class: PreTrainedTokenizerBase
    train_dataset: Dataset

    def __init__(
        self,
        *,
        code_reward: ExecutionReward,
        alignment: Alignment | None,
        algorithm: Algorithm | None = None,
        **others: Any,
    ) -> None:
        rewards: list[Any] = [code_reward]
        if alignment is not None:
            options = alignment.config.questions
            self.alignment_reward = AlignmentReward(alignment.format, options.reward)
            rewards.append(self.alignment_reward)
        if algorithm is not None:
            rewards = [*algorithm.keep(*rewards)]
        super().__init__(reward_funcs=rewards, **others)
        self.code_reward = code_reward
        self.alignment = alignment
        self.algorithm = algorithm
        if alignment is not None:
            self._groups_wanted = self._planned_groups(alignment.config)

    # The only override of a TRL method. Its name, argument and result are the same in every
    # release from 0.20 to 1.16; tests/trainer_client/test_trainer.py guards them.
    def _generate_and_score_completions(self, inputs: Batch) -> dict[str, Any]:
        generate: Generate = super()._generate_and_score_completions
        if not self.model.training:
            output = generate(inputs)
            self.code_reward.take_rollouts()
            return output
        if self.algorithm is not None:
            generate = partial(self.algorithm.generate, self, generate)
        if self.alignment is None:
            output = generate(inputs)
            self.code_reward.take_rollouts()
            return output
        output = generate(self._with_questions(inputs, self.alignment))
        self._refill(self.alignment, self.code_reward.take_rollouts())
        return output

    # --- questions into the batch ---------------------------------------------------------

    def _planned_groups(self, config: AlignmentConfig) -> int:
        """Alignment groups in a full generation batch of this process."""
        local = self.args.generation_batch_size // self.accelerator.num_processes
        if local % self.num_generations:
            raise ConfigError(
                f"a process's generation batch ({local} rollouts) has to hold whole groups of "
                f"{self.num_generations}; change grpo.per_device_train_batch_size"
            )
        code = local // self.num_generations
        wanted = config.groups or _by_ratio(code, config)
        whole = wanted // self._unit * self._unit
        if config.mode == "replace":
            whole = min(whole, code)
        if whole == 0 or (config.groups and whole != wanted):
            raise ConfigError(
                f"alignment.groups is {wanted} (of {code} groups, mode {config.mode!r}): it has to "
                f"be a positive multiple of {self._unit}, so that the batch splits evenly into "
                f"{self.args.steps_per_generation} steps; set alignment.groups"
            )
        return int(whole)

    @property
    def _unit(self) -> int:
        """Appended groups come in multiples of this: TRL cuts the batch into equal slices and
        would silently drop a remainder."""
        if self.alignment is not None and self.alignment.config.mode == "replace":
            return 1
        steps = self.args.steps_per_generation or 1
        return steps // gcd(steps, self.num_generations)

    def _with_questions(self, inputs: Batch, alignment: Alignment) -> Batch:
        processes = self.accelerator.num_processes
        fair_share = len(alignment.pool) // processes  # the same on every process
        wanted = round(self._groups_wanted * alignment.share(self._progress))
        groups = min(wanted, fair_share) // self._unit * self._unit
        self._note("alignment/groups", groups)
        chosen = alignment.pool.choose(groups * processes, self.state.global_step)
        first = self.accelerator.process_index * groups
        questions = [
            row
            for sample in chosen[first : first + groups]
            for row in [rows.alignment_row(sample, alignment.format.prompt(sample))]
            for _ in range(self.num_generations)
        ]
        kept = (
            inputs if alignment.config.mode == "append" else inputs[: len(inputs) - len(questions)]
        )
        return [*kept, *questions]

    @property
    def _progress(self) -> float:
        return self.state.global_step / max(1, self.state.max_steps)

    # --- failures into the pool -----------------------------------------------------------

    def _refill(self, alignment: Alignment, rollouts: list[Rollout]) -> None:
        """Trace this process's failures; every process ends with the questions of all."""
        outcomes = gather_object(self.alignment_reward.take_outcomes())
        write = self.accelerator.is_main_process
        alignment.record(outcomes, self.state.global_step, write)
        if not alignment.on_policy:
            return
        samples, dropped = self._traced(alignment, rollouts)
        short = [s for s in samples if self._fits(alignment, s)]
        dropped["long_prompt"] += len(samples) - len(short)
        alignment.pool.replace(gather_object(short))
        self._note("alignment/pool", len(alignment.pool))
        for reason, count in sorted(dropped.items()):
            if count:
                self._note(f"alignment/dropped/{reason}", count)

    def _traced(
        self, alignment: Alignment, rollouts: list[Rollout]
    ) -> tuple[list[AlignmentSample], Counter[str]]:
        step = self.state.global_step
        making = make_samples(rollouts, alignment.tracer, alignment.config.questions, step)
        future = asyncio.run_coroutine_threadsafe(making, self.async_loop)
        try:
            return future.result(TRACE_SECONDS)
        except BaseException:
            future.cancel()
            raise

    def _fits(self, alignment: Alignment, sample: AlignmentSample) -> bool:
        prompt = alignment.format.prompt(sample)
        tokenizer = self.processing_class
        if isinstance(prompt, str):
            ids = tokenizer(prompt)["input_ids"]
        else:
            ids = tokenizer.apply_chat_template(
                prompt, add_generation_prompt=True, return_dict=False
            )
        return len(ids) <= alignment.config.max_prompt_tokens

    def _note(self, name: str, value: float) -> None:
        self._metrics["train"][name].append(float(value))


def _by_ratio(code_groups: int, config: AlignmentConfig) -> int:
    """Groups for which alignment is ``ratio`` of the whole batch, at least one."""
    if config.mode == "replace":
        return max(1, round(config.ratio * code_groups))
    return max(1, round(config.ratio / (1 - config.ratio) * code_groups))
