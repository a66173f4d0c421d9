"""The micro model's tokenizer and its execution question."""

import pytest
from transformers import PreTrainedTokenizerFast

from executor_api.wire import CallSpec
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.micro.alignment import MicroFormat, correct_answer
from trainer_client.micro.family import Split
from trainer_client.micro.problems import generate
from trainer_client.micro.tokenizer import VOCABULARY, train_tokenizer

PROGRAM = "def f(s):\n    x = s[::-1]\n    y = x + x\n    return y\n"


def sample(**changes: object) -> AlignmentSample:
    fields: dict[str, object] = {
        "program": PROGRAM,
        "call": CallSpec(function="f", args=["abc"]),
        "variables": {"f.x": "'cba'", "f.y": "'cbacba'"},
    }
    return AlignmentSample.model_validate(fields | changes)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    problems = generate(Split.WARM_START, 500, seed=0)
    return [f"{p.prompt}{p.reference}" for p in problems] + [PROGRAM + "# f('abc'): x, y\n"]


@pytest.fixture(scope="module")
def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    return train_tokenizer(texts)


def test_tokenizer_round_trip(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> None:
    assert len(tokenizer) <= VOCABULARY
    for text in [*texts, "λ → 'é'\t\n  x", "", "it's <odd>\r\n"]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_data_letters_stay_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = [tokenizer.decode([i]) for i in tokenizer.encode("x = 'abcABC'\n")]
    assert pieces[-7:] == [*"abcABC", "'\n"]


def test_a_line_of_code_is_at_most_six_tokens(
    tokenizer: PreTrainedTokenizerFast, texts: list[str]
) -> None:
    lines = {line for text in texts for line in text.splitlines(True) if line.startswith("    ")}
    assert max(len(tokenizer.encode(line)) for line in lines) <= 6


def test_tokenizer_survives_saving(
    tokenizer: PreTrainedTokenizerFast, texts: list[str], tmp_path: object
) -> None:
    tokenizer.save_pretrained(str(tmp_path))
    loaded = PreTrainedTokenizerFast.from_pretrained(str(tmp_path))
    assert loaded.encode(texts[0]) == tokenizer.encode(texts[0])
    assert (loaded.pad_token, loaded.bos_token, loaded.eos_token) == ("<pad>", "<bos>", "<eos>")
    assert loaded.padding_side == "left"


def test_question_shows_program_call_and_names_but_no_answer() -> None:
    assert MicroFormat().prompt(sample()) == PROGRAM + "# f('abc'): x, y\n"


def test_correct_answer_parses_to_the_answers() -> None:
    for asked in (sample(), sample(kind="raised", exception="TypeError", exception_line=3)):
        assert MicroFormat().parse(correct_answer(asked), asked) == asked.answers


@pytest.mark.parametrize("completion", ["", "no answer", "q = 1\n", "x=\n", "x = \n"])
def test_what_answers_nothing_parses_to_none(completion: str) -> None:
    assert MicroFormat().parse(completion, sample()) is None


def test_a_partial_answer_holds_what_it_says() -> None:
    assert MicroFormat().parse("y = 'c'\nq = 3\n", sample()) == {"f.y": "'c'"}
