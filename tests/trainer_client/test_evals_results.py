"""Counting: metrics by hand, samples without a verdict, files, comparisons."""

from pathlib import Path
from typing import Any

import pytest

from coderl.evals import print_comparison
from tests.trainer_client.evals import A, N, W, case, results
from trainer_client.data.difficulty import read_pass_rates
from trainer_client.evals.cases import EvalError
from trainer_client.evals.comparison import compare
from trainer_client.evals.metrics import compute_metrics
from trainer_client.evals.report import write_evaluation
from trainer_client.evals.results import (
    Problem,
    Results,
    Sample,
    load_results,
    pass_rates,
    summarise,
)


def outcome(id: str, *verdicts: str, **labels: str) -> Problem:
    return Problem(id=id, verdicts=list(verdicts), labels=labels)


def sample(id: str, index: int, verdict: str) -> Sample:
    passed = {A: True, N: None}.get(verdict, False)
    return Sample(
        id=id,
        index=index,
        completion="```\nx<y\n```",
        answer="x<y",
        form="program",
        verdict=verdict,
        passed=passed,
        message="expected <1>",
    )


def test_pass_at_k_is_the_mean_over_problems() -> None:
    problems = [outcome("a", A, W, W, W), outcome("b", A, A, W, W)]
    (one, two), warnings = compute_metrics("humaneval", problems, [1, 2])
    assert warnings == []
    assert (one.name, one.value.mean, one.problems) == ("pass@1", 0.375, 2)
    assert two.value.mean == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_samples_without_a_verdict_count_neither_way() -> None:
    problems = [outcome("a", A, N, N), outcome("b", N, N, N), outcome("c", W, A, N)]
    (one, two), (warning,) = compute_metrics("humaneval", problems, [1, 2, 3])
    assert (one.value.mean, one.problems) == (0.75, 2)
    assert (two.value.mean, two.problems) == (1.0, 1)
    assert warning.startswith("no pass@3: no problem has as many") and "most is 2" in warning
    rates = [(rate.id, rate.passed, rate.samples) for rate in pass_rates(problems)]
    assert rates == [("a", 1, 1), ("c", 1, 2)]


def test_each_value_of_a_label_has_its_own_mean() -> None:
    problems = [
        outcome("a", A, difficulty="easy"),
        outcome("b", W, difficulty="hard"),
        outcome("c", A, difficulty="hard"),
    ]
    found, _ = compute_metrics("leetcode", problems, [1])
    means = {metric.of: (metric.value.mean, metric.problems) for metric in found}
    assert means == {
        "": (pytest.approx(2 / 3), 3),
        "difficulty easy": (1.0, 1),
        "difficulty hard": (0.5, 2),
    }
    assert len(compute_metrics("leetcode", [outcome("a", A, difficulty="easy")], [1])[0]) == 1


def probe(name: str, *verdicts: str) -> list[Problem]:
    """The verdicts on each of the four questions; of several samples with commas."""
    names = ("coverage", "state", "path", "output")
    return [
        Problem(id=f"{name}#{q}", verdicts=v.split(","), labels={"question": q}, cluster=name[0])
        for q, v in zip(names, verdicts, strict=True)
    ]


def test_consistency_is_cut_off_by_the_first_wrong_answer() -> None:
    problems = [
        *probe("p/0", A, A, A, A),  # 1
        *probe("p/1", A, A, W, A),  # right behind a wrong one: 0
        *probe("q/0", A, A, W, W),  # .25
        *probe("q/1", A, W, W, N),  # no verdict: left out
    ]
    found = {m.name: m for m in compute_metrics("reval", problems, [1])[0] if not m.of}
    assert found["consistency"].value.mean == pytest.approx(1.25 / 3)
    assert found["consistency"].problems == 3
    assert found["pass@1"].value.mean == pytest.approx(10 / 15)


def test_probes_with_unequal_samples_are_left_out_of_consistency() -> None:
    two = f"{A},{A}"
    metrics, warnings = compute_metrics(
        "reval",
        [
            *probe("p/0", two, two, two, f"{A},{W}"),  # .75 on the mean of two samples
            *probe("p/1", two, two, two, A),
            *probe("q/0", two, two, two, two)[:3],
        ],
        [1],
    )
    assert (metrics[-1].name, metrics[-1].value.mean, metrics[-1].problems) == (
        "consistency",
        0.75,
        1,
    )
    assert warnings == [
        "2 of 3 probes have unequal numbers of samples for their four questions (p/1, q/0): they "
        "are left out of the consistency"
    ]


