"""verl's rows, Eurus-2-RL-Data among them: a conversation and ``reward_model.ground_truth``."""

from typing import Any

from trainer_client.data.errors import RowError
from trainer_client.data.formats.cases import tests_of
from trainer_client.data.formats.fields import Fields
from trainer_client.data.problem import Message, Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"prompt", "reward_model"})


def convert(row: Fields) -> Problem | None:
    """Mathematics, which these sets also have, is left out."""
    if row.get("ability") == "math":
        return None
    prompt = row.get("prompt")
    messages = None if isinstance(prompt, str) else _messages(prompt)
    said = prompt if messages is None else "\n".join(message.content for message in messages)
    return Problem(
        id=row.id(prefix="verl"),
        prompt=prompt if messages is None else None,
        messages=messages,
        tests=tests_of(
            row.structure("reward_model.ground_truth"),
            "reward_model.ground_truth",
            statement=said,
        ),
        source=row.optional_text("data_source") or "verl",
        split=row.split or "train",
    )


def _messages(prompt: Any) -> list[Message]:
    if not isinstance(prompt, list) or not prompt:
        raise RowError("prompt", prompt, "not a conversation; write a list of messages")
    return [Message.model_validate(message) for message in prompt]
