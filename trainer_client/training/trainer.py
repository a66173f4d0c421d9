"""TRL's GRPO trainer with a second, on-policy objective: aligning with execution.

One batch holds groups of both tasks; each prompt is its own group and the loss is the same, so the
ratio of groups weighs one against the other (CodeRL+, arXiv 2510.18471; docs/training.md says where
lengths weigh too). Questions made
from failures go into the batch; TRL generates, scores and normalizes; new failures are traced.

The executor works beside the model: a program is sent when its completion ends, while the others
are still being generated, and failures are traced during the optimizer step.

What stays TRL's: evaluation, the loss, ``num_items_in_batch``, gathering over processes, and the
advantages unless ``algorithm`` has its own. What needs care: each process's batch holds whole
groups, and all processes choose the same questions.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer  # type: ignore[attr-defined]

from trainer_client.algorithms.algorithm import Algorithm
from trainer_client.alignment.objective import Alignment
from trainer_client.alignment.questions import Rollout, make_samples
from trainer_client.alignment.reward import AlignmentReward
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.data import rows
from trainer_client.extraction import completion_text
from trainer_client.rewards import ExecutionReward, Scored, code_metrics
from trainer_client.training.finished import telling
from trainer_client.training.groups import alignment_groups, unit
from trainer_client.training.samples import SampleLog
from trainer_client.training.step_costs import StepCosts
from trainer_client.training.two_calls import joined, merge_lengths

__all__ = ["CodeRLPlusTrainer"]

BACKSTOP = 3.0
"""Deadlines of the client's after which a whole batch is given up: its own comes first."""
CLOSE_SECONDS = 10.0

T = TypeVar("T")
Batch = list[rows.Row]
_IDS, _COMPLETIONS = 1, 3
"""Where TRL's ``_generate`` returns them."""


