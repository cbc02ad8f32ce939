"""Two sides as rows for a terminal, a pull request or another program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sitegen.analysis.compare import Comparison
from sitegen.analysis.differences import MACHINE
from sitegen.analysis.pairing import BASELINE, SIDE, Pairing
from sitegen.analysis.stats import Word
from sitegen.catalogue.families import headline_of
from sitegen.catalogue.metrics import Better
from sitegen.catalogue.units import significant
from sitegen.cli.terminal import aligned
from sitegen.model import Comparability, Series
from sitegen.report import costs, words

#: "no difference above 2 %", but "inconclusive: about 4 more runs a side decide".
_SEPARATORS: Mapping[str, str] = {Word.INCONCLUSIVE: ": "}


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison in words; ``least`` is the least worsening that its interval allows.

    ``least`` is an overhead, or a share's points. ``detail`` completes the word.
    """

    series: str
    baseline: str
    side: str
    share: str
    interval: str
    word: str
    detail: str
    caveats: tuple[str, ...]
    least: float | None
    comparison: Comparison

    @property
    def judged(self) -> bool:
        """Whether a limit can be held against it: one run a side does not tell its own spread."""
        alone = self.comparison.word == Word.ONE_RUN
        return self.least is not None and not self.comparison.reason and not alone


def rows(pairing: Pairing, metrics: Sequence[str] = (), *, everything: bool = False) -> list[Row]:
    """Return the headline series, or those of ``metrics``, or all; the worst first."""
    chosen = [
        found for found in pairing.comparisons if everything or _is_asked(found.series, metrics)
    ]
    known = {
        name: words.background(name, (cell.series for cell in pairing.analysis.of(name)))
        for name in {found.series.benchmark for found in chosen}
    }
    chosen.sort(key=lambda c: (bool(c.reason), -(c.factor or 0.0), c.series))
    titled = [(found, words.short(found.series, known[found.series.benchmark])) for found in chosen]
    # Two workloads may share all parameters: then the workload tells them apart.
    alike = Counter((c.series.metric, c.series.statistic, title) for c, title in titled)
    return [
        _row(c, title if alike[c.series.metric, c.series.statistic, title] == 1
             else f"{c.series.workload}, {title}")
        for c, title in titled
    ]  # fmt: skip


def regressions(found: Sequence[Row], limit: float) -> list[Row]:
    """Return the rows whose overhead is above ``limit``, a share, at its lower bound."""
    return [row for row in found if row.judged and row.least is not None and row.least > limit]


def unjudged(
    pairing: Pairing,
    found: Sequence[Row],
    benchmarks: Mapping[str, Collection[str]],
    metrics: Sequence[str] = (),
    *,
    everything: bool = False,
) -> list[str]:
    """Return what no limit can judge, a line each: which benchmark, and why.

    ``benchmarks`` are those of each side by its name. What only one side has, a benchmark or a
    series that would be among the rows, is none of ``found``.
    """
    ours, theirs = set(benchmarks[pairing.side]), set(benchmarks[pairing.baseline])
    lines = [f"{name}: {pairing.side} has no run" for name in sorted(theirs - ours)]
    lines += [f"{name}: {pairing.baseline} has no run" for name in sorted(ours - theirs)]
    for name in sorted(ours & theirs):
        own, base = (
            {
                cell.series
                for cell in pairing.analysis.of(name)
                if cell.environment == label
                and _is_directed(cell.series, pairing)
                and (everything or _is_asked(cell.series, metrics))
            }
            for label in (SIDE, BASELINE)
        )
        for missing, label in ((base - own, pairing.side), (own - base, pairing.baseline)):
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                first = words.series(min(missing, key=words.natural))
                lines.append(f"{name}: {label} has no {first}{more}")
    reasons = Counter(
        (row.comparison.series.benchmark, row.comparison.reason or str(row.comparison.word))
        for row in found
        if not row.judged
    )
    for (name, reason), count in sorted(reasons.items()):
        lines.append(f"{name}: {reason} ({words.count(count, 'series', 'series')})")
    return lines


def _is_asked(series: Series, metrics: Sequence[str]) -> bool:
    return series.metric in metrics if metrics else headline_of(series) is not None


def _is_directed(series: Series, pairing: Pairing) -> bool:
    """Say whether a series would be compared, had both sides it."""
    better = pairing.analysis.metric(series.metric).better
    return better != Better.NONE and series.statistic != "stddev"


