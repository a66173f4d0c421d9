"""Rows are told of when they end, exactly as generated, and generation is what it was."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainer_client.tiny_policy import save_tiny_policy
from trainer_client.training.finished import LOOK_EVERY, FinishedRows, telling

ROWS = 16
EOS = [7, 9]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_policy(tmp_path_factory.mktemp("policy"))


def test_the_rows_of_a_real_generation(policy: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(policy)
    tokenizer = AutoTokenizer.from_pretrained(policy)
    prompts = tokenizer(["a", "bb"] * (ROWS // 2), return_tensors="pt", padding=True)
    ends = torch.randperm(len(tokenizer), generator=torch.Generator().manual_seed(0))[:20].tolist()
    told: list[dict[int, list[int]]] = []

    def generate() -> torch.Tensor:
        torch.manual_seed(0)
        return model.generate(**prompts, do_sample=True, max_new_tokens=30, eos_token_id=ends)

    with telling(model, ends, told.append):
        watched = generate()
    assert "generate" not in vars(model)
    assert torch.equal(watched, generate())
    start = prompts["input_ids"].shape[1]
    rows = {row: ids for batch in told for row, ids in batch.items()}
    assert sum(len(batch) for batch in told) == len(rows) > ROWS // 2
    assert len(told) > 1
    for row, ids in rows.items():
        assert ids[-1] in ends and not set(ids[:-1]) & set(ends)
        assert watched[row, start : start + len(ids)].tolist() == ids


def test_a_row_is_told_of_once_and_soon() -> None:
    told: list[dict[int, list[int]]] = []
    criterion = FinishedRows(EOS, told.append)
    ids = torch.tensor([[7, 1, 2, 7, 0, 0, 0, 0, 0, 0], [1, 1, 2, 3, 4, 5, 6, 1, 9, 0]])
    for length in range(2, ids.shape[1] + 1):  # the prompt, one token, ends in an EOS of its own
        stopped = criterion(ids[:, :length], torch.empty(0))
        assert stopped.tolist() == [False, False]
    assert told == [{0: [1, 2, 7]}, {1: [1, 2, 3, 4, 5, 6, 1, 9]}]
    assert LOOK_EVERY == 4
