"""Where the public data sets are that some tests read."""

import os
from pathlib import Path

__all__ = ["DATA", "CRUXEVAL", "HUMANEVAL"]

DATA = Path(os.environ.get("CODERL_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
HUMANEVAL = DATA / "HumanEval.jsonl.gz"
CRUXEVAL = DATA / "cruxeval_first400.jsonl"
