"""Two processes, one policy: groups stay whole, questions are shared out, pools agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.service import KEY, Service
from tests.trainer_client.tiny_policy import save_tiny_policy

ROOT = Path(__file__).parents[2]
SECONDS = 240


@pytest.mark.gvisor
def test_two_processes_share_the_questions_of_both(live_executor: Service, tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    tests = [{"kind": "stdio", "stdout": text} for text in ("0\n", "never\n")]
    rows = [{"id": f"p{i}", "prompt": f"Problem {i}.", "tests": tests} for i in range(12)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "model": {"type": "hf", "path": str(save_tiny_policy(tmp_path / "policy"))},
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
        "output_dir": str(tmp_path / "out"),
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *(Path(__file__).with_name("distributed_run.py"), tmp_path / "recipe.yaml", tmp_path),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CODERL_API_KEY": KEY, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=SECONDS,
    )
    ours, theirs = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    for a, b, rows_each in zip(ours, theirs, (4, 6), strict=True):
        assert a["rows"] == b["rows"] == rows_each
        assert a["whole"] and b["whole"]
        assert a["all_tokens"] == b["all_tokens"] == a["tokens"] + b["tokens"]
        assert a["pool"] == b["pool"]
        assert len(a["pool"]) == 8
    assert ours[1]["question"] != theirs[1]["question"]
