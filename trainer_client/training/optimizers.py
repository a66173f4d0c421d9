"""Optimizers that a recipe can name beside TRL's own."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from trainer_client.config import ConfigError

__all__ = ["MuonAndAdamW", "muon_and_adamw"]


class MuonAndAdamW(torch.optim.Optimizer):
    """Two optimizers as one: its parameter groups are theirs, so schedulers reach both."""

    def __init__(self, muon: torch.optim.Muon, adamw: torch.optim.AdamW) -> None:
        self._parts: tuple[torch.optim.Optimizer, ...] = (muon, adamw)
        super().__init__([p for part in self._parts for p in part.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = closure() if closure is not None else None
        for part in self._parts:
            part.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self._parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


def muon_and_adamw(
    model: nn.Module,
    *,
    learning_rate: float,
    adamw_learning_rate: float,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
) -> MuonAndAdamW:
    """Muon for the matrices inside the network, AdamW for embeddings, head, norms and biases.

    Muon's steps are scaled to the size of AdamW's only by the choice of ``learning_rate``.
    """
    outside = {id(p) for p in _embedding_parameters(model)}
    trainable = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trainable if p.ndim == 2 and id(p) not in outside]
    chosen = {id(p) for p in matrices}
    rest = [p for p in trainable if id(p) not in chosen]
    if not matrices or not rest:
        raise ConfigError(
            "optimizer.type is 'muon', but the trainable parameters are not both matrices and "
            "others (as with LoRA); use 'adamw'"
        )
    return MuonAndAdamW(
        torch.optim.Muon(matrices, lr=learning_rate, momentum=momentum, weight_decay=weight_decay),
        torch.optim.AdamW(rest, lr=adamw_learning_rate, weight_decay=weight_decay),
    )


def _embedding_parameters(model: nn.Module) -> Iterable[nn.Parameter]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) or name.endswith("lm_head"):
            yield from module.parameters(recurse=False)
