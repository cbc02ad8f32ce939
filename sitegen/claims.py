"""Claims: what a publication states about its own figures, recomputed from those figures.

A claim is data: its printed figure, and the expression that it should follow from. Figures enter
with the interval of their printed digits, and every operation carries it along, so that a claim is
never called wrong for a rounding.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from sitegen.compare import Analysis
from sitegen.errors import SitegenError
from sitegen.expressions import Input, Sheet, Span
from sitegen.model import check_label
from sitegen.quantity import printed_number

KINDS = ("value", "range", "bound", "ordering", "statement")
#: What one of a printed unit is in the base unit of the figures.
UNITS: Mapping[str, float] = {
    "": 1.0, "x": 1.0, "ratio": 1.0, "%": 0.01, "points": 0.01, "GB/s": 1e9, "MB/s": 1e6,
    "kHz": 1e3, "1/s": 1.0, "proofs/s": 1.0, "tokens/s": 1.0, "MIPS": 1.0, "MIPS/core": 1.0,
    "ms": 1e-3, "s": 1.0,
}  # fmt: skip
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

    ``decisive`` is false where the computed interval is wider than the printed one: the figures
    are too coarse to tell. ``fits_if`` are the words of the readings that do fit.
    """

    claim: Claim
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    decisive: bool = True
    inputs: tuple[Input, ...] = ()
    fits_if: tuple[str, ...] = ()
    figures: tuple[float, ...] = field(default=())


def load(path: Path) -> tuple[Claim, ...]:
    """Return the claims of a TOML file: an array of tables ``claim``.

    Raises SitegenError that names the claim and the key for anything that is not understood.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SitegenError(f"not valid TOML: {error}", where=str(path)) from error
    except OSError as error:
        raise SitegenError(str(error.strerror), where=str(path)) from error
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
    unit = table.get("unit", "")
    if unit not in UNITS:
        raise SitegenError(f"no unit {unit!r}", where=where, fix=f"use one of {', '.join(UNITS)}")
    readings = table.get("fits_if", {})
    if not isinstance(readings, dict):
        raise SitegenError("fits_if is a table of words and expressions", where=where)
    texts = {key: table.get(key, "") for key in ("where", "printed", "expression", "note")}
    if wrong := [k for k, v in [*texts.items(), *readings.items()] if not isinstance(v, str)]:
        raise SitegenError(f"{wrong[0]} must be a text", where=where)
    kind, printed = table["kind"], texts["printed"]
    if kind in ("value", "range", "bound") and _limits(kind, printed) is None:
        raise SitegenError(
            f"{printed!r} is not printed as a {kind}",
            where=where,
            fix="write 1,271 or 60-80 or <=1",
        )
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


def check(claim: Claim, analysis: Analysis) -> Checked:
    """Return what a claim comes to; raises SitegenError when its expression finds nothing."""
    if not claim.expression:
        return _with_readings(Checked(claim, Verdict.UNSUPPORTED), analysis)
    try:
        return _with_readings(_evaluated(claim, claim.expression, analysis), analysis)
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


def _with_readings(found: Checked, analysis: Analysis) -> Checked:
    """Add the readings that reproduce the claim where its own words do not."""
    if found.verdict == Verdict.REPRODUCED:
        return found
    fits = []
    for reading in found.claim.readings:
        other = _evaluated(found.claim, reading.expression, analysis)
        if other.verdict == Verdict.REPRODUCED:
            fits.append(reading.words)
    return Checked(
        found.claim, found.verdict, found.value, found.low, found.high, found.decisive,
        found.inputs, tuple(fits), found.figures,
    )  # fmt: skip


def _evaluated(claim: Claim, expression: str, analysis: Analysis) -> Checked:
    sheet = Sheet(analysis)
    result = sheet.evaluate(expression)
    inputs = tuple(dict.fromkeys(sheet.inputs))
    if claim.kind in ("ordering", "statement"):
        if not isinstance(result, bool):
            raise SitegenError("its expression is no comparison", where=f"claim {claim.id}")
        verdict = Verdict.REPRODUCED if result else Verdict.DIFFERS
        return Checked(claim, verdict, inputs=inputs)
    spans = result if isinstance(result, list) else [result]
    if not spans or not all(isinstance(span, Span) for span in spans):
        raise SitegenError("its expression is no number", where=f"claim {claim.id}")
    scale = UNITS[claim.unit]
    found = [
        Span(s.value / scale, s.low / scale, s.high / scale) for s in cast("list[Span]", spans)
    ]
    limits = _limits(claim.kind, claim.printed)
    if limits is None:
        raise SitegenError(f"{claim.printed!r} is no figure", where=f"claim {claim.id}")
    low, high = limits
    verdict = _verdict(claim.kind, found, low, high)
    middle = found[0].value if len(found) == 1 else None
    ends = (min(span.low for span in found), max(span.high for span in found))
    wide = claim.kind == "value" and (ends[1] - ends[0]) > (high - low) * (1 + 1e-9)
    return Checked(
        claim, verdict, middle, *ends, not wide, inputs, (), tuple(span.value for span in found)
    )


def _verdict(kind: str, found: Sequence[Span], low: float, high: float) -> Verdict:
    """Return the verdict for figures against what is printed.

    A value meets its printed interval; a range or a bound holds when every figure lies in it.
    """
    # A hair for the arithmetic of floats, far below any printed digit.
    hair = 1e-9 * max(1.0, *(abs(end) for end in (low, high) if math.isfinite(end)))
    if all(span.low <= high + hair and span.high >= low - hair for span in found):
        return Verdict.REPRODUCED
    if kind != "value":
        return Verdict.DIFFERS
    near = [
        min(abs(low - span.high), abs(span.low - high)) <= _CLOSE * abs(span.value)
        for span in found
    ]
    return Verdict.CLOSE if all(near) else Verdict.DIFFERS


def _limits(kind: str, printed: str) -> tuple[float, float] | None:
    """Return the interval that a printed text stands for: its rounding, its range, its bound."""
    text = printed.strip()
    if kind == "bound":
        parsed = printed_number(text.lstrip("<>= "))
        if parsed is None or text[:1] not in ("<", ">"):
            return None
        return (-math.inf, parsed[0]) if text.startswith("<") else (parsed[0], math.inf)
    if kind == "range":
        first, dash, last = text.partition("-")
        ends = printed_number(first), printed_number(last)
        if not dash or ends[0] is None or ends[1] is None:
            return None
        # The ends of a range are rounded like any printed figure.
        return ends[0][0] - ends[0][1], ends[1][0] + ends[1][1]
    parsed = printed_number(text)
    return None if parsed is None else (parsed[0] - parsed[1], parsed[0] + parsed[1])