def test_a_lone_question_has_no_consistency() -> None:
    metrics, warnings = compute_metrics("reval", probe("p/0", A, A, A, A)[:1], [1])
    assert [metric.name for metric in metrics] == ["pass@1"]
    assert warnings[-1].startswith("no consistency: no probe has a verdict on all of its four")


def test_cases_without_samples_are_left_out() -> None:
    cases = [case("a"), case("b")]
    (only,) = summarise(cases, [sample("b", 0, W), sample("b", 1, A)])
    assert (only.id, only.verdicts, only.pass_rate) == ("b", [W, A], 0.5)


def test_files_hold_all_that_the_numbers_need(tmp_path: Path) -> None:
    made = results("humaneval", outcome("a", A, W), outcome("<b>", N, N), ks=(1, 2))
    made.warnings.append("2 of 4 samples have no verdict")
    samples = [sample("a", 0, A), sample("a", 1, W), sample("<b>", 0, N), sample("<b>", 1, N)]
    write_evaluation(made, samples, tmp_path)
    again = load_results(tmp_path)
    assert again == made
    assert compute_metrics("humaneval", again.problems, [1, 2]) == (made.metrics, [])
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert [Sample.model_validate_json(line) for line in lines] == samples
    rates = read_pass_rates(tmp_path / "pass_rates.jsonl")
    assert {id: rate.rate for id, rate in rates.items()} == {"a": 0.5}
    page = (tmp_path / "report.html").read_text()
    assert "&lt;b&gt;" in page and "<b>:" not in page and "x&lt;y" in page
    assert "http" not in page and "<script" not in page and "<link" not in page
    assert "| pass@2 | 1.000 [1.000, 1.000] | 1 |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"results.json cannot be read \(No such file"),
        ("{", "is not JSON"),
        ("{}", "is not the result of an evaluation: benchmark"),
    ],
)
def test_what_is_no_result_is_said(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(EvalError, match=message):
        load_results(tmp_path)


# --- comparisons ------------------------------------------------------------------------


def test_changes_are_counted_and_tested() -> None:
    ids = [str(i) for i in range(20)]
    before = results("humaneval", *(outcome(i, W if int(i) < 9 else A) for i in ids))
    after = results("humaneval", *(outcome(i, A if int(i) < 18 else W) for i in ids))
    found = compare(before, after)
    assert (found.problems, found.better, found.worse) == (20, 9, 2)
    assert found.difference.mean == pytest.approx(7 / 20)
    assert found.p == pytest.approx(2 * (1 + 11 + 55) / 2**11)
    assert (found.test, found.conclusion, found.warnings) == ("exact McNemar", "better", [])
    assert [change.id for change in found.changes] == [*ids[:9], "18", "19"]


def test_only_problems_judged_in_both_are_compared() -> None:
    before = results("humaneval", outcome("a", W), outcome("b", A, W), outcome("c", A))
    after = results("humaneval", outcome("b", A, A), outcome("c", N), outcome("d", A))
    found = compare(before, after)
    assert (found.problems, found.rate_before, found.rate_after) == (1, 0.5, 1.0)
    assert found.test == "exact sign test" and found.p == 1.0
    assert found.warnings == ["3 of 4 problems are not in both with a verdict and are left out"]


def test_cases_about_one_program_are_tested_together() -> None:
    """Five programs of four probes: twenty changes, of which but five are independent."""
    names = [f"{program}/{i}" for program in "pqrst" for i in range(4)]
    before = [p for name in names for p in probe(name, W, W, W, W)]
    after = [p for name in names for p in probe(name, A, A, A, A)]
    found = compare(results("reval", *before), results("reval", *after))
    assert (found.problems, found.better, found.worse) == (80, 80, 0)
    assert (found.clusters, found.clusters_better, found.clusters_worse) == (5, 5, 0)
    assert (found.test, found.p) == ("exact sign test on means of clusters", 2 / 2**5)


def test_a_cluster_changes_as_its_mean_does() -> None:
    def made(**clusters: str) -> Results:
        """A case a letter: + is right, - is wrong."""
        return results(
            "livecodebench-test-output",
            *(
                Problem(id=f"{name}/{i}", verdicts=[A if c == "+" else W], cluster=name)
                for name, cases in clusters.items()
                for i, c in enumerate(cases)
            ),
        )

    before = made(up="---", level="+-", down="+", same="++")
    found = compare(before, made(up="-+-", level="-+", down="-", same="++"))
    assert (found.better, found.worse) == (2, 2)
    assert (found.clusters, found.clusters_better, found.clusters_worse) == (4, 1, 1)
    assert found.p == 1.0


def test_unequal_numbers_of_samples_are_not_tested() -> None:
    """What passes nine times in ten is worse than a lone pass by chance alone."""
    ids = [str(i) for i in range(20)]
    one = results("humaneval", *(outcome(i, A) for i in ids))
    ten = results("humaneval", *(outcome(i, *[A] * 9, W) for i in ids))
    found = compare(one, ten)
    assert (found.worse, found.p) == (20, None)
    assert found.test == (
        "no exact test: 20 of 20 problems have unequal numbers of samples with a verdict in the "
        "two (one has 1 and 10); evaluate both with the same --samples, and judge again what has "
        "no verdict"
    )
    lost = results("humaneval", *(outcome(i, *[A] * 9, N if i == "0" else W) for i in ids))
    assert "1 of 20 problems have unequal" in compare(lost, ten).test


def test_printed_comparisons_say_what_was_tested(capsys: pytest.CaptureFixture[str]) -> None:
    def printed(before: Results, after: Results) -> str:
        print_comparison(compare(before, after))
        return " ".join(capsys.readouterr().out.split())

    one = results("humaneval", outcome("a", A), outcome("b", W))
    assert "2 problems: 0 better, 1 worse; exact McNemar: p = 1. " in printed(
        one, results("humaneval", outcome("a", W), outcome("b", W))
    )
    assert "; no exact test: 2 of 2 problems have unequal numbers" in printed(
        one, results("humaneval", outcome("a", A, A), outcome("b", W, W))
    )
    wrong, right = (results("reval", *probe("p/0", v, v, v, v)) for v in (W, A))
    assert (
        "4 problems: 4 better, 0 worse; 1 clusters: 1 better, 0 worse; "
        "exact sign test on means of clusters: p = 1. "
    ) in printed(wrong, right)


def test_what_cannot_be_compared_is_said() -> None:
    one, other = results("humaneval", outcome("a", A)), results("mbpp", outcome("a", A))
    with pytest.raises(EvalError, match="one is of humaneval, the other of mbpp"):
        compare(one, other)
    with pytest.raises(EvalError, match="no problem has a verdict in both"):
        compare(one, results("humaneval", outcome("b", A)))


SAMPLING = {
    "style": "chat",
    "samples": 1,
    "temperature": 0.0,
    "top_p": 1.0,
    "max_new_tokens": 512,
    "batch": 16,
    "seed": 0,
    "dtype": "float32",
}


def noted(
    first: dict[str, Any],
    second: dict[str, Any],
    drawn: dict[str, Any] = SAMPLING,
    again: dict[str, Any] = SAMPLING,
) -> list[str]:
    """What is said of two results that were made of this data and drawn in this way."""
    one, other = (results("cruxeval-o", outcome("a", verdict)) for verdict in (A, W))
    one.data |= first
    other.data |= second
    one.sampling, other.sampling = drawn, again
    return compare(one, other).warnings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("style", "text"),
        ("samples", 5),
        ("temperature", 0.8),
        ("max_new_tokens", 64),
        ("dtype", "bfloat16"),
    ],
)
def test_other_sampling_is_noted(name: str, value: Any) -> None:
    note = f"they were sampled differently: {name} ({SAMPLING[name]} → {value})"
    assert noted({}, {}, SAMPLING, SAMPLING | {name: value}) == [note]


