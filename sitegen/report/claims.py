"""The page of claims: what publications state about their own figures, recomputed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.analysis.claims import Checked, Verdict
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.units import significant
from sitegen.report import words

_DIGITS = 4
_WORDS = {
    Verdict.REPRODUCED: ("follows from its", "follow from their", "own printed figures"),
    Verdict.CLOSE: ("misses", "miss", "them by less than 1 %"),
    Verdict.DIFFERS: ("differs", "differ", "from them"),
    Verdict.UNSUPPORTED: ("has", "have", "no printed figure to follow from"),
}
_ORDER = (Verdict.DIFFERS, Verdict.CLOSE, Verdict.UNSUPPORTED, Verdict.REPRODUCED)


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One claim: what is printed, what it comes to, and from what.

    Only a claim that is reproduced or close can be short of ``decisive``.
    """

    id: str
    where: str
    statement: str
    printed: str
    computed: str
    interval: str
    verdict: str
    decisive: bool
    fits_if: tuple[str, ...]
    note: str
    expression: str
    inputs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ClaimGroup:
    """The claims of one publication, with how many there are of each verdict."""

    source: str
    title: str
    edition: str
    address: str
    counts: tuple[tuple[str, int], ...]
    rows: tuple[ClaimRow, ...]


@dataclass(frozen=True, slots=True)
class ClaimsPage:
    """Everything the page of claims says."""

    headline: str
    lede: str
    groups: tuple[ClaimGroup, ...]


def page(analysis: Analysis, found: Sequence[Checked]) -> ClaimsPage:
    """Return the page: what differs first, what is reproduced last, by publication."""
    by_source: dict[str, list[Checked]] = {}
    for checked in found:
        by_source.setdefault(checked.claim.source, []).append(checked)
    counts = Counter(checked.verdict for checked in found)
    told = [
        f"{counts[verdict]:,} {_WORDS[verdict][counts[verdict] != 1]} {_WORDS[verdict][2]}"
        for verdict in Verdict
        if counts[verdict]
    ]
    readings = sum(bool(checked.fits_if) for checked in found)
    return ClaimsPage(
        f"Of {words.count(len(found), 'published claim')}, {words.enumerate_words(told)}.",
        f"{words.count(readings, 'claim')} that {'does' if readings == 1 else 'do'} not follow as"
        f" worded {'does' if readings == 1 else 'do'} in another reading, which is named."
        if readings
        else "",
        tuple(_group(analysis, source, rows) for source, rows in by_source.items()),
    )


def _group(analysis: Analysis, source: str, found: Sequence[Checked]) -> ClaimGroup:
    published = next(
        (
            run.source
            for selection in analysis.selections.values()
            for run in selection.runs
            if run.source and source in (run.source.id, run.source.origin)
        ),
        None,
    )
    counts = Counter(checked.verdict for checked in found)
    rank = {verdict: index for index, verdict in enumerate(_ORDER)}
    ordered = sorted(found, key=lambda checked: rank[checked.verdict])
    mine = published is not None and published.id == source
    return ClaimGroup(
        source,
        published.title if published and mine and published.title else source,
        published.edition if published and mine else "",
        published.address if published and mine else "",
        tuple((str(verdict), counts[verdict]) for verdict in Verdict if counts[verdict]),
        tuple(_row(checked) for checked in ordered),
    )


def _row(found: Checked) -> ClaimRow:
    claim = found.claim
    unit = f" {claim.unit}" if claim.unit not in ("", "x", "ratio") else ""
    times = "×" if claim.unit == "x" else ""
    computed, interval = "", ""
    if found.value is not None:
        computed = f"{_text(found.value)}{times}{unit}"
    elif found.low is not None and found.high is not None:
        computed = f"{_text(min(found.figures))} to {_text(max(found.figures))}{times}{unit}"
    if found.value is not None and found.low is not None and found.high is not None:
        low, high = _text(found.low), _text(found.high)
        interval = f"{low} to {high}" if low != high else ""
    return ClaimRow(
        id=claim.id,
        where=claim.where,
        statement=claim.statement,
        printed=f"{claim.printed}{times}{unit}",
        computed=computed,
        interval=interval,
        verdict=str(found.verdict),
        # Coarse figures qualify an agreement; a claim that they cannot reach differs all the same.
        decisive=found.decisive or found.verdict not in (Verdict.REPRODUCED, Verdict.CLOSE),
        fits_if=found.fits_if,
        note=claim.note,
        expression=claim.expression,
        inputs=tuple(
            (f"{each.metric} in {each.environment}", each.printed or _text(each.value), each.run)
            for each in found.inputs
        ),
    )


def _text(value: float) -> str:
    return significant(value, _DIGITS) if math.isfinite(value) else "∞"
