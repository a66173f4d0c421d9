"""The code objects of a program, and what its events mean.

What happens between two events of a frame is read from the bytecode once (``flow.py``) and kept, so
that the recorder need not look for it again.
"""

from builtins import bool, dict, id, sorted, super, tuple
from json.encoder import encode_basestring_ascii as quote

from bindings import LOCAL, OPTIMIZED, hidden, program_codes
from flow import Flow, Passage


def code_table(root, effects, stores, plans):
    table = {}
    for code, parent in program_codes(root):
        parent = None if parent is None else table[id(parent)]
        table[id(code)] = Code(code, parent, effects, stores, plans)
    return table


class Place:
    """Where a frame is after an event: ``offset`` None after an exception. ``moves``: end of the
    next event (``~end`` of one that is no line) → the ``Move`` there, once it has been made."""

    __slots__ = ("line", "moves", "offset")

    def __init__(self, line, offset, code):
        self.line = line
        self.offset = offset
        self.moves = code.moves.setdefault(offset, {})


class Move(Place):
    """An event whose meaning the one before in the same frame decides, and where it leads.

    ``head``: its record up to the frame's number. ``reads``: ``(name, key in the record, how often
    bound, line of the last)`` of what was bound or unbound. ``acts``: whether other variables may
    have changed. ``watches``: whether that is so of the line that comes now.
    """

    __slots__ = ("acts", "head", "reads", "watches")

    def __init__(self, kind, line, offset, passage, code):
        super().__init__(line, offset, code)
        self.head = f'["event","{kind}",{line},'
        self.acts = passage.acts
        bound = {}
        for name, _, at in passage.stores:
            bound[name] = bound.get(name, (0, 0))[0] + 1, at
        names = dict.fromkeys((*bound, *sorted(passage.touched)))
        self.reads = tuple(
            (name, f",{quote(name)},", *bound.get(name, (0, 0)))
            for name in names
            if not hidden(name)
        )
        self.watches = kind == "line" and line in code.names and code.flow.acts(line)


class Code:
    """One code object of the program.

    ``closed``: no other frame binds variables of its frames. ``start``: where a frame is before its
    first event. ``head``: the end of a frame's record.
    ``entry``: the event of a call, where all variables are the parameters. ``plan``: how to read
    the definitions that its frames count themselves (``counting.py``); None where they do not.
    """

    __slots__ = (
        *("closed", "code", "entry", "first_line", "flow", "head", "is_module", "moves", "names"),
        *("optimized", "parameters", "parent", "plan", "start"),
    )

    def __init__(self, code, parent, effects, stores, plans):
        self.code = code
        self.parent = parent
        self.is_module = parent is None
        self.optimized = bool(code.co_flags & OPTIMIZED)
        self.first_line = code.co_firstlineno
        self.plan = plans.get((self.first_line, code.co_name))
        self.moves = {}
        self.start = Place(self.first_line, None, self)
        self.head = f"{quote(code.co_qualname)},{self.first_line}]"
        self.flow = None
        if self.plan is None:
            self.flow = Flow(code, self.is_module, effects, stores)
            self.names = self.flow.bindings.names
            self.parameters = [(n, LOCAL, self.first_line) for n in self.flow.bindings.parameters]
        if self.optimized:
            self.closed = not (code.co_cellvars or code.co_freevars)
        else:
            self.closed = self.is_module and not effects.globals
        self.entry = None

    def owner_of(self, name):
        """The enclosing function that declares the closure variable ``name``."""
        owner = self.parent
        while owner is not None and name not in owner.code.co_cellvars:
            owner = owner.parent
        return owner

    def enter(self, offset):
        """The move into a fresh frame; None where variables may be there from elsewhere."""
        if self.entry is None and self.optimized and self.closed:
            passage = Passage(tuple(self.parameters))
            self.entry = Move("call", self.first_line, offset, passage, self)
        return self.entry
