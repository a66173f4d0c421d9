"""Which variables each instruction of a code object binds, and which each line names.

Read from the bytecode (``dis``), so it holds for every way to bind: assignment, loop target,
``with`` and ``except`` targets, import, ``def``, ``class``, pattern, ``:=``. Not counted as
bindings: the ``e = None; del e`` that the compiler adds after ``except … as e``, and what an
inlined comprehension (Python ≥ 3.12) stores into its own loop variable.
"""

import ast
import dis
import warnings
from builtins import (
    StopIteration,
    any,
    bool,
    dict,
    enumerate,
    frozenset,
    isinstance,
    len,
    max,
    sorted,
    tuple,
    type,
)
from types import CodeType

LOCAL, GLOBAL, FREE, NAME = "local", "global", "free", "name"
"""Where a variable lives: this frame, the module, an enclosing function, or (class bodies only)
this frame if it has it and else the module."""

_HIDDEN = frozenset(
    (
        *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__"),
        *("__cached__", "__builtins__", "__annotations__", "__annotate__", "__annotate_func__"),
        *("__annotations_cache__", "__conditional_annotations__", "__type_params__"),
        *("__module__", "__qualname__", "__firstlineno__", "__static_attributes__"),
        *("__class__", "__classcell__", "__classdict__", "__classdictcell__", "__orig_bases__"),
    )
)
_LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_")
_SPANNING = ("CALL", "STORE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_", "BINARY_OP")
_ITEM_STORES = ("STORE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_SUBSCR", "DELETE_ATTR")
OPTIMIZED = 0x1  # CO_OPTIMIZED: the code of a function, not of a module or class


def hidden(name):
    """True for what the interpreter, not the program, puts into a namespace."""
    return name in _HIDDEN or name.startswith(".")


def ends_iteration(code, offset, kind):
    """True for the StopIteration by which an iterator ends a ``for``, ``yield from`` or ``await``:
    an exception that the program does not see."""
    return kind is StopIteration and code.co_code[offset] in _ITERATES


_ITERATES = frozenset({dis.opmap["FOR_ITER"], dis.opmap["SEND"]})


def loops_on_a_line(instructions):
    """Where a jump back to the line it is on is reported → ``(offset it leads to, line)``."""
    lines = {instruction.offset: instruction.positions.lineno for instruction in instructions}
    return {
        _event_offset(instructions, index): (instruction.argval, lines[instruction.argval])
        for index, instruction in enumerate(instructions)
        if instruction.opname == "JUMP_BACKWARD"
        and lines[instruction.argval] == lines[instruction.offset] is not None
    }


def program_codes(root):
    """Every code object compiled with ``root``, each with the one that contains it (or None)."""
    found = [(root, None)]
    for code, _ in found:  # grows as it goes
        found.extend((const, code) for const in code.co_consts if type(const) is CodeType)
    return found


def parsed(source):
    """The tree of a source that compiles, without the warnings that compiling it has given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def item_stores(source):
    """Where a program stores into or deletes an item or attribute of what a variable holds, as
    ``a[i] = x`` and ``self.x.y += 1`` do → the variable's name."""
    found = {}
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            root = node.value
            while isinstance(root, ast.Subscript | ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name):
                start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
                found[start, end] = root.id
    return found


