"""What `sitegen compare` says of two sides: to a terminal, a pull request, a program, a gate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from msgspec import Struct

from sitegen.analysis.compare import Comparison
from sitegen.analysis.differences import MACHINE
from sitegen.analysis.pairing import (
    Pairing,
    Unpaired,
    as_json,
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
from sitegen.report import effects, excerpt, words


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
    """Return what a pull request is told: the answer in one line, and a table of the headlines.

    All else is folded: what is judged and no headline, what was not judged, what differs.
    """
    judged = [row for row in rows if not row.unjudged]
    heads = [row for row in judged if row.comparison.headline]
    others = [row for row in judged if not row.comparison.headline]
    parts = [_answered(pairing, rows), *_table(pairing, heads or others)]
    if heads and others:
        parts += _folded(
            f"{words.count(len(others), 'other series', 'other series')}", *_table(pairing, others)
        )
    if left := [row for row in rows if row.unjudged]:
        lines = [
            (row.series, *_cells(row)[1:3], words.joined(*_cells(row)[5:], by="; ")) for row in left
        ]
        head = ("Series", pairing.baseline, pairing.side, "Why")
        parts += _folded(f"Not judged: {len(left)} of {len(rows)} series", _grid(head, lines))
    if differing := list(_differing(pairing)):
        sides = ("What", pairing.baseline, pairing.side)
        many = words.count(len(differing), "thing")
        parts += _folded(f"They differ in {many}", _grid(sides, differing))
    return "\n\n".join(parts) + "\n"


def _answered(pairing: Pairing, rows: Sequence[Row]) -> str:
    """Return the answer: the worst that is decided, and how many series have which word."""
    heads = [row for row in rows if row.comparison.headline] or list(rows)
    decided = [row for row in rows if row.comparison.decided]
    slower = [row for row in decided if row.comparison.word == Word.SLOWER]
    answer, worst = "nothing is decided", next(iter(slower or decided), None)
    if worst:
        answer = worst.comparison.verdict if slower else "nothing is slower"
    counts = Counter(row.comparison.verdict or "without a word" for row in heads)
    many = words.count(len(heads), "series", "series")
    said = [f"**{excerpt.plain(f'{pairing.side} against {pairing.baseline}: {answer}')}.**"]
    if worst:
        cells = _cells(worst)
        ends = f" ({cells[4]})" if cells[4] else ""
        said.append(
            excerpt.plain(f"The worst that is decided: {cells[0]}, {cells[3]}{ends}, {cells[5]}.")
        )
    said.append(
        excerpt.plain(f"Of {many}: {', '.join(f'{n} {word}' for word, n in counts.most_common())}.")
    )
    return " ".join(said)


def _table(pairing: Pairing, rows: Sequence[Row]) -> list[str]:
    """Return rows as a table, and what stands beside all of them once, under it."""
    if not rows:
        return []
    cells = [_cells(row) for row in rows]
    beside = [row[-1].split("; ") for row in cells]
    common = [part for part in beside[0] if len(rows) > 1 and all(part in each for each in beside)]
    own = ["; ".join(part for part in each if part not in common) for each in beside]
    head, width = _head(pairing), 7 if any(own) else 6
    grid = [(*row[:-1], rest)[:width] for row, rest in zip(cells, own, strict=True)]
    under = [excerpt.plain(f"Of all of these: {'; '.join(common)}.")] if any(common) else []
    return [_grid(head[:width], grid, right=range(1, 5)), *under]


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]], right: Container[int] = ()) -> str:
    rule = ["---:" if place in right else "---" for place in range(len(head))]
    lines = [[excerpt.plain(cell) for cell in row] for row in (head, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _folded(summary: str, *parts: str) -> list[str]:
    return [f"<details><summary>{summary}</summary>", *parts, "</details>"]


def json_text(pairing: Pairing, rows: Sequence[Row]) -> str:
    """Return the public form of ``sitegen compare --format json``."""
    differing = [
        {"fact": one.name, "baseline": one.baseline, "side": one.side}
        for one in pairing.differing
        if one.kind == MACHINE
    ]
    comparisons = [as_json(row.comparison) for row in rows]
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
