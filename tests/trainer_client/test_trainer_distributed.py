"""Two processes, one policy: groups stay whole, questions are shared out, pools agree, and what an
algorithm normalizes or draws again, it does over both."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, pvariance
from typing import Any

import pytest
import yaml

from tests.service import KEY, Service
from tests.trainer_client.tiny_policy import save_tiny_policy

ROOT = Path(__file__).parents[2]
SECONDS = 240
SAMPLED_AGAIN = {"type": "reinforce_pp", "dynamic_sampling": {"enabled": True, "max_rounds": 4}}
RUNS: dict[str, dict[str, Any]] = {
    "trl": {},
    "global": {"algorithm": SAMPLED_AGAIN},
    "same_step": {"mode": "same_step"},
    "interrupted": {"max_steps": 50},
}
ROWS = {"trl": (4, 6), "global": (4, 6), "same_step": (6, 6)}

Seen = list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(
    live_executor: Service, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Seen, Seen]]:
    """Of each run, what the two processes saw of their two steps. One launch for all."""
    folder = tmp_path_factory.mktemp("distributed")
    problems = folder / "problems.jsonl"
    tests = [{"kind": "stdio", "stdout": text} for text in ("0\n", "never\n")]
    rows = [{"id": f"p{i}", "prompt": f"Problem {i:02}.", "tests": tests} for i in range(24)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe: dict[str, Any] = {
        "model": {"type": "hf", "path": str(save_tiny_policy(folder / "policy"))},
        "data": {"type": "jsonl", "paths": [str(problems)]},
        "executor": {"url": live_executor.url},
        "reward": {"extract": "tests.trainer_client.tiny_policy:any_program", "type": "fraction"},
        "alignment": {"groups": 1, "max_prompt_tokens": 2000},
        "grpo": {
            "max_steps": 2,
            "num_generations": 2,
            "per_device_train_batch_size": 4,
            "max_completion_length": 8,
        },
    }
    for name, fields in RUNS.items():
        (folder / name).mkdir()
        own = {**recipe, "algorithm": fields.get("algorithm")}
        own["alignment"] = {**recipe["alignment"], "mode": fields.get("mode", "append")}
        own["grpo"] = {**recipe["grpo"], "max_steps": fields.get("max_steps", 2)}
        own["output_dir"] = str(folder / name / "out")
        (folder / name / "recipe.yaml").write_text(yaml.safe_dump(own))
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            Path(__file__).with_name("distributed_run.py"),
            *(folder / name / "recipe.yaml" for name in RUNS),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CODERL_API_KEY": KEY, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=SECONDS,
    )
    return {name: (_read(folder / name, 0), _read(folder / name, 1)) for name in RUNS}


def _read(folder: Path, rank: int) -> Seen:
    found: Seen = json.loads((folder / f"{rank}.json").read_text())
    return found


@pytest.mark.gvisor
@pytest.mark.parametrize("run", ROWS)
def test_two_processes_share_the_questions_of_both(
    seen: dict[str, tuple[Seen, Seen]], run: str
) -> None:
    ours, theirs = seen[run]
    for a, b, expected in zip(ours, theirs, ROWS[run], strict=True):
        assert a["rows"] == b["rows"] == expected
        assert a["whole"] and b["whole"]
        assert a["all_tokens"] == b["all_tokens"] == sum(a["tokens"]) + sum(b["tokens"])
        assert a["pool"] == b["pool"]
        assert len(a["pool"]) >= 8
    assert ours[1]["question"] != theirs[1]["question"]


@pytest.mark.gvisor
def test_a_signal_to_one_process_ends_both_after_the_same_step(
    seen: dict[str, tuple[Seen, Seen]],
) -> None:
    ours, theirs = seen["interrupted"]
    assert len(ours) == len(theirs) == 1


@pytest.mark.gvisor
def test_groups_are_normalized_each_for_itself(seen: dict[str, tuple[Seen, Seen]]) -> None:
    for step in (step for process in seen["trl"] for step in process):
        pairs = zip(step["advantages"][::2], step["advantages"][1::2], strict=True)
        assert all(abs(sum(pair)) < 1e-4 for pair in pairs)


@pytest.mark.gvisor
def test_a_global_normalization_spans_the_processes(seen: dict[str, tuple[Seen, Seen]]) -> None:
    for ours, theirs in zip(*seen["global"], strict=True):
        both = [token for step in (ours, theirs) for token in _code_tokens(step)]
        assert mean(both) == pytest.approx(0, abs=1e-5)
        assert pvariance(both) == pytest.approx(1, abs=1e-4)
    assert any(abs(mean(_code_tokens(step))) > 1e-3 for step in seen["global"][0])


def _code_tokens(step: dict[str, Any]) -> list[float]:
    """The advantage of each token of the four code rows."""
    pairs = list(zip(step["advantages"], step["tokens"], strict=True))[:4]
    return [advantage for advantage, tokens in pairs for _ in range(tokens)]


@pytest.mark.gvisor
def test_both_processes_sample_as_often_and_never_the_same(
    seen: dict[str, tuple[Seen, Seen]],
) -> None:
    for ours, theirs in zip(*seen["global"], strict=True):
        assert ours["sampling"] == theirs["sampling"]
        prompts = [tuple(_written(p)) for step in (ours, theirs) for p in step["prompts"][:2]]
        assert len(set(prompts)) == 4
    replaced = "dynamic_sampling/replaced_groups"
    assert sum(step["sampling"][replaced][-1] for step in seen["global"][0]) > 0


def _written(prompt: list[int]) -> list[int]:
    """Without the padding on the left."""
    padding = 257
    return [token for token in prompt if token != padding]
