"""What the compare page offers: every environment and the newest runs, as data for its script.

Two files a benchmark, each asked for when it is needed. The first has what every environment
measured, the second what each of the newest runs did. Neither grows with the archive: of the
runs behind an environment stand their number, mean and variance, which is all that Welch's
interval asks for. `compare.js` reads the tuples below by position.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sitegen.analysis import caveats
from sitegen.analysis.compare import Analysis
from sitegen.analysis.differences import TELLING, proof_of
from sitegen.analysis.selection import Selection
from sitegen.analysis.series import Cell, Series, cells_of
from sitegen.catalogue.families import FAMILIES, family, headline_of
from sitegen.catalogue.metrics import Better, Metric, Scale, unit_problem
from sitegen.catalogue.units import DisplayUnit
from sitegen.config import Environment
from sitegen.model import Comparability, Params, Provenance, Run
from sitegen.report import machine, panels, words

#: Single runs that a benchmark offers, and series that it shows.
MAX_RUNS = 40
MAX_SERIES = 400
_STATISTICS = frozenset({"value", "mean", "total", "p50", "p99"})
_MEANINGS = {
    Comparability.MUST_MATCH: "not comparable",
    Comparability.CAVEAT: "a caveat",
    Comparability.IDENTITY: "another workload",
    Comparability.IGNORED: "recorded only",
}
_SIGNS = {Better.HIGHER: 1, Better.LOWER: -1, Better.NONE: 0}
_PROOF_SIZE = "zktls.proof_size"
#: How runs were taken tells more than the machine; both in the order of what tells most.
_ORDER = {name: rank for rank, name in enumerate(("provenance", "preset", "tool", *TELLING))}

#: (value, runs, repetitions, mean of logarithms, their variance, low, high, kind of interval,
#: ids of doubts, resolution, printed text). Runs are 0 where a figure is cited; what is empty at
#: the end is left away.
Numbers = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Setup:
    """How runs were taken: what refuses a comparison, and what is listed where it differs.

    ``parameters`` are (name, value, what a difference means). ``threads`` is None where no
    parameter says them, ``quota`` where the machine showed none.
    """

    cited: bool
    quick: bool
    threads: int | None
    quota: float | None
    parameters: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One environment, or one run of it. ``cells`` stand in the order of the series.

    ``counts`` says that a run is among those that stand for its environment.
    """

    id: str
    environment: str
    name: str
    about: str
    hue: str
    page: str
    setup: int
    counts: bool
    refused: tuple[tuple[str, str], ...]
    cells: tuple[Numbers | None, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """One benchmark on the page: its two files and how much is in them."""

    benchmark: str
    title: str
    environments: tuple[tuple[str, str], ...]
    runs: int
    runs_all: int
    sides_file: str
    runs_file: str


@dataclass(frozen=True, slots=True)
class SelectionsPage:
    """The page as it is without its script: what may be chosen, and where to go instead."""

    offered: tuple[Offered, ...]
    max_runs: int


@dataclass(slots=True)
class Catalogue:
    """The series of a benchmark in their order, with what both files say of each."""

    analysis: Analysis
    benchmark: str
    places: dict[Series, int] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    units: list[DisplayUnit] = field(default_factory=list)
    ratio: list[bool] = field(default_factory=list)

    def add(self, series: Series, values: Iterable[float | None]) -> int:
        """Return the place of a series, a new one if need be; -1 when it is not shown."""
        place = len(self.series)
        if series.statistic not in _STATISTICS or place >= MAX_SERIES:
            self.places[series] = -1
            return -1
        metric = self.analysis.metric(series.metric)
        self.places[series] = place
        self.series.append(series)
        self.units.append(metric.unit_for(values))
        self.ratio.append(metric.scale == Scale.RATIO)
        return place


def sides(analysis: Analysis, benchmark: str) -> tuple[Catalogue, list[Side], list[Setup]]:
    """Return every environment of ``benchmark`` as a side, the series and the set-ups."""
    catalogue = Catalogue(analysis, benchmark)
    cells = panels.leading_statistics(analysis.of(benchmark))
    by_series: dict[Series, dict[str, Cell]] = {}
    for cell in cells:
        if cell.series.statistic in _STATISTICS:
            by_series.setdefault(cell.series, {})[cell.environment] = cell
    ordered = sorted(
        by_series,
        key=lambda s: (headline_of(*s) is None, s.metric, s.statistic, words.natural(s)),
    )
    for series in ordered:
        found = by_series[series].values()
        catalogue.add(series, [cell.summary.value if cell.summary else None for cell in found])
    for cell in analysis.of(benchmark):
        catalogue.places.setdefault(cell.series, -1)  # left out here, and so of single runs
    shown = catalogue.series
    setups: dict[Setup, int] = {}
    made = []
    for label, declared in analysis.config.environments.items():
        selection = analysis.selections.get((benchmark, label))
        if selection is None or not selection.runs:
            continue
        own = [by_series[series].get(label) for series in shown]
        if not any(own):
            continue
        setup = setups.setdefault(_setup(selection.runs), len(setups))
        chosen = len(selection.runs)
        cited = selection.runs[-1].provenance == Provenance.CITED
        made.append(
            Side(
                label,
                label,
                words.environment(declared),
                f"{words.role(declared)}, {words.count(chosen, 'cited run' if cited else 'run')}",
                words.hue(declared),
                f"environments/{label}",
                setup,
                False,  # noqa: FBT003 - it is no run
                tuple(declared.incomparable.items()),
                tuple(
                    None if cell is None else _of_cell(cell, unit, ratio)
                    for cell, unit, ratio in zip(own, catalogue.units, catalogue.ratio, strict=True)
                ),
            )
        )
    return catalogue, made, list(setups)


def single_runs(
    catalogue: Catalogue, runs: Sequence[Run]
) -> tuple[tuple[Side, ...], tuple[Setup, ...]]:
    """Return the newest of ``runs`` as sides; series that no environment has join the catalogue."""
    analysis = catalogue.analysis
    newest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)[:MAX_RUNS]
    chosen = [
        selection
        for (name, _), selection in analysis.selections.items()
        if name == catalogue.benchmark
    ]
    left_out = {run_id: why for selection in chosen for run_id, why in selection.left_out}
    counted = {run.id for selection in chosen for run in selection.runs}
    setups: dict[Setup, int] = {}
    # Most runs are taken alike: equal parameters are looked at once.
    known: dict[tuple[Any, ...], int] = {}
    made = []
    for run in newest:
        why = left_out.get(run.id, "")
        if run.withdrawn or (why and unit_problem(run)):
            continue
        declared = analysis.config.environment(run.environment)
        facts = run.fingerprint
        alike = (run.provenance, run.preset, run.parameters, facts, run.tool)
        if alike not in known:
            known[alike] = setups.setdefault(_setup([run]), len(setups))
        made.append(
            Side(
                run.id,
                run.environment,
                f"{words.environment(declared)}, {words.day(run.started_at)}",
                f"run {run.id[-8:]}" + (f", {why}" if why else ""),
                words.hue(declared),
                f"runs/{run.id}",
                known[alike],
                run.id in counted,
                tuple(declared.incomparable.items()),
                _of_run(run, catalogue, declared),
            )
        )
    return tuple(made), tuple(setups)


