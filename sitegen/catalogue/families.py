"""TOOLS: the catalogue's modules, one a tool; FAMILIES: how the benchmark of each is presented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import zip_longest

from sitegen.catalogue import ab, fio, hardware, llm, secure_inference, sevenzip, zktls
from sitegen.catalogue.tool import Family, Headline
from sitegen.model import Series

#: In the order in which pages name them.
TOOLS = tuple(each.TOOL for each in (llm, fio, ab, sevenzip, zktls, hardware, secure_inference))
#: Series of one comparison that words are given for.
MOST_HEADLINES = 6
FAMILIES: Mapping[str, Family] = {tool.family.benchmark: tool.family for tool in TOOLS}


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


def worded_series(benchmark: str, series: Iterable[Series]) -> dict[Series, Headline]:
    """Return which of ``series`` get a word in one comparison: `MOST_HEADLINES` at the most.

    With each more, fewer differences could be found. Of every headline the series at the two ends
    come first, then what lies between.
    """
    groups: dict[Headline, list[Series]] = {}
    for one in sorted(series, key=natural):
        if headline := matching_headline(one):
            groups.setdefault(headline, []).append(one)
    order = [one for one in family(benchmark).headlines if one in groups]
    rounds = zip_longest(*(_from_ends(groups[one], one.first) for one in order))
    chosen = [
        (one, headline)
        for turn in rounds
        for one, headline in zip(turn, order, strict=True)
        if one is not None
    ]
    return dict(chosen[:MOST_HEADLINES])


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
