"""A recipe read from a YAML file plus command-line overrides, checked, and written."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from trainer_client.algorithms.settings import ALGORITHMS
from trainer_client.config.data import DatasetData, JsonlData
from trainer_client.config.recipe import SHORT, Muon, Recipe
from trainer_client.config.section import ConfigError
from trainer_client.data.files import is_readable

__all__ = ["RECIPE_FILE", "check_same_run", "load_recipe", "save_recipe"]

RECIPE_FILE = "recipe.yaml"
"""A recipe as it was run, with its overrides, in the output directory."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply ``--dotted.field value`` overrides, whose values are YAML.

    A flag without a value means true. Relative data paths are resolved against the recipe's
    directory. Raises ``ConfigError``.
    """
    values = _read(path)
    given = _pairs(overrides)
    for name, value in given:
        _set(values, name, value)
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error, values)}") from None
    _check_grpo(recipe)
    _check_algorithm(recipe)
    _check_lora(recipe)
    _check_muon(recipe)
    _check_overruled(recipe, dict(given))
    return _resolve_paths(recipe, path.parent)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write it with all its fields and with absolute paths, as it can be loaded and run again from
    anywhere; without a secret."""
    values = _as_saved(recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _as_saved(recipe: Recipe) -> dict[str, Any]:
    here = Path.cwd()
    values = _resolve_paths(recipe.model_copy(deep=True), here).model_dump(mode="json")
    values["grpo"].pop("hub_token", None)
    values["resume"] = False  # how this run began is no part of what it is
    values["output_dir"] = str(recipe.output_dir.absolute())
    model = values["model"]
    for name in {"path", "file"} & model.keys():
        if model[name] is not None and Path(model[name]).exists():
            model[name] = str(here / model[name])
    return values


_FIXED = ("seed", "model.type", "data", "lora", "optimizer.type")
"""What a run that goes on shares with its beginning: the order of its problems, the parameters
that its checkpoint holds, and what its optimizer keeps of them."""


def check_same_run(recipe: Recipe, saved: Path) -> None:
    """A run goes on as what it was. Raises ``ConfigError``; knows nothing where it left no recipe.
    Files may have been moved."""
    if not saved.is_file():
        return
    before, now = _read(saved), _as_saved(recipe)
    for name in _FIXED:
        for field, old, new in _differing(name, *(_value(v, name) for v in (before, now))):
            raise ConfigError(
                f"{field} is {new!r}, but the run in {saved.parent} began with {old!r}; go on with "
                "that, or start in another output_dir"
            )


def _value(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _differing(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in new:
            if key in old:  # else a field that the run did not know yet
                yield from _differing(f"{name}.{key}", old[key], new[key])
    elif old != new and not _moved(old, new):
        yield name, old, new


def _moved(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_moved, old, new))
    if not (isinstance(old, str) and isinstance(new, str)):
        return False
    return old == new or ("/" in old + new and Path(old).name == Path(new).name)


_FLOAT, _BOOL = "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-6`` as text and ``no``, which fields of TRL may say, as false. Here they
    are a number and text. A key that is there twice would lose what its first one holds."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in first:
                raise ConfigError(
                    f"{key.value} is there twice, in line {first[key.value]} and in line {line}; "
                    "make one of the two"
                )
            first[key.value] = line
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0] != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _BOOL, re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
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
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
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
        if isinstance(inner, str) and here is values and section in SHORT:
            inner = here[section] = {"type": inner}
        if not isinstance(inner, dict):
            raise ConfigError(f"override --{name}: {section!r} is {inner!r}, not a section")
        here = inner
    here[field] = value


def _first_problem(error: ValidationError, values: Any) -> str:
    detail: dict[str, Any] = dict(error.errors(include_url=False)[0])
    field = ".".join(_as_written(detail["loc"], values)) or "the recipe"
    if detail["type"] == "extra_forbidden":
        return f"{field}: there is no such field (its value is {detail['input']!r}); remove it"
    if detail["type"] == "missing":
        return f"{field}: this field is required; add it"
    shown = repr(detail["input"])
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    return f"{field} is {shown}: {detail['msg']}"


def _as_written(place: Sequence[str | int], values: Any) -> list[str]:
    """Without pydantic's names for the members of a union. What is ``type``, or the last field and
    missing, need not be in ``values``."""
    written = []
    for n, part in enumerate(place):
        held = isinstance(values, dict) and part in values
        held |= isinstance(values, list) and isinstance(part, int)
        missing = isinstance(values, dict) and n == len(place) - 1
        if held or missing or part == "type":
            written.append(str(part))
        values = values[part] if held else values
    return written


_SET_INSTEAD = {
    "output_dir": "the recipe's output_dir",
    "seed": "the recipe's seed",
    "data_seed": "the recipe's seed, or data.seed of generated problems,",
    "resume_from_checkpoint": "the recipe's resume (--resume)",
}
"""Fields of TRL's that would be read by nobody, or twice."""


def _check_grpo(recipe: Recipe) -> None:
    from trl.trainer.grpo_config import GRPOConfig  # imports torch: only when a recipe is read

    for name, instead in _SET_INSTEAD.items():
        if name in recipe.grpo:
            raise ConfigError(f"grpo.{name} is {recipe.grpo[name]!r}: set {instead} instead")
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
    if isinstance(recipe.optimizer, Muon):
        raise ConfigError("optimizer.type is 'muon' and lora is given; use 'adamw' with LoRA")
    from peft import LoraConfig

    _check_fields("lora", recipe.lora, LoraConfig)


def _check_muon(recipe: Recipe) -> None:
    ignored = ("optim", "optim_args", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")
    for name in ignored if isinstance(recipe.optimizer, Muon) else ():
        if name in recipe.grpo:
            raise ConfigError(
                f"grpo.{name} is {recipe.grpo[name]!r}, but optimizer.type is 'muon', which does "
                "not read it; remove it, or set the fields of 'optimizer'"
            )
    if isinstance(recipe.optimizer, Muon) and recipe.optimizer.adamw_learning_rate is not None:
        _refuse_learning_rate(recipe.grpo)


def _refuse_learning_rate(grpo: dict[str, Any]) -> None:
    if "learning_rate" in grpo:
        raise ConfigError(
            f"grpo.learning_rate is {grpo['learning_rate']!r}, but optimizer.type is 'muon' with "
            "both of its rates given: set optimizer.learning_rate (of the matrices) and "
            "optimizer.adamw_learning_rate (of the rest) instead"
        )


def _check_overruled(recipe: Recipe, given: dict[str, Any]) -> None:
    """Refuse an override that another field makes meaningless. What stands in the file may be
    overruled: a recipe for an executor of its own also runs on one that is there."""
    if recipe.alignment.groups is not None and "alignment.ratio" in given:
        raise ConfigError(
            f"alignment.ratio is {recipe.alignment.ratio!r}, but alignment.groups is "
            f"{recipe.alignment.groups}, which overrides it; set alignment.groups to null"
        )
    for name in ("runtime", "sandboxes") if recipe.executor.url != "auto" else ():
        if f"executor.{name}" in given:
            raise ConfigError(
                f"executor.{name} is {given[f'executor.{name}']!r}, but executor.url names an "
                "executor that runs already; leave one of the two out"
            )


def _check_fields(section: str, values: dict[str, Any], kind: type) -> None:
    """Check names and types against a configuration dataclass of another library; values become
    those of its types."""
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
            values[name] = TypeAdapter(hints[name]).validate_python(value)
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
