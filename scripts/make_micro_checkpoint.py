"""Make the micro model's warm-started checkpoint: about twelve minutes on one CPU core.

OMP_NUM_THREADS=1 python scripts/make_micro_checkpoint.py [DIRECTORY]
"""

import sys
from pathlib import Path

from trainer_client.micro.model import CHECKPOINT, save_model
from trainer_client.micro.warmstart import PHASES, warm_start


def main(directory: Path) -> None:
    model, tokenizer = warm_start(PHASES, _log)
    save_model(model, tokenizer, directory)
    print(f"{directory}: {model.num_parameters():,} parameters")


def _log(step: int, loss: float) -> None:
    if step % 50 == 0:
        print(f"step {step:5d}  loss {loss:.4f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKPOINT)
