"""The model that answers: which one a name means, and its completions of prompts.

``--model`` is ``micro`` (the checkpoint that ships), a GGUF file, ``package:NAME`` (an installed
Python package that carries one), a directory (a checkpoint, a run's ``output_dir``, a LoRA
adapter), or a name on the hub.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch
from jinja2 import TemplateError
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_utils import get_last_checkpoint

from trainer_client.config import GgufModel, HfModel, MicroModel, ModelConfig
from trainer_client.continuation import before
from trainer_client.evals.cases import EvalError, Messages, Prompt
from trainer_client.generation import Sampling, complete
from trainer_client.models import Policy, load_policy

__all__ = ["Dtype", "Style", "complete_prompts", "load_model", "style_of"]

Style = Literal["chat", "text"]
Dtype = Literal["auto", "float32", "bfloat16"]
PACKAGE = "package:"


def load_model(name: str, dtype: Dtype) -> Policy:
    """The model on the GPU if there is one. Raises ``EvalError`` and ``ConfigError``."""
    with TemporaryDirectory(prefix="coderl-eval-") as base:
        model, tokenizer = load_policy(_config(name, dtype), Path(base))
    if torch.cuda.is_available():
        model.to("cuda")  # type: ignore[arg-type]
    return model, tokenizer


def _config(name: str, dtype: Dtype) -> ModelConfig:
    path = Path(name)
    if name == "micro":
        return MicroModel(type="micro")
    if name.startswith(PACKAGE):
        return GgufModel(type="gguf", package=name.removeprefix(PACKAGE), dtype=dtype)
    if path.suffix == ".gguf":
        return GgufModel(type="gguf", file=path, dtype=dtype)
    if path.is_dir():
        return HfModel(type="hf", path=str(_saved(path)), dtype=dtype)
    if name.startswith((".", "/", "~")):
        raise EvalError(f"--model is {name!r}: no such file or directory")
    return HfModel(type="hf", path=name, dtype=dtype)


def _saved(directory: Path) -> Path:
    """Where in a run's directory the model is: at its top, or else in its last checkpoint."""
    if any((directory / name).is_file() for name in ("config.json", "adapter_config.json")):
        return directory
    last = get_last_checkpoint(str(directory))  # type: ignore[no-untyped-call]
    if last is None:
        raise EvalError(
            f"--model is {str(directory)!r}: it holds neither a model (config.json) nor a "
            "checkpoint; name a directory that training or save_pretrained wrote"
        )
    return Path(last)


def style_of(tokenizer: PreTrainedTokenizerBase) -> Style:
    """``chat`` for a model that has a chat template."""
    return "chat" if tokenizer.chat_template else "text"


def complete_prompts(
    policy: Policy,
    prompts: Sequence[Prompt],
    style: Style,
    sampling: Sampling,
    done: Callable[[int], None] = lambda count: None,
    cut: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """``sampling.samples`` completions of each prompt, those of one prompt together.

    The benchmark's ends hold for continuations alone; a chat model ends its turn itself.
    """
    model, tokenizer = policy
    sampling = replace(sampling, stop=prompts[0].stop if style == "text" else ())
    if style == "chat" and not tokenizer.chat_template:
        raise EvalError("--style is chat, but the model has no chat template; use --style text")
    texts = [_chat(tokenizer, p.messages) if style == "chat" else p.text for p in prompts]
    repeated = [text for text in texts for _ in range(sampling.samples)]
    _check_length(model, tokenizer, texts, sampling)
    drawn = complete(
        model, tokenizer, repeated, sampling, special_tokens=style == "text", done=done, cut=cut
    )
    return [before(text, sampling.stop) for text in drawn]


def _chat(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> str:
    """Templates that know no system message get its text with the user's."""
    try:
        return _templated(tokenizer, messages)
    except TemplateError:
        merged = "\n\n".join(message["content"] for message in messages)
        return _templated(tokenizer, [{"role": "user", "content": merged}])


def _templated(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> str:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert isinstance(text, str)
    return text


def _check_length(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    sampling: Sampling,
) -> None:
    """Refuse what does not fit the model's context, before hours are spent on the rest."""
    context = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(context, int) or not texts:
        return
    longest = max(texts, key=len)
    needed = len(tokenizer(longest)["input_ids"]) + sampling.max_new_tokens
    if needed > context:
        raise EvalError(
            f"the longest prompt and --max-new-tokens {sampling.max_new_tokens} take {needed} "
            f"tokens, but the model has a context of {context}: give a smaller --max-new-tokens, "
            "or another model"
        )
