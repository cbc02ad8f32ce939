"""Two sides that differ in one thing: an environment, a run, or the value of one parameter."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sitegen.analysis.compare import Analysis, Cell, Comparison, analyse, refused
from sitegen.analysis.contrasts import matched
from sitegen.analysis.differences import WITHIN, Difference, nearest
from sitegen.analysis.selection import newest_moment, select
from sitegen.analysis.stats import Word
from sitegen.catalogue.metrics import Better
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, AnyRun, Series

BASELINE, SIDE = "baseline", "side"
#: Parameters that are named where series differ in several.
_MOST_PARTED = 3
#: Both ends of a period: years, months or days, of which one may be left open.
_PERIOD = re.compile(
    r"(?:(?P<at>{0})|(?P<from>{0})?\.\.(?P<to>{0})?)".format(r"\d{4}(?:-\d\d){0,2}")
)
#: Who names two periods means that they are apart.
_ANY_AGE_DAYS = 36_500


class Unpaired(SitegenError):  # noqa: N818 - says what the two sides are
    """Two sides that are there and have nothing in common."""


class Pairing(Struct, frozen=True):
    """All comparisons of one side with its baseline, and what the two differ in."""

    baseline: str
    side: str
    comparisons: tuple[Comparison, ...]
    differing: tuple[Difference, ...]
    analysis: Analysis
    #: What the side and the baseline are called in the analysis.
    labels: tuple[str, str] = (SIDE, BASELINE)


def pair(
    runs: Sequence[AnyRun],
    config: Config,
    baseline: str,
    side: str,
    benchmarks: Collection[str] = (),
) -> Pairing:
    """Return ``side`` against ``baseline``: each an environment, or one run by its id's end.

    An environment may be one of a period: ``cvm@2026-09``, ``cvm@2026-09-15..2026-10``.

    Only ``benchmarks`` where some are named. Raises SitegenError when a side is not there, or
    both are the same, and Unpaired when they have no series in common.
    """
    if baseline == side:
        raise SitegenError(f"{baseline!r} is compared with itself", fix="name two of them")
    ours, declared = _chosen(runs, config, side, benchmarks)
    theirs, against = _chosen(runs, config, baseline, benchmarks)
    if (declared.label, against.label) == (side, baseline):
        return _environments(runs, config, against, declared, benchmarks)
    if "@" in baseline + side:
        if both := {run.id for run in ours} & {run.id for run in theirs}:
            message = f"{baseline} and {side} share {len(both)} runs"
            raise SitegenError(message, fix="part the periods")
        config = replace(config, window_days=_ANY_AGE_DAYS, apart_days=_ANY_AGE_DAYS)
    reason = refused(config, declared.label, against.label)
    if not reason and _within(ours, theirs, runs, config):
        reason = WITHIN
    labelled = [replace(run, environment=SIDE) for run in ours]
    labelled += [replace(run, environment=BASELINE) for run in theirs]
    return _paired(_analysed(labelled, config, against, declared, reason), baseline, side)


def _environments(
    runs: Sequence[AnyRun],
    config: Config,
    baseline: Environment,
    side: Environment,
    benchmarks: Collection[str],
) -> Pairing:
    """Return two environments compared as the pages do, which hold each against its host too."""
    labels = (side.label, baseline.label)
    hosts = {one.baselines.get("metal") for one in (baseline, side)}
    asked = [
        run
        for run in runs
        if run.environment in {*labels, *hosts} and (not benchmarks or run.benchmark in benchmarks)
    ]
    against = next((word for word, name in side.baselines.items() if name == baseline.label), "")
    analysis = analyse(asked, config, newest=newest_moment(runs), pairs=[(*labels, against)])
    return _paired(analysis, baseline.label, side.label, labels)


def _paired(
    analysis: Analysis, baseline: str, side: str, labels: tuple[str, str] = (SIDE, BASELINE)
) -> Pairing:
    """Return the comparisons of an analysis in which the sides have these labels."""
    # A baseline that is itself a TEE would be held against this side as well.
    pairs = tuple(c for c in analysis.comparisons if c.side.environment == labels[0])
    if not pairs:
        raise _unpaired(analysis, baseline, side, labels)
    called = dict(zip(labels, (side, baseline), strict=True))
    pairs = tuple(
        replace(c, lacking=tuple(called[one] for one in c.lacking)) if c.lacking else c
        for c in pairs
    )
    shared = dict.fromkeys(c.series.benchmark for c in pairs)
    every = [one for name in shared for one in analysis.differences(name, *labels)]
    return Pairing(baseline, side, pairs, tuple(dict.fromkeys(every)), analysis, labels)


def _analysed(
    runs: Sequence[AnyRun], config: Config, baseline: Environment, side: Environment, why: str = ""
) -> Analysis:
    """Return the analysis of two sides; ``why`` is a reason not to compare them."""
    named = {
        BASELINE: replace(baseline, label=BASELINE, baselines={}, incomparable={}),
        SIDE: replace(
            side, label=SIDE, baselines={BASELINE: BASELINE}, incomparable={BASELINE: why}
        ),
    }
    return analyse(runs, replace(config, environments=named, pinned=()))


def _unpaired(analysis: Analysis, baseline: str, side: str, labels: tuple[str, str]) -> Unpaired:
    """Return why two sides have no comparison: what each has, or what parts the nearest two."""
    theirs, ours = (
        sorted({name for name, of in analysis.selections if of == label}) for label in labels[::-1]
    )
    both = f"{baseline} and {side} have no"
    shared = [name for name in ours if name in theirs]
    if not shared:
        fix = f"{baseline} has {', '.join(theirs)}; {side} has {', '.join(ours)}"
        return Unpaired(f"{both} benchmark in common", fix=fix)
    cells = [cell for name in shared for cell in analysis.of(name)]
    if common := common_series(cells, labels):
        how = "a run's definitions, or the column `better` of a tidy CSV, say it"
        return Unpaired(
            f"of no series that {baseline} and {side} have in common is it known whether more or"
            " less is better",
            fix=f"there are {len(common)}, such as {min(common).metric}; {how}",
        )
    fix = parted(cells, labels, (side, baseline))
    return Unpaired(f"{both} series in common in {', '.join(shared)}", fix=fix)


def common_series(cells: Sequence[Cell], labels: tuple[str, str]) -> set[Series]:
    """Return the series that both of two environments have among ``cells``."""
    ours, theirs = ({one.series for one in cells if one.environment == each} for each in labels)
    return ours & theirs


def parted(cells: Sequence[Cell], labels: tuple[str, str], names: tuple[str, str]) -> str:
    """Return what parts the nearest series of two environments, which have none in common.

    ``names`` are what the two are called.
    """
    ours, theirs = ([one.series for one in cells if one.environment == each] for each in labels)
    differing = nearest(ours, theirs)
    said = [
        f"{names[1]} has {one.title} {one.baseline}, {names[0]} {one.side}"
        for one in differing[:_MOST_PARTED]
    ]
    more = len(differing) - len(said)
    return f"of the nearest {'; '.join(said)}{f'; and {more} more' if more else ''}"


def pair_values(  # noqa: PLR0913 - what tells two sides apart
    runs: Sequence[AnyRun], config: Config, axis: str, baseline: str, side: str, label: str = ""
) -> Pairing:
    """Return the series of one environment at two values of the parameter ``axis``.

    All else is equal, the runs too, so the two sides are paired: by run from two runs on, by
    repetition within one. Raises SitegenError when no series has both values.
    """
    if baseline == side:
        raise SitegenError(f"{axis} {baseline} is compared with itself", fix="name two values")
    having = [run for run in runs if any(axis in dict(row.params) for row in run.measurements)]
    labels = sorted({run.environment for run in having})
    if label:
        having = [run for run in having if run.environment == label]
    elif len(labels) > 1:
        message = f"{len(labels)} environments have the parameter {axis}"
        raise SitegenError(message, fix=f"add --env with one of {', '.join(labels[:12])}")
    if not having:
        raise SitegenError(f"no figure {f'in {label} ' if label else ''}has the parameter {axis!r}")
    declared = config.environment(having[0].environment)
    sides = {BASELINE: baseline, SIDE: side}
    halves = [_at(run, axis, value, name) for run in having for name, value in sides.items()]
    analysis = _analysed(halves, config, declared, declared)
    if not analysis.comparisons:
        raise SitegenError(f"no series has {axis} at both {baseline} and {side}")
    return Pairing(baseline, side, tuple(map(_matched, analysis.comparisons)), (), analysis)


def _at(run: AnyRun, axis: str, value: str, label: str) -> AnyRun:
    """Return what a run has at one value of a parameter, without that parameter."""
    rows = tuple(
        row._replace(params=tuple(pair for pair in row.params if pair[0] != axis))
        for row in run.measurements
        if (axis, value) in row.params
    )
    return replace(run, environment=label).with_rows(rows)


def _matched(pair: Comparison) -> Comparison:
    """Return a comparison of the halves of one run with the interval of its repetitions' pairs."""
    factor = pair.factor
    if factor is None or pair.reason or pair.estimate:
        return pair
    higher = pair.metric.better == Better.HIGHER
    factor, interval, _ = matched(pair.baseline, pair.side, factor, higher_is_better=higher)
    return replace(pair, factor=factor, interval=interval or pair.interval)


