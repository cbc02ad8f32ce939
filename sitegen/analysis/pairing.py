"""Two sides that differ in one thing: an environment, a run, or the value of one parameter."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sitegen.analysis.compare import Analysis, Comparison, analyse
from sitegen.analysis.contrasts import matched_logs, paired_interval
from sitegen.analysis.differences import WITHIN, Difference, nearest
from sitegen.analysis.selection import select
from sitegen.analysis.stats import Interval, verdict
from sitegen.catalogue.metrics import Better
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import RUN_ID, AnyRun

BASELINE, SIDE = "baseline", "side"


class Unpaired(SitegenError):  # noqa: N818 - says what the two sides are
    """Two sides that are there and have nothing in common."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """All comparisons of one side with its baseline, and what the two differ in."""

    baseline: str
    side: str
    comparisons: tuple[Comparison, ...]
    differing: tuple[Difference, ...]
    analysis: Analysis


def pair(
    runs: Sequence[AnyRun],
    config: Config,
    baseline: str,
    side: str,
    benchmarks: Collection[str] = (),
) -> Pairing:
    """Return ``side`` against ``baseline``: each an environment, or one run by its id's end.

    Only ``benchmarks`` where some are named. Raises SitegenError when a side is not there, or
    both are the same, and Unpaired when they have no series in common.
    """
    if baseline == side:
        raise SitegenError(f"{baseline!r} is compared with itself", fix="name two of them")
    ours, declared = _chosen(runs, config, side)
    theirs, against = _chosen(runs, config, baseline)
    ours, theirs = _of(ours, side, benchmarks), _of(theirs, baseline, benchmarks)
    why = declared.incomparable.get(against.label, "") or against.incomparable.get(
        declared.label, ""
    )
    if not why and _within(ours, theirs, runs, config):
        why = WITHIN
    named = {
        BASELINE: replace(against, label=BASELINE, baselines={}, incomparable={}),
        SIDE: replace(
            declared,
            label=SIDE,
            baselines={BASELINE: BASELINE},
            incomparable={BASELINE: why} if why else {},
        ),
    }
    labelled = [
        replace(run, environment=label)
        for label, chosen in ((SIDE, ours), (BASELINE, theirs))
        for run in chosen
    ]
    analysis = analyse(labelled, replace(config, environments=named, pinned=()))
    # A baseline that is itself a TEE would be held against this side as well.
    found = tuple(c for c in analysis.comparisons if c.side.environment == SIDE)
    if not found:
        raise _unpaired(analysis, baseline, side)
    return Pairing(baseline, side, found, _differing(analysis, found), analysis)


def _of(runs: list[AnyRun], name: str, benchmarks: Collection[str]) -> list[AnyRun]:
    """Return the runs that are of ``benchmarks``; raises Unpaired when a side has none."""
    found = [run for run in runs if not benchmarks or run.benchmark in benchmarks]
    if not found:
        has = ", ".join(sorted({run.benchmark for run in runs}))
        wanted = " or ".join(sorted(benchmarks))
        raise Unpaired(f"{name} has no run of {wanted}", fix=f"it has {has}")
    return found


def _unpaired(analysis: Analysis, baseline: str, side: str) -> Unpaired:
    """Return why two sides have no comparison: what each has, or what parts the nearest two."""
    has = {
        label: sorted({name for name, own in analysis.selections if own == label})
        for label in (BASELINE, SIDE)
    }
    shared = sorted(set(has[BASELINE]) & set(has[SIDE]))
    if not shared:
        theirs, ours = (", ".join(has[label]) for label in (BASELINE, SIDE))
        return Unpaired(
            f"{baseline} and {side} have no benchmark in common",
            fix=f"{baseline} has {theirs}; {side} has {ours}",
        )
    cells = [cell for name in shared for cell in analysis.of(name)]
    series = {
        label: {cell.series for cell in cells if cell.environment == label}
        for label in (BASELINE, SIDE)
    }
    if both := series[BASELINE] & series[SIDE]:
        return Unpaired(
            f"of no series that {baseline} and {side} have in common is it known whether more or"
            " less is better",
            fix=f"there are {len(both)}, such as {min(both).metric}",
        )
    what = f"{baseline} and {side} have no series in common in {', '.join(shared)}"
    names = nearest([*series[SIDE]], [*series[BASELINE]])
    if not names:
        return Unpaired(what, fix="their workloads or metrics have different names: `sitegen show`")
    return Unpaired(what, fix=f"the nearest differ in {', '.join(names)}")


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
        raise SitegenError(
            f"{len(labels)} environments have the parameter {axis}",
            fix=f"add --env with one of {', '.join(labels[:12])}",
        )
    if not having:
        raise SitegenError(f"no figure {f'in {label} ' if label else ''}has the parameter {axis!r}")
    declared = replace(config.environment(having[0].environment), incomparable={})
    named = {
        BASELINE: replace(declared, label=BASELINE, baselines={}),
        SIDE: replace(declared, label=SIDE, baselines={BASELINE: BASELINE}),
    }
    halves = [
        _at(run, axis, value, name)
        for run in having
        for name, value in ((BASELINE, baseline), (SIDE, side))
    ]
    analysis = analyse(halves, replace(config, environments=named, pinned=()))
    if not analysis.comparisons:
        raise SitegenError(f"no series has {axis} at both {baseline} and {side}")
    found = tuple(_matched(comparison) for comparison in analysis.comparisons)
    return Pairing(baseline, side, found, (), analysis)


def _at(run: AnyRun, axis: str, value: str, label: str) -> AnyRun:
    """Return what a run has at one value of a parameter, without that parameter."""
    rows = tuple(
        row._replace(params=tuple(pair for pair in row.params if pair[0] != axis))
        for row in run.measurements
        if (axis, value) in row.params
    )
    return replace(run, environment=label).with_rows(rows)


def _matched(found: Comparison) -> Comparison:
    """Return a comparison with the interval of its pairs: what they share cancels."""
    if found.factor is None or found.reason:
        return found
    higher = found.metric.better == Better.HIGHER
    values = matched_logs(found.baseline, found.side, higher_is_better=higher)
    interval = paired_interval(values)
    if interval is None or found.side.summary is None or found.baseline.summary is None:
        return found
    ratio = Interval(math.exp(interval.low), math.exp(interval.high), interval.kind)
    word = verdict(found.side.summary, found.baseline.summary, ratio, found.metric.margin)
    factor = math.exp(math.fsum(values) / len(values))
    return replace(found, factor=factor, interval=ratio, word=word)


def _chosen(runs: Sequence[AnyRun], config: Config, name: str) -> tuple[list[AnyRun], Environment]:
    found = [run for run in runs if run.environment == name]
    if found:
        return found, config.environment(name)
    found = [run for run in runs if run.id == name or run.id.endswith(f"-{name}")]
    if len(found) == 1:
        return found, config.environment(found[0].environment)
    if len(found) > 1:
        raise SitegenError(f"{len(found)} runs end with {name!r}", fix="give the whole id")
    kind = "run" if RUN_ID.fullmatch(name) else "environment and no run"
    labels = ", ".join(sorted({run.environment for run in runs})[:12])
    raise SitegenError(f"no {kind} {name[:80]!r}", fix=f"environments: {labels}")


def _within(
    ours: Sequence[AnyRun], theirs: Sequence[AnyRun], runs: Sequence[AnyRun], config: Config
) -> bool:
    """Say whether one side is a run of those that stand for the other, an environment."""
    for one, other in ((ours, theirs), (theirs, ours)):
        if len(one) == 1 and one[0] in other and len(other) > 1:
            chosen = select(runs, config).get((one[0].benchmark, one[0].environment))
            return chosen is not None and one[0].id in {run.id for run in chosen.runs}
    return False


def _differing(analysis: Analysis, found: Sequence[Comparison]) -> tuple[Difference, ...]:
    """Return what the two sides differ in, over all benchmarks that they share."""
    names = dict.fromkeys(comparison.series.benchmark for comparison in found)
    every = [one for name in names for one in analysis.differences(name, SIDE, BASELINE)]
    return tuple(dict.fromkeys(every))
