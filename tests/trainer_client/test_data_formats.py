"""Published data sets as problems: each format's rows are judged by the real executor."""

import base64
import gzip
import json
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor_api.wire import AssertTest, CallTest, Verdict
from tests.data_sets import DATA
from tests.service import KEY, Service
from trainer_client import SyncExecutorClient
from trainer_client.data import files
from trainer_client.data.formats import FORMATS, load, read_rows
from trainer_client.data.formats import livecodebench as lcb
from trainer_client.data.formats.checks import assertions_of_check
from trainer_client.data.problem import Collection, DataError, Problem


def shared(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the data set {name} is not in CODERL_TEST_DATA")
    return path


@pytest.fixture(scope="module")
def executor(live_executor: Service) -> Iterator[SyncExecutorClient]:
    with SyncExecutorClient(live_executor.url, KEY) as client:
        yield client


def packed(cases: Any) -> str:
    """As LiveCodeBench packs its private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


# --- rows as they are published -----------------------------------------------------------

ADD_STDIO = "a, b = map(int, input().split())\nprint(a + b)\n"
SUB_STDIO = ADD_STDIO.replace("+", "-")
ADD_FUNCTION = "def add(a, b):\n    return a + b\n"
ADD_METHOD = "class Solution:\n    def add(self, a: int, b: int) -> int:\n        return a + b\n"
STARTER = "class Solution:\n    def add(self, a: int, b: int) -> int:\n        "


def minus(code: str) -> str:
    return code.replace("a + b", "a - b")


LCB_ROW = {
    "question_title": "Sum",
    "question_content": "Print the sum.",
    "platform": "atcoder",
    "question_id": "abc000_a",
    "contest_id": "abc000",
    "contest_date": "2024-01-01T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": '[{"input": "1 2", "output": "3", "testtype": "stdin"}]',
    "private_test_cases": packed([{"input": "2 5\n", "output": "7\n", "testtype": "stdin"}]),
    "metadata": "{}",
}
APPS_ROW = {
    "problem_id": 3,
    "question": "Print the sum.",
    "solutions": json.dumps([ADD_STDIO]),
    "input_output": json.dumps({"inputs": ["1 2\n", "0 0\n"], "outputs": ["3\n", "0\n"]}),
    "difficulty": "introductory",
    "url": "https://example.org",
    "starter_code": "",
}


def apps_call(starter: str, outputs: list[Any], inputs: Any = ((1, 2), (4, 4))) -> dict[str, Any]:
    calls = {"fn_name": "add", "inputs": inputs, "outputs": outputs}
    return {**APPS_ROW, "input_output": json.dumps(calls), "starter_code": starter}


def deepcoder(tests: Any, **more: Any) -> dict[str, Any]:
    return {"problem": "Add.", "tests": json.dumps(tests), **more}


def verl(truth: Any) -> dict[str, Any]:
    return {
        "data_source": "taco",
        "prompt": [
            {"role": "system", "content": "Think."},
            {"role": "user", "content": "Print the sum."},
        ],
        "ability": "code",
        "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)},
        "extra_info": {"index": 0, "split": "train"},
    }


def verifiable(case: dict[str, Any]) -> dict[str, Any]:
    """As open-r1 has it."""
    return {
        "source": "apps",
        "task_type": "verifiable_code",
        "in_source_id": None,
        "problem_statement": "Solve it.",
        "gold_standard_solution": f"```python\n{ADD_STDIO}```",
        "verification_info": {"language": "python", "test_cases": [case]},
        "metadata": {"difficulty": "interview", "memory_limit": None, "time_limit": "2 seconds"},
        "problem_id": "vcp_7",
    }


def primeintellect(case: dict[str, Any]) -> dict[str, Any]:
    """As in the original, where what has a structure is text."""
    row = verifiable(case)
    row["prompt"] = row.pop("problem_statement")
    for name in ("verification_info", "metadata"):
        row[name] = json.dumps(row[name])
    return row


STDIO_CASE = {"input": "1 2\n", "output": "3\n", "type": "stdin_stdout", "fn_name": None}
CALL_CASE = {"input": [1, 2], "output": [3], "type": "function_call", "fn_name": "add"}
LINES_CASE = {"input": "1\n2", "output": "3", "testtype": "functional"}

ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    "apps, input and output": ("apps", APPS_ROW, ADD_STDIO),
    "apps, lists of lines": (
        "apps",
        {**APPS_ROW, "input_output": json.dumps({"inputs": [["1 2"]], "outputs": [["3", ""]]})},
        ADD_STDIO,
    ),
    "apps, function": ("apps", apps_call("def add(a, b):\n\t", [[3], [8]]), ADD_FUNCTION),
    "apps, method": ("apps", apps_call(STARTER, [3, 8]), ADD_METHOD),
    "apps, method that returns lists": (
        "apps",
        apps_call(STARTER.replace("-> int", "-> List[int]"), [[3], [8]]),
        ADD_METHOD.replace("-> int", "").replace("a + b", "[a + b]"),
    ),
    "apps, whole keys": (
        "apps",
        apps_call("def add(a):\n", [[3], [5]], [[{"1": 2}], [{"2": 3}]]),
        "def add(m):\n    ((a, b),) = m.items()\n    return a + b\n",
    ),
    "taco": (
        "apps",
        {
            **{k: v for k, v in APPS_ROW.items() if k != "problem_id"},
            **{"name": None, "source": "codeforces", "tags": "[]", "time_limit": "1.0 seconds"},
        },
        ADD_STDIO,
    ),
    "verifiable, standard input": ("verifiable", verifiable(STDIO_CASE), ADD_STDIO),
    "verifiable, as text": ("verifiable", primeintellect(STDIO_CASE), ADD_STDIO),
    "verifiable, function": ("verifiable", primeintellect(CALL_CASE), ADD_FUNCTION),
    "livecodebench, standard input": ("livecodebench", LCB_ROW, ADD_STDIO),
    "livecodebench, functional": (
        "livecodebench",
        {
            **LCB_ROW,
            "starter_code": STARTER,
            "public_test_cases": json.dumps([LINES_CASE]),
            "private_test_cases": packed([{**LINES_CASE, "input": "-1\n1", "output": "0"}]),
            "metadata": '{"func_name": "add"}',
        },
        ADD_METHOD.replace(": int", ": SupportsInt"),  # of the names that the authors import
    ),
    "livecodebench, tests that are not packed": (
        "livecodebench",
        {**LCB_ROW, "private_test_cases": LCB_ROW["public_test_cases"]},
        ADD_STDIO,
    ),
    "deepcoder, primeintellect": ("deepcoder", deepcoder([STDIO_CASE]), ADD_STDIO),
    "deepcoder, primeintellect function": ("deepcoder", deepcoder([CALL_CASE]), ADD_FUNCTION),
    "deepcoder, taco": (
        "deepcoder",
        deepcoder({"inputs": ["1 2\n"], "outputs": ["3\n"]}, solutions=[ADD_STDIO]),
        ADD_STDIO,
    ),
    "deepcoder, livecodebench": (
        "deepcoder",
        deepcoder(
            [{**LINES_CASE, "metadata": {"func_name": "add"}}],
            starter_code=STARTER,
            metadata={"func_name": "add"},
        ),
        ADD_METHOD,
    ),
    "deepcoder, codeforces": ("deepcoder", deepcoder([{"input": "1 2", "output": "3"}]), ADD_STDIO),
    "verl": ("verl", verl({"inputs": ["1 2\n"], "outputs": ["3\n"]}), ADD_STDIO),
    "verl, function": (
        "verl",
        verl({"fn_name": "add", "inputs": ["1\n2"], "outputs": ["3"]}),
        ADD_FUNCTION,
    ),
    "coderl": (
        "coderl",
        {"id": "x", "prompt": "?", "tests": [{"kind": "stdio", "stdin": "1 2", "stdout": "3"}]},
        ADD_STDIO,
    ),
}


def converted(format: str, row: dict[str, Any]) -> Problem:
    problem = FORMATS[format](row, 4, "rows")
    assert problem is not None
    return problem


@pytest.mark.gvisor
def test_right_solutions_are_accepted_and_wrong_ones_are_not(executor: SyncExecutorClient) -> None:
    problems = {name: converted(format, row) for name, (format, row, _) in ROWS.items()}
    right = {name: problems[name].program(code) for name, (_, _, code) in ROWS.items()}
    wrong = {name: problems[name].program(minus(code)) for name, (_, _, code) in ROWS.items()}
    results = executor.execute([*right.values(), *wrong.values()])
    verdicts = [result.verdict for result in results]
    assert dict(zip(right, verdicts, strict=False)) == dict.fromkeys(ROWS, Verdict.ACCEPTED)
    wrongs = dict(zip(wrong, verdicts[len(right) :], strict=True))
    assert wrongs == dict.fromkeys(ROWS, Verdict.WRONG_ANSWER)


@pytest.mark.parametrize("name", ROWS)
def test_the_format_is_found_out_from_the_columns(name: str, tmp_path: Path) -> None:
    format, row, _ = ROWS[name]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert load(path) == [FORMATS[format](row, 1, "rows")]


def test_ids_and_splits_are_those_of_the_data_set() -> None:
    assert converted("livecodebench", LCB_ROW).id == "abc000_a"
    assert converted("apps", APPS_ROW).id == "apps/train/3"
    assert converted("apps", ROWS["taco"][1]).id == "rows/4"
    problem = FORMATS["deepcoder"](ROWS["deepcoder, taco"][1], 4, "org/set", "test")
    assert problem is not None and (problem.id, problem.split) == ("org/set/test/4", "test")


def test_the_documents_list_every_format() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    table = text.split("## Formats")[1].split("\n\n")[1]
    assert sorted(line.split("`")[1] for line in table.splitlines()[2:]) == sorted(FORMATS)


def test_own_rows_as_parquet_has_them() -> None:
    row = ROWS["coderl"][1]
    flat = {**row, "tests": json.dumps(row["tests"]), "messages": None, "split": None}
    plain = converted("coderl", row)
    assert converted("coderl", flat) == plain
    found = FORMATS["coderl"](flat, 1, "owner/set", "test")
    assert found == plain.model_copy(update={"split": "test"})


def test_rows_of_other_tasks_are_left_out(tmp_path: Path) -> None:
    mathematics = {**verl("4"), "ability": "math"}
    rust = verifiable(STDIO_CASE)
    rust["verification_info"] = {"language": "rust", "test_cases": []}
    assert FORMATS["verl"](mathematics) is None
    assert FORMATS["verifiable"](rust) is None


def test_references_are_taken_out_of_their_fences() -> None:
    assert converted("verifiable", verifiable(STDIO_CASE)).reference == ADD_STDIO
    assert converted("apps", APPS_ROW).reference == ADD_STDIO


# --- data sets that are here --------------------------------------------------------------


def judged(executor: SyncExecutorClient, problems: list[Problem]) -> set[str]:
    """The ids of those whose reference does not pass."""
    programs = [p.program(p.reference) for p in problems if p.reference is not None]
    assert len(programs) == len(problems)
    return {r.id for r in executor.execute(programs) if r.verdict is not Verdict.ACCEPTED}


@pytest.mark.gvisor
def test_mbpp_references_pass(executor: SyncExecutorClient) -> None:
    problems = load(shared("mbpp_train_val.jsonl.gz"))
    splits = {split: sum(p.split == split for p in problems) for split in ("prompt", "train")}
    assert (len(problems), splits) == (474, {"prompt": 10, "train": 374})
    # 927's tests set attributes of the program's objects.
    chosen = [p for p in problems if p.id == "mbpp/927" or int(p.id[5:]) % 10 == 4]
    assert judged(executor, chosen) == set()


@pytest.mark.gvisor
def test_leetcode_references_pass(executor: SyncExecutorClient) -> None:
    problems = load(shared("LeetCodeDataset-v0.2.0-train.jsonl.gz"))
    assert len(problems) == 1890
    assert all(
        p.starter_code.startswith("class ") or "class Solution" in p.starter_code for p in problems
    )
    assert not any("```" in p.statement for p in problems)
    assert judged(executor, problems[::45]) == set()


@pytest.mark.parametrize(
    ("check", "entry", "tests"),
    [
        (
            "METADATA = {'author': 'jt'}\n\ndef check(candidate):\n    assert True, 'good'\n"
            "    assert candidate([1.0], 0.3) == True\n    # edge\n"
            "    assert abs(candidate(2) - 1) < 1e-6, 'Test 2'\n",
            "f",
            ["assert f([1.0], 0.3) == True", "assert abs(f(2) - 1) < 1e-06, 'Test 2'"],
        ),
        (
            "def check(candidate):\n    assert candidate(x = [1]) == 2\n"
            "    assert candidate(x = list_node([1])) == 2\n",
            "Solution().f",
            [
                "assert Solution().f(x=[1]) == 2",
                "candidate = Solution().f\nassert candidate(x=list_node([1])) == 2",
            ],
        ),
        ("def check(candidate):\n    x = 1\n    assert candidate(x) == 1", "f", None),
        ("import math\ndef check(candidate):\n    assert candidate(1) == math.e", "f", None),
        ("def check(candidate):\n    for i in range(3):\n        assert candidate(i)", "f", None),
        ("def test(candidate):\n    assert candidate(1)", "f", None),
        ("def check(candidate):\n    pass", "f", None),
    ],
)
def test_a_check_is_one_test_for_each_assertion(
    check: str, entry: str, tests: list[str] | None
) -> None:
    found = [t.code for t in assertions_of_check(check, entry, "test") if isinstance(t, AssertTest)]
    assert found == (tests or [f"{check}\ncheck({entry})"])


def test_mbpp_sanitized_puts_its_imports_before_each_test() -> None:
    row = {
        "task_id": 2,
        "prompt": "Write a function.",
        "code": "def f(x): return x",
        "test_imports": ["import math"],
        "test_list": ["assert f(math.pi) == math.pi"],
    }
    (test,) = converted("mbpp", row).tests
    assert isinstance(test, AssertTest)
    assert test.code == "import math\nassert f(math.pi) == math.pi"


# --- kinds of files -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz", "r.json", "r.json.gz", "r.parquet"])
def test_kinds_of_files(name: str, tmp_path: Path) -> None:
    rows = [APPS_ROW, {**APPS_ROW, "problem_id": 4}]
    path = tmp_path / name
    if name.endswith(".parquet"):
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        text = json.dumps(rows) if ".json." in f"{name}." else "\n".join(map(json.dumps, rows))
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert list(read_rows(path)) == [(1, rows[0]), (2, rows[1])]
    assert [p.id for p in load(path)] == ["apps/train/3", "apps/train/4"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n", r"a\.csv: the name ends in '\.csv'; give \.jsonl"),
        ("a.jsonl.gz", b"not gzip", "cannot be read: Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9)[:-9], "cannot be read"),
        ("a.json", b'{"a": 1}', "not a list of rows but dict; write a list"),
        ("a.json", b"[1,", "not JSON"),
        ("a.parquet", b"PAR?", "not a Parquet file"),
        ("a.jsonl", b"\n\n", "the file is empty"),
        ("a.jsonl", b"[1]\n", r"row 1: \[1\] is not a JSON object"),
        ("a.jsonl", b"\xff\n", r"row 1: not UTF-8 \(byte 0\)"),
        ("a.jsonl", b'{"a": %s}\n' % (b"9" * 5000), "row 1: not readable"),
        ("a.jsonl", b"[" * 200_000 + b"\n", "row 1: nested too deeply"),
    ],
)
def test_what_is_no_file_of_rows(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_rows(tmp_path / name))


def test_a_folder_is_read_as_the_hub_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "sums"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(json.dumps(APPS_ROW) + "\n")
    both = load(folder)
    assert {(p.id, p.split) for p in both} == {("apps/train/3", "train"), ("apps/test/3", "test")}
    assert {p.reference for p in both} == {ADD_STDIO}
    assert [p.id for p in load(folder, split="test")] == ["apps/test/3"]


@pytest.mark.parametrize("name", ["owner/name", "owner/name-v0.2.0", "owner/name@python"])
def test_a_data_set_that_cannot_be_had(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=f"^{name}: neither a file nor .*'owner/name"):
        load(name)


def test_columns_of_no_format_or_of_several(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "?", "label": 3}\n')
    with pytest.raises(DataError, match=r"\['label', 'text'\].*no known format.*apps, coderl"):
        load(path)
    with pytest.raises(DataError, match="format is 'apples': choose one of apps"):
        load(path, format="apples")
    path.write_text("{\n[\n")
    with pytest.raises(DataError, match=r"row 1: not JSON.*\n.*row 2: not JSON"):
        load(path)
    path.write_text(json.dumps({**APPS_ROW, "test_list": ["assert 1"]}) + "\n")
    with pytest.raises(DataError, match="fit apps, mbpp; give the format"):
        load(path)
    assert load(path, format="apps")[0].id == "apps/train/3"


def test_a_split_selects_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "mbpp.jsonl"
    row = {"text": "?", "test_list": ["assert f(1)"]}
    path.write_text("".join(json.dumps({**row, "task_id": n}) + "\n" for n in (5, 600, 601)))
    assert [p.id for p in load(path, split="validation")] == ["mbpp/600"]
    with pytest.raises(DataError, match=r"'dev'.*\['prompt', 'train', 'validation'\]"):
        load(path, split="dev")


# --- rows that are not what they should be ------------------------------------------------

HOSTILE = "open('/tmp/pwned', 'w')"


class Executes:
    """Its pickle calls a function when it is loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (HOSTILE,)


def pickled(value: Any) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def claims(operation: bytes) -> str:
    """The pickle of a text that claims a great deal of memory before it."""
    return base64.b64encode(zlib.compress(b"\x80\x04" + operation + b"]q\x00.")).decode()


@pytest.mark.parametrize(
    ("private", "reason"),
    [
        (pickled(Executes()), "a pickle with STACK_GLOBAL"),
        (pickled([{"input": "1", "output": "1"}]), "a pickle with EMPTY_LIST"),
        (pickled(b"[]"), "a pickle with SHORT_BINBYTES"),
        (claims(b"\x96" + (2**40).to_bytes(8, "little")), "not the pickle of a text"),
        (claims(b"r" + (2**32 - 1).to_bytes(4, "little")), "a pickle with EMPTY_LIST"),
        (pickled("[{]"), "not JSON"),
        (pickled('{"input": 1}'), "not a list of tests"),
        ("no base64!", "neither a JSON list nor base64"),
        (base64.b64encode(b"no zlib").decode(), "not a zlib stream"),
        (packed([STDIO_CASE])[:40], "cut off"),
        (pickled("[" * 100_000), "nested too deeply"),
        (7, "needs a list or mapping"),
    ],
)
def test_private_tests_that_are_not_what_they_should_be(private: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=f"field 'private_test_cases' is.*{reason}"):
        FORMATS["livecodebench"]({**LCB_ROW, "private_test_cases": private})
    assert not Path("/tmp/pwned").exists()


def test_what_grows_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pickled("1" * 3_000_000)
    assert len(bomb) < 5_000
    monkeypatch.setattr(lcb, "MAX_ROW_BYTES", 1_000_000)
    with pytest.raises(ValueError, match=r"more than 1,000,000 bytes when decompressed"):
        lcb.unpack(bomb)


def test_a_row_longer_than_the_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_ROW_BYTES", 1_000_000)
    path = tmp_path / "long.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": "' + b" " * 5_000_000 + b'"}\n'))
    with pytest.raises(DataError, match="row 2: longer than 1,000,000 bytes"):
        list(read_rows(path))


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "apps.jsonl"
    bad: list[Any] = [
        {**APPS_ROW, "question": 3},
        {**APPS_ROW, "input_output": "{"},
        {**APPS_ROW, "input_output": '{"inputs": ["1"], "outputs": []}'},
        {**APPS_ROW, "input_output": '{"inputs": [], "outputs": []}'},
        {**APPS_ROW, "input_output": '{"inputs": [{}], "outputs": ["1"]}'},
        apps_call("def f", [1], [[float("nan")]]),
        apps_call("def f", [1], [["\ud800"]]),
        apps_call("def f", [1], ["[1"]),
        {
            **apps_call("", [1], [[1]]),
            "input_output": '{"fn_name": "1x", "inputs": [[1]], "outputs": [1]}',
        },
        {**APPS_ROW, "solutions": [3]},
        {**APPS_ROW, "starter_code": {}},
        APPS_ROW,
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in [APPS_ROW, *bad]))
    with pytest.raises(DataError) as caught:
        load(path)
    expected = [
        "field 'question' is 3: this format needs text here; add it",
        "field 'input_output' is '{': not JSON (",
        "field 'input_output.outputs' is []: has 0 items for 1 inputs",
        "without a test nothing can be judged",
        "field 'input_output' is {}: standard input and output are text or a list of lines",
        "nan is not JSON",
        r"'\ud800' is not Unicode",
        "field 'input_output' is '[1': not JSON",
        "field 'function' is '1x': String should match pattern",
        "field 'solutions' is [3]: not a list of programs",
        "field 'starter_code' is {}: not text",
        "id 'apps/train/3' is used twice; rename one",
    ]
    assert [row.row for row in caught.value.rows] == list(range(2, 14))
    for line, part in zip(str(caught.value).splitlines(), expected, strict=True):
        assert line.startswith(f"{path}, row ") and part in line


TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)  # lone surrogates too
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def mutated(data: st.DataObject, value: Any) -> Any:
    """With something in it replaced, also within the JSON that texts hold."""
    if data.draw(st.integers(0, 3)) == 0:
        return data.draw(JSON_VALUES)
    if isinstance(value, dict) and value:
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: mutated(data, value[key])}
    if isinstance(value, list) and value:
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], mutated(data, value[place]), *value[place + 1 :]]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.dumps(mutated(data, json.loads(value)))
    return data.draw(JSON_VALUES)


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(sorted(ROWS)), data=st.data())
def test_no_row_raises_anything_else(name: str, data: st.DataObject) -> None:
    format, row, _ = ROWS[name]
    found = Collection()
    key = data.draw(st.sampled_from(sorted(row)))
    found.add("rows", [(1, {**row, key: mutated(data, row[key])})], FORMATS[format])
    assert found.problems or found.bad_rows or found.other_tasks
    for problem in found.problems.values():
        assert Problem.model_validate_json(problem.model_dump_json(exclude_unset=True)) == problem


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "apps.jsonl"
    path.write_text(json.dumps(APPS_ROW) + "\n" + '{"question": ""}\n' * 3000)
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value).endswith("\nand 2980 more")
    assert len(str(caught.value).splitlines()) == 21
    assert (len(caught.value.rows), caught.value.more) == (1000, 2000)


@pytest.mark.parametrize(
    "row",
    [
        {"id": "x", "prompt": "?", "tests": [{"kind": "call", "function": "f", "expected": 1,
                                              "args": [json.loads("[" * 500 + "]" * 500)]}]},
        {"id": "x" * 10**6, "prompt": "?", "tests": [{"kind": "stdio", "stdout": ""}]},
        {"id": "x", "prompt": "?", "tests": [{"kind": "stdio", "stdout": 1}] * 10**5},
        {"id": "x", "prompt": {"a": "b" * 10**6}, "tests": []},
        {"id": "x", "prompt": "?", "tests": {"kind": "stdio"}},
    ],
)  # fmt: skip
def test_messages_are_short_however_long_the_values(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match="row 1: field '") as caught:
        load(path)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_calls_keep_their_arguments() -> None:
    problem = converted("apps", apps_call(STARTER, [3, 8]))
    tests = [t for t in problem.tests if isinstance(t, CallTest)]
    assert [(t.function, t.args, t.expected) for t in tests] == [
        ("Solution.add", [1, 2], 3),
        ("Solution.add", [4, 4], 8),
    ]
