"""Our prose on a benchmark or a published report, and the functions that it may call.

A figure prints as a Markdown link to its run, and one that is not there is an error.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, field

from sitegen.analysis.claims import Checked
from sitegen.analysis.compare import Analysis, Comparison
from sitegen.catalogue.families import FAMILIES
from sitegen.catalogue.tool import SeriesPattern
from sitegen.catalogue.units import (
    PRINTED,
    DisplayUnit,
    percent,
    percents,
    printed_number,
    significant,
)
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import Params
from sitegen.report import claims, effects, words
from sitegen.report.figures import printed_unit

#: Of a figure that stands beside a printed one.
_DIGITS = 4
NBSP = "\N{NO-BREAK SPACE}"
_OF_INTERVALS = {"rounding": "by rounding", "repetitions": "repetitions", "replicates": "95 %"}
_HEADER = re.compile(r"\A<!--\n(.*?)\n?-->(?:\n|\Z)", re.DOTALL)
_HEADER_KEYS = frozenset({"title", "authors", "edition", "address", "beside"})
_TAG = re.compile(r"<[^>]*>")
#: From the front page, a benchmark's and a report's, to the site's own.
_FRONT_ROOT, _BENCHMARK_ROOT, _REPORT_ROOT = "", "../", "../../"
#: The note on the front page.
FRONT = "index"
Functions = Mapping[str, Callable[..., object]]


class Note(Struct, frozen=True):
    """Our prose on a report: an introduction, and (key, title, text) for each section.

    ``about`` says of a publication what no cited figure does: title, authors, edition, address.
    ``beside`` names the benchmarks of our own that are shown after it.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    introduction: str = ""
    sections: tuple[tuple[str, str, str], ...] = ()


class Amount(Struct, frozen=True):
    """A number of the archive, and how it prints; arithmetic on it gives plain numbers."""

    value: float
    text: str

    def __str__(self) -> str:
        """Return how it prints."""
        return self.text

    def __truediv__(self, other: Amount | float) -> float:
        """Divide by another figure or a number."""
        return self.value / _plain(other)

    def __sub__(self, other: Amount | float) -> float:
        """Subtract another figure or a number."""
        return self.value - _plain(other)

    def __lt__(self, other: Amount | float) -> bool:
        """Say whether it is less than another figure or a number."""
        return self.value < _plain(other)

    def __gt__(self, other: Amount | float) -> bool:
        """Say whether it is more than another figure or a number."""
        return self.value > _plain(other)


def _plain(number: Amount | float) -> float:
    return number.value if isinstance(number, Amount) else number


class Quote(Amount, frozen=True):
    """A figure in its base unit."""

    unit: DisplayUnit
    run: str
    params: Params = ()
    root: str = _BENCHMARK_ROOT
    between: str = ""

    def __str__(self) -> str:
        """Return the value with its unit as a link to its run, its interval as the link's title."""
        title = f' "{self.between}"' if self.between else ""
        return f"[{self.text} {self.unit.text}]({self.address}{title})".replace(" ]", "]")

    @property
    def address(self) -> str:
        """The run's page, from the page that the note stands on."""
        return f"{self.root}runs/{self.run}/index.html"

    def param(self, key: str) -> float:
        """Return a numeric parameter of the figure, such as its cores."""
        try:
            return float(dict(self.params)[key])
        except (KeyError, ValueError):
            raise SitegenError(f"the figure has no number {key!r}") from None

    def to(self, unit: str, digits: int = 3) -> str:
        """Return the value in another unit, without a link."""
        if unit not in PRINTED:
            raise SitegenError(f"no unit {unit!r}", fix="use one such as ms, MiB/s, GB/s, MHz or %")
        return f"{significant(self.value / PRINTED[unit][1], digits)} {unit}"


class Quoted(Struct, frozen=True):
    """A claim in prose: what is printed, what it comes to and the verdict; prints as a link."""

    printed: str
    computed: str
    verdict: str
    address: str

    def __str__(self) -> str:
        """Return the printed figure as a link to the claim."""
        return f"[{self.printed}]({self.address})"


