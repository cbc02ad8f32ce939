"""The page of claims: what publications state about their own figures, recomputed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from sitegen.analysis.claims import Checked, Claim, Verdict
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.units import significant
from sitegen.model import Source
from sitegen.report import words

_DIGITS = 4
_WORDS = {
    Verdict.REPRODUCED: ("follows from its", "follow from their", "own printed figures"),
    Verdict.CLOSE: ("misses", "miss", "them by less than 1 %"),
    Verdict.DIFFERS: ("differs", "differ", "from them"),
    Verdict.UNSUPPORTED: ("has", "have", "no printed figure to follow from"),
}
Tally = tuple[tuple[Verdict, int], ...]
_ORDER = (Verdict.DIFFERS, Verdict.CLOSE, Verdict.UNSUPPORTED, Verdict.REPRODUCED)


class ClaimRow(Struct, frozen=True):
    """One claim: what is printed, what it comes to, and from what.

    Only a claim that is reproduced or close can be short of ``decisive``.
    """

    claim: Claim
    printed: str
    computed: str
    interval: str
    verdict: str
    decisive: bool
    fits_if: tuple[str, ...]
    inputs: tuple[tuple[str, str, str], ...]


class ClaimGroup(Struct, frozen=True):
    """The claims of one publication, with how many there are of each verdict."""

    source: Source
    counts: Tally
    rows: tuple[ClaimRow, ...]


class ClaimsPage(Struct, frozen=True):
    """Everything the page of claims says."""

    headline: str
    lede: str
    groups: tuple[ClaimGroup, ...]


def page(analysis: Analysis, checked: Sequence[Checked]) -> ClaimsPage:
    """Return the page: what differs first, what is reproduced last, by publication."""
    by_source: dict[str, list[Checked]] = {}
    for each in checked:
        by_source.setdefault(each.claim.source, []).append(each)
    published: dict[str, Source] = {}
    for selection in analysis.selections.values():
        for source in (run.source for run in selection.runs if run.source):
            published.setdefault(source.id, source)
    became = [
        f"{number:,} {_WORDS[verdict][number != 1]} {_WORDS[verdict][2]}"
        for verdict, number in counts(checked)
    ]
    readings = sum(bool(each.fits_if) for each in checked)
    do = "does" if readings == 1 else "do"
    return ClaimsPage(
        f"Of {words.count(len(checked), 'published claim')}, {words.enumerate_words(became)}.",
        f"{words.count(readings, 'claim')} that {do} not follow as worded {do} in another reading,"
        " which is named."
        if readings
        else "",
        tuple(
            ClaimGroup(published.get(name, Source(name)), counts(own), rows(own))
            for name, own in by_source.items()
        ),
    )


def counts(checked: Iterable[Checked]) -> Tally:
    """Return how many claims there are of each verdict that any of them has."""
    numbers = Counter(each.verdict for each in checked)
    return tuple((verdict, numbers[verdict]) for verdict in Verdict if numbers[verdict])


def rows(checked: Iterable[Checked]) -> tuple[ClaimRow, ...]:
    """Return the rows of claims, what differs first."""
    return tuple(map(_row, sorted(checked, key=lambda each: _ORDER.index(each.verdict))))


def _row(found: Checked) -> ClaimRow:
    claim = found.claim
    unit = f" {claim.unit}" if claim.unit not in ("", "x", "ratio") else ""
    times = "×" if claim.unit == "x" else ""
    value, interval = "", ""
    if found.value is not None:
        value = _text(found.value)
        if found.low is not None and found.high is not None:
            low, high = _text(found.low), _text(found.high)
            interval = f"{low} to {high}" if low != high else ""
    elif found.low is not None and found.high is not None:
        value = f"{_text(min(found.figures))} to {_text(max(found.figures))}"
    return ClaimRow(
        claim=claim,
        printed=f"{claim.printed}{times}{unit}",
        computed=f"{value}{times}{unit}" if value else "",
        interval=interval,
        verdict=str(found.verdict),
        # Coarse figures qualify an agreement; a claim that they cannot reach differs all the same.
        decisive=found.decisive or found.verdict not in (Verdict.REPRODUCED, Verdict.CLOSE),
        fits_if=found.fits_if,
        inputs=tuple(
            (f"{each.metric} in {each.environment}", each.printed or _text(each.value), each.run)
            for each in found.inputs
        ),
    )


def _text(value: float) -> str:
    return significant(value, _DIGITS) if math.isfinite(value) else "∞"
