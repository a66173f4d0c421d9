"""What looks on while a program runs has builtins of its own: the program may replace Python's."""

import builtins
import symtable
from collections.abc import Iterator

import pytest

from tests.executor_api.tracer_bench import GUEST

MODULES = (
    *("activation", "bindings", "codec", "codes", "contents", "covered", "describe", "flow"),
    *("labels", "layouts", "memory_streams", "monitoring", "plain", "records", "reports"),
    *("scalars", "settrace", "texts", "traced", "tracer"),
)


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


@pytest.mark.parametrize("name", MODULES)
def test_every_builtin_is_bound_at_import(name: str) -> None:
    root = symtable.symtable((GUEST / f"{name}.py").read_text(), name, "exec")
    bound = {symbol.get_name() for symbol in root.get_symbols() if symbol.is_imported()}
    used = {
        symbol.get_name()
        for table in _tables(root)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table is root)
    }
    assert used & vars(builtins).keys() - {"__doc__", "__name__"} <= bound
