"""A comparison in words: its effect and interval, what decides it, what it stands on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sitegen.analysis.caveats import Caveat
from sitegen.analysis.compare import Cell, Comparison
from sitegen.analysis.replicates import Replication
from sitegen.analysis.stats import MOST_REPLICATES, Interval, Word
from sitegen.catalogue.metrics import Metric, Scale
from sitegen.catalogue.units import DisplayUnit, percent, percent_within, percents, significant
from sitegen.charts.spec import TIMES
from sitegen.report import words

NBSP = "\N{NO-BREAK SPACE}"
#: More runs than this are told in tens: spreads of three runs know no better.
_EXACTLY = 20
#: From this slowdown or speed-up on an effect is told as a factor: nobody can use "6,787 %".
_AS_FACTOR = 2.0
_PACES = ("s", "Hz", "MIPS")


def unit_of(comparison: Comparison) -> DisplayUnit:
    """Return the unit that both sides are shown in: that of the smaller one."""
    cells = (comparison.side, comparison.baseline)
    values = [cell.summary.value for cell in cells if cell.summary]
    return comparison.metric.unit_for([min(values)] if values else [])


def effect(comparison: Comparison) -> str:
    """Return what the side costs: "+15.4 %", "2.4 times slower", or a difference with its unit."""
    if comparison.factor and as_factor(comparison):
        return f"{_times(comparison.factor)}{TIMES} {pace(comparison)}"
    if comparison.share is not None:
        bounds = comparison.share_interval
        share = percent_within(comparison.share, *bounds) if bounds else percent(comparison.share)
        return f"{share}{NBSP}%"
    if comparison.difference is None:
        return ""
    if comparison.difference == 0:
        return "equal"
    return amounts(comparison.metric, (comparison.difference,))[0]


def as_factor(comparison: Comparison) -> bool:
    """Say whether an effect is so large that it is told as a factor."""
    factor = comparison.factor
    return factor is not None and not 1 / _AS_FACTOR < factor < _AS_FACTOR


def pace(comparison: Comparison) -> str:
    """Return the word of a factor, by whether it is above 1."""
    return paces(comparison.metric)[(comparison.factor or 0.0) < 1]


def paces(metric: Metric) -> tuple[str, str]:
    """Return "slower" and "faster" of times and rates, "worse" and "better" of all else."""
    if metric.unit in _PACES or metric.unit.endswith("/s"):
        return "slower", "faster"
    return "worse", "better"


def _times(factor: float) -> str:
    return significant(factor if factor >= 1 else 1 / factor, 2)


def interval(comparison: Comparison) -> str:
    """Return both ends of the interval of an effect, in its unit; nothing without one."""
    return ends(comparison, comparison.interval or comparison.difference_interval)


def ends(comparison: Comparison, interval: Interval | None, joined: str = "to") -> str:
    """Return both ends of an interval of the effect: "+12.5 to +18.2 %", or of factors."""
    if interval is None:
        return ""
    if comparison.metric.scale == Scale.RATIO and as_factor(comparison):
        low, high = interval.low, interval.high
        if (comparison.factor or 0.0) < 1:
            low, high = 1 / high if high else math.inf, 1 / low if low > 0 else math.inf
        texts = (significant(end, 3).replace("inf", "∞") for end in (low, high))
        return f" {joined} ".join(dict.fromkeys(texts)) + TIMES
    if comparison.metric.scale == Scale.RATIO:
        low, high = sorted(map(comparison.share_of, (interval.low, interval.high)))
        texts = (percent(end, percents(low, high)).replace("inf", "∞") for end in (low, high))
        return f" {joined} ".join(dict.fromkeys(texts)) + f"{NBSP}%"
    least, most = amounts(comparison.metric, (interval.low, interval.high))
    if least == most:
        return most
    _, blank, unit = most.rpartition(" ")
    return f"{least.removesuffix(blank + unit)} {joined} {most}"


def amounts(metric: Metric, differences: Sequence[float]) -> list[str]:
    """Return differences with their unit: +0.3 points, 3 fewer, +1.2 KiB."""
    if metric.scale == Scale.PROPORTION:
        return [f"{_signed(100 * each)} points" for each in differences]
    if metric.unit == "count":
        return [_counted(each) for each in differences]
    unit = metric.unit_for(differences)
    return [f"{_signed(each / unit.factor)} {unit.text}".rstrip() for each in differences]


def _counted(value: float) -> str:
    number = f"{abs(value):,.0f}" if value.is_integer() else significant(abs(value))
    return f"{number} {'fewer' if value < 0 else 'more'}" if value else "0"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{significant(value)}"


def detail(comparison: Comparison) -> str:
    """Return what stands beside a word, in one text: runs that are set aside, too."""
    side, base = without(comparison.side), without(comparison.baseline)
    aside = words.joined(side, f"the baseline {base}" if base else "")
    if aside and comparison.whole and comparison.estimate:
        aside += f", {effect(comparison.whole)} with {'it' if _one(comparison) else 'them'}"
    doubts = map(words.lower_first, named(comparison))
    return words.joined(standing(comparison), *doubts, aside, by="; ")


def without(cell: Cell) -> str:
    """Return which runs are in none of the figures of a cell, or nothing."""
    whole = len((cell.whole or cell).runs)
    return words.joined(
        *(f"without {len(one.runs)} of {whole} runs ({one.rule.short})" for one in cell.aside)
    )


def _one(comparison: Comparison) -> bool:
    return sum(len(mark.runs) for _, mark in comparison.aside) == 1


def standing(comparison: Comparison) -> str:
    """Return what decides, and what a word stands on."""
    stands_on, reason = comparison.stands_on, ""
    bounds = comparison.interval or comparison.difference_interval
    if comparison.word == Word.TOO_FEW and bounds and bounds.kind == "rounding":
        nothing = 1 if comparison.interval else 0
        within = bounds.low <= nothing <= bounds.high
        reason = "within rounding" if within else "interval: rounding of its digits"
    elif comparison.word == Word.TOO_FEW and comparison.estimate is None:
        exact = comparison.metric.scale == Scale.EXACT
        reason = "as printed" if exact else "these two runs only"
    elif comparison.word == Word.TOO_FEW:
        reason = "an interval, no verdict"
    elif comparison.headline and comparison.word == Word.INCONCLUSIVE:
        span = ends(comparison, comparison.joint, "and")
        together = f" with all {comparison.among} together" if comparison.among > 1 else ""
        between = f"between {span}{together}" if span else ""
        reason = words.joined(between, decision(comparison), by="; ")
    elif comparison.headline:
        reason = decision(comparison)
    if comparison.estimate is None or not comparison.headline:
        return reason
    return words.joined(reason, replicates(stands_on), by="; ")


def named(comparison: Comparison) -> list[str]:
    """Return what is to be read beside a word, which only headlines have."""
    said = comparison.named if comparison.estimate and comparison.headline else []
    return [*filter(None, [instead(comparison)]), *said]


def instead(comparison: Comparison) -> str:
    """Return in place of what a series has its headline, or nothing where it is what it asks for.

    "at concurrency 100; the headline asks for 1000, which vm lacks"
    """
    miss = comparison.misses
    if miss is None:
        return ""
    lacking = words.enumerate_words(comparison.lacking)
    why = f"which {lacking} lack{'s' if len(comparison.lacking) == 1 else ''}"
    why = why if lacking else "where they are not comparable"
    return f"{words.at(miss)}; the headline asks for {words.value(miss.key, miss.asked)}, {why}"


def replicates(stands_on: Replication) -> str:
    """Return "3 boots a side", or "3 sessions against 5", and whether in turns."""
    level, ours, theirs = stands_on.level, stands_on.side, stands_on.baseline
    many = f"{words.count(ours, level)} a side"
    if ours != theirs:
        many = f"{words.count(ours, level)} against {theirs}"
    return words.joined(many, "in turns" if stands_on.turns else "")


def decision(comparison: Comparison) -> str:
    """Return what completes a word: above which margin there is no difference, or what decides."""
    if comparison.word == Word.NO_DIFFERENCE:
        return _above(comparison)
    if comparison.word != Word.INCONCLUSIVE:
        return ""
    if comparison.metric.scale == Scale.EXACT:
        return "it is not the same each time"
    more, level = comparison.more_replicates, comparison.stands_on.level
    if more is None:
        return f"more than {MOST_REPLICATES} {level}s a side would be needed"
    if more > _EXACTLY:
        more = math.ceil(more / 10) * 10
    return f"about {words.count(more, f'more {level}')} a side decide{'s' if more == 1 else ''}"


def _above(comparison: Comparison) -> str:
    metric = comparison.metric
    if metric.scale == Scale.EXACT:
        return ""
    if metric.scale == Scale.RATIO:
        return f"above {metric.margin * 100:g} %"
    [margin] = amounts(metric, (comparison.margin,))
    return f"above {margin.removeprefix('+').removesuffix(' more')}"


class Doubted(NamedTuple):
    """Runs that a caveat speaks of, and what it says of them; ``mark`` names it.

    Those that are set aside are in no figure of the row, which would be ``effect`` with them.
    """

    mark: str
    sentence: str
    many: str
    runs: tuple[tuple[str, str], ...]
    effect: str = ""


def set_aside(comparison: Comparison, days: Callable[[str], str]) -> tuple[Doubted, ...]:
    """Return which runs of the two sides are in no figure of a comparison, and why.

    ``days`` words when a run was taken.
    """
    with_them = effect(comparison.whole) if comparison.whole else ""
    return tuple(
        Doubted(
            one.rule.short, one.sentence, _of_runs(one.runs, cell.whole or cell), _days(one, days),
            with_them,
        )
        for cell, one in comparison.aside
    )  # fmt: skip


def doubted(comparison: Comparison, days: Callable[[str], str]) -> tuple[Doubted, ...]:
    """Return the doubts of a comparison that are those of some of its runs, with these."""
    return tuple(
        Doubted(one.rule.short, one.sentence, _of_runs(one.runs, cell), _days(one, days))
        for cell in (comparison.side, comparison.baseline)
        for one in cell.caveats
        if one.rule.doubts and one.runs and len(cell.runs) > 1
    )


def _days(caveat: Caveat, days: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    """Return the runs that a caveat speaks of, with their days."""
    return tuple((run, days(run)) for run in caveat.runs)


def _of_runs(runs: Sequence[str], cell: Cell) -> str:
    """Return "1 of 5 cvm runs"."""
    return f"{len(runs)} of {len(cell.runs)} {cell.environment} runs"
