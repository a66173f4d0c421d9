"""Which variables of a traced run are asked for, and how hard they are to predict."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from math import log2

from executor_api.wire import LastDefinition, TraceResult
from trainer_client.config import QuestionOptions

__all__ = ["Definitions", "chosen", "definitions", "difficulty", "exits", "is_literal"]

Definitions = dict[str, LastDefinition]
"""Name → last definition. Module-level names are plain; ``f.x`` is ``x`` in the only call of ``f``,
``f[2].x`` in its second call."""

_UNNAMED = re.compile(r"<(?!locals>)")  # <listcomp>, <lambda>, <genexpr>


def definitions(trace: TraceResult, options: QuestionOptions) -> Definitions:
    """Of the frames and variables that can be asked about."""
    frames = [
        f for f in trace.frames if f.function == "<module>" or not _UNNAMED.search(f.function)
    ]
    if options.frames == "module":
        frames = [f for f in frames if f.function == "<module>"]
    calls = Counter(f.function for f in frames)
    seen: Counter[str] = Counter()
    found: Definitions = {}
    for frame in frames:
        seen[frame.function] += 1
        prefix = _prefix(frame.function, seen[frame.function], calls[frame.function])
        for name, definition in trace.final.get(str(frame.id), {}).items():
            if not name.startswith("__") and is_literal(definition.value, options.max_value_chars):
                found[prefix + name] = definition
    return found


def chosen(
    found: Definitions,
    options: QuestionOptions,
    shown: str = "",
    reference: Mapping[str, LastDefinition] | None = None,
) -> Definitions:
    """At most ``max_variables``, in their order.

    ``shown`` is what the question shows, for ``skip_copied``; ``reference`` what a right program's
    variables hold on the same input, for ``downstream``.
    """
    if options.skip_copied:
        found = {name: d for name, d in found.items() if not _can_be_copied(d.value, shown)}
    if reference is not None:
        found = {name: d for name, d in found.items() if not _same(d, reference.get(name))}
    names = list(found)
    if options.choose == "last":
        kept = set(names[len(names) - options.max_variables :]) if options.max_variables else set()
    else:
        kept = set(sorted(names, key=lambda name: -_work(found[name]))[: options.max_variables])
    return {name: found[name] for name in names if name in kept}


def difficulty(chosen: Iterable[LastDefinition]) -> float:
    """Mean over the variables of log2(1 + visits) + log2(1 + characters of the value)."""
    work = [_work(definition) for definition in chosen]
    return sum(work) / len(work) if work else 0.0


def is_literal(value: str, longest: int) -> bool:
    """Whether a value of the tracer's is a whole Python literal of at most ``longest``
    characters."""
    if len(value) > longest or "…" in value:
        return False
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False
    return True


_EXIT_CALLS = {"sys.exit", "exit", "quit", "os._exit"}


def exits(tree: ast.Module, executed: set[int]) -> bool:
    """Whether a line that ran holds a call that ends the process."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(c.lineno in executed and ast.unparse(c.func) in _EXIT_CALLS for c in calls)


def _prefix(function: str, number: int, calls: int) -> str:
    if function == "<module>":
        return ""
    name = function.replace(".<locals>", "")
    return f"{name}." if calls == 1 else f"{name}[{number}]."


def _work(definition: LastDefinition) -> float:
    """How much there is to follow and to write."""
    return log2(1 + definition.visits) + log2(1 + len(definition.value))


def _can_be_copied(value: str, shown: str) -> bool:
    """Whether the value stands in the question, as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", shown) is not None


def _same(definition: LastDefinition, other: LastDefinition | None) -> bool:
    return other is not None and (definition.type, definition.value) == (other.type, other.value)
