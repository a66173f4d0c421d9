"""The second objective: which questions, how many, and what they earn."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trainer_client.config.section import Section

__all__ = ["AlignmentConfig", "PAPER_OPTIONS", "QuestionOptions"]


class QuestionOptions(Section):
    """How failed rollouts become questions. Each option can be switched for an ablation."""

    programs: Literal["failed", "all"] = "failed"
    """``all``: rollouts that pass their tests are asked about too."""
    from_groups: Literal["all", "mixed"] = "all"
    """``mixed``: only rollouts of groups in which some pass and some fail, near misses."""
    input: Literal["failing", "first"] = "failing"
    """``failing``: tests that the program failed. ``first``: the problem's first test."""
    inputs_per_program: int = Field(1, ge=1)
    max_traces: int | None = Field(None, ge=1)
    """Traced runs a step and process, drawn from all candidates; all of them where null."""
    calls: bool = True
    """Also programs that are called; else only standard input."""
    frames: Literal["all", "module"] = "all"
    """``module``: only module-level names."""
    exceptions: bool = True
    """Programs that raise become questions too (exception type and line)."""
    exits: bool = True
    """Keep the variables of programs that end in ``sys.exit()`` and the like."""
    ask_stdout: bool = False
    need_stdout: bool = False
    """Drop programs that print nothing."""
    ask_return: bool = False
    """What a call returns is one of the questions."""
    max_variables: int = Field(6, ge=0)
    """0 with ``ask_stdout`` or ``ask_return``: output only."""
    choose: Literal["hardest", "last"] = "hardest"
    """Which variables when there are more: the most work to predict, or the last by insertion."""
    skip_copied: bool = False
    """Leave out variables whose value stands in the program or its input: easy credit."""
    downstream: bool = False
    """Leave out variables that hold the same in the problem's ``reference`` on the same input, by
    name: what is asked lies after the first divergence. Problems without one are asked in full."""
    max_value_chars: int = Field(80, ge=1, le=9_999)
    """Variables with a longer literal are not asked for."""
    min_difficulty: float = Field(0.0, ge=0)
    max_difficulty: float = Field(1e9, gt=0)
    """Bounds on a sample's mean of log2(1 + definitions) + log2(1 + characters of the value)."""
    unique: Literal["program", "output"] = "program"
    """What counts as the same question: the same (program, input), or (input, output)."""
    cpu_seconds: float = Field(5.0, gt=0)
    wall_seconds: float = Field(10.0, gt=0)
    reward: Literal["fraction", "paper"] = "fraction"
    """``fraction``: share of answers right, strictly typed. ``paper``: 0.1 + 0.9 · share, loose."""
    format: str = "chat"
    """``chat``, ``json`` (the paper's, which goes with its reward and without exceptions), or
    ``package.module:Class``."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_difficulty > self.max_difficulty:
            raise ValueError("min_difficulty is above max_difficulty; no question would be left")
        return self


PAPER_OPTIONS: dict[str, Any] = {
    "input": "first",
    "calls": False,
    "frames": "module",
    "exceptions": False,
    "exits": False,
    "ask_stdout": True,
    "need_stdout": True,
    "max_variables": 3,
    "choose": "last",
    "max_value_chars": 9_999,
    "unique": "output",
    "wall_seconds": 5.0,
    "reward": "paper",
    "format": "json",
}
"""What the authors' released code does, as far as it differs from the defaults."""


class AlignmentConfig(Section):
    """The second objective: predicting the execution of the policy's own failed programs."""

    enabled: bool = True
    """Off: plain GRPO, the baseline of every comparison."""
    setting: Literal["default", "paper"] = "default"
    """``paper``: reproduce the authors' released code; ``questions`` still overrides it."""
    mode: Literal["append", "replace", "same_step"] = "append"
    """``append``: extra groups beside the code groups, about the previous step's failures.
    ``replace``: in their stead, constant batch size. ``same_step``: extra groups about this step's
    failures, generated after their verdicts and traces."""
    groups: int | None = Field(None, ge=1)
    """Alignment groups in each generation batch of a process; overrides ``ratio``."""
    ratio: float = Field(0.4, gt=0, lt=1)
    """Share of alignment groups in the whole batch (the paper's 1 − α)."""
    weight: float = Field(1.0, ge=0)
    max_prompt_tokens: int = Field(1024, ge=16)
    """Questions with longer prompts are dropped."""
    pool_size: int = Field(512, ge=1)
    """Questions kept for the next step, over all processes."""
    choose: Literal["uniform", "spread"] = "uniform"
    """``spread``: prefer questions whose group of answers is expected to have a spread of rewards,
    judged by the questions of like difficulty asked before: neither trivial nor hopeless ones."""
    schedule: Literal["constant", "linear"] = "constant"
    """``linear``: the alignment groups go down to none over the run (mode ``append``)."""
    prebuilt: Path | None = None
    """Ask these questions (lines of a checkpoint's ``alignment_pool.jsonl``) throughout, instead
    of on-policy ones. Relative to the recipe's directory."""
    questions: QuestionOptions = QuestionOptions()

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        if self.schedule == "linear" and self.mode == "replace":
            raise ValueError("schedule 'linear' changes the batch's size; set mode to 'append'")
        return self

    @model_validator(mode="after")
    def _check_ratio(self) -> Self:
        """A recipe that was saved has the default beside its groups."""
        if self.groups is not None and self.ratio != type(self).model_fields["ratio"].default:
            raise ValueError("groups overrides ratio; give one of them")
        return self

    @model_validator(mode="after")
    def _apply_setting(self) -> Self:
        if self.setting == "paper":
            chosen = {k: getattr(self.questions, k) for k in self.questions.model_fields_set}
            self.questions = QuestionOptions(**{**PAPER_OPTIONS, **chosen})
        return self

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        """The paper's format says less than the default's."""
        options = self.questions
        if not self.enabled or options.format != "json":
            return self
        if options.exceptions:
            raise ValueError(
                "questions.format 'json' does not ask for exceptions; set questions.exceptions to "
                "false, or use format 'chat'"
            )
        if options.ask_stdout and options.ask_return:
            raise ValueError(
                "questions.format 'json' has one place for the output; set one of "
                "questions.ask_stdout and questions.ask_return to false, or use format 'chat'"
            )
        if options.reward != "paper":
            raise ValueError(
                "questions.format 'json' cannot say all that Python's literals say (True, tuples), "
                "so reward 'fraction' would count right answers as wrong; set questions.reward to "
                "'paper', or use format 'chat'"
            )
        return self
