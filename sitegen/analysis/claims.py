"""Claims: what a publication states about its own figures, recomputed from those figures.

A claim is data: its printed figure, and the expression that it should follow from. Figures enter
with the interval of their printed digits, and every operation carries it along, so that a claim is
never called wrong for a rounding.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct, structs
from msgspec.structs import replace

from sitegen import toml
from sitegen.analysis.compare import Analysis
from sitegen.analysis.expressions import Input, Sheet, Span
from sitegen.catalogue.units import printed_number
from sitegen.config import Filled, Text, Words, checked
from sitegen.errors import SitegenError
from sitegen.model import check_label

Kind = Literal["value", "range", "bound", "ordering", "statement"]
#: What one of a printed unit is in the base unit of the figures.
UNITS: Mapping[str, float] = {
    "": 1.0, "x": 1.0, "ratio": 1.0, "%": 0.01, "points": 0.01, "GB/s": 1e9, "MB/s": 1e6,
    "kHz": 1e3, "1/s": 1.0, "proofs/s": 1.0, "tokens/s": 1.0, "MIPS": 1.0, "MIPS/core": 1.0,
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "h": 3600.0, "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20,
    "GiB": 2.0**30, "MB": 1e6, "GB": 1e9, "KiB/s": 2.0**10, "MiB/s": 2.0**20, "GiB/s": 2.0**30,
    "Hz": 1.0, "MHz": 1e6, "TFLOPS": 1e12, "USD/h": 1.0, "count": 1.0,
}  # fmt: skip
_SUFFIXES = {"": 1.0, "k": 1e3, "M": 1e6}
_FIGURE = r"[-+]?\d[\d,]*(?:\.\d+)?[kM]?"
_PRINTED = {
    "value": re.compile(f"({_FIGURE})"),
    "range": re.compile(f"({_FIGURE})-({_FIGURE})"),
    "bound": re.compile(f"([<>]=?)({_FIGURE})"),
}
#: The keys of a claim's public form, in their order.
COLUMNS = (
    "id", "source", "where", "statement", "kind", "published", "unit", "verdict", "value", "low",
    "high", "figures", "decisive", "expression", "inputs", "fits_if", "note",
)  # fmt: skip
#: Far below any printed digit, as a share: what the arithmetic of floats may lose.
_HAIR = 1e-9
#: A printed figure this near to the computed one, as a share of it, is a slip.
_CLOSE = 0.01


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    CLOSE = "close"
    DIFFERS = "differs"
    UNSUPPORTED = "unsupported"


class Claim(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published statement. ``printed`` is its text, ``unit`` what it is printed in.

    Without an expression the publication prints no figure from which it follows. ``fits_if`` are
    other ways to read it: an expression by a sentence about it. What the ``note`` says beside its
    figures rests on the ``premise``, an expression that must hold.
    """

    id: Text
    source: Filled
    where: Text = ""
    statement: Filled
    printed: Text = ""
    unit: Text = ""
    kind: Annotated[Kind, Meta(description=f"one of {', '.join(get_args(Kind))}")]
    expression: Text = ""
    fits_if: Words = {}
    note: Text = ""
    premise: Text = ""


class ClaimFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of claims."""

    claim: Annotated[list[dict[str, Any]], Meta(description="a list of tables, [[claim]]")] = []


class Checked(Struct, frozen=True):
    """A claim and what it comes to: in the unit that it is printed in.

    ``decisive`` is false where the figures are coarser than the claim: the computed interval is
    wider than the printed one, or crosses the end of a range or a bound, or the intervals of an
    ordering overlap. ``fits_if`` are the words of the readings that do fit.
    """

    claim: Claim
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    decisive: bool = True
    inputs: tuple[Input, ...] = ()
    fits_if: tuple[str, ...] = ()
    figures: tuple[float, ...] = ()


def load(*files: Path) -> tuple[Claim, ...]:
    """Return the claims of TOML files, each an array of tables ``claim``.

    Raises SitegenError that names the claim and the key for anything that is not understood, and
    for two claims of one name.
    """
    claims: dict[str, Claim] = {}
    for file in files:
        tables = toml.decoded(toml.read(file), ClaimFile, str(file)).claim
        for number, table in enumerate(tables, 1):
            name = str(table.get("id", f"claim {number}"))[:80]
            claim = toml.decoded(table, Claim, str(file), name)
            place = f"{file}: {name}"
            checked(partial(check_label, kind="claim"), claim.id, place)
            if claim.unit not in UNITS:
                fix = f"use one of {', '.join(filter(None, UNITS))}"
                raise SitegenError(f"no unit {claim.unit!r}", where=f"{place}.unit", fix=fix)
            if claim.kind in _PRINTED:
                checked(partial(_limits, claim.kind), claim.printed, f"{place}.printed")
            if claims.setdefault(claim.id, claim) is not claim:
                raise SitegenError(f"two claims are called {claim.id!r}", where=str(file))
    return tuple(claims.values())


def load_all(folder: Path) -> tuple[Claim, ...]:
    """Return the claims of every file of a folder; none when it is not there."""
    return load(*sorted(folder.glob("*.toml")))


def check_all(
    claims: Sequence[Claim], analysis: Analysis, *, damaged: bool
) -> tuple[list[Checked], list[str]]:
    """Return claims recomputed, and of those that cannot be, while runs are ``damaged``, why.

    Raises SitegenError for a claim about figures that are not there when all runs are whole: then
    it is the claim that is wrong.
    """
    checked, left_out = [], []
    for claim in claims:
        try:
            checked.append(check(claim, analysis))
        except SitegenError as error:
            if not damaged:
                raise
            left_out.append(str(error).removeprefix("claim "))
    return checked, left_out


def check(claim: Claim, analysis: Analysis) -> Checked:
    """Return what a claim comes to; raises SitegenError when its expression finds nothing.

    Figures in its note are expressions in braces: they are evaluated too.
    """
    try:
        result = Checked(claim, Verdict.UNSUPPORTED)
        if claim.expression:
            result = _evaluated(claim, claim.expression, analysis)
        note = Sheet(analysis).with_numbers(claim.note)
        _check_premise(claim.premise, note, analysis)
        fits_if = tuple(
            words
            for words, expression in claim.fits_if.items()
            if result.verdict != Verdict.REPRODUCED
            and _evaluated(claim, expression, analysis).verdict == Verdict.REPRODUCED
        )
    except SitegenError as error:
        raise SitegenError(error.what, where=f"claim {claim.id}", fix=error.fix) from error
    return replace(result, claim=structs.replace(claim, note=note), fits_if=fits_if)


def _check_premise(premise: str, note: str, analysis: Analysis) -> None:
    if premise and Sheet(analysis).evaluate(premise) is not True:
        raise SitegenError(f"the figures do not say: {note}", fix="correct its note")


def as_json(result: Checked) -> dict[str, Any]:
    """Return a checked claim in the public form of ``sitegen claims --format json``."""
    fields = msgspec.to_builtins(result)
    fields = {**fields.pop("claim"), **fields}
    return {key: fields["printed" if key == "published" else key] for key in COLUMNS}


def _evaluated(claim: Claim, expression: str, analysis: Analysis) -> Checked:
    sheet = Sheet(analysis)
    result = sheet.evaluate(expression)
    inputs = tuple(dict.fromkeys(sheet.inputs))
    if claim.kind in ("ordering", "statement"):
        if not isinstance(result, bool):
            raise SitegenError("its expression is no comparison")
        verdict = Verdict.REPRODUCED if result else Verdict.DIFFERS
        # All must hold beyond doubt, or one must fail beyond doubt.
        clear = [clear for holds, clear in sheet.compared if holds == result]
        return Checked(claim, verdict, decisive=all(clear) if result else any(clear), inputs=inputs)
    spans = result if isinstance(result, list) else [result]
    unit = Span.of(UNITS[claim.unit])
    spans = [span.combine(unit, operator.truediv) for span in spans if isinstance(span, Span)]
    if not spans:
        raise SitegenError("its expression is no number")
    low, high = _limits(claim.kind, claim.printed)
    verdict = _verdict(claim.kind, spans, low, high)
    lows, highs = [span.low for span in spans], [span.high for span in spans]
    if claim.kind == "value":
        widest = max(map(operator.sub, highs, lows))
        decisive = widest <= (high - low) * (1 + _HAIR)
    else:
        decisive = (low <= min(lows) and max(highs) <= high) or verdict == Verdict.DIFFERS
    figures = tuple(span.value for span in spans)
    value = figures[0] if len(figures) == 1 else None
    return Checked(claim, verdict, value, min(lows), max(highs), decisive, inputs, (), figures)


def _verdict(kind: str, spans: Sequence[Span], low: float, high: float) -> Verdict:
    """Return the verdict for figures against what is printed.

    A value meets its printed interval; a range or a bound holds when every figure lies in it.
    """
    hair = _HAIR * max(1.0, *(abs(end) for end in (low, high) if math.isfinite(end)))
    gaps = [(max(low - span.high, span.low - high, 0.0), abs(span.value)) for span in spans]
    if all(gap <= hair for gap, _ in gaps):
        return Verdict.REPRODUCED
    near = kind == "value" and all(gap <= _CLOSE * value + hair for gap, value in gaps)
    return Verdict.CLOSE if near else Verdict.DIFFERS


def _limits(kind: str, printed: str) -> tuple[float, float]:
    """Return the interval that a printed text stands for: its rounding, its range, its bound.

    Raises SitegenError when it is not printed as its kind is.
    """
    match = _PRINTED[kind].fullmatch(printed)
    low = high = math.nan
    if match and kind == "bound":
        bound, _ = _figure(match[2])
        # A strict bound leaves out its own figure, and so more than floats may lose.
        edge = 0.0 if match[1].endswith("=") else 2 * _HAIR * max(1.0, abs(bound))
        low, high = (-math.inf, bound - edge) if match[1][0] == "<" else (bound + edge, math.inf)
    elif match:
        # The ends of a range are rounded like any printed figure.
        ends = [_figure(text) for text in match.groups()]
        low, high = ends[0][0] - ends[0][1], ends[-1][0] + ends[-1][1]
    if not low < high:
        message = f"{printed[:80]!r} is not printed as a {kind}"
        raise SitegenError(message, fix="write 1,271 or 60-80 or <=1")
    return low, high


def _figure(text: str) -> tuple[float, float]:
    """Return a printed figure and half of its last digit: 25.1k gives 25100 and 50."""
    scale = _SUFFIXES[text[-1] if text[-1] in _SUFFIXES else ""]
    number, half = printed_number(text) or (math.nan, math.nan)
    return number * scale, half * scale
