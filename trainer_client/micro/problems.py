"""Problems of the micro family, generated from a seed: a statement, examples, hidden tests."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from executor_api.wire import CallTest, ExecuteLimits
from trainer_client.data.problem import Problem
from trainer_client.micro.family import Split, Structure, program, run, structures

__all__ = ["Draft", "Hide", "draft", "drafts", "generate"]

Hide = float | Literal["one"]
"""Which operations a statement hides: each with this probability, or exactly one."""

EXAMPLES = 3
TESTS = 9
LETTERS = "abcde"
LIMITS = ExecuteLimits(cpu_seconds=1, wall_seconds=2, memory_mb=128, output_bytes=65_536)


@dataclass(frozen=True, slots=True)
class Draft:
    """One problem before it is put into the training set's form."""

    structure: Structure
    hidden: tuple[bool, ...]
    """Which operations the statement shows as ``?``, to be found from the examples."""
    inputs: tuple[str, ...]
    """The first ``EXAMPLES`` are shown in the prompt."""

    @property
    def expected(self) -> tuple[str, ...]:
        return tuple(run(self.structure, text)[-1] for text in self.inputs)

    @property
    def statement(self) -> str:
        pairs = zip(self.structure, self.hidden, strict=True)
        return ", then ".join("?" if hide else step.phrase for step, hide in pairs)

    @property
    def prompt(self) -> str:
        examples = list(zip(self.inputs, self.expected, strict=True))[:EXAMPLES]
        shown = [f"# f({given!r}) is {wanted!r}\n" for given, wanted in examples]
        return f"# {self.statement}\n" + "".join(shown)

    @property
    def difficulty(self) -> float:
        """Operations, a hidden one counting double."""
        return float(len(self.structure) + sum(self.hidden))

    @property
    def reference(self) -> str:
        return program(self.structure)


def generate(split: Split, count: int, seed: int, hide: Hide = 0.2) -> list[Problem]:
    """``count`` problems of the split; the same arguments give the same problems."""
    made = enumerate(drafts(split, count, seed, hide))
    return [_problem(f"micro/{split}/{seed}/{i}", split, problem) for i, problem in made]


def _problem(identifier: str, split: Split, problem: Draft) -> Problem:
    pairs = zip(problem.inputs, problem.expected, strict=True)
    return Problem(
        id=identifier,
        prompt=problem.prompt,
        tests=[CallTest(kind="call", function="f", args=[x], expected=y) for x, y in pairs],
        limits=LIMITS,
        source="micro",
        split=split,
        reference=problem.reference,
        difficulty=problem.difficulty,
    )


def draft(structure: Structure, hide: Hide, rng: random.Random) -> Draft:
    """A problem of this structure with some of its operations hidden."""
    return Draft(structure, _hidden(len(structure), hide, rng), _inputs(rng))


def _hidden(operations: int, hide: Hide, rng: random.Random) -> tuple[bool, ...]:
    if hide == "one":
        chosen = rng.randrange(operations)
        return tuple(i == chosen for i in range(operations))
    return tuple(rng.random() < hide for _ in range(operations))


def drafts(split: Split, count: int, seed: int, hide: Hide = 0.2) -> list[Draft]:
    """``count`` problems that visit every structure of the split before repeating one."""
    rng = random.Random(f"{split}/{seed}")
    drawn: list[Draft] = []
    while len(drawn) < count:
        order: Sequence[Structure] = rng.sample(structures(split), len(structures(split)))
        drawn.extend(draft(structure, hide, rng) for structure in order)
    return drawn[:count]


def _inputs(rng: random.Random) -> tuple[str, ...]:
    """Distinct words of three to six letters."""
    words: set[str] = set()
    while len(words) < TESTS:
        words.add("".join(rng.choices(LETTERS, k=rng.randint(3, 6))))
    return tuple(rng.sample(sorted(words), TESTS))
