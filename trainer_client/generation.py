"""Completions of prompts, drawn from a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Sampling", "complete"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn."""

    samples: int = 1
    """Completions of each prompt."""
    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    """Of nucleus sampling; 1 leaves all tokens."""
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()
    """A completion ends with the first of these texts, if it has one."""
    batch: int = 512
    seed: int = 0


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    special_tokens: bool = True,
    done: Callable[[int], None] = lambda count: None,
    cut: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """One completion for each prompt, in order; prompts of like length share a batch.

    ``special_tokens``: put the tokenizer's own in front, which a chat template has done already.
    ``done`` is told how many completions there are after each batch, ``cut`` how many of the batch
    ended at ``max_new_tokens``.
    """
    torch.manual_seed(sampling.seed)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    completions = [""] * len(prompts)
    for start in range(0, len(order), sampling.batch):
        chosen = order[start : start + sampling.batch]
        inputs = tokenizer(
            [prompts[i] for i in chosen],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            return_token_type_ids=False,
            add_special_tokens=special_tokens,
        )
        texts, ended = _generate(model, tokenizer, inputs, sampling)
        cut(ended.count(False))
        for i, text in zip(chosen, texts, strict=True):
            completions[i] = text
        done(start + len(chosen))
    return completions


@torch.inference_mode()
def _generate(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    inputs: BatchEncoding,
    sampling: Sampling,
) -> tuple[list[str], list[bool]]:
    """The completions, and whether each came to an end of its own."""
    model.eval()
    stopping = {"stop_strings": list(sampling.stop), "tokenizer": tokenizer}
    output = model.generate(
        **inputs.to(model.device),
        **_decoding(sampling),
        **(stopping if sampling.stop else {}),
        pad_token_id=tokenizer.pad_token_id,
    )
    completions = output[:, inputs["input_ids"].shape[1] :]
    texts = list(tokenizer.batch_decode(completions, skip_special_tokens=True))
    within = completions.shape[1] < sampling.max_new_tokens
    eos = model.generation_config.eos_token_id
    ends = {tokenizer.pad_token_id, *(eos if isinstance(eos, list) else [eos])}
    last = completions[:, -1].tolist()
    ended = [
        within or token in ends or any(stop in text for stop in sampling.stop)
        for token, text in zip(last, texts, strict=True)
    ]
    return texts, ended


def _decoding(sampling: Sampling) -> dict[str, object]:
    shared = {"max_new_tokens": sampling.max_new_tokens, "repetition_penalty": 1.0}
    if sampling.temperature == 0:
        return {**shared, "do_sample": False}
    chosen = {"temperature": sampling.temperature, "top_k": 0, "top_p": sampling.top_p}
    return {**shared, "do_sample": True, **chosen}
