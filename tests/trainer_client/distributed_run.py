"""One process of a distributed run: ``torchrun distributed_run.py RECIPE REPORT_DIRECTORY``.

Writes what this process saw of each generation batch as ``REPORT_DIRECTORY/RANK.json``.
"""

import json
import sys
from pathlib import Path
from typing import Any

from trainer_client import train
from trainer_client.config import load_recipe
from trainer_client.trainer import CodeRLPlusTrainer

SEEN: list[dict[str, Any]] = []


class Observed(CodeRLPlusTrainer):
    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        assert self.alignment is not None
        groups = output["prompt_ids"].unflatten(0, (-1, self.num_generations))
        sums = output["advantages"].view(-1, self.num_generations).sum(1)
        SEEN.append(
            {
                "rows": len(output["advantages"]),
                "whole": bool((groups == groups[:, :1]).all()) and float(sums.abs().max()) < 1e-4,
                "question": output["prompt_ids"][-1][output["prompt_mask"][-1].bool()].tolist(),
                "tokens": int(output["completion_mask"].sum()),
                "all_tokens": int(output["num_items_in_batch"]),
                "pool": [sample.id for sample in self.alignment.pool.samples],
            }
        )
        (Path(sys.argv[2]) / f"{self.accelerator.process_index}.json").write_text(json.dumps(SEEN))
        return output


if __name__ == "__main__":
    train.CodeRLPlusTrainer = Observed  # type: ignore[misc]
    train.run(load_recipe(Path(sys.argv[1])))