class CodeRLPlusTrainer(GRPOTrainer):
    """``GRPOTrainer`` on code rows, plus alignment groups where ``alignment`` is given.

    Args:
        code_reward: judges the code rows. Weights of the two rewards: ``args.reward_weights``.
        alignment: the second objective, None for the first alone.
        algorithm: what is not a field of ``args``, None for TRL's GRPO as ``args`` describes it.
        deadline_seconds: the client's, of one batch of programs.
        samples: where to keep some of the rollouts, if anywhere.
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
        deadline_seconds: float = 300.0,
        samples: SampleLog | None = None,
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
        self.samples = samples
        self._backstop = BACKSTOP * deadline_seconds
        self._evaluated: list[Scored] = []
        if samples is not None:
            self.add_callback(samples)
        self._batch: Batch = []
        self._texts: list[str] = []
        self._rollouts: list[Rollout] = []
        self._to_ask: Alignment | None = None
        self._tracing: Future[tuple[list[AlignmentSample], Counter[str]]] | None = None
        # The answers in a call of their own: a processor works off rows times steps, so it gains by
        # batches of like prompts and lengths; an accelerator takes its time for each step.
        self.answers_apart = self.accelerator.device.type == "cpu"
        self.costs = StepCosts(self.note, self.settle)
        self.add_callback(self.costs)
        if alignment is not None:
            processes = self.accelerator.num_processes
            self._groups_wanted = alignment_groups(self.args, alignment.config, processes)

    def close(self) -> None:
        """Give up whatever is under way at the executor; to be called however training ended."""
        if self._tracing is not None:
            self._tracing.cancel()
            self._tracing = None
        self._in_loop(self.code_reward.aclose()).result(CLOSE_SECONDS)

    def save_checkpoint(self) -> None:
        """Of the last finished step, outside of the training loop, which saves by itself."""
        self._save_checkpoint(self.model, trial=None)  # type: ignore[no-untyped-call]
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)

    # The two overrides of TRL's methods: the first puts questions into the batch, the second sends
    # programs off as they end. tests/trainer_client/test_trainer.py guards what they take, return
    # and rely on.
    def _generate_and_score_completions(self, inputs: Batch) -> dict[str, Any]:
        asking = self.alignment if self.model.training else None
        batch = list(inputs)
        if asking is not None and not asking.same_step:
            self.settle()
            batch = self._with_questions(asking, batch)
        self._to_ask = asking if asking is not None and asking.same_step else None
        self._rollouts = []
        if self.algorithm is not None and self.model.training:
            output = self.algorithm.generate(self, self._generate_batch, batch)
        else:
            output = self._generate_batch(batch)
        if asking is not None:
            self._record(asking)
            if asking.on_policy and not asking.same_step:
                self._trace(asking, self._rollouts)
        return output

    def _generate_batch(self, batch: Batch) -> dict[str, Any]:
        """TRL's method; in ``same_step`` the questions are appended to ``batch`` itself."""
        self._batch = batch
        if not self._metrics["eval"]:  # TRL has logged and cleared those of the last evaluation
            self._evaluated = []
        output: dict[str, Any] = super()._generate_and_score_completions(batch)
        waited, scored = self.code_reward.take_waited(), self.code_reward.take_scored()
        self._rollouts += [one.rollout for one in scored if one.rollout is not None]
        if self.model.training:
            self.costs.waited(waited)
            self._keep_samples(scored)
        else:
            self._weigh_alike(scored)
        return output

    def _weigh_alike(self, scored: list[Scored]) -> None:
        """TRL's mean of an evaluation is that of its batches, which are not equally long."""
        self._evaluated += [Scored(one.reward, one.verdict) for one in scored]
        exact = code_metrics(gather_object(self._evaluated))
        self._metrics["eval"].update({name: [value] for name, value in exact.items()})

    def _generate(self, prompts: list[Any]) -> Any:
        """Generate, and have each program judged as soon as it is there.

        In ``same_step`` the questions about this step's failures follow: they are put into the
        lists of rows and prompts that TRL goes on with.
        """
        code = sum(row["task"] == rows.CODE for row in self._batch)
        first = code if code and self.answers_apart else len(prompts)
        generated = self._generate_early(prompts[:first], dict(enumerate(self._batch[:first])))
        asking, self._to_ask = self._to_ask, None  # once a step, however many rounds it takes
        if asking is not None:
            if asking.on_policy:
                self._fill_pool(asking, generated[_COMPLETIONS])
            questions = self._questions(asking)
            self._batch += questions
            prompts += [row["prompt"] for row in questions]
        if len(prompts) > first:
            generated = joined(generated, super()._generate(prompts[first:]))
            merge_lengths(self._metrics["train"], (first, len(prompts) - first))
        self._texts = [completion_text(completion) for completion in generated[_COMPLETIONS]]
        if self.model.training:
            self._count(generated[_IDS])
        return generated

    def _keep_samples(self, code: list[Scored]) -> None:
        step = self.state.global_step + 1
        if self.samples is None or not self.samples.wants(step):
            return
        scored = code
        if self.alignment is not None:
            pairs = zip(code, self.alignment_reward.take_scored(), strict=True)
            scored = [a if a.verdict is not None else b for a, b in pairs]
        if self.accelerator.is_main_process:
            self.samples.add(step, self._batch, self._texts, scored)

    # --- programs to the executor, as early as can be --------------------------------------

    def _generate_early(self, prompts: list[Any], batch: dict[int, rows.Row]) -> Any:
        with telling(self.model, self.eos_token_ids, partial(self._begin, batch)):
            generated = super()._generate(prompts)
        texts = {i: completion_text(c) for i, c in enumerate(generated[_COMPLETIONS])}
        self._in_loop(self.code_reward.begin(batch, texts))
        return generated

    def _begin(self, batch: dict[int, rows.Row], finished: dict[int, list[int]]) -> None:
        texts = self.processing_class.batch_decode(
            list(finished.values()), skip_special_tokens=True
        )
        self._in_loop(self.code_reward.begin(batch, dict(zip(finished, texts, strict=True))))

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start it in the loop that the rewards run in."""
        return asyncio.run_coroutine_threadsafe(work, self.async_loop)

    def _count(self, completion_ids: list[list[int]]) -> None:
        """The tokens generated for each task, over all processes."""
        names = [rows.CODE, rows.ALIGNMENT][: len(self.reward_funcs)]
        lengths: Counter[str] = Counter()
        for row, ids in zip(self._batch, completion_ids, strict=True):
            lengths[row["task"]] += len(ids)
        counts = torch.tensor([[lengths[name] for name in names]], device=self.accelerator.device)
        totals = self.accelerator.gather(counts).sum(0).tolist()
        self.costs.generated(Counter(dict(zip(names, totals, strict=True))))

    # --- questions into the batch ---------------------------------------------------------

    def _with_questions(self, alignment: Alignment, code: Batch) -> Batch:
        questions = self._questions(alignment)
        if alignment.config.mode == "replace":
            code = code[: len(code) - len(questions)]
        return [*code, *questions]

    def _questions(self, alignment: Alignment) -> Batch:
        """Groups about distinct failures: as many as planned, or as the pool has for everyone."""
        processes = self.accelerator.num_processes
        fair_share = len(alignment.pool) // processes  # the same on every process
        wanted = round(self._groups_wanted * alignment.share(self._progress))
        multiple = unit(self.args, alignment.config)
        groups = min(wanted, fair_share) // multiple * multiple
        self.note("alignment/groups", groups)
        chosen = alignment.pool.choose(groups * processes, self.state.global_step)
        first = self.accelerator.process_index * groups
        return [
            row
            for sample in chosen[first : first + groups]
            for row in [rows.alignment_row(sample, alignment.format.prompt(sample))]
            for _ in range(self.num_generations)
        ]

    @property
    def _progress(self) -> float:
        return self.state.global_step / max(1, self.state.max_steps)

    # --- failures into the pool -----------------------------------------------------------

    def _record(self, alignment: Alignment) -> None:
        """What the questions of all processes came to."""
        outcomes = gather_object(self.alignment_reward.take_outcomes())
        alignment.record(outcomes, self.state.global_step, self.accelerator.is_main_process)

    def _fill_pool(self, alignment: Alignment, completions: list[Any]) -> None:
        """From the failures among these completions, at once."""
        batch = dict(enumerate(self._batch))
        judging = self.code_reward.judge(batch, dict(enumerate(completions)))
        self._trace(alignment, _result(self._in_loop(judging), self._backstop))
        self.settle()

    def _trace(self, alignment: Alignment, rollouts: list[Rollout]) -> None:
        """Have this process's failures traced, beside whatever comes next."""
        step = self.state.global_step
        making = make_samples(rollouts, alignment.tracer, alignment.config.questions, step)
        self._tracing = self._in_loop(making)

    def settle(self) -> None:
        """Wait for the traces under way; every process ends with the questions of all."""
        if self._tracing is None or self.alignment is None:
            return
        began = time.monotonic()
        tracing, self._tracing = self._tracing, None
        samples, dropped = _result(tracing, self._backstop)
        self.costs.waited(time.monotonic() - began)
        self._refill(self.alignment, samples, dropped)

    def _refill(
        self, alignment: Alignment, samples: list[AlignmentSample], dropped: Counter[str]
    ) -> None:
        short = [s for s in samples if self._fits(alignment, s)]
        dropped["long_prompt"] += len(samples) - len(short)
        alignment.pool.replace(gather_object(short))
        self.note("alignment/pool", len(alignment.pool))
        for reason, count in sorted(dropped.items()):
            if count:
                self.note(f"alignment/dropped/{reason}", count)

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

    def note(self, name: str, value: float) -> None:
        """Log a number with the metrics of this training step."""
        self._metrics["train"][name].append(float(value))

    def show_advantages(self, advantages: Iterable[float]) -> None:
        """Put those of a round, of all processes, into TRL's table of completions. It is as long as
        one round, so nothing older remains."""
        table: deque[float] = self._logs["advantages"]  # type: ignore[assignment]
        table.extend(advantages)


def _result(future: "Future[T]", seconds: float) -> T:
    try:
        return future.result(seconds)
    except BaseException:
        future.cancel()
        raise
