"""Expressions on the archive: safe to evaluate, and every figure enters with its interval."""

from __future__ import annotations

import ast
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial, reduce
from typing import Any

from msgspec import Struct

from sitegen.analysis.compare import Analysis
from sitegen.catalogue.formulas import ARITHMETIC, ORDER
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.tool import SeriesPattern
from sitegen.catalogue.units import significant
from sitegen.errors import SitegenError

_MAX_LENGTH = 4000
_BRACES = re.compile(r"\{([^{}]+)\}")
_DIGITS = 3
_LARGEST = sys.float_info.max
#: How the functions on the archive are written, for whoever writes them otherwise.
_FORMS = {
    "value": 'write value("fio.iops", "environment", workload="read_iops")',
    "overhead": 'write overhead("fio.iops", "environment", "baseline", workload="read_iops")',
}


class Input(Struct, frozen=True):
    """A figure that a claim was recomputed from."""

    metric: str
    environment: str
    value: float
    printed: str
    run: str


class Span(Struct, frozen=True):
    """A number with the interval that it may lie in; arithmetic on it carries the interval.

    Raises SitegenError where an end is not finite.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse what no printed figure can be: infinities and what follows from them."""
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise SitegenError("a number that is too large")

    @classmethod
    def of(cls, value: float) -> Span:
        """Return an exact number."""
        return cls(value, value, value)

    def combine(self, other: Span, operation: Callable[[float, float], float]) -> Span:
        """Return the result of an operation with the extremes of its corners.

        The corners bound it as long as it is monotonic in each operand, which a quotient is
        only where the divisor keeps clear of zero (Moore, Kearfott, Cloud 2009, 2.3).
        """
        if operation is operator.truediv and other.low <= 0 <= other.high:
            raise SitegenError("a division by zero, or by a figure that may be zero")
        corners = [operation(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return Span(operation(self.value, other.value), min(corners), max(corners))


Value = Span | bool | str | list["Span"]


class Sheet:
    """Evaluates an expression on the archive and remembers the figures that it took.

    ``compared`` holds, a comparison, whether it holds and whether the intervals leave no doubt.
    Only what stands here can be written: numbers, texts, + - * /, one comparison, lists, and
    the functions below. There is no attribute, no index and no name to reach anything by.
    """

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.inputs: list[Input] = []
        self.compared: list[tuple[bool, bool]] = []
        self.functions: Mapping[str, Callable[..., Value]] = {
            "value": self.figure,
            "overhead": self.overhead,
            "mean": _mean,
            "total": _total,
            "least": partial(extreme, min),
            "most": partial(extreme, max),
            "every": _every,
        }

    def evaluate(self, expression: str) -> Value:
        """Return the value of ``expression``; raises SitegenError when it may not be written."""
        if len(expression) > _MAX_LENGTH:
            raise SitegenError("an expression that is too long")
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            # In brackets, so that it may run over several lines; it may not close them itself.
            body = ast.parse(f"(\n{expression}\n)", mode="eval").body
            if body.lineno > 1:
                return self.node(body)
        raise SitegenError(f"not an expression: {expression[:80]!r}")

    def with_numbers(self, text: str) -> str:
        """Return a text with each expression in braces replaced by its number."""

        def number(match: re.Match[str]) -> str:
            value = self.evaluate(match[1])
            if not isinstance(value, Span):
                raise SitegenError(f"{match[1][:80]!r} is no number")
            return significant(value.value, _DIGITS)

        filled = _BRACES.sub(number, text)
        if set(filled) & set("{}"):  # it would reach the reader
            raise SitegenError("a brace in its note holds no expression")
        return filled

    def node(self, node: ast.expr) -> Value:  # noqa: PLR0911 - one return a form
        """Return the value of one part of an expression."""
        match node:
            case ast.Constant(value=bool()):
                raise SitegenError("True and False are no figures")
            case ast.Constant(value=int() | float() as number):
                # A whole number may be too large to become a float at all.
                return Span.of(float(number) if abs(number) <= _LARGEST else math.inf)
            case ast.Constant(value=str() as text):
                return text
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Span.of(0.0).combine(self.number(operand), operator.sub)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                return self.number(left).combine(self.number(right), ARITHMETIC[type(op)])
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in ORDER:
                return self.compare(self.number(left), self.number(right), ORDER[type(op)])
            case ast.List(elts=elements):
                return [self.number(element) for element in elements]
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if (
                name in self.functions and all(keyword.arg for keyword in keywords)
            ):
                return self.call(name, args, keywords)
        raise SitegenError(
            f"an expression may not hold {ast.unparse(node)[:80]!r}",
            fix=f"use numbers, + - * /, one comparison, lists, {', '.join(self.functions)}",
        )

    def call(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Value:
        """Return what a function gives for its arguments."""
        values = [self.node(arg) for arg in args]
        named = {str(keyword.arg): self.node(keyword.value) for keyword in keywords}
        if len(named) < len(keywords):
            raise SitegenError(f"{name} is given the same name twice")
        try:
            return self.functions[name](*values, **named)
        except TypeError:
            fix = _FORMS.get(name, "it takes values without names")
            raise SitegenError(f"{name} is used wrongly", fix=fix) from None

    def compare(self, left: Span, right: Span, test: Callable[[float, float], bool]) -> bool:
        """Return whether a comparison holds for the values, and note whether for all others."""
        holds = test(left.value, right.value)
        corners = {test(a, b) for a in (left.low, left.high) for b in (right.low, right.high)}
        self.compared.append((holds, corners == {holds}))
        return holds

    def number(self, node: ast.expr) -> Span:
        """Return a part that must be a number."""
        value = self.node(node)
        if isinstance(value, Span):
            return value
        raise SitegenError(f"{ast.unparse(node)[:80]!r} is no number")

    def figure(
        self, metric: str, env: str, *, workload: str = "", statistic: str = "", **params: Value
    ) -> Span:
        """Return a figure of the archive with the interval of its printed digits."""
        if not all(isinstance(text, str) for text in (metric, env, workload, statistic)):
            raise SitegenError("a metric, an environment and a workload are texts")
        texts = []
        for key, param in params.items():
            if not isinstance(param, Span | str):
                raise SitegenError(f"the parameter {key} is neither text nor number")
            # Parameters are texts: 1048576 and never 1.04858e+06.
            texts.append((key, param if isinstance(param, str) else f"{param.value:.15g}"))
        pattern = SeriesPattern(metric, statistic, tuple(texts), workload)
        cell, summary = self.analysis.figure(pattern, env)
        value, interval = summary.value, summary.interval
        self.inputs.append(Input(metric, env, value, cell.printed or "", cell.runs[-1]))
        return Span(value, interval.low, interval.high) if interval else Span.of(value)

    def overhead(self, metric: str, env: str, against: str, **more: Any) -> Span:  # noqa: ANN401 - figure's
        """Return E/B - 1 for times and 1 - E/B for rates: positive is worse."""
        side, base = (self.figure(metric, label, **more) for label in (env, against))
        ratio = side.combine(base, operator.truediv)
        one = Span.of(1.0)
        higher = self.analysis.metric(metric).better == Better.HIGHER
        worse, better = (one, ratio) if higher else (ratio, one)
        return worse.combine(better, operator.sub)


def extreme(which: Callable[[Iterable[float]], float], *values: Value) -> Span:
    """Return the least or the most of all numbers: any of them may be it within its ends."""
    ends = zip(*((each.value, each.low, each.high) for each in _numbers(values)), strict=True)
    return Span(*map(which, ends))


def _total(*values: Value) -> Span:
    return reduce(lambda left, right: left.combine(right, operator.add), _numbers(values))


def _mean(*values: Value) -> Span:
    count = Span.of(float(len(_numbers(values))))
    return _total(*values).combine(count, operator.truediv)


def _numbers(values: Iterable[Value]) -> list[Span]:
    """Return arguments that must be numbers, or lists of them, in one list."""
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    spans = [each for each in flat if isinstance(each, Span)]
    if not spans or len(spans) < len(flat):
        raise SitegenError("a function takes numbers, and at least one")
    return spans


def _every(*values: Value) -> bool:
    """Return whether all comparisons hold; at least one must be given."""
    if not values or not all(isinstance(each, bool) for each in values):
        raise SitegenError("every takes comparisons, and at least one")
    return all(values)
