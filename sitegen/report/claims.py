"""The page of claims: what publications state about their own figures, recomputed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sitegen.analysis.claims import Checked, Claim, Verdict
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.units import significant
from sitegen.model import Source
from sitegen.report import words

_DIGITS = 4
#: What becomes of one claim, of several, and how both go on.
Endings = Mapping[Verdict, tuple[str, str, str]]
ENDINGS: Endings = {
    Verdict.REPRODUCED: ("follows from its", "follow from their", "own printed figures"),
    Verdict.CLOSE: ("misses", "miss", "them by less than 1 %"),
    Verdict.DIFFERS: ("differs", "differ", "from them"),
    Verdict.UNSUPPORTED: ("has", "have", "no printed figure to follow from"),
}
#: How many claims there are of each verdict that any of them has.
Tally = tuple[tuple[Verdict, int], ...]
_ORDER = (Verdict.DIFFERS, Verdict.CLOSE, Verdict.UNSUPPORTED, Verdict.REPRODUCED)


class ClaimRow(NamedTuple):
    """One claim: what is printed, what it comes to, and from what."""

    claim: Claim
    printed: str
    computed: str
    interval: str
    verdict: str
    decisive: bool
    fits_if: tuple[str, ...]
    inputs: tuple[tuple[str, str, str], ...]


#: The claims of one publication: it, how many there are of each verdict, and they.
ClaimGroup = tuple[Source, Tally, tuple[ClaimRow, ...]]


class ClaimsPage(NamedTuple):
    """Everything the page of claims says."""

    headline: str
    lede: str
    groups: tuple[ClaimGroup, ...]


def page(analysis: Analysis, checked: Sequence[Checked]) -> ClaimsPage:
    """Return the page: by publication, that with most claims first, of each what differs first."""
    by_source: dict[str, list[Checked]] = {}
    for check in checked:
        by_source.setdefault(check.claim.source, []).append(check)
    published: dict[str, Source] = {}
    for selection in analysis.selections.values():
        for source in (run.source for run in selection.runs if run.source):
            published.setdefault(source.id, source)
    readings = sum(bool(check.fits_if) for check in checked)
    do = "does" if readings == 1 else "do"
    return ClaimsPage(
        f"Of {words.count(len(checked), 'published claim')}, {became(checked)}.",
        f"{words.count(readings, 'claim')} that {do} not follow as worded {do} in another reading,"
        " which is named."
        if readings
        else "",
        tuple(
            (published.get(name, Source(name)), counts(checks), rows(checks))
            for name, checks in sorted(by_source.items(), key=lambda item: -len(item[1]))
        ),
    )


def counts(checked: Iterable[Checked]) -> Tally:
    """Return how many claims there are of each verdict that any of them has."""
    numbers = Counter(each.verdict for each in checked)
    return tuple((verdict, numbers[verdict]) for verdict in Verdict if numbers[verdict])


def became(checked: Iterable[Checked], endings: Endings = ENDINGS) -> str:
    """Return how many claims there are of each verdict, in words."""
    clauses = []
    for verdict, number in counts(checked):
        one, several, rest = endings[verdict]
        clauses.append(f"{number:,} {one if number == 1 else several} {rest}".rstrip())
    return words.enumerate_words(clauses)


def rows(checked: Iterable[Checked]) -> tuple[ClaimRow, ...]:
    """Return the rows of claims, what differs first."""
    return tuple(map(_row, sorted(checked, key=lambda each: _ORDER.index(each.verdict))))


def _row(check: Checked) -> ClaimRow:
    claim = check.claim
    unit = f" {claim.unit}" if claim.unit not in ("", "x", "ratio") else ""
    times = "×" if claim.unit == "x" else ""
    value = interval = ""
    ends = [_text(end) for end in (check.low, check.high) if end is not None]
    if check.value is not None:
        value = _text(check.value)
        interval = " to ".join(ends) if len({*ends}) > 1 else ""
    elif check.low is not None and check.high is not None:
        value = f"{_text(min(check.figures))} to {_text(max(check.figures))}"
    elif check.verdict in (Verdict.REPRODUCED, Verdict.DIFFERS):
        value = "holds" if check.verdict == Verdict.REPRODUCED else "does not hold"
        unit = times = ""
    return ClaimRow(
        claim=claim,
        printed=f"{claim.printed}{times}{unit}",
        computed=f"{value}{times}{unit}" if value else "",
        interval=interval,
        verdict=str(check.verdict),
        # Coarse figures qualify an agreement; a claim that they cannot reach differs all the same.
        decisive=check.decisive or check.verdict not in (Verdict.REPRODUCED, Verdict.CLOSE),
        fits_if=check.fits_if,
        inputs=tuple(
            (f"{each.metric} in {each.environment}", each.printed or _text(each.value), each.run)
            for each in check.inputs
        ),
    )


def _text(value: float) -> str:
    return significant(value, _DIGITS) if math.isfinite(value) else "∞"