def _chosen(
    runs: Sequence[AnyRun], config: Config, name: str, benchmarks: Collection[str]
) -> tuple[list[AnyRun], Environment]:
    """Return the runs of a side and their environment; raises Unpaired for no ``benchmarks``."""
    chosen = [run for run in runs if run.environment == name]
    chosen = chosen or [run for run in runs if is_called(name, run.environment, run.id)]
    by_id = "@" not in name and name not in {run.environment for run in chosen}
    if by_id and len(chosen) > 1:
        raise SitegenError(f"{len(chosen)} runs end with {name!r}", fix="give the whole id")
    if chosen:
        wanted = [run for run in chosen if not benchmarks or run.benchmark in benchmarks]
        if not wanted:
            has = ", ".join(sorted({run.benchmark for run in chosen}))
            message = f"{name} has no run of {' or '.join(sorted(benchmarks))}"
            raise Unpaired(message, fix=f"it has {has}")
        return wanted, config.environment(chosen[0].environment)
    label, at, _ = name.partition("@")
    if at and (days := sorted(_day(run.id) for run in runs if run.environment == label)):
        raise Unpaired(f"{name} has no run", fix=f"{label} has runs from {days[0]} to {days[-1]}")
    kind = "run" if RUN_ID.fullmatch(name) else "environment and no run"
    labels = ", ".join(sorted({run.environment for run in runs})[:12])
    fix = f"environments: {labels}" if labels else "the archive has no run yet"
    raise SitegenError(f"no {kind} {name[:80]!r}", fix=fix)


