"""TOOLS: the catalogue's modules, one a tool; FAMILIES: how the benchmark of each is presented."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import zip_longest

from sitegen.catalogue import (
    ab,
    declared,
    fio,
    geekbench,
    hardware,
    llm,
    phoronix,
    secure_inference,
    sevenzip,
    tee_microcosts,
    zktls,
)
from sitegen.catalogue.tool import Family, Headline, Tool
from sitegen.model import Series

#: The order of the areas in which pages name them; what has none, or another, comes last.
AREAS = (
    *("AI inference", "Storage", "Web server", "Database", "Network", "CPU", "Memory"),
    *("Encryption", "Programs", "Proofs", "TEE", "Hardware"),
)


def _place(one: Tool) -> int:
    return AREAS.index(one.family.area) if one.family.area in AREAS else len(AREAS)


_MODULES = (
    *(llm, fio, ab, sevenzip, geekbench, zktls, tee_microcosts, hardware, secure_inference),
    phoronix,
)
#: In the order in which pages name them.
TOOLS = tuple(
    sorted(
        (
            *(each.TOOL for each in _MODULES),
            *(each.tool for each in declared.shipped().values() if each.table.metrics),
        ),
        key=_place,
    )
)
#: Series of one comparison that words are given for.
MOST_HEADLINES = 6
FAMILIES: dict[str, Family] = {tool.family.benchmark: tool.family for tool in TOOLS}


def family(benchmark: str) -> Family:
    """Return how ``benchmark`` is presented; one that sitegen does not know gets its name."""
    return FAMILIES.get(benchmark) or Family(benchmark, benchmark, f"What does {benchmark} show?")


def matching_headline(series: Series) -> Headline | None:
    """Return the headline that a series belongs to, or None."""
    headlines = family(series.benchmark).headlines
    return next((headline for headline in headlines if headline.matches(series)), None)


def rank(series: Series) -> int:
    """Return the place of a series among the headlines of its benchmark; others come last."""
    headlines, headline = family(series.benchmark).headlines, matching_headline(series)
    return headlines.index(headline) if headline else len(headlines)


def headlined(headlines: Sequence[Headline], series: Iterable[Series]) -> dict[Series, Headline]:
    """Return which of ``series`` belong to one of these headlines, in their natural order.

    Where none has the parameters that a headline asks for, those stand in its place that have the
    nearest value of the one number in which they miss it.
    """
    ordered = sorted(series, key=natural)
    found = {
        one: headline
        for one in ordered
        if (headline := next((each for each in headlines if each.matches(one)), None))
    }
    for headline in {one: None for one in headlines if one not in found.values()}:
        misses = {
            one: miss
            for one in ordered
            if one not in found and (miss := headline.miss(one)) is not None
        }
        if misses:
            nearest = min(misses.values(), key=lambda miss: miss.distance)
            found |= {one: headline for one, miss in misses.items() if miss == nearest}
    return found


def worded_series(
    headlines: Sequence[Headline], series: Iterable[Series]
) -> dict[Series, Headline]:
    """Return which of ``series`` get a word in one comparison: `MOST_HEADLINES` at the most.

    With each more, fewer differences could be found. Of every headline the series at the two ends
    come first, then what lies between.
    """
    groups: dict[Headline, list[Series]] = {}
    for one, headline in headlined(headlines, series).items():
        groups.setdefault(headline, []).append(one)
    order = [one for one in headlines if one in groups]
    rounds = zip_longest(*(_from_ends(groups[one], one.first) for one in order))
    chosen = [
        (one, headline)
        for turn in rounds
        for one, headline in zip(turn, order, strict=True)
        if one is not None
    ]
    return dict(chosen[:MOST_HEADLINES])


def own_headlines(
    metrics: Sequence[tuple[str, str]], series: Iterable[Series]
) -> tuple[Headline, ...]:
    """Return the headlines of a benchmark that the catalogue has none of.

    They are of the first of these ``metrics``, ids with titles, that ``series`` are of; of each the
    statistic that says most.
    """
    statistics: dict[str, set[str]] = {}
    for one in series:
        statistics.setdefault(one.metric, set()).add(one.statistic)
    return tuple(
        Headline(id_, min(statistics[id_], key=_telling), title=title)
        for id_, title in metrics
        if id_ in statistics
    )[:MOST_HEADLINES]


def _telling(statistic: str) -> tuple[int, str]:
    """Return the place of a statistic among those that may stand for a metric."""
    first = ("value", "mean", "total", "p50")
    return first.index(statistic) if statistic in first else len(first), statistic


def _from_ends(ordered: list[Series], first: str) -> list[Series]:
    ends = (ordered, ordered[::-1])
    pairs = zip(*(ends if first == "smallest" else ends[::-1]), strict=True)
    return list(dict.fromkeys(one for pair in pairs for one in pair))


@lru_cache(maxsize=65536)
def natural(series: Series) -> tuple[object, ...]:
    """Return a sort key by parameters, numbers by size: 2 threads before 16."""
    pairs = tuple((k, int(v) if v.isdecimal() else 0, v) for k, v in series.params)
    return (*pairs, ("", 0, series.workload))


def efficiency_axis(benchmark: str) -> str:
    """Return the parameter that a benchmark's scaling efficiency is over, or nothing."""
    return next((panel.axis for panel in family(benchmark).panels if panel.efficiency), "")
