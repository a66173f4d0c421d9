"""What is known of builtins and of the standard library: what makes containers, what changes them,
and what leaves its arguments as they are."""

import ast

FRESH_CALLS = {"list": "list", "dict": "dict", "set": "set", "sorted": "list"}
FRESH_NODES = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
}
LENGTHENING = {
    "list": {"append", "insert", "pop", "remove"},
    "set": {"pop", "remove"},
    "dict": {"popitem"},
    "deque": {"append", "appendleft", "pop", "popleft"},
}
"""Methods that change the length of what they are called on, or raise."""

ITERATING_CALLS = frozenset(
    (
        *("all", "any", "bool", "dict", "enumerate", "isinstance", "list", "max", "min", "set"),
        *("sorted", "sum", "tuple", "zip"),
    )
)
"""They draw from what they are given, or ask it for its truth or class."""
HARMLESS_CALLS = ITERATING_CALLS.union(
    (
        *("abs", "chr", "divmod", "float", "int", "len", "ord", "pow", "range", "repr", "round"),
        "str",
    )
)
"""They change no object but iterators they are given."""
PURE_CALLS = HARMLESS_CALLS.union(
    (
        *("ascii", "bin", "complex", "filter", "format", "frozenset", "hex", "input", "map"),
        *("oct", "print", "reversed", "slice", "type", "ArithmeticError", "AssertionError"),
        *("Exception", "IndexError", "KeyError", "LookupError", "NotImplementedError"),
        *("OverflowError", "RuntimeError", "SystemExit", "TypeError", "ValueError"),
        "ZeroDivisionError",
    )
)
ATOMIC_CALLS = frozenset(("abs", "chr", "float", "input", "int", "len", "ord", "str", "bool"))
HARMLESS_METHODS = frozenset(
    (
        *("bit_length", "capitalize", "count", "decode", "encode", "endswith", "find", "get"),
        *("index", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper", "items"),
        *("join", "keys", "ljust", "lower", "lstrip", "replace", "rfind", "rjust", "rstrip"),
        *("split", "startswith", "strip", "swapcase", "title", "upper", "values", "zfill"),
    )
)
PURE_METHODS = HARMLESS_METHODS.union(
    (
        *("as_integer_ratio", "bit_count", "casefold", "center", "copy", "difference"),
        *("expandtabs", "format", "intersection", "is_integer", "isascii", "isdecimal"),
        *("isdisjoint", "isidentifier", "isinteger", "isnumeric", "isprintable", "issubset"),
        *("issuperset", "istitle", "maketrans", "partition", "read", "readline", "removeprefix"),
        *("removesuffix", "rindex", "rpartition", "rsplit", "splitlines", "symmetric_difference"),
        *("translate", "union", "write"),
    )
)
LIBRARY = {
    "bisect": {"bisect", "bisect_left", "bisect_right"},
    "calendar": None,
    "cmath": None,
    "collections": {"Counter", "OrderedDict", "deque"},
    "copy": None,
    "datetime": None,
    "decimal": None,
    "fractions": None,
    "functools": {"cmp_to_key", "reduce"},
    "heapq": {"nlargest", "nsmallest"},
    "itertools": None,
    "json": None,
    "math": None,
    "operator": {"add", "and_", "itemgetter", "mul", "or_", "pow", "sub", "xor"},
    "random": {"choice", "choices", "randint", "random", "randrange", "sample", "seed", "uniform"},
    "re": None,
    "statistics": None,
    "string": None,
    "sys": {"exit", "setrecursionlimit"},
    "time": None,
    "typing": None,
    "__future__": None,
}
"""Module → its functions that change no argument; None: all of them."""

MUTATING = frozenset(
    (
        *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend"),
        *("extendleft", "insert", "intersection_update", "pop", "popitem", "popleft", "remove"),
        *("reverse", "rotate", "setdefault", "sort", "symmetric_difference_update", "update"),
    )
)
HEAP = (("heapq", "heappush"), ("heapq", "heappop"))
ANY_LENGTHENING = frozenset().union(*LENGTHENING.values())
