"""Marks on the ways of a program that nothing else would tell of.

Both ways of an ``if`` without ``else`` come to the same instruction, so its bytecode tells of the
way around its body only at the branch itself, each time. Compiled with an ``else: pass`` on a line
of its own, beyond all lines of the source, that way has an instruction which tells of it once.

A program does the same with marks as without. What it could see of them: line numbers of 268435456
and more in its own bytecode, under a ``sys.settrace`` of its own, and in a frame that a signal's
handler or another thread finds just at a mark.
"""

import ast
import sys
import warnings

from bindings import parsed

FIRST = 1 << 28
"""The mark on a way from line n has this line plus n."""


def is_mark(line):
    return line is not None and line >= FIRST


def unmarked(line):
    """The line of the source, also for that of a mark."""
    return line % FIRST


def marked(code, source):
    """``code``, which is ``source`` compiled, with marks where this Python has use for them and the
    source lets itself be read (one may be nested too deeply for a tree)."""
    if not hasattr(sys, "monitoring"):
        return code
    try:
        tree = parsed(source)
        _mark_all(tree.body)
        with warnings.catch_warnings(action="ignore"):
            return compile(tree, code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return code


def _mark_all(body):
    for statement in body:
        if isinstance(statement, ast.If | ast.While):
            statement.orelse = statement.orelse or _mark(statement, statement.test)
            statement.test = _condition(statement.test)
        elif isinstance(statement, ast.For | ast.AsyncFor):
            statement.orelse = statement.orelse or _mark(statement, statement.iter)
        elif isinstance(statement, ast.Match):
            _mark_match(statement)
        for part in _bodies(statement):
            _mark_all(part)


def _bodies(statement):
    for field in ("body", "orelse", "finalbody"):
        yield getattr(statement, field, ())
    for field in ("handlers", "cases"):
        yield from (part.body for part in getattr(statement, field, ()))


def _mark(node, test):
    """On one line a second ``pass`` gives the jump that may follow the line that it has without."""
    if test.end_lineno != node.lineno:
        return [ast.Pass(**_place(node))]
    own = {"lineno": node.lineno, "end_lineno": node.lineno}
    return [ast.Pass(**_place(node)), ast.Pass(**_place(node) | own)]


def _mark_match(statement):
    last = statement.cases[-1]
    if last.guard is not None or not _takes_all(last.pattern):
        anything = ast.MatchAs(**_place(last.pattern))
        statement.cases.append(ast.match_case(anything, None, _mark(last.pattern, last.pattern)))


def _takes_all(pattern):
    if isinstance(pattern, ast.MatchOr):
        return _takes_all(pattern.patterns[-1])
    taken = isinstance(pattern, ast.MatchAs)
    return taken and (pattern.pattern is None or _takes_all(pattern.pattern))


def _condition(test):
    """The same where only its truth counts, each part of it that has a line of its own marked."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test.operand = _condition(test.operand)
    if not isinstance(test, ast.BoolOp) or test.lineno == test.end_lineno:
        return test
    both = isinstance(test.op, ast.And)
    parts = [_part(_condition(part), both) for part in test.values]
    return ast.BoolOp(test.op, parts, **_span(test))


def _part(part, both):
    """``False if not part else True``, or ``True if part else False``: of the two ways that which
    leaves the condition is the one that does not jump, and so keeps its mark."""
    if both:
        part = ast.UnaryOp(ast.Not(), part, **_span(part))
    leave, stay = (ast.Constant(value, **_place(part)) for value in (not both, both))
    return ast.IfExp(part, leave, stay, **_span(part))


def _place(node):
    line = FIRST + node.lineno
    return {"lineno": line, "end_lineno": line, "col_offset": 0, "end_col_offset": 0}


def _span(node):
    return {name: getattr(node, name) for name in node._attributes}