def unused(config: Config, benchmarks: Iterable[str], sources: Container[str]) -> list[str]:
    """Return which notes no page shows: those on nothing that is known, cited or has runs here.

    One on a known benchmark may wait for its first run.
    """
    found = []
    for folder, known, about in (
        (
            config.notes,
            {FRONT, *FAMILIES, *benchmarks},
            "benchmark that is known or has a run here",
        ),
        (config.notes / "reports", sources, "publication that is cited or has claims here"),
    ):
        found += [
            f"{config.notes.name}/{path.relative_to(config.notes).as_posix()} is on no page:"
            f" {path.stem} is no {about}"
            for path in (sorted(folder.glob("*.md")) if folder.is_dir() else ())
            if path.stem not in known and path.stem.lower() != "readme"
        ]
    return found


def unpublished(checked: Iterable[Checked], sources: Container[str]) -> list[str]:
    """Return of which publications there are claims, and neither a cited figure nor a note."""
    ids = sorted({one.claim.source for one in checked if one.claim.source not in sources})
    return [
        f"claims of {name} have no page of their publication: it has no cited run here, and there"
        f" is no note on it (notes/reports/{name}.md)"
        for name in ids
    ]


def cut(text: str, rendered: str, where: str) -> Note:
    """Return a note in its parts, cut at its first-level headings: ``# II: Storage``.

    A comment before all else may hold lines such as ``title: ...``. Raises SitegenError with
    the line for one that is not understood. ``rendered`` is the same text as safe HTML, and
    its parts are of its type, so that they stay safe.
    """
    about = _header(text, where)
    # Sanitised headings have no attributes; those of a page's sections are cut here.
    introduction, *parts = rendered.split("<h2>")
    sections: dict[str, tuple[str, str, str]] = {}
    for part in parts:
        heading, _, body = part.partition("</h2>")
        plain = html.unescape(_TAG.sub("", str(heading)))
        key, _, title = (piece.strip() for piece in plain.partition(":"))
        if key in sections:
            raise SitegenError(f"two sections are called {key[:80]!r}", where=where)
        sections[key] = (key, title, body)
    beside = tuple(about.pop("beside", "").replace(",", " ").split())
    return Note(about, beside, introduction, tuple(sections.values()))


def _header(text: str, where: str) -> dict[str, str]:
    header = _HEADER.match(text)
    about = {}
    for number, line in enumerate(header[1].splitlines() if header else (), start=2):
        key, colon, value = (piece.strip() for piece in line.partition(":"))
        if not colon or key not in _HEADER_KEYS:
            fix = f"write one of {', '.join(sorted(_HEADER_KEYS))}, a colon and its text"
            place = f"{where}:{number}"
            raise SitegenError(f"{line[:80]!r} is not understood", where=place, fix=fix)
        about[key] = value
    return about


def of_benchmark(analysis: Analysis, benchmark: str) -> Functions:
    """Return the functions of a note on ``benchmark``."""
    cells = analysis.of(benchmark)
    return {
        **_Figures(analysis, _BENCHMARK_ROOT).functions(),
        "doubtful": lambda rule: sum(
            any(c.rule.id == rule for c in cell.caveats) for cell in cells
        ),
        "cells": lambda *labels: sum(cell.environment in labels for cell in cells),
    }


def of_front(analysis: Analysis, checked: Sequence[Checked]) -> Functions:
    """Return what the introduction of the front page may say."""
    return _with_claims(analysis, checked, _FRONT_ROOT)


def of_report(analysis: Analysis, checked: Sequence[Checked]) -> Functions:
    """Return what a note on a report may say."""
    return _with_claims(analysis, checked, _REPORT_ROOT)


def _with_claims(analysis: Analysis, checked: Sequence[Checked], root: str) -> Functions:
    rows = {row.claim.id: row for row in claims.rows(checked)}

    def claim(claim_id: str) -> Quoted:
        if claim_id not in rows:
            raise SitegenError(f"no claim {claim_id[:80]!r}")
        row = rows[claim_id]
        address = f"{root}claims/index.html#{claim_id}"
        return Quoted(row.printed, row.computed, row.verdict, address)

    return {**_Figures(analysis, root).functions(), "claim": claim}


