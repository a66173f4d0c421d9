"""The micro model: a Hugging Face Llama of one million parameters, and its shipped checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer_client.config import ConfigError

__all__ = ["CHECKPOINT", "VETTED", "Size", "load_model", "new_model", "save_model"]

CHECKPOINT = Path(__file__).with_name("checkpoint")
"""Warm-started, in half precision; ``scripts/make_micro_checkpoint.py`` makes it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a Llama with tied embeddings."""

    width: int = 144
    layers: int = 4
    heads: int = 9


VETTED = Size()
"""A million parameters."""


def new_model(
    tokenizer: PreTrainedTokenizerFast, seed: int, size: Size = VETTED
) -> LlamaForCausalLM:
    """A model with random weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=size.width * 8 // 3,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def save_model(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path
) -> None:
    """Write a half-precision checkpoint, about two bytes a parameter."""
    directory.mkdir(parents=True, exist_ok=True)
    model.to(torch.float16).save_pretrained(directory)  # type: ignore[arg-type]
    tokenizer.save_pretrained(directory)


def load_model(directory: Path = CHECKPOINT) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Read a checkpoint into single precision, for training on a CPU. Raises ``ConfigError``."""
    if not (directory / "config.json").is_file():
        raise ConfigError(
            f"model.path is {str(directory)!r}, which holds no checkpoint; make one with "
            "scripts/make_micro_checkpoint.py, or leave it out for the one that ships"
        )
    try:
        model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32)
        return model, PreTrainedTokenizerFast.from_pretrained(directory)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.path is {str(directory)!r}: it cannot be loaded ({error}); make a checkpoint "
            "with scripts/make_micro_checkpoint.py"
        ) from error
