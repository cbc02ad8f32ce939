"""TOOLS: the catalogue's modules, one a tool; FAMILIES: how the benchmark of each is presented."""

from __future__ import annotations

from collections.abc import Mapping

from sitegen.catalogue import ab, fio, hardware, llm, secure_inference, sevenzip, zktls
from sitegen.catalogue.tool import Family, Headline
from sitegen.model import Series

#: In the order in which pages name them.
TOOLS = tuple(each.TOOL for each in (llm, fio, ab, sevenzip, zktls, hardware, secure_inference))
FAMILIES: Mapping[str, Family] = {tool.family.benchmark: tool.family for tool in TOOLS}


def family(benchmark: str) -> Family:
    """Return how ``benchmark`` is presented; one that sitegen does not know gets its name."""
    return FAMILIES.get(benchmark) or Family(benchmark, benchmark, f"What does {benchmark} show?")


def headline_of(series: Series) -> Headline | None:
    """Return the headline that a series belongs to, or None."""
    headlines = family(series.benchmark).headlines
    return next((headline for headline in headlines if headline.matches(series)), None)


def efficiency_axis(benchmark: str) -> str:
    """Return the parameter that a benchmark's scaling efficiency is over, or nothing."""
    return next((panel.axis for panel in family(benchmark).panels if panel.efficiency), "")
