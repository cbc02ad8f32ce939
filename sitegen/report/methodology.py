"""The methodology page: metrics by benchmark, every rule of doubt, and what simulation shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from sitegen import resources
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import METRICS, Metric
from sitegen.catalogue.rules import RULES
from sitegen.catalogue.tool import Rule
from sitegen.report.derived import TextTable

#: Sentences on how simulated data were drawn, and a table of what was found in them.
Trial = tuple[tuple[str, ...], TextTable]


class MethodologyPage(NamedTuple):
    """Definitions: metrics by benchmark, every caveat rule, and what simulation shows."""

    metrics: tuple[tuple[str, str, tuple[Metric, ...]], ...]
    rules: tuple[Rule, ...]
    window_days: int
    trials: tuple[Trial, ...]


def page(analysis: Analysis) -> MethodologyPage:
    """Return the definitions of every metric that sitegen knows or that a run brought."""
    brought = {series.metric for series, _ in analysis.cells} | set(analysis.definitions)
    groups: dict[str, list[Metric]] = {}
    for metric in (*METRICS.values(), *map(analysis.metric, sorted(brought - set(METRICS)))):
        groups.setdefault(metric.id.split(".")[0], []).append(metric)
    return MethodologyPage(
        tuple((name, family(name).title, tuple(metrics)) for name, metrics in groups.items()),
        tuple(RULES.values()),
        analysis.config.window_days,
        trials(),
    )


def trials() -> tuple[Trial, ...]:
    """Return the result that `python -m benchmarks.coverage` keeps."""
    data = orjson.loads((resources.templates() / "coverage.json").read_bytes())
    few, many = data["runs"][-1]
    drawn = (
        f"Two sides without a difference, drawn {data['draws']:,} times for each field (seed"
        f" {data['seed']}) and put through the formulas above: how often the 95 % interval holds"
        " the truth, and how often the verdict is slower or faster all the same. Logarithms of run"
        f" values spread by {_percent(data['spread'], 0)} %, of which the margin of"
        f" {_percent(data['margin'], 0)} % forgives little; of quieter machines fewer verdicts are"
        f" false. With {few} runs against {many}, the smaller side is the one that spreads more."
    )
    moved = (
        f"The drift moves the machine by {data['drift']:g} spreads from the first run to the last."
        " Where platforms are taken one after the other it looks like a difference; taken in turn,"
        " it widens the interval. Where one side is skewed and spreads more than the other, the"
        " interval promises too much."
    )
    effects = (
        "And of an effect that is there, how often it is called slower: at"
        f" {_percent(data['between'])} % between runs, {_percent(data['within'])} % within them and"
        f" {data['repetitions']} repetitions a run."
    )
    columns = [f"{n} runs a side" if n == m else f"{n} against {m} runs" for n, m in data["runs"]]
    rows = ((case["title"], *map(_rate, case["rates"])) for case in data["cases"])
    rates = TextTable.of("coverage and false verdicts", ("Run values", *columns), rows)
    return ((drawn, moved), rates), ((effects,), _effects(data))


def _rate(rate: tuple[float, float] | None) -> Sequence[str]:
    return (f"{_percent(rate[0])} %", f"{_percent(rate[1])} % false") if rate else "·"


def _effects(data: Mapping[str, Any]) -> TextTable:
    effect = _percent(data["effect"], 0)
    rows = (
        (f"{effect} % {than}", *(f"{_percent(row[name])} %" for row in data["found"]))
        for than, name in (("less of a rate", "rate"), ("more of a time", "time"))
    )
    columns = (f"{row['runs']} runs a side" for row in data["found"])
    return TextTable.of("effects that are found", ("Called slower", *columns), rows)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"