def scripts(
    analysis: Analysis, benchmark: str, runs: Sequence[Run]
) -> tuple[Offered, dict[str, bytes]]:
    """Return what the page says of a benchmark, and its two files by name."""
    catalogue, environments, setups = sides(analysis, benchmark)
    single, of_single = single_runs(catalogue, runs)
    metrics: dict[str, int] = {}
    for series in catalogue.series:
        metrics.setdefault(series.metric, len(metrics))
    known = words.background(benchmark, catalogue.series)
    title = family(benchmark).title
    shared = {
        "benchmark": benchmark,
        "title": title,
        "metrics": [_metric(analysis.metric(metric_id)) for metric_id in metrics],
        "series": [
            _series(series, unit, metrics[series.metric], catalogue, known)
            for series, unit in zip(catalogue.series, catalogue.units, strict=True)
        ],
        "rules": {rule.id: rule.short for rule in caveats.RULES.values() if rule.doubts},
        "background": [
            f"{workload}: {told}"
            for workload, pairs in sorted(known.items())
            if (told := words.params(pairs))
        ],
        "sides": environments,
        "setups": setups,
        # Enough to choose from; their figures come with the other file.
        "runs": [[side.id, side.environment, side.name, side.about] for side in single],
        "all": len(runs),
    }
    files = {
        f"data-{benchmark}.js": script(shared),
        f"runs-{benchmark}.js": script(
            {"runs_of": benchmark, "sides": single, "setups": of_single}
        ),
    }
    # The version keeps a browser from mixing what it has with a page that is newer.
    addresses = [f"{name}?v={hashlib.sha256(data).hexdigest()[:8]}" for name, data in files.items()]
    return (
        Offered(
            benchmark,
            title,
            tuple((side.id, side.name) for side in environments),
            len(single),
            len(runs),
            *addresses,
        ),
        files,
    )


def page(offered: Sequence[Offered]) -> SelectionsPage:
    """Return the page for these benchmarks: those that sitegen knows first, in their order."""
    order = {name: rank for rank, name in enumerate(FAMILIES)}
    return SelectionsPage(
        tuple(
            sorted(offered, key=lambda one: (order.get(one.benchmark, len(order)), one.benchmark))
        ),
        MAX_RUNS,
    )


def script(value: Any) -> bytes:  # noqa: ANN401 - anything that JSON can say
    """Return a classic script that hands ``value`` over: pages on a disk may load nothing else."""
    return b"(self.sitegenData ||= []).push(" + orjson.dumps(value) + b");\n"


