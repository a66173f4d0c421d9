"""The wire contract, version 1: what travels between the executor and its clients.

Service and client share this module, so it imports neither a web framework nor torch.
``proto/`` holds its language-neutral export; a test fails when the two drift apart.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    Strict,
    WithJsonSchema,
    model_validator,
)

from executor_api.languages import NAMES, PYTHON

__all__ = [
    "CONTRACT_VERSION",
    "AssertTest",
    "CallSpec",
    "CallTest",
    "Checker",
    "ExceptionInfo",
    "ExecuteLimits",
    "ExecuteProgram",
    "ExecuteRequest",
    "ExecuteResponse",
    "ExecuteResult",
    "ExecuteSummary",
    "LastDefinition",
    "StdioTest",
    "TestCase",
    "TestResult",
    "TraceEvent",
    "TraceFrame",
    "TraceLimits",
    "TraceProgram",
    "TraceRequest",
    "TraceResponse",
    "TraceResult",
    "Verdict",
    "VersionInfo",
]

CONTRACT_VERSION = "1.0"


class Verdict(StrEnum):
    """What became of a test. Within one test the first that applies, in this order, wins."""

    SANDBOX_ERROR = "sandbox_error"
    """Our failure after retries: there is no verdict. Mask it; never score it as wrong."""
    SKIPPED = "skipped"
    """Not run, because of ``stop_on_failure`` or the deadline."""
    COMPILE_ERROR = "compile_error"
    """The program did not parse or compile."""
    MEMORY_LIMIT = "memory_limit"
    TIME_LIMIT = "time_limit"
    """Crossed ``cpu_seconds`` or ``wall_seconds``; ``limit`` says which."""
    OUTPUT_LIMIT = "output_limit"
    RUNTIME_ERROR = "runtime_error"
    """Uncaught exception, signal, or non-zero exit."""
    EXITED_EARLY = "exited_early"
    """``call`` and ``assert``: the process ended before it had answered."""
    INVALID_VALUE = "invalid_value"
    """A call returned something that is not plain data within bounds."""
    WRONG_ANSWER = "wrong_answer"
    """Ended normally, did not match."""
    ACCEPTED = "accepted"
    """Ran to the end within limits and matched."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Result(BaseModel):
    """Results tolerate unknown fields, so that an older client reads a newer service."""

    model_config = ConfigDict(extra="ignore")


T = TypeVar("T")
FirstError = Annotated[T, FailFast()]
"""Reports only its first bad item: a body of nothing but bad items would cost 600 times its size
in errors."""


# --- requests ---------------------------------------------------------------------------


def _number(value: Any) -> Any:
    if isinstance(value, str | bool):
        raise ValueError("give a JSON number, not a string or boolean")
    return value


Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict()]
Whole = Annotated[int, BeforeValidator(_number)]
"""Also ``64.0``, as in JSON Schema."""


class _Limits(_Model):
    """Frozen, and so hashable: programs without limits of their own share the default."""

    model_config = ConfigDict(frozen=True)


class ExecuteLimits(_Limits):
    """Limits of one test. The server caps each; asking for more is a 422 naming the maximum."""

    cpu_seconds: Number = Field(5.0, gt=0)
    """CPU time of the program and its children."""
    wall_seconds: Number = Field(10.0, gt=0)
    memory_mb: Whole = Field(512, ge=16)
    """Address space beyond the idle interpreter's, in MiB."""
    output_bytes: Whole = Field(1_048_576, ge=1)
    """Standard output and standard error, each."""
    processes: Whole = Field(16, ge=1)
    """Processes and threads at one time."""


class StdioTest(_Model):
    """Run the code as ``__main__`` with this standard input and compare standard output."""

    kind: Literal["stdio"]
    stdin: str = ""
    stdout: str


class CallSpec(_Model):
    """A function, or ``Class.method`` on a fresh instance, and its arguments.

    ``args`` and ``kwargs`` are JSON; ``args_literal`` is the Python literal of the tuple of
    positional arguments, for what JSON cannot say (tuples, sets, bytes, nan, non-string keys).
    """

    function: str = Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$", max_length=500)
    args: list[Any] = []
    args_literal: str | None = None
    kwargs: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_form_of_arguments(self) -> Self:
        if self.args_literal is not None and self.args:
            raise ValueError("give either 'args' or 'args_literal', not both")
        return self


