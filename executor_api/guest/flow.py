"""What happens between two events of a frame, read from the bytecode.

Between two events a frame runs instructions of one line. Where all paths from one to the other
bind the same variables, none of them need be watched: the two offsets say what was bound. A line
whose paths differ (``if a: b = 1``) is *branching*: its bindings have to be seen one by one.

Whether an object that a variable holds may have changed meanwhile is read from the instructions,
too: a call, a store into it, an operation in place. Code of the program that an operator runs has
events of its own. Code of the library that it runs has none: what of that changes objects is
listed here, by the names it is reached by.
"""

import dis
import sys
from builtins import (
    any,
    enumerate,
    frozenset,
    len,
    list,
    map,
    set,
    sorted,
    str,
    tuple,
    type,
    zip,
)

from bindings import Bindings, loops_on_a_line
from library import HARMLESS_CALLS, HARMLESS_METHODS, ITERATING_CALLS
from reach import SAFE_MODULES, imported

_CHANGES = frozenset(
    (
        *("CALL", "CALL_KW", "CALL_FUNCTION_EX", "CALL_INTRINSIC_1", "CALL_INTRINSIC_2", "PRECALL"),
        *("STORE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_SUBSCR", "DELETE_ATTR"),
        *("BEFORE_WITH", "BEFORE_ASYNC_WITH", "WITH_EXCEPT_START", "IMPORT_NAME", "IMPORT_FROM"),
        *("IMPORT_STAR", "GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "YIELD_VALUE"),
        *("MATCH_CLASS", "MATCH_KEYS", "CHECK_EG_MATCH"),
        "UNARY_INVERT",  # a Flag keeps its inverse
    )
)
_ITERATES = frozenset(
    (
        *("FOR_ITER", "SEND", "GET_ITER", "GET_YIELD_FROM_ITER", "END_ASYNC_FOR", "DICT_MERGE"),
        *("UNPACK_SEQUENCE", "UNPACK_EX", "CONTAINS_OP", "LIST_EXTEND", "SET_UPDATE"),
        *("DICT_UPDATE", "BINARY_OP", "COMPARE_OP"),  # operators of a dict's views take iterators
    )
)
_SUBSCRIPTS = frozenset(("BINARY_SUBSCR", "BINARY_SLICE"))
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"))
_FIRST_IN_PLACE = 13  # of BINARY_OP's arguments
_NO_NEXT = frozenset(
    (
        *("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"),
        *("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"),
    )
)
_TOUCHES = (
    *("STORE_FAST", "STORE_NAME", "STORE_DEREF", "DELETE_FAST", "DELETE_NAME", "DELETE_DEREF"),
    *("LOAD_FAST_AND_CLEAR", "STORE_GLOBAL", "DELETE_GLOBAL"),
)
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


class Effects:
    """What the names, texts and imports of a program allow.

    ``plain``: nothing but its own instructions binds its variables: it reaches no frame, no
    namespace as a mapping, and no thread. ``globals``: functions bind variables of the module.
    ``iterating``: an iterator may call what changes a container (``map(a.append, b)``).
    ``subscripts``, ``attributes``: to read an item or attribute may change its object.
    ``operators``: so may any operation, for a class may have functions of C for its special methods
    (``__add__ = a.append``). ``renames``: a function or class may get another name.
    ``harmless``: the functions and methods of the library whose calls change nothing.
    """

    def __init__(self, codes):
        names = {name for code in codes for name in code.co_names}
        texts = {text for code in codes for text in _texts(code.co_consts)}
        words = names | texts
        modules = {name.partition(".")[0] for code in codes for name in imported(code)}
        self.plain = modules <= SAFE_MODULES and words.isdisjoint(_REACHING)
        self.plain = self.plain and not any(_ALL in code.co_consts for code in codes)
        self.globals = any(map(_binds_globals, codes))
        self.iterating = not words.isdisjoint(_ITERATORS)
        self.subscripts = "defaultdict" in words
        self.attributes = not words.isdisjoint(_PROPERTIES)
        self.operators = any("__" in text for text in texts - {"__main__"}) or any(
            map(_borrows_special_methods, codes)
        )
        self.renames = not words.isdisjoint(_RENAMING)
        self.harmless = HARMLESS_CALLS, HARMLESS_METHODS
        if self.iterating:
            self.harmless = HARMLESS_CALLS - ITERATING_CALLS, HARMLESS_METHODS - {"join"}
        if self.plain and not self.operators:
            others = texts.union(*map(_stored_names, codes))
            self.harmless = tuple(names - others for names in self.harmless)
        else:
            self.harmless = frozenset(), frozenset()

    def of(self, instruction):
        """Whether the instruction may change an object without running code of the program."""
        name = instruction.opname
        if self.operators or name in _CHANGES:
            return True
        if name == "BINARY_OP" and instruction.arg >= _FIRST_IN_PLACE:
            return True
        return (
            (self.iterating and name in _ITERATES)
            or (self.subscripts and name in _SUBSCRIPTS)
            or (self.attributes and name in _ATTRIBUTES)
        )


def calls_harmlessly(instructions, functions, methods):
    """Whether each call among the instructions of a line is of one of these functions or methods.

    A name that is called is loaded together with room for ``self``; what is called otherwise, by
    ``PUSH_NULL``, as a decorator or by ``with``, is no such name, or makes the numbers differ.
    """
    calls = called = 0
    for instruction in instructions:
        name = instruction.opname
        if name == "CALL":
            calls += 1
        elif name in _OTHER_CALLS:
            return False
        elif name == "LOAD_GLOBAL" and instruction.arg & 1:
            called += 1
            if instruction.argval not in functions:
                return False
        elif name == "LOAD_METHOD" or (name == "LOAD_ATTR" and _CALLS_ATTR and instruction.arg & 1):
            called += 1
            if instruction.argval not in methods:
                return False
    return calls == called > 0


def _stored_names(code):
    """The names that code gives to anything but its own variables."""
    units = code.co_code
    if dis.EXTENDED_ARG in units[::2]:
        return set(code.co_names)
    pairs = zip(units[::2], units[1::2], strict=True)
    return {code.co_names[argument] for operation, argument in pairs if operation in _STORES}


_OTHER_CALLS = ("CALL_KW", "PUSH_NULL", "CALL_FUNCTION_EX", "KW_NAMES", "LOAD_SUPER_ATTR")
_CALLS_ATTR = sys.version_info >= (3, 12)  # LOAD_ATTR does what LOAD_METHOD did before
_STORES = frozenset(
    dis.opmap[name]
    for name in ("STORE_NAME", "STORE_GLOBAL", "STORE_ATTR", "DELETE_NAME", "DELETE_GLOBAL")
)


def _texts(constants):
    """The strings among constants, without those that could not be a name."""
    for constant in constants:
        if type(constant) is tuple:
            yield from _texts(constant)
        elif type(constant) is str and len(constant) <= _LONGEST_NAME:
            yield constant


def _binds_globals(code):
    units = code.co_code[::2]
    return any(operation in units for operation in _GLOBAL_BINDINGS)


def _borrows_special_methods(code):
    """Whether code gives a class a special method that it has not written with ``def``, or may."""
    if not any(map(_is_special, code.co_names)):
        return False
    before = None
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in ("STORE_NAME", "STORE_ATTR") and _is_special(instruction.argval):
            own = before.opname in _OWN_VALUES or _is_special(before.argval)
            if name == "STORE_ATTR" or not own:
                return True
        before = instruction
    return False


def _is_special(name):
    return type(name) is str and name[:2] == "__" == name[-2:] and name not in _PLAIN_SPECIALS


_ALL = ("*",)  # of ``import *``
_LONGEST_NAME = 60
_OWN_VALUES = frozenset(("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "LOAD_CONST", "BUILD_TUPLE"))
_PLAIN_SPECIALS = frozenset(
    (
        *("__module__", "__qualname__", "__name__", "__doc__", "__class__", "__classcell__"),
        *("__annotations__", "__slots__", "__match_args__", "__all__", "__wrapped__"),
        *("__static_attributes__", "__firstlineno__", "__type_params__", "__classdictcell__"),
        *("__orig_bases__", "__version__", "__author__"),
    )
)
_GLOBAL_BINDINGS = (dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"])
_REACHING = frozenset(
    (
        *("__builtins__", "__closure__", "__code__", "__dict__", "__getattribute__", "__globals__"),
        *("__import__", "__prepare__", "__subclasses__", "_current_frames", "_getframe"),
        *("addaudithook", "ag_frame", "attrgetter", "call_tracing", "cell_contents", "cr_frame"),
        *("eval", "exec", "f_back", "f_globals", "f_locals", "getattr", "gi_frame", "globals"),
        *("locals", "methodcaller", "modules", "monitoring", "set_asyncgen_hooks", "setprofile"),
        *("settrace", "tb_frame", "vars"),
    )
)
_ITERATORS = frozenset(
    (
        *("map", "filter", "iter", "starmap", "accumulate", "takewhile", "dropwhile"),
        *("filterfalse", "groupby", "reader", "DictReader"),
    )
)
_PROPERTIES = frozenset(
    ("property", "cached_property", "abstractproperty", "DynamicClassAttribute", "DictReader")
)
_RENAMING = frozenset(("__name__", "setattr", "__setattr__", "update_wrapper", "wraps"))


_NONE = frozenset()


class Passage:
    """From one event to another. ``stores``: ``(name, scope, line)`` of each binding in order, None
    where paths differ; ``touched``: the names bound or unbound; ``acts``: whether a container may
    have changed."""

    __slots__ = ("acts", "stores", "touched")

    def __init__(self, stores=(), touched=_NONE, acts=False):
        self.stores, self.touched, self.acts = stores, touched, acts

    def through(self, step):
        """This one, and then the instruction whose own is ``step``."""
        stores = None if self.stores is None else self.stores + step.stores
        return Passage(stores, self.touched | step.touched, self.acts or step.acts)

    def merged(self, other):
        if other is None:
            return self
        stores = self.stores if self.stores == other.stores else None
        return Passage(stores, self.touched | other.touched, self.acts or other.acts)

    def __eq__(self, other):
        return (self.stores, self.touched, self.acts) == (other.stores, other.touched, other.acts)

    __hash__ = None


class Flow:
    """The passages of one code object.

    ``branching``: offset of each binding on a line whose paths differ → ``(name, scope, line)`` of
    what it binds. ``bindings`` and ``loops``: see ``bindings.py``.
    """

    def __init__(self, code, is_module, effects, item_stores):
        self._instructions = list(dis.get_instructions(code))
        self._handlers = dis.Bytecode(code).exception_entries
        self._index = {}
        for index, instruction in enumerate(self._instructions):
            self._index[instruction.offset] = index
        self.bindings = Bindings(code, is_module, self._instructions, item_stores)
        self._steps = [self._step(i, effects) for i in self._instructions]
        self._regions = {}
        self.loops = loops_on_a_line(self._instructions)
        on_lines = {}
        for index, instruction in enumerate(self._instructions):
            on_lines.setdefault(_line(instruction), set()).add(index)
        self._silence_harmless_calls(on_lines, *effects.harmless)
        self._acting = {
            _line(instruction)
            for instruction, step in zip(self._instructions, self._steps, strict=True)
            if step.acts
        }
        self.branching = {}
        for line in self._lines_that_may_branch():
            self._find_branching(on_lines[line])

    def _silence_harmless_calls(self, on_lines, functions, methods):
        for indices in on_lines.values():
            found = [self._instructions[index] for index in sorted(indices)]
            if calls_harmlessly(found, functions, methods):
                for index in indices:
                    if self._instructions[index].opname in ("CALL", "PRECALL"):
                        step = self._steps[index]
                        self._steps[index] = Passage(step.stores, step.touched)

    def passage(self, start, end):
        """From an event before the instruction at offset ``start`` to one at ``end``; None where
        none is known."""
        region = self._regions.get(start)
        if region is None:
            region = self._regions[start] = self._region(self._at(start))
        return region.get(self._at(end))

    def acts(self, line):
        """Whether a visit of the line may change a container."""
        return line in self._acting

    def _at(self, offset):
        """The index of the instruction at ``offset``, or in whose cache it is."""
        while offset > 0 and offset not in self._index:
            offset -= 2
        return self._index.get(offset, 0)

    def _step(self, instruction, effects):
        stores = self.bindings.stores.get(instruction.offset, ())
        touched = frozenset()
        if instruction.opname.startswith(_TOUCHES):
            value = instruction.argval
            touched = frozenset(value if type(value) is tuple else (value,))
        return Passage(tuple(stores), touched, effects.of(instruction))

    def _region(self, start):
        """Index → passage to it, of every instruction that the next event may be at."""
        line = _line(self._instructions[start])
        found = {start: Passage()}
        todo = [start]
        while todo:
            index = todo.pop()
            here = _line(self._instructions[index])
            if line is None:
                line = here
            if here not in (line, None):
                continue  # an event of its own
            passed = found[index].through(self._steps[index])
            for following in self._following(index):
                merged = passed.merged(found.get(following))
                if following in found and merged == found[following]:
                    continue
                found[following] = merged
                if following > index or not self._jumps_back_with_an_event(index):
                    todo.append(following)
        return found

    def _following(self, index):
        instruction = self._instructions[index]
        following = []
        if instruction.opname not in _NO_NEXT:
            following.append(index + 1)
        if instruction.opcode in _JUMPS:
            following.append(self._at(instruction.argval))
        if instruction.opname == "RERAISE":  # has no event where it is caught
            following += [
                self._at(entry.target)
                for entry in self._handlers
                if entry.start <= instruction.offset < entry.end
            ]
        return [i for i in following if i < len(self._instructions)]

    def _jumps_back_with_an_event(self, index):
        name = self._instructions[index].opname
        return "BACKWARD" in name and name != "JUMP_BACKWARD_NO_INTERRUPT"

    def _lines_that_may_branch(self):
        jumps, stores = set(), set()
        for instruction in self._instructions:
            if instruction.opcode in _JUMPS and instruction.opname not in _NO_NEXT:
                jumps.add(_line(instruction))
            if instruction.offset in self.bindings.stores:
                stores.add(_line(instruction))
        return jumps & stores

    def _find_branching(self, on_line):
        starts = {
            i for i in on_line if i - 1 not in on_line or self._instructions[i].is_jump_target
        }
        for start in starts:
            region = self._region(start)
            if any(passage.stores is None for passage in region.values()):
                for index in on_line:
                    stores = self.bindings.stores.get(self._instructions[index].offset)
                    if stores:
                        self.branching[self._instructions[index].offset] = stores
                return


def _line(instruction):
    return instruction.positions.lineno
