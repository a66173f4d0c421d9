"""The micro model's tokenizer: byte-level BPE in which data letters stay apart.

A line of code costs one to six tokens, a letter between quotes exactly one, so that the model
can compute on strings letter by letter. Being byte-level, it encodes any text.
"""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

__all__ = ["VOCABULARY", "train_tokenizer"]

VOCABULARY = 448
_SPECIAL = ["<pad>", "<bos>", "<eos>"]
_DATA_LETTER = r"[A-Za-z](?=[A-Za-z]*')"


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Learn the merges; merges cross words but neither lines nor data letters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "merged_with_previous"),
            pre_tokenizers.Split(", then ", "isolated"),
            pre_tokenizers.Split(Regex(_DATA_LETTER), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, _trainer())
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_max_length=256,
    )


def _trainer() -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
