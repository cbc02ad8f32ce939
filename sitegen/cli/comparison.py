"""What `sitegen compare` says of two sides: to a terminal, a pull request, a program, a gate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from sitegen.analysis.compare import Comparison
from sitegen.analysis.differences import MACHINE
from sitegen.analysis.pairing import Pairing, Unpaired, as_json, pair, pair_values
from sitegen.analysis.stats import Word
from sitegen.archive import Damaged, library, quarantine
from sitegen.archive.quarantine import SetAside
from sitegen.catalogue.families import matching_headline, natural
from sitegen.catalogue.metrics import Better, Scale
from sitegen.cli.terminal import aligned, encoded
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

    def names(self, series: Series) -> bool:
        """Say whether it is about a series: one of its metrics, or a headline one."""
        if self.everything:
            return True
        return (
            series.metric in self.metrics if self.metrics else matching_headline(series) is not None
        )

    def asks(self, pair: Comparison) -> bool:
        """Say whether it is about a comparison; a gate asks for errors and counts of them too."""
        if self.everything or self.metrics:
            return self.names(pair.series)
        guards = self.limit is not None and pair.metric.scale != Scale.RATIO
        return pair.headline is not None or (guards and pair.metric.better == Better.LOWER)


class Answer(Struct, frozen=True):
    """Two sides as text; the series that are worse than the limit, and what it could not judge."""

    text: str
    damaged: tuple[Damaged, ...]
    above: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    judged: bool = False


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
        if gone and not axis and not any(_is_called(name, r.environment, r.id) for r in runs):
            reason = f"all runs of {name} are damaged: {gone[0].reason}"
            raise Unpaired(reason, fix="see `sitegen fsck`")
    lost = [one for one in damaged if axis or any(one in gone for gone in broken.values())]
    benchmarks = {
        run.benchmark for run in runs if metrics and any(name in metrics for name, _ in run.units)
    }
    if metrics and not benchmarks:
        raise SitegenError(f"no run here has {' or '.join(metrics)}", where="--metric")
    if axis and lost and not any(axis in dict(r.params) for run in runs for r in run.measurements):
        raise Unpaired(f"no whole run has the parameter {axis!r}", fix="see `sitegen fsck`")
    chosen = [run for run in runs if not metrics or run.benchmark in benchmarks]
    if axis:
        pairing = pair_values(chosen, config, axis, *sides, question.environment)
    else:
        pairing = pair(runs, config, *sides, benchmarks)
    table = rows(pairing, question)
    if not table:
        metrics_here = ", ".join(sorted({c.series.metric for c in pairing.comparisons})[:20])
        raise Unpaired("no series is so", fix=f"use --all, or --metric with one of {metrics_here}")
    written = {"json": json_text, "markdown": markdown}.get(question.form, text)(pairing, table)
    if question.limit is None:
        return Answer(written, damaged)
    have = {
        name: {run.benchmark for run in chosen if axis or _is_called(name, run.environment, run.id)}
        for name in sides
    }
    above = tuple(row.series for row in regressions(table, question.limit))
    unjudged = [f"{one.path}: {one.reason}" for one in lost]
    unjudged += _unjudged(pairing, table, have, question)
    judged = not all(row.unjudged for row in table)
    return Answer(written, damaged, above, tuple(unjudged), judged)


def _is_of(run: Damaged, name: str, config: Config) -> bool:
    label, _, run_id = run.path.partition("/")
    return _is_called(name, config.aliases.get(label, label), run_id)


def _is_called(name: str, label: str, run_id: str) -> bool:
    return name in (label, run_id) or run_id.endswith(f"-{name}")


def rows(pairing: Pairing, question: Question) -> list[Row]:
    """Return the series that are asked about, the worst first."""
    chosen = [one for one in pairing.comparisons if question.asks(one)]
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


def _unjudged(
    pairing: Pairing,
    rows: Sequence[Row],
    benchmarks: Mapping[str, Collection[str]],
    question: Question,
) -> list[str]:
    """Return what no limit can judge, a line each: which benchmark, and why.

    ``benchmarks`` are those of each side by its name. What only one side has, a benchmark or a
    series that would be among the rows, has no place in ``rows``.
    """
    ours, theirs = set(benchmarks[pairing.side]), set(benchmarks[pairing.baseline])
    lines = [f"{name}: {pairing.side} has no run" for name in sorted(theirs - ours)]
    lines += [f"{name}: {pairing.baseline} has no run" for name in sorted(ours - theirs)]
    for name in sorted(ours & theirs):
        have: dict[str, set[Series]] = {label: set() for label in pairing.labels}
        for cell in pairing.analysis.of(name):
            # It would be compared, had both sides it.
            better = pairing.analysis.metric(cell.series.metric).better
            compared = better != Better.NONE and cell.series.statistic != "stddev"
            if compared and cell.environment in have and question.names(cell.series):
                have[cell.environment].add(cell.series)
        side, base = have.values()
        for missing, label in ((base - side, pairing.side), (side - base, pairing.baseline)):
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                first = words.title(min(missing, key=natural))
                lines.append(f"{name}: {label} has no {first}{more}")
    reasons = Counter(
        (row.comparison.series.benchmark, row.unjudged) for row in rows if row.unjudged
    )
    for (name, reason), count in sorted(reasons.items()):
        lines.append(f"{name}: {reason} ({words.count(count, 'series', 'series')})")
    return lines


def text(pairing: Pairing, rows: Sequence[Row]) -> str:
    """Return a table for a terminal, and what the two machines differ in."""
    lines = aligned([_head(pairing), *map(_cells, rows)], right=range(1, 5))
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
        answer = f"{worst.comparison.verdict if slower else 'nothing is slower'}"
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
