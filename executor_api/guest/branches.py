"""The lines of a program and the ways between them, read from the bytecode.

An *arc* is ``(line of a branch, line it goes to)``; the second is ``-line`` where it leaves the
function, class body or module whose code begins on that line. A line branches where it has more
than one arc. Not counted is what a person does not see: what the compiler makes for exceptions
(which ``except`` matches, whether ``with`` swallows one), for ``await``, ``async for``,
``yield from`` and ``assert``, and short cuts within a line (``if a and b`` has two arcs, not four).
"""

import dis
import sys
from types import CodeType

from waymarks import is_mark

_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_RETURNS = frozenset(("RETURN_VALUE", "RETURN_CONST"))
_RAISES = frozenset(("RAISE_VARARGS", "RERAISE"))
_OF_EXCEPTIONS = frozenset(
    ("CHECK_EXC_MATCH", "CHECK_EG_MATCH", "PREP_RERAISE_STAR", "WITH_EXCEPT_START")
)
_BEFORE_ASKING = frozenset(
    (
        *("TO_BOOL", "COPY", "GET_AWAITABLE", "LOAD_CONST", "SEND", "YIELD_VALUE", "RESUME"),
        *("END_SEND", "JUMP_BACKWARD_NO_INTERRUPT"),
    )
)
_ENDS_OF_LOOP = 2 if sys.version_info >= (3, 13) else 1
"""Instructions that a loop's last jump skips."""


def all_codes(root):
    """Every code object compiled with ``root``."""
    found = [root]
    for code in found:  # grows as it goes
        found.extend(const for const in code.co_consts if type(const) is CodeType)
    return found


def lines_of(code):
    """Those that run, but for the one of a function's ``def``: it runs outside."""
    return {
        line
        for start, _, line in code.co_lines()
        if line and not is_mark(line) and not _is_entry(code, start)
    }


def _is_entry(code, offset):
    return code.co_code[offset] == dis.opmap["RESUME"]


class Branches:
    """The conditional jumps of one code object.

    ``ways``: offset of each → destination → the arc that this takes, None where it is no branch of
    the line. ``telling``: destination → arc, where nothing leads there but by this arc.
    """

    def __init__(self, code):
        self._code = code
        self._instructions = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
        self._index = {step.offset: at for at, step in enumerate(self._instructions)}
        self._handlers = dis.Bytecode(code).exception_entries
        named = code.co_name[0] != "<" or code.co_name == "<module>"
        self._exit = -code.co_firstlineno if named else None
        self.ways = {}
        for at, step in enumerate(self._instructions):
            if self._branches(at):
                line = _line(step)
                to = at + 1, self._landing(at)
                self.ways[step.offset] = {self._offset(n): self._arc(line, n) for n in to}
        self.telling = self._find_telling() if self.ways else {}

    def arcs(self):
        return {arc for ways in self.ways.values() for arc in ways.values() if arc}

    def _offset(self, at):
        return self._instructions[at].offset

    def _branches(self, at):
        step = self._instructions[at]
        if step.opcode not in _JUMPS or not _is_conditional(step.opname):
            return False
        return _line(step) is not None and not self._asks_of_exception(at)

    def _asks_of_exception(self, at):
        """Whether it asks if an ``except`` matches, or a context manager swallows."""
        while at and self._instructions[at - 1].opname in _BEFORE_ASKING:
            at -= 1
        return self._instructions[at - 1].opname in _OF_EXCEPTIONS

    def _landing(self, at):
        """Where its jump goes. A loop's jumps over the instructions that end it."""
        step = self._instructions[at]
        to = self._index[step.argval]
        if step.opname == "FOR_ITER" and self._instructions[to].opname == "END_FOR":
            to += _ENDS_OF_LOOP
        return to

    def _arc(self, line, at):
        """What the way from ``line`` to the instruction comes to; None where it stays there."""
        passed = set()
        while at not in passed:
            passed.add(at)
            step = self._instructions[at]
            here = _line(step)
            if here not in (line, None):
                return line, here
            if step.opname in _RETURNS:
                return self._exit and (line, self._exit)
            if step.opname in ("LOAD_ASSERTION_ERROR", "RERAISE"):
                return None
            if step.opname == "RAISE_VARARGS":
                at = self._handler(step.offset)
                if at is None:
                    return self._exit and (line, self._exit)
            elif step.opcode not in _JUMPS:
                at += 1
            elif _is_conditional(step.opname):
                return None
            else:
                at = self._index[step.argval]
        return None

    def _handler(self, offset):
        for entry in self._handlers:
            if entry.start <= offset < entry.end:
                return self._index[entry.target]
        return None

    def _find_telling(self):
        arcs, before = self._arcs_to(), self._led_from()
        return {
            self._offset(at): arc
            for at, found in arcs.items()
            if len(found) == 1
            for arc in found
            if arc and self._only_by(arc, at, arcs, before)
        }

    def _arcs_to(self):
        """Instruction → the arcs of the branches that go there."""
        found = {}
        for ways in self.ways.values():
            for destination, arc in ways.items():
                found.setdefault(self._index[destination], set()).add(arc)
        return found

    def _led_from(self):
        """Instruction → those that it runs after, branches left out; ``[None]`` for where a
        function or an exception's handler begins."""
        found = {self._index[entry.target]: [None] for entry in self._handlers}
        found[0] = [None]
        for at, step in enumerate(self._instructions):
            if step.offset in self.ways:
                continue
            if step.opcode in _JUMPS:
                found.setdefault(self._landing(at), []).append(at)
            if self._falls_through(step) and not self._ends_loop(at):
                found.setdefault(at + 1, []).append(at)
        return found

    def _only_by(self, arc, at, arcs, before):
        """Whether the instruction runs only where the arc has been taken."""
        waiting, passed = [at], set()
        while waiting:
            at = waiting.pop()
            if at in passed:
                continue
            passed.add(at)
            if at is None or arcs.get(at, {arc}) != {arc}:
                return False
            waiting += before.get(at, ())
        return True

    def _falls_through(self, step):
        if step.opcode in _JUMPS:
            return _is_conditional(step.opname) or step.opname == "SEND"
        return step.opname not in _RETURNS and step.opname not in _RAISES

    def _ends_loop(self, at):
        """Whether only the end of a loop leads through it, which counts as a jump over it."""
        before = self._instructions[max(at - _ENDS_OF_LOOP + 1, 0) : at + 1]
        return any(step.opname == "END_FOR" for step in before)


def _is_conditional(name):
    return "JUMP_IF" in name or name.startswith("POP_JUMP") or name == "FOR_ITER"


def _line(step):
    """In the source; None where it has none."""
    line = step.positions.lineno
    return None if is_mark(line) else line
