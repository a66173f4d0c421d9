"""Literals, test code and values, generated and chosen to be costly: the host reads them in
bounded time, or refuses them with a reason."""

import ast
import json
import math
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from executor_api.judge.assertions import Conversion, NoAssertion, convert
from executor_api.judge.literals import MAX_CHARS, LiteralError, literal, parse
from executor_api.judge.plan import PlanError, plan
from executor_api.judge.references import Work
from executor_api.judge.values import Rules, difference, unordered_difference
from executor_api.observation import End, Observation, Outcome
from executor_api.wire import ExecuteProgram

quick = settings(max_examples=300, derandomize=True, deadline=2000)

PRIME = 2**61 - 1
"""Its multiples have the hash 0."""
COLLIDING = [n * PRIME for n in range(30_000)]
_SECONDS = 5.0

HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
PLAIN = st.recursive(
    HASHABLE | st.complex_numbers() | st.just(1 << 9_000),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(HASHABLE, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=20,
)


class Timed:
    """The processor's time of what is within is bounded."""

    def __enter__(self) -> None:
        self.began = time.process_time()

    def __exit__(self, *_: object) -> None:
        assert time.process_time() - self.began < _SECONDS


# --- literals ---------------------------------------------------------------------------


@quick
@given(PLAIN)
def test_a_printed_value_parses_to_itself(value: Any) -> None:
    text = literal(value, 1_000_000)
    assert difference(parse(text), value, Rules(float_tolerance=0)) is None


@quick
@given(st.text(st.sampled_from("[](){},:'\"\\ 01289-+.ejxbr_aint\n\0\ud800#*")))
def test_any_text_is_a_literal_or_refused(text: str) -> None:
    try:
        value = parse(text)
    except LiteralError as error:
        assert str(error)
    else:
        assert difference(value, value, Rules()) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\0",
        "'\0'",
        "\ud800",
        "[" * 100_000,
        "[" * 150 + "]" * 150,
        "-" * 100_000 + "1",
        "1+" * 100_000 + "1j",
        "1" * 5000,
        "9" * 4000 + "+1j",
        "9" * 4000 + "-1j",
        f"complex({'9' * 4000}, 1)",
        "float('1' * 100)",
        "9**9**9",
        "f'{1}'",
        "(a := 1)",
        "__import__('os')",
        "...",
        "{**{}}",
        "{[]: 1}",
        "{[]}",
        "set(1)",
        "1\n2",
        "'" + "a" * MAX_CHARS,
        "{" + ",".join(map(str, COLLIDING)) + "}",
        "{" + ":0,".join(map(str, COLLIDING)) + ":0}",
        "set([" + ",".join(map(str, COLLIDING)) + "])",
        "frozenset([" + ",".join(map(str, COLLIDING)) + "])",
        "{" + ",".join(map(str, [*range(1, 10_000), *COLLIDING])) + "}",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with Timed(), pytest.raises(LiteralError) as refused:
        parse(text)
    assert str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "0x" + "f" * 1_000_000,
        "[" + ",".join(["1" * 4000] * 900) + "]",
        "'" + "\\x00" * 500_000 + "'",
        "[" * 99 + "]" * 99,
        "{" + ",".join(str(2**n) for n in range(3000)) + "}",
        "[" + "0," * 500_000 + "]",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_large_literal_is_read(text: str) -> None:
    with Timed():
        value = parse(text)
        literal(value)
        assert difference(value, value, Rules()) is None


# --- test code --------------------------------------------------------------------------

NAMES = st.sampled_from(["f", "x", "y", "len", "sum", "set", "sorted", "range", "str", "max"])
ATOMS = NAMES | st.integers(-3, 10**6).map(str) | st.sampled_from(["[]", "{}", "'a'", "1e999"])
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "<<", "&", "|", "==", "<", "in", "is", "and"]
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join).map("({})".format)
        | st.builds("{}({})".format, NAMES, inner)
        | st.builds("{}({}, {})".format, NAMES, inner, inner)
        | st.builds("[{}, {}]".format, inner, inner)
        | st.builds("{{{}: {}}}".format, inner, inner)
        | st.builds("{{{}, {}}}".format, inner, inner)
        | st.builds("{}[{}]".format, inner, inner)
        | st.builds("[{} for x in {}]".format, inner, inner)
        | st.builds("({}).{}({})".format, inner, st.sampled_from(["join", "add", "get"]), inner)
    ),
    max_leaves=12,
)
STATEMENTS = (
    EXPRESSIONS.map("assert {}".format)
    | st.builds("{} = {}".format, NAMES, EXPRESSIONS)
    | st.builds("for x in {}: y = {}".format, EXPRESSIONS, EXPRESSIONS)
    | st.builds("while {}: x = {}".format, EXPRESSIONS, EXPRESSIONS)
)
ANSWERS = [None, 0, [], {1: 2}, "a", {3}, float("nan"), [[1], (2,)], 10**400]


