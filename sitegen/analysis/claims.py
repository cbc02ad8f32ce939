"""Claims: what a publication states about its own figures, recomputed from those figures.

A claim is data: its printed figure, and the expression that it should follow from. Figures enter
with the interval of their printed digits, and every operation carries it along, so that a claim is
never called wrong for a rounding.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from sitegen.analysis.compare import Analysis
from sitegen.analysis.expressions import Input, Sheet, Span
from sitegen.catalogue.units import printed_number
from sitegen.config import read_toml
from sitegen.errors import SitegenError
from sitegen.model import check_label

KINDS = ("value", "range", "bound", "ordering", "statement")
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
    "value": re.compile(_FIGURE),
    "range": re.compile(f"({_FIGURE})-({_FIGURE})"),
    "bound": re.compile(f"([<>]=?)({_FIGURE})"),
}
#: Far below any printed digit, as a share: what the arithmetic of floats may lose.
_HAIR = 1e-9
#: A printed figure this near to the computed one, as a share of it, is a slip.
_CLOSE = 0.01
_KEYS = {"id", "source", "where", "statement", "printed", "unit", "kind", "expression", "fits_if",
         "note"}  # fmt: skip


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCED = "reproduced"
    CLOSE = "close"
    DIFFERS = "differs"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Reading:
    """Another way to read a claim: a sentence about it and its expression."""

    words: str
    expression: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One published statement. ``printed`` is its text, ``unit`` what it is printed in.

    Without an expression the publication prints no figure from which it follows.
    """

    id: str
    source: str
    where: str
    statement: str
    printed: str
    unit: str
    kind: str
    expression: str = ""
    readings: tuple[Reading, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
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


def load(path: Path) -> tuple[Claim, ...]:
    """Return the claims of a TOML file: an array of tables ``claim``.

    Raises SitegenError that names the claim and the key for anything that is not understood.
    """
    data = read_toml(path)
    tables = data.get("claim", [])
    if set(data) - {"claim"} or not isinstance(tables, list):
        raise SitegenError("holds something beside [[claim]] tables", where=str(path))
    found = [_claim(table, index, path) for index, table in enumerate(tables, 1)]
    seen: set[str] = set()
    for claim in found:
        if claim.id in seen:
            raise SitegenError(f"two claims are called {claim.id!r}", where=str(path))
        seen.add(claim.id)
    return tuple(found)


def _claim(table: Any, index: int, path: Path) -> Claim:  # noqa: ANN401 - what TOML holds
    if not isinstance(table, dict) or not isinstance(table.get("id"), str):
        raise SitegenError(f"claim {index} has no id", where=str(path))
    where = f"{path}: {table['id'][:80]}"
    check_label(table["id"], "claim")
    if unknown := sorted(set(table) - _KEYS):
        raise SitegenError(f"unknown key {unknown[0]!r}", where=where)
    for key in ("source", "statement", "kind"):
        if not isinstance(table.get(key), str) or not table[key]:
            raise SitegenError(f"has no {key}", where=where)
    if table["kind"] not in KINDS:
        raise SitegenError(f"no kind {table['kind']!r}", where=where, fix=f"use {', '.join(KINDS)}")
    readings = table.get("fits_if", {})
    if not isinstance(readings, dict):
        raise SitegenError("fits_if is a table of words and expressions", where=where)
    texts = {key: table.get(key, "") for key in ("where", "printed", "unit", "expression", "note")}
    if wrong := [k for k, v in [*texts.items(), *readings.items()] if not isinstance(v, str)]:
        raise SitegenError(f"{wrong[0]} must be a text", where=where)
    unit = texts["unit"]
    if unit not in UNITS:
        raise SitegenError(f"no unit {unit!r}", where=where, fix=f"use one of {', '.join(UNITS)}")
    kind, printed = table["kind"], texts["printed"]
    if kind in _PRINTED:
        _limits(kind, printed, where)
    return Claim(
        table["id"], table["source"], texts["where"], table["statement"], texts["printed"], unit,
        table["kind"], texts["expression"],
        tuple(Reading(words, expression) for words, expression in readings.items()), texts["note"],
    )  # fmt: skip


def load_all(folder: Path) -> tuple[Claim, ...]:
    """Return the claims of every file of a folder; none when it is not there."""
    if not folder.is_dir():
        return ()
    found = [claim for path in sorted(folder.glob("*.toml")) for claim in load(path)]
    for claim in found:
        if sum(other.id == claim.id for other in found) > 1:
            raise SitegenError(f"two claims are called {claim.id!r}", where=str(folder))
    return tuple(found)


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
        if claim.expression:
            found = _evaluated(claim, claim.expression, analysis)
        else:
            found = Checked(claim, Verdict.UNSUPPORTED)
        told = replace(claim, note=_told(claim.note, analysis))
        return replace(_with_readings(found, analysis), claim=told)
    except SitegenError as error:
        raise SitegenError(error.what, where=f"claim {claim.id}", fix=error.fix) from error


def as_json(found: Checked) -> dict[str, Any]:
    """Return a checked claim in the public form of ``sitegen claims --format json``."""
    claim = found.claim
    return {
        "id": claim.id,
        "source": claim.source,
        "where": claim.where,
        "statement": claim.statement,
        "kind": claim.kind,
        "published": claim.printed,
        "unit": claim.unit,
        "verdict": str(found.verdict),
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "figures": list(found.figures),
        "decisive": found.decisive,
        "expression": claim.expression,
        "inputs": [
            {
                "metric": each.metric,
                "environment": each.environment,
                "value": each.value,
                "printed": each.printed,
                "run": each.run,
            }
            for each in found.inputs
        ],
        "fits_if": list(found.fits_if),
        "note": claim.note,
    }


def _told(note: str, analysis: Analysis) -> str:
    """Return a note with its figures; a brace that is left over would reach the reader."""
    told = Sheet(analysis).tell(note)
    if set(told) & set("{}"):
        raise SitegenError("a brace in its note holds no expression")
    return told


def _with_readings(found: Checked, analysis: Analysis) -> Checked:
    """Add the readings that reproduce the claim where its own words do not."""
    if found.verdict == Verdict.REPRODUCED:
        return found
    fits = tuple(
        reading.words
        for reading in found.claim.readings
        if _evaluated(found.claim, reading.expression, analysis).verdict == Verdict.REPRODUCED
    )
    return replace(found, fits_if=fits)


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
    if not spans or not all(isinstance(span, Span) for span in spans):
        raise SitegenError("its expression is no number")
    scale = UNITS[claim.unit]
    found = [
        Span(s.value / scale, s.low / scale, s.high / scale) for s in cast("list[Span]", spans)
    ]
    low, high = _limits(claim.kind, claim.printed)
    verdict = _verdict(claim.kind, found, low, high)
    middle = found[0].value if len(found) == 1 else None
    ends = (min(span.low for span in found), max(span.high for span in found))
    if claim.kind == "value":
        widest = max(span.high - span.low for span in found)
        decisive = widest <= (high - low) * (1 + _HAIR)
    else:
        inside = all(low <= span.low and span.high <= high for span in found)
        decisive = inside or verdict == Verdict.DIFFERS
    figures = tuple(span.value for span in found)
    return Checked(claim, verdict, middle, *ends, decisive, inputs, (), figures)


def _verdict(kind: str, found: Sequence[Span], low: float, high: float) -> Verdict:
    """Return the verdict for figures against what is printed.

    A value meets its printed interval; a range or a bound holds when every figure lies in it.
    """
    hair = _HAIR * max(1.0, *(abs(end) for end in (low, high) if math.isfinite(end)))
    gaps = [max(low - span.high, span.low - high, 0.0) for span in found]
    if all(gap <= hair for gap in gaps):
        return Verdict.REPRODUCED
    if kind != "value":
        return Verdict.DIFFERS
    near = all(gap <= _CLOSE * abs(s.value) + hair for gap, s in zip(gaps, found, strict=True))
    return Verdict.CLOSE if near else Verdict.DIFFERS


def _limits(kind: str, printed: str, where: str = "") -> tuple[float, float]:
    """Return the interval that a printed text stands for: its rounding, its range, its bound.

    Raises SitegenError when it is not printed as its kind is.
    """
    found = _PRINTED[kind].fullmatch(printed)
    low = high = math.nan
    if found and kind == "bound":
        bound, _ = _figure(found[2])
        # A strict bound leaves out its own figure, and so more than floats may lose.
        edge = 0.0 if found[1].endswith("=") else 2 * _HAIR * max(1.0, abs(bound))
        low, high = (-math.inf, bound - edge) if found[1][0] == "<" else (bound + edge, math.inf)
    elif found:
        # The ends of a range are rounded like any printed figure.
        ends = [_figure(text) for text in (found.groups() or (printed,))]
        low, high = ends[0][0] - ends[0][1], ends[-1][0] + ends[-1][1]
    if not low < high:
        what = f"{printed[:80]!r} is not printed as a {kind}"
        raise SitegenError(what, where=where, fix="write 1,271 or 60-80 or <=1")
    return low, high


def _figure(text: str) -> tuple[float, float]:
    """Return a printed figure and half of its last digit: 25.1k gives 25100 and 50."""
    scale = _SUFFIXES[text[-1] if text[-1] in _SUFFIXES else ""]
    number, half = printed_number(text) or (math.nan, math.nan)
    return number * scale, half * scale