class Bindings:
    """The bindings of one code object.

    ``stores``: offset of an instruction → ``(name, scope, line)`` of each variable it binds or
    stores into.
    ``names``: line → ``(name, scope)`` of each variable that an expression which runs there names.
    ``parameters``: the names bound by the call itself.
    """

    def __init__(self, code, is_module, instructions, item_stores):
        self._code = code
        self._is_module = is_module
        self._item_stores = item_stores
        self.parameters = _parameters(code)
        self._cleared = [
            (i.argval, _span(i)) for i in instructions if i.opname == "LOAD_FAST_AND_CLEAR"
        ]
        self.stores = self._find_stores(instructions)
        self.names = self._find_names(instructions)

    def _find_stores(self, instructions):
        stores = {}
        for index, instruction in enumerate(instructions):
            names = [
                name
                for name in _stored(instruction)
                if not hidden(name)
                and not _is_clean_up(instructions, index, name)
                and not self._in_comprehension(name, instruction)
            ]
            line = instruction.positions.lineno or self._code.co_firstlineno
            if names:
                offset = _event_offset(instructions, index)
                stores[offset] = tuple((n, self._scope(instruction, n), line) for n in names)
            elif instruction.opname in _ITEM_STORES:
                name = self._item_stores.get(_span(instruction))
                scope = self._scope_of_name(name)
                if scope is not None:
                    stores[_event_offset(instructions, index)] = ((name, scope, line),)
        return stores

    def _scope_of_name(self, name):
        """Where the code would read the variable; None if that is known only when it runs."""
        code = self._code
        if name is None or hidden(name):
            return None
        if name in code.co_freevars:
            return FREE
        if self._is_module or name in code.co_varnames or name in code.co_cellvars:
            return LOCAL
        return GLOBAL if code.co_flags & OPTIMIZED else None

    def _find_names(self, instructions):
        by_line, ends = {}, {}
        for instruction in instructions:
            line, end = instruction.positions.lineno, instruction.positions.end_lineno
            if line is None:
                continue
            if instruction.opname.startswith(_SPANNING):
                ends[line] = max(end, ends.get(line, line))
            for name in _loaded(instruction):
                if not (hidden(name) or self._in_comprehension(name, instruction)):
                    by_line.setdefault(line, {})[name, self._scope(instruction, name)] = None
        return {
            line: named
            for line in by_line.keys() | ends.keys()
            if (named := _named_between(by_line, line, ends.get(line, line)))
        }

    def _in_comprehension(self, name, instruction):
        """Whether it is the variable of an inlined comprehension that the instruction is in. That
        is a fast local even in a module, where CPython clears the one of a ``:=`` too.
        """
        if instruction.opname.endswith(("_NAME", "_GLOBAL")):
            return False
        start, end = _span(instruction)
        return any(
            name == cleared and first <= start and end <= last
            for cleared, (first, last) in self._cleared
        )

    def _scope(self, instruction, name):
        if "GLOBAL" in instruction.opname:
            return GLOBAL
        if "DEREF" in instruction.opname:
            return FREE if name in self._code.co_freevars else LOCAL
        if instruction.opname == "LOAD_NAME" and not self._is_module:
            return NAME
        return LOCAL


def _named_between(by_line, first, last):
    """The names of all lines of an expression: a call of many lines runs on its first."""
    if first == last:
        return tuple(by_line.get(first, ()))
    lines = [line for line in by_line if first <= line <= last]
    return tuple(dict.fromkeys(key for line in sorted(lines) for key in by_line[line]))


def _parameters(code):
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    return tuple(name for name in code.co_varnames[:count] if not hidden(name))


def _operands(instruction):
    value = instruction.argval
    return value if type(value) is tuple else (value,)


def _stored(instruction):
    """The variables an instruction binds, in order. 3.13 has instructions that do two things."""
    name = instruction.opname
    if name == "STORE_FAST_LOAD_FAST":
        return _operands(instruction)[:1]
    if name in ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_FAST_STORE_FAST"):
        return _operands(instruction)
    return ()


def _loaded(instruction):
    name = instruction.opname
    if name == "STORE_FAST_LOAD_FAST":
        return _operands(instruction)[1:]
    if name.startswith(_LOADS) and name != "LOAD_FAST_AND_CLEAR":
        return _operands(instruction)
    return ()


def _is_clean_up(instructions, index, name):
    if not 0 < index < len(instructions) - 1:
        return False
    before, after = instructions[index - 1], instructions[index + 1]
    is_none = before.opname == "LOAD_CONST" and before.argval is None
    return is_none and after.opname.startswith("DELETE_") and after.argval == name


def _span(instruction):
    p = instruction.positions
    return (p.lineno or 0, p.col_offset or 0), (p.end_lineno or 0, p.end_col_offset or 0)


def _event_offset(instructions, index):
    """Where an event for the instruction is reported: at the first of its EXTENDED_ARGs."""
    while index and instructions[index - 1].opname == "EXTENDED_ARG":
        index -= 1
    return instructions[index].offset
