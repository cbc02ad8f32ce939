"""What `sitegen compare` says of two sides: to a terminal, a pull request, a program, a gate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from msgspec import Struct

from sitegen.analysis.compare import Comparison
from sitegen.analysis.differences import MACHINE
from sitegen.analysis.pairing import (
    Pairing,
    Unpaired,
    common_series,
    is_called,
    pair,
    pair_values,
    parted,
)
from sitegen.analysis.stats import Word
from sitegen.archive import Damaged, library, quarantine
from sitegen.archive.quarantine import SetAside
from sitegen.catalogue.families import natural
from sitegen.catalogue.metrics import Better, Scale
from sitegen.catalogue.tool import Headline
from sitegen.cli.terminal import encoded, fitted
from sitegen.config import Config
from sitegen.errors import SitegenError, Unjudged
from sitegen.model import AnyRun, Comparability, Series
from sitegen.report import effects, words


class Question(Struct, frozen=True):
    """What `compare` was asked: two sides, which of their series, and how much worse is too much.

    ``limit`` is an overhead, as a share. With ``axis`` the sides are two values of that parameter.
    """

    sides: tuple[str, str] = ("", "")
    metrics: Sequence[str] = ()
    form: str = "text"
    axis: str = ""
    environment: str = ""
    everything: bool = False
    limit: float | None = None

    def names(self, series: Series, headlines: Iterable[Headline] = ()) -> bool:
        """Say whether it is about a series: one of its metrics, or one of these headlines."""
        if self.everything:
            return True
        if self.metrics:
            return series.metric in self.metrics
        return any(one.matches(series) for one in headlines)

    def asks(self, pair: Comparison, headlines: Iterable[Headline] = ()) -> bool:
        """Say whether it is about a comparison.

        A gate asks for errors and counts of them too, and for a headline that a side tried to
        measure and did not.
        """
        if self.everything or self.metrics:
            return self.names(pair.series)
        failed = pair.reason and not (pair.side.summary and pair.baseline.summary)
        guards = self.limit is not None and pair.metric.scale != Scale.RATIO
        return (
            pair.headline is not None
            or bool(failed and self.names(pair.series, headlines))
            or (guards and pair.metric.better == Better.LOWER)
        )


class Answer(Struct, frozen=True):
    """Two sides as text; the series that are worse than the limit, and what it could not judge.

    Without a limit ``missing`` is what one side lacks.
    """

    text: str
    damaged: tuple[Damaged, ...]
    above: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    judged: bool = False
    missing: tuple[str, ...] = ()


class Row(NamedTuple):
    """A comparison, and what its series is called."""

    series: str
    comparison: Comparison

    @property
    def unjudged(self) -> str:
        """Why no limit can be held against it, or nothing."""
        one = self.comparison
        return one.reason or ("" if one.estimate and not one.doubt and not one.few else one.verdict)

    def above(self, limit: float, tests: int) -> bool:
        """Say whether it is surely worse than a limit, together with so many others.

        The limit is an overhead. Shares and counts that can be zero may not be worse by what is
        called a difference of them.
        """
        one, bounds = self.comparison, self.comparison.worsening(tests)
        if one.metric.scale != Scale.RATIO:
            limit = one.margin
        return not self.unjudged and bounds is not None and bounds[0] > limit


def limit(text: str) -> float | None:
    """Return ``5%`` or ``5`` as a share; raises SitegenError for anything else."""
    if not text:
        return None
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise SitegenError(f"{text!r} is no limit", where="--fail-above", fix="write it as 5%")
    return value / 100


def answer(config: Config, question: Question) -> Answer:
    """Return two sides compared; raises Unjudged when a limit has nothing to be held against."""
    if question.environment and not question.axis:
        raise SitegenError("goes with --axis", where="--env", fix="name two environments instead")
    held = library.of(config)

    def make(runs: Sequence[AnyRun], aside: Sequence[SetAside] = ()) -> Answer:
        return _answer(runs, config, question, (*held.damaged, *held.damages(aside)))

    try:
        return quarantine.without_failing([one.run for one in held.runs.values()], make, make)[0]
    except Unpaired as error:
        if question.limit is None:
            raise
        raise Unjudged(f"nothing could be judged: {error.what}", fix=error.fix) from error


def _answer(
    runs: Sequence[AnyRun], config: Config, question: Question, damaged: tuple[Damaged, ...]
) -> Answer:
    sides, axis, metrics = question.sides, question.axis, question.metrics
    broken = {name: [one for one in damaged if _is_of(one, name, config)] for name in sides}
    for name, gone in broken.items():
        if gone and not axis and not any(is_called(name, r.environment, r.id) for r in runs):
            reason = f"all runs of {name} are damaged: {gone[0].reason}"
            raise Unpaired(reason, fix="see `sitegen fsck`")
    lost = [one for one in damaged if axis or any(one in gone for gone in broken.values())]
    benchmarks = {
        run.benchmark for run in runs if metrics and any(name in metrics for name, _ in run.units)
    }
    if metrics and not benchmarks:
        here = {name for run in runs for name, _ in run.units}
        near = [one for name in metrics for one in get_close_matches(name, sorted(here), 3, 0.5)]
        fix = f"the nearest are {', '.join(dict.fromkeys(near))}" if near else ""
        raise SitegenError(f"no run here has {' or '.join(metrics)}", where="--metric", fix=fix)
    if axis and lost and not any(axis in dict(r.params) for run in runs for r in run.measurements):
        raise Unpaired(f"no whole run has the parameter {axis!r}", fix="see `sitegen fsck`")
    chosen = [run for run in runs if not metrics or run.benchmark in benchmarks]
    if axis:
        pairing = pair_values(chosen, config, axis, *sides, question.environment)
    else:
        pairing = pair(runs, config, *sides, benchmarks)
    table = rows(pairing, question)
    if not table:
        raise _nothing(pairing, question)
    written = {"json": json_text, "markdown": markdown}.get(question.form, text)(pairing, table)
    have = {
        name: {run.benchmark for run in chosen if axis or is_called(name, run.environment, run.id)}
        for name in sides
    }
    missing = _missing(pairing, table, have, question)
    if question.limit is None:
        return Answer(written, damaged, missing=tuple(missing))
    above = tuple(row.series for row in regressions(table, question.limit))
    unjudged = [f"{one.path}: {one.reason}" for one in lost]
    unjudged += [*missing, *_unjudged(table)]
    judged = not all(row.unjudged for row in table)
    return Answer(written, damaged, above, tuple(unjudged), judged)


def _nothing(pairing: Pairing, question: Question) -> Unpaired:
    """Return why two sides that have series in common have none of those that are asked about."""
    every, names = pairing.comparisons, (pairing.side, pairing.baseline)
    there = sorted({one.series.metric for one in every})
    shared = f"in common they have {', '.join(there[:20])}"
    if not question.metrics:
        many = words.count(len(every), "series", "series")
        return Unpaired(
            f"no headline series is among the {many} that {names[1]} and {names[0]} have in common",
            fix=f"--all shows them, --metric those of one metric; {shared}",
        )
    asked = " or ".join(question.metrics)
    cells = [
        cell
        for name in {one.series.benchmark for one in every}
        for cell in pairing.analysis.of(name)
        if cell.series.metric in question.metrics
    ]
    for name, label in zip(names, pairing.labels, strict=True):
        if not any(cell.environment == label for cell in cells):
            return Unpaired(f"{name} has no {asked}", fix=shared)
    if common_series(cells, pairing.labels):
        return Unpaired(f"of {asked} it is not known whether more or less is better", fix=shared)
    return Unpaired(
        f"{names[1]} and {names[0]} have no series of {asked} in common",
        fix=parted(cells, pairing.labels, names),
    )


def _is_of(run: Damaged, name: str, config: Config) -> bool:
    label, _, run_id = run.path.partition("/")
    return is_called(name, config.aliases.get(label, label), run_id)


def rows(pairing: Pairing, question: Question) -> list[Row]:
    """Return the series that are asked about, the worst first."""
    headlines = {
        name: pairing.analysis.headlines(name)
        for name in {one.series.benchmark for one in pairing.comparisons}
    }
    chosen = [
        one for one in pairing.comparisons if question.asks(one, headlines[one.series.benchmark])
    ]
    chosen.sort(key=lambda c: (bool(c.reason), -(c.factor or 0.0), c.series))
    common = {
        name: words.background(name, (cell.series for cell in pairing.analysis.of(name)))
        for name in {one.series.benchmark for one in chosen}
    }
    titles = [words.short(one.series, common[one.series.benchmark]) for one in chosen]
    names = [
        words.joined(words.lower_first(one.metric.title), words.statistic(one.series.statistic))
        for one in chosen
    ]
    # Two workloads may share all parameters: then the workload tells them apart.
    alike = Counter(zip(titles, names, strict=True))
    return [
        Row(f"{f'{one.series.workload}, ' * (alike[title, name] > 1)}{title}: {name}", one)
        for one, title, name in zip(chosen, titles, names, strict=True)
    ]


def regressions(rows: Sequence[Row], limit: float) -> list[Row]:
    """Return the rows that are surely worse than ``limit``, an overhead; they hold together."""
    tests = sum(not row.unjudged for row in rows)
    return [row for row in rows if row.above(limit, tests)]


def _missing(
    pairing: Pairing,
    rows: Sequence[Row],
    benchmarks: Mapping[str, Collection[str]],
    question: Question,
) -> list[str]:
    """Return what a side lacks, a line each: which benchmark, and what.

    ``benchmarks`` are those of each side by its name. What only one side has, a benchmark or a
    series that would be among the rows, has no place in ``rows``.
    """
    ours, theirs = set(benchmarks[pairing.side]), set(benchmarks[pairing.baseline])
    lines = [f"{name}: {pairing.side} has no run" for name in sorted(theirs - ours)]
    lines += [f"{name}: {pairing.baseline} has no run" for name in sorted(ours - theirs)]
    asked = {row.comparison.series.benchmark for row in rows}
    for name in sorted(ours & theirs):
        before = len(lines)
        have: dict[str, set[Series]] = {label: set() for label in pairing.labels}
        # What stands in the place of a headline is expected of both sides as well.
        headlines = [
            *pairing.analysis.headlines(name),
            *(
                row.comparison.headline.at(row.comparison.misses)
                for row in rows
                if row.comparison.headline and row.comparison.misses
                if row.comparison.series.benchmark == name
            ),
        ]
        for cell in pairing.analysis.of(name):
            # It would be compared, had both sides it.
            better = pairing.analysis.metric(cell.series.metric).better
            compared = better != Better.NONE and cell.series.statistic != "stddev"
            if compared and cell.environment in have and question.names(cell.series, headlines):
                have[cell.environment].add(cell.series)
        side, base = have.values()
        for missing, label in ((base - side, pairing.side), (side - base, pairing.baseline)):
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                first = words.title(min(missing, key=natural))
                lines.append(f"{name}: {label} has no {first}{more}")
        if name not in asked and len(lines) == before:
            lines += _nothing_of(pairing, name)
    return lines


def _nothing_of(pairing: Pairing, benchmark: str) -> Iterator[str]:
    """Yield why nothing of a benchmark that both sides have is among the rows, if it could be."""
    many = sum(one.series.benchmark == benchmark for one in pairing.comparisons)
    if many:
        series = words.count(many, "series", "series")
        yield f"{benchmark}: no headline is among its {series}, which --all takes in"
        return
    cells = [one for one in pairing.analysis.of(benchmark) if one.environment in pairing.labels]
    if not common_series(cells, pairing.labels):
        parts = parted(cells, pairing.labels, (pairing.side, pairing.baseline))
        yield f"{benchmark}: no series in common; {parts}"


def _unjudged(rows: Sequence[Row]) -> list[str]:
    """Return why rows cannot be judged, a line for each benchmark and reason."""
    lines = []
    reasons = Counter(
        (row.comparison.series.benchmark, row.unjudged) for row in rows if row.unjudged
    )
    for (name, reason), count in sorted(reasons.items()):
        lines.append(f"{name}: {reason} ({words.count(count, 'series', 'series')})")
    return lines


def text(pairing: Pairing, rows: Sequence[Row]) -> str:
    """Return a table for a terminal, and what the two machines differ in."""
    lines = fitted([_head(pairing), *map(_cells, rows)], range(1, 5), over=(0,), under=(6,))
    if pairing.differing:
        lines += ["", "They differ in"]
        lines += [f"  {name}: {base} | {side}" for name, base, side in _differing(pairing)]
    return "\n".join(lines) + "\n"


def markdown(pairing: Pairing, rows: Sequence[Row]) -> str:
    """Return a table for a pull request; what the machines differ in is folded."""
    rule = ["---", "---:", "---:", "---:", "---:", "---", "---"]
    lines = [*map(_bar, (_head(pairing), rule, *map(_cells, rows)))]
    if pairing.differing:
        head, rule = ("What", pairing.baseline, pairing.side), ["---", "---", "---"]
        lines += ["", "<details><summary>They differ in</summary>", ""]
        lines += [*map(_bar, (head, rule, *_differing(pairing))), "", "</details>"]
    return "\n".join(lines) + "\n"


def json_text(pairing: Pairing, rows: Sequence[Row]) -> str:
    """Return the public form of ``sitegen compare --format json``."""
    differing = [
        {"fact": one.name, "baseline": one.baseline, "side": one.side}
        for one in pairing.differing
        if one.kind == MACHINE
    ]
    comparisons = [_json(row.comparison) for row in rows]
    sides = {"baseline": pairing.baseline, "side": pairing.side}
    return encoded({**sides, "comparisons": comparisons, "differing": differing})


def _head(pairing: Pairing) -> tuple[str, ...]:
    sides = (pairing.baseline, pairing.side)
    return ("Series", *sides, "Cost", "Interval", "Verdict", "Beside it")


def _differing(pairing: Pairing) -> Iterator[tuple[str, str, str]]:
    """Yield what differs in words, but for what is recorded only."""
    for difference in pairing.differing:
        if difference.kind != Comparability.IGNORED:
            side, base = difference.words
            yield f"{difference.title} ({difference.meaning})", base, side


def _json(comparison: Comparison) -> dict[str, Any]:
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


def _cells(row: Row) -> tuple[str, ...]:
    one, unit = row.comparison, effects.unit_of(row.comparison)
    values = [
        f"{words.number(cell, unit)} {unit.text if cell.summary else ''}".rstrip()
        for cell in (one.baseline, one.side)
    ]
    if one.reason:
        return row.series, *values, "", "", one.verdict, one.reason
    cost, ends = effects.effect(one), effects.interval(one)
    return row.series, *values, cost, ends, one.verdict, effects.detail(one)


def _bar(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
