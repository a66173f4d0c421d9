"""One process of distributed runs: ``torchrun distributed_run.py RECIPE…``, one after another.

Writes what this process saw of each generation batch as ``RANK.json`` beside each recipe.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from trainer_client.config import load_recipe
from trainer_client.training import train
from trainer_client.training.trainer import CodeRLPlusTrainer

SEEN: list[dict[str, Any]] = []


class Observed(CodeRLPlusTrainer):
    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        assert self.alignment is not None
        self.settle()
        groups = output["prompt_ids"].unflatten(0, (-1, self.num_generations))
        sampling = {k: v for k, v in self._metrics["train"].items() if "dynamic_sampling" in k}
        SEEN.append(
            {
                "rows": len(output["advantages"]),
                "advantages": output["advantages"].tolist(),
                "whole": bool((groups == groups[:, :1]).all()),
                "question": output["prompt_ids"][-1][output["prompt_mask"][-1].bool()].tolist(),
                "prompts": groups[:, 0].tolist(),
                "tokens": output["completion_mask"].sum(1).tolist(),
                "all_tokens": int(output["num_items_in_batch"]),
                "pool": [sample.id for sample in self.alignment.pool.samples],
                "sampling": sampling,
            }
        )
        if self.args.output_dir.endswith("interrupted/out") and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        return output


if __name__ == "__main__":
    train.CodeRLPlusTrainer = Observed  # type: ignore[misc]
    for recipe in map(Path, sys.argv[1:]):
        train.run(load_recipe(recipe))
        (recipe.parent / f"{os.environ['RANK']}.json").write_text(json.dumps(SEEN))
        SEEN.clear()
