"""The generated family: splits disjoint in structure, references right, everything reproducible."""

import pytest

from executor_api.wire import CallTest
from trainer_client.data.problem import Problem
from trainer_client.micro.family import Split, program, run, structures
from trainer_client.micro.problems import EXAMPLES, draft, drafts, generate

SPLITS = list(Split)


def call(code: str, text: str) -> object:
    """Run a trusted reference in this process."""
    namespace: dict[str, object] = {}
    exec(code, namespace)
    function = namespace["f"]
    assert callable(function)
    return function(text)


@pytest.mark.parametrize("split", SPLITS)
def test_every_reference_passes_its_own_tests(split: Split) -> None:
    for problem in generate(split, 300, seed=3):
        assert problem.reference is not None
        for test in problem.tests:
            assert isinstance(test, CallTest)
            assert call(problem.reference, test.args[0]) == test.expected


def test_splits_share_no_multiset_of_operations() -> None:
    bags = [{tuple(sorted(o.phrase for o in s)) for s in structures(split)} for split in SPLITS]
    assert all(bags)
    assert sum(map(len, bags)) == len(set().union(*bags))


def test_every_operation_is_in_every_split() -> None:
    for split in SPLITS:
        assert len({operation for s in structures(split) for operation in s}) == 14


def test_same_seed_same_problems_and_other_seed_others() -> None:
    first = generate(Split.TRAIN, 50, seed=1)
    assert first == generate(Split.TRAIN, 50, seed=1)
    assert {p.prompt for p in first}.isdisjoint(p.prompt for p in generate(Split.TRAIN, 50, seed=2))


def test_structures_are_visited_before_they_repeat() -> None:
    total = len(structures(Split.HELD_OUT))
    assert len({d.structure for d in drafts(Split.HELD_OUT, total, seed=0)}) == total


def test_one_of_the_operations_is_hidden_where_one_is_asked_for() -> None:
    drawn = drafts(Split.TRAIN, 200, 3, hide="one")
    assert {sum(draft.hidden) for draft in drawn} == {1}
    assert {draft.hidden.index(True) for draft in drawn} == {0, 1, 2}


def test_the_prompt_hides_what_it_is_told_to_hide_and_shows_no_hidden_test() -> None:
    import random

    structure = structures(Split.TRAIN)[0]
    problem = draft(structure, hide=1.0, rng=random.Random(0))
    assert problem.statement == "?, then ?"
    assert all(f"f({text!r})" in problem.prompt for text in problem.inputs[:EXAMPLES])
    assert not any(f"f({text!r})" in problem.prompt for text in problem.inputs[EXAMPLES:])


def test_no_operation_of_a_structure_is_idle() -> None:
    probes = ["abcde", "edcba", "caba", "bdace", "aab", "ecad"]
    for structure in structures(Split.HELD_OUT):
        outputs = [run(structure, probe)[-1] for probe in probes]
        for i in range(len(structure)):
            rest = structure[:i] + structure[i + 1 :]
            assert [run(rest, probe)[-1] for probe in probes] != outputs


def test_reference_defines_one_variable_a_line() -> None:
    code = program(structures(Split.TRAIN)[-1])
    assert [line.split()[0] for line in code.splitlines()] == ["def", "x", "y", "z", "return"]


def test_problems_survive_json() -> None:
    for problem in generate(Split.TRAIN, 5, seed=0):
        assert Problem.model_validate_json(problem.model_dump_json(exclude_unset=True)) == problem