def text(pairing: Pairing, found: Sequence[Row]) -> str:
    """Return a table for a terminal, and what the two machines differ in."""
    lines = aligned([_head(pairing), *(_cells(row) for row in found)], right=range(1, 5))
    if pairing.differing:
        lines += ["", "They differ in"]
        lines += [f"  {name}: {base} | {side}" for name, base, side in _differing(pairing)]
    return "\n".join(lines) + "\n"


def markdown(pairing: Pairing, found: Sequence[Row]) -> str:
    """Return a table for a pull request; what the machines differ in is folded."""
    lines = [_bar(_head(pairing)), _bar(["---", "---:", "---:", "---:", "---:", "---", "---"])]
    lines += [_bar(_cells(row)) for row in found]
    if pairing.differing:
        lines += ["", "<details><summary>They differ in</summary>", ""]
        lines += [_bar(("What", pairing.baseline, pairing.side)), _bar(["---", "---", "---"])]
        lines += [_bar(each) for each in _differing(pairing)]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def as_json(pairing: Pairing, found: Sequence[Row]) -> dict[str, Any]:
    """Return the public form of ``sitegen compare --format json``."""
    return {
        "baseline": pairing.baseline,
        "side": pairing.side,
        "comparisons": [_json(row) for row in found],
        "differing": [
            {"fact": one.name, "baseline": one.baseline, "side": one.side}
            for one in pairing.differing
            if one.what == MACHINE
        ],
    }


def _head(pairing: Pairing) -> tuple[str, ...]:
    sides = (pairing.baseline, pairing.side)
    return ("Series", *sides, "Overhead, %", "Interval, %", "Verdict", "Read first")


def _differing(pairing: Pairing) -> Iterator[tuple[str, str, str]]:
    """Yield what differs in words, but for what is recorded only."""
    for one in pairing.differing:
        if one.what != Comparability.IGNORED:
            side, base = one.words
            yield f"{one.title} ({one.meaning})", base, side


def _json(row: Row) -> dict[str, Any]:
    comparison = row.comparison
    series, interval = comparison.series, comparison.interval
    subtracted = comparison.difference_interval
    undecided = comparison.word == Word.INCONCLUSIVE and not comparison.reason
    values = [
        cell.summary.value if cell.summary else None
        for cell in (comparison.baseline, comparison.side)
    ]
    return {
        "benchmark": series.benchmark,
        "workload": series.workload,
        "metric": series.metric,
        "statistic": series.statistic,
        "params": dict(series.params),
        "unit": comparison.metric.unit,
        "baseline": values[0],
        "side": values[1],
        "slowdown": comparison.factor,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "overhead": comparison.share,
        "scale": comparison.metric.scale,
        "difference": comparison.difference,
        "difference_low": subtracted.low if subtracted else None,
        "difference_high": subtracted.high if subtracted else None,
        "more_runs": comparison.more_runs if undecided else None,
        "word": row.word,
        "reason": comparison.reason,
        "caveats": [{"id": c.rule.id, "sentence": c.sentence} for c in comparison.caveats],
        "runs": {"baseline": list(comparison.baseline.runs), "side": list(comparison.side.runs)},
    }


def _row(found: Comparison, title: str) -> Row:
    unit = costs.unit_of(found)
    bounds = found.worsening
    statistic = words.statistic(found.series.statistic)
    name = words.lower_first(found.metric.title)
    return Row(
        series=f"{title}: {name}{f', {statistic}' if statistic else ''}",
        baseline=_value(words.number(found.baseline, unit), unit.text),
        side=_value(words.number(found.side, unit), unit.text),
        share="" if found.reason else costs.effect(found),
        interval="" if found.reason else costs.interval(found),
        word=str(found.told),
        detail=costs.decision(found) if found.headline and not found.reason else "",
        caveats=(found.reason,)
        if found.reason
        else tuple(dict.fromkeys(c.rule.short for c in found.caveats if c.rule.doubts)),
        least=bounds[0] if bounds else None,
        comparison=found,
    )


def _value(number: str, unit: str) -> str:
    return number if number == "not measured" else f"{number} {unit}".rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    factor = row.comparison.factor
    worse = f" ({significant(factor, 3)}×)" if factor and factor >= 2 and row.share else ""  # noqa: PLR2004 - from a doubling on, times read better
    return (
        row.series, row.baseline, row.side, f"{row.share}{worse}", row.interval,
        f"{row.word}{_SEPARATORS.get(row.word, ' ')}{row.detail}".rstrip(), ", ".join(row.caveats),
    )  # fmt: skip


def _bar(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