def is_called(name: str, label: str, run_id: str) -> bool:
    """Say whether a side of this name has a run of an environment; raises SitegenError for none."""
    environment, at, period = name.partition("@")
    if not at:
        return name in (label, run_id) or run_id.endswith(f"-{name}")
    match = _PERIOD.fullmatch(period)
    if match is None or period == "..":
        fix = "write it as cvm@2026-09, cvm@2026-09-15..2026-10 or cvm@..2026-10"
        raise SitegenError(f"{period[:80]!r} is no period", fix=fix)
    first, last = (match["at"] or match[end] or "" for end in ("from", "to"))
    day = _day(run_id)
    return label == environment and first <= day and (not last or day[: len(last)] <= last)


def _day(run_id: str) -> str:
    """Return the day on which a run began, as its id has it."""
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"


def _within(
    ours: Sequence[AnyRun], theirs: Sequence[AnyRun], runs: Sequence[AnyRun], config: Config
) -> bool:
    """Say whether one side is a run of those that stand for the other, an environment."""
    for one, other in ((ours, theirs), (theirs, ours)):
        if len(one) == 1 and one[0] in other and len(other) > 1:
            chosen = select(runs, config).get((one[0].benchmark, one[0].environment))
            return chosen is not None and one[0].id in {run.id for run in chosen.runs}
    return False


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison in the public form of ``sitegen compare --format json``."""
    series, interval = comparison.series, comparison.interval
    subtracted = comparison.difference_interval
    undecided = comparison.word == Word.INCONCLUSIVE
    sides = {"baseline": comparison.baseline, "side": comparison.side}
    stands_on = comparison.stands_on
    counts = {name: getattr(stands_on, name) or None for name in sides}
    return {
        "benchmark": series.benchmark,
        "workload": series.workload,
        "metric": series.metric,
        "statistic": series.statistic,
        "params": dict(series.params),
        "unit": comparison.metric.unit,
        **{name: cell.summary.value if cell.summary else None for name, cell in sides.items()},
        "slowdown": comparison.factor,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "overhead": comparison.share,
        "scale": comparison.metric.scale,
        "difference": comparison.difference,
        "difference_low": subtracted.low if subtracted else None,
        "difference_high": subtracted.high if subtracted else None,
        "more_runs": comparison.more_replicates if undecided else None,
        "word": comparison.verdict,
        "decided": comparison.decided,
        "level": stands_on.level if stands_on.least else None,
        "replicates": counts,
        "in_turns": bool(stands_on.turns),
        "among": comparison.among if comparison.headline else None,
        "instead_of": comparison.misses and {comparison.misses.key: comparison.misses.asked},
        "reason": comparison.reason,
        "caveats": [{"id": c.rule.id, "sentence": c.sentence} for c in comparison.caveats],
        "runs": {name: list(cell.runs) for name, cell in sides.items()},
        "set_aside": {run: one.rule.id for _, one in comparison.aside for run in one.runs},
    }