class _Figures(NamedTuple):
    """The functions that fetch figures; ``root`` leads from the note's page to the site."""

    analysis: Analysis
    root: str

    def functions(self) -> Functions:
        """Return them by the names that notes call them by."""
        return {
            "value": self.value,
            "of_session": self.of_session,
            "overhead": self.overhead,
            "between": self.between,
            "decided": lambda *figure, **chosen: self.compared(*figure, **chosen).decided,
            "same": _same,
            "given": _given,
            "number": _number,
            "percent": lambda share, digits=1: f"{share * 100:.{digits}f}{NBSP}%",
        }

    def value(self, metric: str, env: str, **chosen: object) -> Quote:
        """Return the one figure of an environment that is meant."""
        cell, summary = self.analysis.figure(_pattern(metric, chosen), env)
        unit = self.analysis.metric(metric).unit_for([summary.value])
        if cell.printed and (parsed := printed_number(cell.printed)) and parsed[0]:
            name = cell.printed.rpartition(" ")[2] if " " in cell.printed else unit.text
            unit = DisplayUnit(summary.value / parsed[0], printed_unit(name))
        between, interval = "", summary.interval
        if interval and (span := unit.span(interval.low, interval.high)):
            between = f"{f'{span} {unit.text}'.rstrip()}, {_OF_INTERVALS[interval.kind]}"
        text, run = words.number(cell, unit), cell.runs[-1]
        return Quote(summary.value, text, unit, run, cell.series.params, self.root, between)

    def of_session(self, session: str, metric: str, env: str, **chosen: object) -> Quote:
        """Return what one session of an environment measured."""
        cell, summary = self.analysis.figure(_pattern(metric, chosen), env)
        for origin, number in zip(summary.origins, summary.by_run, strict=True):
            if origin.session == session:
                unit = self.analysis.metric(metric).unit_for([number])
                text = unit.number(number, _DIGITS)
                return Quote(number, text, unit, origin.run, cell.series.params, self.root)
        raise SitegenError(f"{env} has no session {session[:80]!r} of {metric}")

    def compared(self, metric: str, env: str, *, against: str = "", **chosen: object) -> Comparison:
        """Return the first comparison of an environment that is meant."""
        pattern = _pattern(metric, chosen)
        for comparison in self.analysis.comparisons:
            meant = comparison.side.environment == env and pattern.matches(comparison.series)
            theirs = against in ("", comparison.against, comparison.baseline.environment)
            if comparison.share is not None and meant and theirs:
                return comparison
        raise SitegenError(f"no comparison of {metric} in {env}")

    def overhead(self, metric: str, env: str, **chosen: Any) -> Amount:  # noqa: ANN401 - of `compared`
        """Return an overhead as a link to the side's run, with its interval as the title."""
        found = self.compared(metric, env, **chosen)
        share, bounds, title = found.share or 0.0, found.share_interval, ""
        text = f"{percent(share).lstrip('+')}{NBSP}%"
        if bounds:
            low, high = (percent(end, percents(*bounds)) for end in bounds)
            title = f' "{low} to {high} %"'
        address = f"{self.root}runs/{found.side.runs[-1]}/index.html"
        return Amount(share, f"[{text}]({address}{title})")

    def between(self, metric: str, env: str, **chosen: Any) -> str:  # noqa: ANN401 - of `compared`
        """Return an overhead with both ends of its interval."""
        found = self.compared(metric, env, **chosen)
        ends = effects.interval(found)
        return effects.effect(found) + (f" ({ends})" if ends else "")


def _pattern(metric: str, chosen: Mapping[str, object]) -> SeriesPattern:
    """Return which series are meant: by workload, statistic and parameters."""
    workload, statistic = (str(chosen.get(name, "")) for name in ("workload", "statistic"))
    params = {key: item for key, item in chosen.items() if key not in ("workload", "statistic")}
    return SeriesPattern(metric, statistic, _pairs(params), workload)


def _same(printed: Quote, figure: Quote) -> bool:
    """Say whether a figure is what was printed, to the printed digit."""
    parsed = printed_number(printed.text)
    half = parsed[1] * printed.unit.factor if parsed else 0.0
    return abs(figure - printed) <= half * (1 + 1e-9)


def _given(sentence: str, condition: object) -> str:
    """Return nothing where a premise holds; raises SitegenError with its sentence otherwise."""
    if condition is not True:
        raise SitegenError(f"the figures do not say: {sentence}", fix="correct the sentence")
    return ""


def _pairs(params: Mapping[str, object]) -> Params:
    return tuple((key, str(item)) for key, item in params.items())


def _number(value: float, digits: int = 3) -> str:
    return f"{value:,.0f}" if value == int(value) else significant(value, digits)
