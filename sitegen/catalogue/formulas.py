"""Expressions of a declared tool: arithmetic and comparisons on what its output says, no more."""

from __future__ import annotations

import ast
import contextlib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from sitegen.errors import SitegenError

Value = float | str | bool
_MOST_NODES = 200
ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
ORDER: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _close(left: float, right: float, share: float) -> bool:
    return abs(left - right) <= share * max(abs(left), abs(right))


#: With the least and the most of their arguments.
_FUNCTIONS: Mapping[str, tuple[Callable[..., Value], int, int]] = {
    "abs": (abs, 1, 1),
    "close": (_close, 3, 3),
    "max": (max, 2, 20),
    "min": (min, 2, 20),
}
#: The first of its arguments that was found: the others need not be there.
_FIRST = "first"
_HELP = (
    "use names of fields, numbers, texts, + - * /, comparisons, and, or, not, min, max, abs, close,"
    " first"
)


class _Absent(Exception):  # noqa: N818 - what it says: a field was not found
    """A field that the formula needs was not found."""


@lru_cache(maxsize=1024)
def names(formula: str) -> frozenset[str]:
    """Return the fields that a formula asks for; raises SitegenError for what is no formula."""
    tree = _parsed(formula)
    _check(tree, formula)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return frozenset(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    )


def value(formula: str, fields: Mapping[str, Value]) -> Value | None:
    """Return what a formula comes to; None where a field that it needs was not found.

    Raises SitegenError for what is no formula, or for arithmetic on a text.
    """
    if formula in fields:  # most are a name
        return fields[formula]
    names(formula)
    try:
        found = _value(_parsed(formula), fields)
    except (_Absent, ZeroDivisionError):
        return None
    except (TypeError, OverflowError) as error:
        raise SitegenError(f"{formula!r} cannot be computed: {error}"[:200]) from error
    return None if isinstance(found, float) and not math.isfinite(found) else found


def taken(numbers: Sequence[float], how: str) -> float:
    """Return what several numbers come to: their ``sum``, ``mean``, ``min`` or ``max``."""
    match how:
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
    total = math.fsum(numbers)
    return total / len(numbers) if how == "mean" else total


@lru_cache(maxsize=1024)
def _parsed(formula: str) -> ast.expr:
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SitegenError(f"{formula[:80]!r} is no expression", fix=_HELP) from None


def _check(tree: ast.expr, formula: str) -> None:
    nodes = list(ast.walk(tree))
    if len(nodes) > _MOST_NODES:
        raise SitegenError(f"the expression {formula[:40]!r} is too long")
    for node in nodes:
        match node:
            case ast.Constant(value=bool() | int() | float() | str()):
                continue
            case ast.Call(func=ast.Name(id=name), keywords=[], args=args) if _takes(name, args):
                continue
            case ast.BinOp(op=op) if type(op) in ARITHMETIC:
                continue
            case ast.Compare(ops=ops) if all(
                type(op) in ORDER or isinstance(op, ast.Eq | ast.NotEq) for op in ops
            ):
                continue
            case ast.Name() | ast.BoolOp() | ast.UnaryOp(op=ast.USub() | ast.Not()):
                continue
            case ast.expr():
                raise SitegenError(f"{formula[:80]!r} holds what no expression may", fix=_HELP)


def _takes(name: str, args: list[ast.expr]) -> bool:
    if name == _FIRST:
        return bool(args)
    _, least, most = _FUNCTIONS.get(name, (None, 1, 0))
    return least <= len(args) <= most


def is_truth(formula: str) -> bool:
    """Say whether a formula holds or does not, and is no number."""
    match _parsed(formula):
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=bool()):
            return True
        case ast.Call(func=ast.Name(id="close")):
            return True
    return False


def _value(node: ast.expr, fields: Mapping[str, Value]) -> Value:  # noqa: C901, PLR0911 - one a form
    match node:
        case ast.Constant(value=bool() | str() as text):
            return text
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            if name not in fields:
                raise _Absent
            return fields[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, fields)
        case ast.UnaryOp(operand=operand):
            return -_number(operand, fields)
        case ast.BinOp(left=left, op=op, right=right):
            return ARITHMETIC[type(op)](_number(left, fields), _number(right, fields))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_value(part, fields) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_value(part, fields) for part in parts)
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compared(left, ops, others, fields)
        case ast.Call(func=ast.Name(id=name), args=args) if name == _FIRST:
            return _first(args, fields)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name][0](*(_number(each, fields) for each in args))
    raise AssertionError(ast.dump(node))  # `_check` has passed it


def _first(args: list[ast.expr], fields: Mapping[str, Value]) -> Value:
    for each in args:
        with contextlib.suppress(_Absent, ZeroDivisionError):
            return _value(each, fields)
    raise _Absent


def _compared(
    left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr], fields: Mapping[str, Value]
) -> bool:
    for op, right in zip(ops, others, strict=True):
        if isinstance(op, ast.Eq | ast.NotEq):
            holds = (_value(left, fields) == _value(right, fields)) == isinstance(op, ast.Eq)
        else:
            holds = ORDER[type(op)](_number(left, fields), _number(right, fields))
        if not holds:
            return False
        left = right
    return True


def _number(node: ast.expr, fields: Mapping[str, Value]) -> float:
    found = _value(node, fields)
    if isinstance(found, str):
        raise TypeError(f"{ast.unparse(node)} is a text")
    return float(found)
