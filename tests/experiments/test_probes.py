"""Which tokens a probe reads, and that it reads more from states that hold more."""

import numpy as np

from experiments.probes import Reading, accuracy, asked, control, labels, states, writing
from trainer_client.micro.family import Split, run
from trainer_client.micro.model import load_model
from trainer_client.micro.problems import drafts


def read(count: int) -> list[Reading]:
    return [writing(draft) for draft in drafts(Split.HELD_OUT, count, 3)]


def test_the_state_is_that_at_the_end_of_the_assignments_line() -> None:
    model, tokenizer = load_model()
    (one,) = read(1)
    found = states(model, tokenizer, [one])
    assert found.shape == (4, len(one.values), 144)
    # A state depends on nothing behind its token: cut there, the last token has the same.
    cut = one.text[: one.places[0] + 1]
    assert cut.splitlines()[-1].startswith("    x = ")
    ids = tokenizer(cut, return_tensors="pt")["input_ids"]
    last = model(ids, output_hidden_states=True).hidden_states[-1][0, -1].detach().numpy()
    assert np.allclose(found[-1][0], last, atol=1e-3)


def test_no_value_that_is_asked_for_is_an_output_of_the_statement() -> None:
    for draft in drafts(Split.HELD_OUT, 50, 3, "one"):
        values = writing(draft).values
        assert list(values) == run(draft.structure, draft.inputs[0])[:-1]


def test_a_question_is_read_at_the_names_of_its_variables() -> None:
    for draft in drafts(Split.HELD_OUT, 50, 3, "one"):
        one = asked(draft)
        assert [one.text[place] for place in one.places] == list("xyz")[: len(draft.structure)]
        assert one.text[one.places[-1] + 1 :] == "\n"
        assert list(one.values) == run(draft.structure, draft.inputs[0])


def test_labels_of_each_variable() -> None:
    one = Reading("", (), ("bcd", ""), ("a/0/x", "a/1/y"))
    assert labels([one], "first letter") == ["b", ""]
    assert labels([one], "length") == ["3", "0"]


def test_control_labels_are_those_of_the_target_and_fixed_for_each_surface() -> None:
    programs = read(200)
    wanted = labels(programs, "length")
    drawn = control(programs, "length", wanted)
    assert drawn == control(programs, "length", wanted)
    surfaces = [surface for one in programs for surface in one.surface]
    assert len(set(zip(surfaces, drawn, strict=True))) == len(set(surfaces))
    assert set(drawn) <= set(wanted) and len(set(drawn)) > 2


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(600, 10))
    right = ["a" if state[0] > 0 else "b" for state in states]
    noise = [str(label) for label in rng.integers(0, 2, 600)]
    assert accuracy(states[:400], states[400:], right[:400], right[400:]) > 0.9
    assert accuracy(states[:400], states[400:], noise[:400], noise[400:]) < 0.65