def _metric(metric: Metric) -> tuple[Any, ...]:
    """Return (id, title, sign of better, whether it is divided, margin, arrow)."""
    return (
        metric.id,
        metric.title,
        _SIGNS[metric.better],
        metric.scale == Scale.RATIO,
        metric.margin,
        words.arrow(metric),
    )


def _series(
    series: Series,
    unit: DisplayUnit,
    metric: int,
    catalogue: Catalogue,
    known: Mapping[str, Params],
) -> tuple[Any, ...]:
    """Return one series by position.

    (metric, title, statistic, unit, factor, headline, threads, place of the proof's size,
    workload, parameters).
    """
    proof = -1
    if series.benchmark == "zktls" and series.metric != _PROOF_SIZE:
        proof = catalogue.places.get(proof_of(series), -1)
    return (
        metric,
        words.short(series, known),
        words.statistic(series.statistic),
        unit.text,
        unit.factor,
        headline_of(*series) is not None,
        _whole(dict(series.params).get("threads", "")),
        proof,
        series.workload,
        series.params,
    )


def _setup(runs: Sequence[Run]) -> Setup:
    """Return how ``runs`` were taken; the newest decides what they may be compared with."""
    newest = runs[-1]
    own = {p.name: p.value for p in newest.parameters}
    quota = newest.fingerprint.get("cpu_quota") or own.get("cpu_quota", "")
    parameters: dict[tuple[str, str], set[str]] = {}
    facts: dict[str, set[str]] = {}
    for run in runs:
        for parameter in run.parameters:
            key = (parameter.name, _MEANINGS[parameter.comparability])
            parameters.setdefault(key, set()).add(parameter.value)
        tee = run.fingerprint.tee.kind
        seen = [
            ("provenance", str(run.provenance)),
            ("preset", run.preset),
            ("tool", f"{run.tool.name} {run.tool.version}" if run.tool else ""),
            ("tee", "" if tee == "unknown" else tee),
            *(
                (fact.name, machine.value(fact.name, fact.value or "not visible"))
                for fact in run.fingerprint.facts
            ),
        ]
        for name, value in seen:
            if value:
                facts.setdefault(name, set()).add(value)
    return Setup(
        newest.provenance == Provenance.CITED,
        newest.preset == "quick",
        _whole(own.get("threads", "")),
        _number(quota),
        tuple((name, _joined(found), why) for (name, why), found in parameters.items()),
        tuple(
            (machine.title(name), _joined(facts[name]))
            for name in sorted(facts, key=lambda name: _ORDER.get(name, len(_ORDER)))
        ),
    )


def _joined(found: Iterable[str]) -> str:
    return "; ".join(sorted(found))


def _whole(text: str) -> int | None:
    """Return a number of threads, -1 for what is none: it is below every quota."""
    if not text:
        return None
    return int(text) if text.isdecimal() else -1


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _of_cell(cell: Cell, unit: DisplayUnit, ratio: bool) -> Numbers:  # noqa: FBT001 - its scale
    """Return one series of a side."""
    summary = cell.summary
    doubts = [c.rule.id for c in cell.caveats if c.rule.doubts]
    if summary is None:
        return (None, 0, 0, None, None, None, None, "", doubts)
    plain = not (summary.interval or doubts or cell.resolution or cell.printed)
    if plain and summary.runs == 1:
        return (summary.value, 1, summary.repetitions[0])
    mean = variance = low = high = None
    kind = ""
    if summary.interval:
        low, high, kind = summary.interval.low, summary.interval.high, summary.interval.kind
    if ratio and summary.runs > 1 and min(summary.values) > 0:
        logs = [math.log(value) for value in summary.values]
        mean = math.fsum(logs) / len(logs)
        variance = math.fsum([(log - mean) * (log - mean) for log in logs]) / (len(logs) - 1)
    text = words.number(cell, unit) if cell.printed else ""
    return _trimmed(
        (summary.value, summary.runs, sum(summary.repetitions), mean, variance, low, high, kind,
         doubts, cell.resolution, text)
    )  # fmt: skip


def _trimmed(numbers: Numbers) -> Numbers:
    """Return the tuple without what is empty at its end."""
    end = len(numbers)
    while not numbers[end - 1]:
        end -= 1
    return numbers[:end]


def _of_run(run: Run, catalogue: Catalogue, declared: Environment) -> tuple[Numbers | None, ...]:
    """Return what one run measured, by series."""
    found: dict[int, Numbers] = {}
    role = declared.role or ""
    for cell in cells_of(run.benchmark, run.id, Selection((run,)), declared.tee, role):
        place = catalogue.places.get(cell.series)
        if place is None:
            place = catalogue.add(cell.series, [cell.summary.value if cell.summary else None])
        if place >= 0:
            found[place] = _of_cell(cell, catalogue.units[place], catalogue.ratio[place])
    return tuple(found.get(place) for place in range(max(found, default=-1) + 1))