def _judge(conversion: Conversion, value: Any) -> None:
    answer = Observation(End.ANSWERED, outcome=Outcome.RETURNED, value=value)
    conversion.judge([answer] * len(conversion.guest_tests))


@settings(quick, max_examples=200, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=4).map("\n".join))
def test_any_test_code_converts_or_does_not(code: str) -> None:
    with Timed():
        try:
            conversion = convert(code, "def f(*a): return a")
        except (SyntaxError, NoAssertion):
            return
        if conversion is not None:
            for value in ANSWERS:
                _judge(conversion, value)


@quick
@given(st.text(st.sampled_from("assert f(x)=[]{}:,.\n \t'\"\\0189*+-#\0\ud800éλ")))
def test_any_text_is_test_code_or_refused(text: str) -> None:
    try:
        convert(text, text)
    except (SyntaxError, NoAssertion) as error:
        assert str(error)


DOUBLING = "x = (1,)\nfor i in range(30): x = (x, x)\n"
COSTLY = {
    "endless": "while True: pass",
    "long loop": "for i in range(10**9): pass",
    "loops": "sum(a * b * c for a in range(999) for b in range(999) for c in range(999))",
    "draws": "import random\nrandom.choices([1], k=10**10)",
    "draws of a generator": "import random\nrandom.Random(1).choices([1], k=10**10)",
    "sample": "import random\nrandom.sample(range(10**18), k=10**9)",
    "lcm": "import math\nmath.lcm(*range(1, 100000))",
    "factorials": "import math\nfor i in range(10**5): y = math.factorial(2000)",
    "roundings": "for i in range(10**5): y = round(10**300, -10000)",
    "powers": "y = 9**9**9**9",
    "shift": "y = 1 << (1 << 40)",
    "text": "y = 'a' * 10**10",
    "join": "y = ('a' * 1000).join('b' * 10**6)",
    "replace": "y = ('a' * 900).replace('', 'b' * 10**6)",
    "reprs": "y = '\\\\'\nfor i in range(60): y = repr(y)",
    "extend": "y = [1]\nfor i in range(60): y.extend(y)",
    "hash of a tree, key": DOUBLING + "y = {x: 1}",
    "hash of a tree, item": DOUBLING + "y = {x}",
    "hash of a tree, stored": DOUBLING + "y = {}\ny[x] = 1",
    "hash of a tree, looked up": DOUBLING + "y = {}\nf({}[x])",
    "hash of a tree, comprehension": DOUBLING + "y = {x: 1 for i in range(3)}",
    "copy of a tree": DOUBLING + "import copy\ny = copy.deepcopy(x)",
    "text of a tree": DOUBLING + "y = str(x)",
    "collisions, set": f"y = {{i * {PRIME} for i in range(50000)}}",
    "collisions, display": "y = {" + ",".join(map(str, COLLIDING)) + "}",
    "collisions, dict display": "y = {" + ":0,".join(map(str, COLLIDING)) + ":0}",
    "collisions, hidden": f"y = set([i * {PRIME} for i in range(9**5)] + [*range(9**5)])",
    "collisions, dict()": f"y = dict([(i * {PRIME}, 0) for i in range(50000)])",
    "collisions, stored": f"y = {{}}\nfor i in range(50000): y[i * {PRIME}] = 1",
    "collisions, added": f"y = set()\nfor i in range(50000): y.add(i * {PRIME})",
    "collisions, update": f"y = set()\ny.update([i * {PRIME} for i in range(50000)])",
    "collisions, dict.update": f"y = {{}}\ny.update([(i * {PRIME}, 1) for i in range(50000)])",
    "collisions, union": f"y = set().union([i * {PRIME} for i in range(50000)])",
    "collisions, counted": "from collections import Counter\n"
    f"y = Counter([i * {PRIME} for i in range(50000)])",
    "nested comprehensions": "f(" + "[" * 80 + "1" + " for i in range(2)]" * 80 + ")",
    "attributes": "f" + ".a" * 1500,
}


