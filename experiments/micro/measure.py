"""The held-out measures of a policy: one number a case, so that policies are compared in pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from executor_api.wire import CallSpec
from experiments.micro.design import COMMENTED_TOKENS, HIDE, TOKENS
from trainer_client.alignment.formats import AlignmentFormat
from trainer_client.alignment.questions import Rollout, make_samples
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.client import ExecutorClient
from trainer_client.config import QuestionOptions
from trainer_client.evaluate import Programs, ask, write_programs
from trainer_client.extraction import Extract, raw
from trainer_client.generation import Sampling, complete
from trainer_client.micro.alignment import CommentedFormat, MicroFormat, without_comments
from trainer_client.micro.family import Split
from trainer_client.micro.problems import Draft, drafts, generate
from trainer_client.micro.warmstart import predicting

__all__ = ["SURFACES", "Measures", "Surface", "measure", "questions_about"]

Policy = tuple[LlamaForCausalLM, PreTrainedTokenizerFast]

PROBLEMS = 400
SAMPLES = 8
OPTIONS = QuestionOptions(exceptions=False, max_variables=4, max_value_chars=26, skip_copied=True)


class Measures(BaseModel):
    """Each list has one number a case; the cases of a (seed, split) are the same for all arms."""

    passed: list[int]
    """Of ``SAMPLES`` sampled programs of each problem, those that pass: pass@1 and pass@8."""
    greedy: list[int]
    """1 where the greedy program passes."""
    output: list[int]
    """Code reasoning: 1 where the output of a problem's reference on a new input is right."""
    test_output: list[int]
    """1 where the output on a new input is right, given the statement alone."""
    fraction: list[float]
    """Share of the variables of a failed program of the *start* that are right."""


@dataclass(frozen=True, slots=True)
class Surface:
    """How the policies of a start write and answer."""

    format: AlignmentFormat
    tokens: int
    """Of a completion at most."""
    extract: Extract = raw

    @property
    def greedy(self) -> Sampling:
        return Sampling(temperature=0.0, max_new_tokens=self.tokens)

    def sampled(self, samples: int, seed: int) -> Sampling:
        return Sampling(samples=samples, max_new_tokens=self.tokens, seed=seed)


SURFACES = {
    "start": Surface(MicroFormat(), TOKENS),
    "start_commented": Surface(CommentedFormat(), COMMENTED_TOKENS, without_comments),
}


async def measure(
    policy: Policy,
    surface: Surface,
    split: Split,
    seed: int,
    questions: Sequence[AlignmentSample],
    client: ExecutorClient,
) -> Measures:
    """All measures on ``PROBLEMS`` problems of the split, drawn by ``seed``."""
    problems = generate(split, PROBLEMS, seed, HIDE)
    drawn = drafts(split, PROBLEMS, seed, HIDE)
    sampled = await write_programs(*policy, problems, client, surface.sampled(SAMPLES, 1))
    greedy = await write_programs(*policy, problems, client, surface.greedy)
    style = (surface.format, surface.greedy)
    return Measures(
        passed=_passed(sampled),
        greedy=_passed(greedy),
        output=[int(x) for x in ask(*policy, _outputs(drawn), *style).exact],
        test_output=_test_outputs(policy, drawn, surface.greedy),
        fraction=[round(x, 4) for x in ask(*policy, questions, *style).fractions],
    )


async def questions_about(
    policy: Policy, surface: Surface, split: Split, seed: int, count: int, client: ExecutorClient
) -> list[AlignmentSample]:
    """About failed programs of the policy, one a problem, so that the cases are independent."""
    problems = generate(split, count, seed, HIDE)
    drawing = surface.sampled(2, 2)
    written = await write_programs(*policy, problems, client, drawing, surface.extract)
    failed = [next((r for r in group if r.failed), None) for group in written.rollouts]
    chosen: list[Rollout] = [rollout for rollout in failed if rollout]
    samples, _ = await make_samples(chosen, client, OPTIONS, step=0)
    return samples


def _passed(programs: Programs) -> list[int]:
    if any(not (r.passed or r.failed) for group in programs.rollouts for r in group):
        raise RuntimeError("a program has no verdict: look at executor.log and run again")
    return [sum(r.passed for r in group) for group in programs.rollouts]


def _outputs(drawn: Sequence[Draft]) -> list[AlignmentSample]:
    """What do right programs return? On inputs that the statement does not show."""
    return [
        AlignmentSample(
            program=draft.reference,
            call=CallSpec(function="f", args=[draft.inputs[-1]]),
            variables={},
            returned=repr(draft.expected[-1]),
        )
        for draft in drawn
    ]


def _test_outputs(policy: Policy, drawn: Sequence[Draft], greedy: Sampling) -> list[int]:
    examples = [predicting(draft, draft.inputs[-1]) for draft in drawn]
    answers = complete(*policy, [example.prompt for example in examples], greedy)
    return [
        int(answer.strip() == example.completion.strip())
        for answer, example in zip(answers, examples, strict=True)
    ]