@pytest.mark.parametrize(("name", "value"), [("top_p", 0.9), ("seed", 1), ("batch", 8)])
def test_randomness_is_noted_where_there_is_any(name: str, value: Any) -> None:
    assert noted({}, {}, SAMPLING, SAMPLING | {name: value}) == []
    drawn = SAMPLING | {"temperature": 0.8}
    note = f"they were sampled differently: {name} ({SAMPLING[name]} → {value})"
    assert noted({}, {}, drawn, drawn | {name: value}) == [note]


def test_given_completions_are_not_said_to_be_drawn() -> None:
    assert noted({}, {}, SAMPLING, {}) == []


def test_other_questions_and_other_judging_are_noted() -> None:
    assert noted({"scoring": "run", "cot": False}, {"scoring": "strict", "cot": True}) == [
        "they were asked or judged differently: cot (False → True), scoring (run → strict)"
    ]
    assert noted({}, {"scoring": "run", "cot": False}) == []


def test_other_data_is_noted() -> None:
    places = [{"source": source} for source in ("a.jsonl", "b.jsonl", "owner/name")]
    one, other = {"sha256": "1"}, {"sha256": "2"}
    assert noted(places[0] | one, places[1] | one) == []
    assert noted(places[0] | one, places[0] | other) == [
        "the two were made with different data files"
    ]
    assert noted(places[2], places[2]) == []
    assert noted(places[0] | one, places[2]) == [
        "their data come from different places: a.jsonl → owner/name"
    ]