class CallTest(CallSpec):
    """Load the code once as a module, call the function, compare what it returned."""

    kind: Literal["call"]
    expected: Any = None
    expected_literal: str | None = None

    @model_validator(mode="after")
    def _exactly_one_expectation(self) -> Self:
        given = {"expected", "expected_literal"} & self.model_fields_set
        if len(given) != 1 or (self.expected_literal is None and "expected" not in given):
            raise ValueError("give exactly one of 'expected' and 'expected_literal'")
        return self


class AssertTest(_Model):
    """Test code. What the host can turn into calls, it judges itself (``trust: high``)."""

    kind: Literal["assert"]
    code: str = Field(min_length=1)


TestCase = Annotated[StdioTest | CallTest | AssertTest, Field(discriminator="kind")]


class Checker(_Model):
    """How an answer is compared. It governs the tests of its own family (text or values);
    tests of the other family keep their default (``tokens`` for text, ``equal`` for values)."""

    type: Literal["exact", "tokens", "lines", "unordered_lines", "equal", "unordered"]
    float_tolerance: Number = Field(1e-6, ge=0, le=1)
    """Absolute for magnitudes below 1 and where an int is expected, else relative."""
    sequence_types: Literal["strict", "loose"] | None = None
    """``loose``: a tuple equals a list. Default: loose for JSON expectations, else strict."""


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"an unknown language: choose one of {', '.join(NAMES)}")
    return name


LanguageName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(NAMES)})
]


def _without_mark(code: str) -> str:
    return code.removeprefix("\ufeff")


Code = Annotated[str, AfterValidator(_without_mark)]
"""The text of a program; a byte order mark in front is left out, as interpreters do."""


class ExecuteProgram(_Model):
    """One program and its tests. Programs in other languages than Python take ``stdio`` tests."""

    id: str = Field("", max_length=500)
    language: LanguageName = PYTHON
    code: Code
    tests: FirstError[list[TestCase]] = Field(min_length=1)
    checker: Checker | None = None
    limits: ExecuteLimits = ExecuteLimits()
    isolation: Literal["program", "test", "sandbox"] = "program"
    stop_on_failure: Flag = False
    coverage: Flag = False
    """Say which lines and branches ran, of all tests together. Python only."""


class ExecuteRequest(_Model):
    programs: FirstError[list[ExecuteProgram]] = Field(min_length=1)
    deadline_seconds: Number = Field(300.0, gt=0)
    deduplicate: Flag = True
    """Run programs that are identical in all but ``id`` once; false for programs whose answer
    depends on chance or time."""


class TraceLimits(_Limits):
    """Limits of one traced run."""

    cpu_seconds: Number = Field(10.0, gt=0)
    wall_seconds: Number = Field(20.0, gt=0)
    memory_mb: Whole = Field(512, ge=16)
    output_bytes: Whole = Field(1_048_576, ge=1)
    processes: Whole = Field(16, ge=1)
    max_events: Whole = Field(10_000, ge=1)
    max_value_chars: Whole = Field(200, ge=8)
    max_items: Whole = Field(20, ge=1)
    max_depth: Whole = Field(4, ge=1)
    max_bytes: Whole = Field(1_000_000, ge=1000)
    """Of the recorded events and end values together."""


class TraceProgram(_Model):
    """One program and one input: standard input, or a call."""

    id: str = Field("", max_length=500)
    language: Literal["python"] = "python"
    code: Code
    stdin: str = ""
    call: CallSpec | None = None
    detail: Literal["final", "lines"] = "lines"
    limits: TraceLimits = TraceLimits()


class TraceRequest(_Model):
    programs: FirstError[list[TraceProgram]] = Field(min_length=1)
    deadline_seconds: Number = Field(300.0, gt=0)
    deduplicate: Flag = True


# --- results ----------------------------------------------------------------------------


_SURROGATE = re.compile("[\ud800-\udfff]")


def _encodable(text: Any) -> Any:
    """Bytes that were not UTF-8 arrive as lone surrogates, which JSON cannot carry."""
    if type(text) is str and not text.isascii():
        return _SURROGATE.sub("\ufffd", text)
    return text


Text = Annotated[str, BeforeValidator(_encodable)]
"""What a program said or named: U+FFFD stands for what is not Unicode."""


class ExceptionInfo(_Result):
    type: Text
    message: Text
    line: int | None = None
    """In the submitted code; null where no frame of it was on the stack."""


