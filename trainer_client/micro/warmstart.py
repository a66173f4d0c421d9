"""Supervised warm start: write programs, and predict the variables of programs.

Stops early on purpose. A converged start leaves reinforcement learning nothing to do; the
checkpoint that ships writes a correct program for some six in ten fully stated held-out problems,
and predicts the variables of nearly all their references.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from executor_api.wire import CallSpec
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.micro.alignment import MicroFormat, correct_answer
from trainer_client.micro.family import Split, run, structures
from trainer_client.micro.model import new_model
from trainer_client.micro.problems import Draft, draft
from trainer_client.micro.tokenizer import train_tokenizer

__all__ = ["Example", "WarmStart", "optimizers", "warm_start"]

IGNORED = -100


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The vetted schedule."""

    steps: int = 600
    batch: int = 64
    writing: float = 0.08
    """Share of examples that write a program; the rest predict variables."""
    hide: float = 0.2
    muon_learning_rate: float = 0.006
    adam_learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    prompt: str
    completion: str


def warm_start(
    recipe: WarmStart, log: Callable[[int, float], None]
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Train tokenizer and model from nothing on the warm-start split."""
    examples = _examples(recipe)
    corpus = [e.prompt + e.completion for e, _ in zip(examples, range(6000), strict=False)]
    tokenizer = train_tokenizer(corpus)
    model = new_model(tokenizer, recipe.seed)
    steppers = optimizers(model, recipe.muon_learning_rate, recipe.adam_learning_rate)
    for step in range(recipe.steps):
        batch = [next(examples) for _ in range(recipe.batch)]
        loss = _step(model, steppers, encode(tokenizer, batch), _schedule(step, recipe.steps))
        log(step, loss)
    return model, tokenizer


def optimizers(
    model: LlamaForCausalLM, muon: float, adam: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return (
        torch.optim.Muon(matrices, lr=muon, weight_decay=0.0),
        torch.optim.AdamW(others, lr=adam, weight_decay=0.0),
    )


def encode(tokenizer: PreTrainedTokenizerFast, batch: list[Example]) -> dict[str, Tensor]:
    """Right-padded ``input_ids``, ``attention_mask`` and ``labels``, each (B, T)."""
    rows = [_row(tokenizer, example) for example in batch]
    width = max(len(ids) for ids, _ in rows)
    pad = tokenizer.pad_token_id
    return {
        "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows]
        ),
        "labels": torch.tensor([labels + [IGNORED] * (width - len(labels)) for _, labels in rows]),
    }


def _row(tokenizer: PreTrainedTokenizerFast, example: Example) -> tuple[list[int], list[int]]:
    prompt = tokenizer.encode(example.prompt)
    completion = [*tokenizer.encode(example.completion), tokenizer.eos_token_id]
    return prompt + completion, [IGNORED] * len(prompt) + completion


def _step(
    model: LlamaForCausalLM,
    steppers: tuple[torch.optim.Optimizer, ...],
    batch: dict[str, Tensor],
    scale: float,
) -> float:
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for stepper in steppers:
        for group in stepper.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * scale
        stepper.step()
        stepper.zero_grad()
    return float(loss.detach())


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up over 50 steps, linear decay to zero over the last half."""
    return min(1.0, (step + 1) / 50, 2 * (steps - step) / steps)


def _examples(recipe: WarmStart) -> Iterator[Example]:
    rng = random.Random(recipe.seed)
    known = structures(Split.WARM_START)
    while True:
        problem = draft(rng.choice(known), recipe.hide, rng)
        writes = rng.random() < recipe.writing
        yield _writing(problem) if writes else _tracing(problem, rng.random() < 0.5)


def _writing(problem: Draft) -> Example:
    return Example(problem.prompt, problem.reference)


def _tracing(problem: Draft, with_parameter: bool) -> Example:
    """What the reference computes. It is a wrong program for every other problem, so programs
    right and wrong look alike here."""
    given = problem.inputs[0]
    values = dict(
        zip(("f.s", "f.x", "f.y", "f.z"), [given, *run(problem.structure, given)], strict=False)
    )
    if not with_parameter:
        del values["f.s"]
    sample = AlignmentSample(
        program=problem.reference,
        call=CallSpec(function="f", args=[given]),
        variables={name: repr(value) for name, value in values.items()},
    )
    return Example(MicroFormat().prompt(sample), correct_answer(sample))
