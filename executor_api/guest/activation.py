"""One activation of a piece of the program's code: what the recorder has seen of it by now."""

from builtins import object, str

MISSING = object()


class Frame:
    """What the recorder knows of one frame of the program. Holds no reference to the frame, nor
    to any value that could be kept alive by it.

    ``namespace``: of a module or class body. Their ``f_locals`` lacks it on 3.13 while an inlined
    comprehension runs.
    """

    __slots__ = (
        *("at", "code", "definitions", "id", "key", "live", "loose", "namespace", "number"),
        *("owners", "parent", "quiet", "raised", "said", "stored", "watched"),
    )

    def __init__(self, number, code, parent, key):
        self.id = number
        self.number = str(number)
        self.key = key  # the id of the frame itself
        self.code = code
        self.parent = parent
        self.at = code.start
        self.said = {}  # name → (the value if an atom, its text)
        self.loose = {}  # the names in it whose texts may change while their values do not
        self.definitions = {}
        self.stored = ()  # (name, scope, line) bound in this visit and not known from its path
        self.watched = None  # (name, scope, mark) of what this visit's line names, once needed
        self.owners = self.namespace = None
        self.live = True
        self.quiet = False  # the last event was an exception
        self.raised = ""  # the text of that which came last


class Definition:
    """The last definition of one variable."""

    __slots__ = ("line", "mark", "text", "type", "value", "visits")

    def __init__(self):
        self.visits = 0
        self.text = None
        self.type = None
        self.value = MISSING  # an atom, described only when the frame ends
        self.mark = None


def defined(definitions, name, times, line):
    """The definition of a variable, which was bound so often and the last time there."""
    last = definitions.get(name)
    if last is None:
        last = definitions[name] = Definition()
    last.visits += times
    last.line = line
    return last
