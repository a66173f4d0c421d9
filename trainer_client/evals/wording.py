"""Prompts: in the words of the benchmarks' authors where they have any (``prompts/README.md``)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from trainer_client.config import INSTRUCTION
from trainer_client.continuation import STOP
from trainer_client.data.problem import Problem
from trainer_client.data.rows import code_row
from trainer_client.evals.cases import Messages, Prompt

__all__ = [
    "REASONING_SYSTEM",
    "assertion",
    "generic",
    "humaneval",
    "livecodebench",
    "mbpp",
    "question",
]

MBPP_TASK = "You are an expert Python programmer, and here is your task: "
MBPP_BEGIN = "\n[BEGIN]\n"
MBPP_END = "\n[DONE]"
MBPP_ANSWER = "Write only the code, in one block that starts with ```python."
"""Ours, for chat models."""

LIVECODEBENCH_SYSTEM = (
    "You are an expert Python programmer. You will be given a question (problem specification) "
    "and will generate a correct Python program that matches the specification and passes all "
    "tests."
)
LIVECODEBENCH_STARTER = (
    "### Question:\n{question}\n\n### Format: You will use the following starter code to write "
    "the solution to the problem and enclose your code within delimiters.\n```python\n{code}\n"
    "```\n\n### Answer: (use the provided format with backticks)\n\n"
)
LIVECODEBENCH_STDIN = (
    "### Question:\n{question}\n\n### Format: Read the inputs from stdin solve the problem and "
    "write the answer to stdout (do not directly test on the sample inputs). Enclose your code "
    "within delimiters as follows. Ensure that when the python program runs, it reads the inputs, "
    "runs the algorithm and writes output to STDOUT.\n```python\n# YOUR CODE HERE\n```\n\n"
    "### Answer: (use the provided format with backticks)\n\n"
)
LIVECODEBENCH_TEST_SYSTEM = (
    "You are a helpful programming assistant and an expert Python programmer. You are helping a "
    "user to write a test case to help to check the correctness of the function. The user has "
    "written a input for the testcase. You will calculate the output of the testcase and write "
    "the whole assertion statement in the markdown code block with the correct output."
)
LIVECODEBENCH_TEST = (
    "Problem:\n{question}Function:\n```\n{code}\n```\nPlease complete the following test case:\n\n"
    "```\n{test}\n```\n"
)
REASONING_SYSTEM = (
    "You are an expert at Python programming, code execution, test case generation, and fuzzing."
)


def generic(problem: Problem) -> Prompt:
    """As in training: the statement and the starter code, answered by a fenced block."""
    messages: Messages = code_row(problem, "chat", INSTRUCTION)["prompt"]
    return Prompt(messages, problem.statement + problem.starter_code)


def humaneval(problem: Problem) -> Prompt:
    """The prompt to continue as it is; chat models are asked as in training."""
    return Prompt(generic(problem).messages, problem.starter_code, STOP)


def mbpp(problem: Problem, shots: Sequence[Problem]) -> Prompt:
    """The authors' prompt, behind solved problems of the same form if there are any."""
    solved = [_mbpp(shot) + (shot.reference or "").strip() + MBPP_END + "\n\n" for shot in shots]
    task = _mbpp(problem)
    user = f"{task.removesuffix(MBPP_BEGIN)}\n\n{MBPP_ANSWER}"
    return Prompt([{"role": "user", "content": user}], "".join([*solved, task]), (MBPP_END,))


def _mbpp(problem: Problem) -> str:
    return MBPP_TASK + problem.statement.replace("\nYour code", " Your code", 1) + MBPP_BEGIN


def livecodebench(problem: Problem) -> Prompt:
    """The authors' generic chat prompt; models without a template continue it in a code block."""
    template = LIVECODEBENCH_STARTER if problem.starter_code else LIVECODEBENCH_STDIN
    user = template.format(question=problem.statement, code=problem.starter_code)
    return _system(LIVECODEBENCH_SYSTEM, user, "```python\n", ("\n```",))


def assertion(statement: str, starter_code: str, test: str) -> Prompt:
    """LiveCodeBench's test output prediction; ``test`` is the assertion to complete."""
    user = LIVECODEBENCH_TEST.format(question=statement, code=starter_code, test=test)
    begun = "```python\n" + test.removesuffix(" # TODO")
    return _system(LIVECODEBENCH_TEST_SYSTEM, user, begun, ("\n",))


def question(template: str, **values: str) -> Prompt:
    """A question of ``prompts/TEMPLATE.txt``, whose answer ends with ``[/ANSWER]``."""
    text = _template(template).format(**values)
    messages = [
        {"role": "system", "content": REASONING_SYSTEM},
        {"role": "user", "content": text},
    ]
    return Prompt(messages, text, ("[/ANSWER]",))


def _system(system: str, user: str, begun: str, stop: tuple[str, ...]) -> Prompt:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return Prompt(messages, f"{system}\n\n{user}{begun}", stop)


@cache
def _template(name: str) -> str:
    file = Path(__file__).with_name("prompts") / f"{name}.txt"
    return file.read_text(encoding="utf-8")
