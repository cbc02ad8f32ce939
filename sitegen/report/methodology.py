"""The methodology page: metrics by benchmark, every rule of doubt, and what simulation shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from sitegen import resources
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.metrics import METRICS, Metric
from sitegen.catalogue.rules import RULES
from sitegen.catalogue.tool import Rule
from sitegen.report.sections import TextTable

#: Sentences on how simulated data were drawn, and a table of what was found in them.
Trial = tuple[tuple[str, ...], TextTable]


#: What was counted in one field of the simulation, by name: shares.
Rate = Mapping[str, float]


class MethodologyPage(NamedTuple):
    """Definitions: metrics by benchmark, every caveat rule, and what simulation shows."""

    metrics: tuple[tuple[str, str, tuple[Metric, ...]], ...]
    rules: tuple[Rule, ...]
    window_days: int
    apart_days: int
    trials: tuple[Trial, ...]
    changes: tuple[Trial, ...]


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
        analysis.config.apart_days,
        trials(),
        changes(),
    )


def trials() -> tuple[Trial, ...]:
    """Return the result that `python -m benchmarks.coverage` keeps."""
    data = orjson.loads((resources.templates() / "coverage.json").read_bytes())
    drawn = (
        f"Two environments of which neither is slower, with {data['series']} headline series, drawn"
        f" {data['draws']:,} times for each field (seed {data['seed']}) and given to the comparison"
        " itself: how often an interval holds the truth, and in how many comparisons any word is"
        f" false. Logarithms of replicates spread by {_percent(data['spread'], 0)} %, of which the"
        f" margin of {_percent(data['margin'], 0)} % forgives little; of quieter machines fewer"
        f" words are false. The drift moves the machine by {data['drift']:g} spreads meanwhile."
    )
    beyond = (
        "What arithmetic cannot save. A skewed side, values that follow one another, and platforms"
        " taken one after the other make false words; how many of the comparisons have one beside"
        " which no doubt stands, is in the second line. Take turns, and set up anew."
    )
    levels = (
        f"Sessions that spread by {_percent(data['session'], 0)} %, with runs that spread by"
        f" {_percent(data['run'], 0)} % within them: comparisons with a false word. The runs of one"
        " session, or of two, get no word."
    )
    effects = (
        f"Of an effect of {_percent(data['effect'], 0)} % that is there, how often it has its word,"
        " after all words are held together."
    )
    replicates = [f"{count} replicates a side" for count in data["counts"]]
    runs = [f"{count} run{'s' * (count > 1)} each" for count in data["runs"]]
    tables = (
        (drawn, "intervals and false words", "Replicates", replicates, "sound", _covered),
        (beyond, "what arithmetic cannot save", "Replicates", replicates, "unsound", _undoubted),
        (levels, "sessions of several runs", "Sessions", runs, "sessions", _false),
        (effects, "effects that are found", "Called slower", replicates, "power", _found),
    )
    return tuple(
        (
            (sentence,),
            TextTable.of(
                caption,
                (head, *columns),
                ((row["title"], *map(told, row["rates"])) for row in data[name]),
            ),
        )
        for sentence, caption, head, columns, name, told in tables
    )


def changes() -> tuple[Trial, ...]:
    """Return the result that `python -m benchmarks.changes` keeps."""
    data = orjson.loads((resources.templates() / "changes.json").read_bytes())
    shares = [share for row in data["quiet"][:3] for share in row["shares"]]
    quiet = (
        f"Of {data['draws']:,} series without a step for each field (seed {data['seed']}), of"
        f" {data['from']} to {data['to']} values, how many are said to have one: at most"
        f" {_percent(max(shares))} in 100, unless the machine drifts or each value follows the one"
        " before it."
    )
    step = _percent(data["step"], 0)
    stepped = f"A step of {step} % that is there, and how often it is found, at most one run off."
    spreads = [f"spread {_percent(spread)} %" for spread in data["spreads"]]
    tables = ((quiet, "steps that are not there", "quiet"), (stepped, "steps found", "stepped"))
    return tuple(
        (
            (sentence,),
            TextTable.of(
                caption,
                ("Values", *spreads),
                (
                    (row["title"], *(f"{_percent(share)} %" for share in row["shares"]))
                    for row in data[name]
                ),
            ),
        )
        for sentence, caption, name in tables
    )


def _covered(rate: Rate) -> Sequence[str]:
    return f"{_percent(rate['covered'])} %", _false(rate)


def _undoubted(rate: Rate) -> Sequence[str]:
    return _false(rate), f"{_percent(rate['undoubted'])} % without a doubt"


def _false(rate: Rate) -> str:
    return f"{_percent(rate['false'])} % false"


def _found(rate: Rate) -> str:
    return f"{_percent(rate['found'])} %"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"
