"""Programs of one batch that are the same in everything but their name."""

from collections import defaultdict
from collections.abc import Sequence

from executor_api.wire import ExecuteProgram, TraceProgram


def originals(programs: Sequence[ExecuteProgram | TraceProgram]) -> list[int]:
    """For each program the index of the first one identical to it, itself included.

    Compared by their ``repr``, in which ``1``, ``1.0``, ``True``, ``nan`` and ``None`` differ; only
    programs whose code has already been seen are written out.
    """
    by_code: defaultdict[str, list[int]] = defaultdict(list)
    for index, program in enumerate(programs):
        by_code[program.code].append(index)
    found = list(range(len(programs)))
    for same_code in by_code.values():
        if len(same_code) > 1:
            first: dict[str, int] = {}
            for index in same_code:
                text = repr(programs[index].model_dump(exclude={"id"}))
                found[index] = first.setdefault(text, index)
    return found