@pytest.mark.parametrize("name", COSTLY)
def test_costly_test_code_is_left_to_the_sandbox(name: str) -> None:
    with Timed():
        conversion = convert(f"{COSTLY[name]}\nassert f(1)", "def f(x): return x")
    assert conversion is None or name in ("attributes", "reprs")


@pytest.mark.parametrize(
    "code",
    [
        "assert f(" + "[" * 5000 + "]" * 5000 + ")",
        "assert " + "not " * 50_000 + "f(1)",
        "assert " + "+".join(["1"] * 50_000) + " == f(1)",
        "assert f" + ".a" * 50_000,
        "assert f('\0')",
        "assert (",
        "",
        "x = 1",
    ],
    ids=lambda code: repr(code[:30]),
)
def test_bad_test_code_names_field_value_and_remedy(code: str) -> None:
    test = {"kind": "assert", "code": code or " "}
    with Timed(), pytest.raises(PlanError) as refused:
        plan(ExecuteProgram.model_validate({"code": "", "tests": [test]}))
    assert refused.value.loc == ("tests", 0, "code")
    assert len(refused.value.value) <= 201
    assert "correct the test code" in refused.value.message or "end it with" in str(refused.value)


def test_work_for_the_tests_of_one_program_is_bounded() -> None:
    work = Work(left=1_200_000)
    easy, endless = "assert f(1) == 1", "while True: pass\nassert f(1)"
    assert convert(easy, "", work) is not None
    with Timed():
        assert not any(convert(endless, "", work) for _ in range(1000))
    assert convert(easy, "", work) is None


# --- comparison -------------------------------------------------------------------------


@quick
@given(PLAIN, PLAIN, st.booleans(), st.booleans())
def test_any_two_values_compare(a: Any, b: Any, loose: bool, json_keys: bool) -> None:
    rules = Rules(loose_sequences=loose, json_keys=json_keys)
    for find in (difference, unordered_difference):
        assert find(a, a, rules) is None
        said = find(a, b, rules)
        assert said is None or (said and len(said) < 1000)


def _deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


HUGE = [
    (10**4000, 1e300),
    (10**4000, 1j),
    (math.inf, 10**400),
    (_deep(100), _deep(99)),
    (_deep(5000), _deep(5000)),
    (["a" * 10**6] * 100, ["a" * 10**6] * 99 + ["b"]),
    (list(range(10**5)), list(range(10**5, 0, -1))),
    ({(n, n): n for n in range(30_000)}, {(n, -n): n for n in range(30_000)}),
    ([math.nan] * 3000, [math.nan] * 2999 + [0.0]),
    ([1e-7 * n for n in range(3000)], [1e-7 * n + 1e-9 for n in range(3000)]),
]


@pytest.mark.parametrize("number", range(len(HUGE)))
def test_huge_values_compare_in_bounded_time(number: int) -> None:
    a, b = HUGE[number]
    with Timed():
        for find in (difference, unordered_difference):
            find(a, b, Rules())
            find(b, a, Rules(loose_sequences=True, json_keys=True))


@quick
@given(st.text())
def test_glimpse_of_a_literal_is_bounded(text: str) -> None:
    assume(len(text) > 10)
    assert len(literal(text, 10)) <= 10
    assert ast.literal_eval(literal(text, 10**6)) == text
    json.dumps(literal(text, 10))
