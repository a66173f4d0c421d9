"""verifiable-coding-problems (PrimeIntellect's, open-r1's ``-python``): ``verification_info``."""

from trainer_client.data.errors import RowError
from trainer_client.data.formats.cases import tests_of
from trainer_client.data.formats.fields import Fields
from trainer_client.data.formats.python import without_fence
from trainer_client.data.problem import Problem

__all__ = ["COLUMNS", "convert"]

COLUMNS = frozenset({"verification_info"})


def convert(row: Fields) -> Problem | None:
    """Rows for other languages than Python are left out."""
    info = row.structure("verification_info")
    if not isinstance(info, dict):
        raise RowError("verification_info", info, "not a mapping; write one with test_cases")
    if info.get("language", "python") != "python":
        return None
    prompt = row.optional_text("prompt", "problem_statement") or row.text("problem")
    starter = row.optional_text("starter_code")
    solution = row.optional_text("gold_standard_solution", "ground_truth_solution")
    cases = Fields(info).structure("test_cases")
    return Problem(
        id=row.id("problem_id", "id", prefix="verifiable"),
        prompt=prompt,
        starter_code=starter,
        tests=tests_of(cases, "verification_info.test_cases", "", starter, prompt),
        source=row.optional_text("source") or "verifiable-coding-problems",
        split=row.split or "train",
        reference=without_fence(solution) or None,
        difficulty=row.optional_text("metadata.difficulty") or None,
    )
