"""What users import is what is documented, and importing it is cheap."""

import subprocess
import sys
from pathlib import Path

import executor_api.wire
import trainer_client

ROOT = Path(__file__).parent.parent
HEAVY = ("fastapi", "starlette", "uvicorn", "docker", "torch", "transformers", "trl", "datasets")


def test_all_is_sorted_and_exists() -> None:
    for module in (trainer_client, executor_api.wire):
        names = module.__all__
        assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name))
        assert all(hasattr(module, name) for name in names)


def test_every_public_name_of_the_client_is_documented() -> None:
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    assert [name for name in trainer_client.__all__ if f"`{name}" not in text] == []


def test_every_exception_has_one_base() -> None:
    public = [getattr(trainer_client, name) for name in trainer_client.__all__]
    errors = [item for item in public if isinstance(item, type) and issubclass(item, Exception)]
    assert len(errors) == 8
    assert all(issubclass(error, trainer_client.ExecutorError) for error in errors)


def test_the_client_brings_in_neither_web_framework_nor_torch() -> None:
    assert _heavy_modules_after("import trainer_client") == []
    assert _heavy_modules_after("import executor_api.wire") == []


def test_the_import_test_can_fail() -> None:
    assert _heavy_modules_after("import fastapi") == ["fastapi", "starlette"]


def _heavy_modules_after(statement: str) -> list[str]:
    code = f"{statement}; import sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return finished.stdout.split()