class TestResult(_Result):
    __test__ = False  # not a pytest class

    verdict: Verdict
    stdout: Text = ""
    stdout_truncated: bool = False
    stderr: Text = ""
    value: Text | None = None
    """Python literal of what a call returned; none beyond the output limit, where chance decides
    whether it still returns."""
    exception: ExceptionInfo | None = None
    limit: Literal["cpu", "wall"] | None = None
    """Which clock ran out, for ``time_limit``."""
    trust: Literal["high", "low"] = "high"
    """``low``: the expectation had to enter the sandbox (an assertion the host could not judge)."""
    message: Text | None = None
    """One sentence for people on why the test failed, where there is more to say."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_mb: float = 0.0


RuntimeName = Literal["runsc", "docker", "unsafe-process"]


class ExecuteResult(_Result):
    id: str
    index: int
    verdict: Verdict
    """The first failing test's, or ``accepted``."""
    passed: int | None
    """Null where there is no verdict: ``sandbox_error``, or ``skipped`` for want of time."""
    total: int
    trust: Literal["high", "low"] = "high"
    tests: list[TestResult] = []
    executed_lines: list[int] | None = None
    """By any of the tests; null, like all on coverage, where not asked for or there is no run."""
    executed_branches: list[tuple[int, int]] | None = None
    """``[line, line it went to]``; the second is ``-n`` where that left the code that begins in
    line n. Only of lines from which there is more than one way."""
    missed_lines: list[int] | None = None
    missed_branches: list[tuple[int, int]] | None = None
    coverage_complete: bool | None = None
    """False where the program took the measuring away: then more may have run."""

    @property
    def judged(self) -> bool:
        """Whether there is a verdict on the program itself."""
        return self.passed is not None

    runtime: RuntimeName
    queue_seconds: float = 0.0
    attempts: int = 1
    """Sandboxes it was tried on; 0 with ``deduplicated``."""
    deduplicated: bool = False
    """Answered by the run of an identical program of the batch, timings included."""


class ExecuteResponse(_Result):
    results: list[ExecuteResult]


class ExecuteSummary(_Result):
    """The last line of a streamed response."""

    summary: Literal[True] = True
    programs: int
    verdicts: dict[Verdict, int]


class TraceFrame(_Result):
    id: int
    parent: int | None
    function: Text
    """Qualified name, ``<module>`` for the module itself."""
    line: int


TraceEvent = tuple[
    Literal["call", "line", "return", "yield", "exception"], int, int, dict[Text, Text | None]
]
"""``[kind, line, frame, changed]``; a deleted variable is null."""


class LastDefinition(_Result):
    """A variable's value at its last definition."""

    value: Text
    type: Text
    line: int
    visits: int
    """How often it was defined."""


class TraceResult(_Result):
    id: str
    index: int
    status: Verdict | Literal["completed"]
    limit: Literal["cpu", "wall"] | None = None
    stdout: Text = ""
    stdout_truncated: bool = False
    stderr: Text = ""
    value: Text | None = None
    exception: ExceptionInfo | None = None
    message: Text | None = None
    frames: list[TraceFrame] = []
    events: list[TraceEvent] = []
    values: list[tuple[int, Text]] = []
    """Index of an event → what it returns, yields or raises."""
    stdout_at: list[tuple[int, int]] = []
    """Index of an event → characters of ``stdout`` written when it fires, where that has grown."""
    final: dict[str, dict[Text, LastDefinition]] = {}
    """Frame id → variable → its last definition."""
    executed_lines: list[int] = []
    executed_branches: list[tuple[int, int]] | None = None
    """As of ``/execute``, with detail ``lines``; null where the sandboxes have Python 3.11."""
    missed_lines: list[int] | None = None
    missed_branches: list[tuple[int, int]] | None = None
    complete: bool = True
    reason: Literal["end", "events", "bytes", "hook_lost", "killed"] = "end"
    truncated_values: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_mb: float = 0.0
    python: str
    runtime: RuntimeName
    queue_seconds: float = 0.0
    attempts: int = 1
    """Sandboxes it was tried on; 0 with ``deduplicated``."""
    deduplicated: bool = False
    """Answered by the run of an identical program of the batch, timings included."""


class TraceResponse(_Result):
    results: list[TraceResult]


class VersionInfo(_Result):
    """``GET /version``."""

    service: str
    contract: str
    runtime: RuntimeName
    runtime_version: str
    guest_python: str
    languages: list[str] = []
    """Those that the sandboxes have the tools for."""
