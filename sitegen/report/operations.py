"""What one micro-cost is, beside what happens while an operation of other benchmarks runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sitegen.analysis import contrasts
from sitegen.analysis.compare import Analysis
from sitegen.analysis.contrasts import Counted
from sitegen.catalogue.families import family, worded_series
from sitegen.catalogue.tool import PerOperation
from sitegen.catalogue.units import display, significant
from sitegen.report import words
from sitegen.report.sections import Row, Section, TextTable


def section(analysis: Analysis, contrast: PerOperation) -> Section | None:
    """Return what one micro-cost comes to, beside what happened while others' operations ran.

    First the operations of headlines, a table a count with the environments side by side; then all.
    """
    sentences = _of_one(analysis, contrast)
    counted = contrasts.per_operation(analysis, contrast)
    if not sentences and not counted:
        return None
    tables = [*_of_headlines(analysis, contrast, counted), *_of_all(analysis, contrast, counted)]
    if not counted:
        others = (family(benchmark).title.lower() for benchmark, _ in contrast.operations)
        names = words.enumerate_words(list(others))
        sentences.append(
            f"What happens while an operation runs is not measured: no run of {names} counts it."
        )
    return Section(
        "per-operation",
        contrast.title,
        "counts an operation: of the whole machine while the step ran, other programs and the"
        " benchmark's own start among it, over the operations that the benchmark counted",
        tuple(sentences),
        tables=tuple(tables),
    )


def _of_headlines(
    analysis: Analysis, contrast: PerOperation, counted: Sequence[Counted]
) -> Iterator[TextTable]:
    """Yield a table for each count that is shown first; none where no operation is a headline's."""
    by_title: dict[str, dict[str, Counted]] = {}
    for benchmark, _ in contrast.operations:
        here = [one for one in counted if one.series.benchmark == benchmark]
        led = worded_series(analysis.headlines(benchmark), [one.series for one in here])
        for one in here:
            if one.series in led:
                by_title.setdefault(_title(one), {})[one.environment] = one
    there = {label for row in by_title.values() for label in row}
    labels = [label for label in analysis.config.environments if label in there]
    names = [words.platform(analysis.config, label).name for label in labels]
    for place, (count, what) in enumerate(contrast.counts):
        if count in contrast.first and by_title:
            rows: list[Row] = [
                ((title, what), *(_count_cell(row.get(label), place, n=True) for label in labels))
                for title, row in by_title.items()
            ]
            caption = f"{words.upper_first(what)} an operation"
            yield TextTable.of(caption, (caption, *names), rows)


def _of_all(
    analysis: Analysis, contrast: PerOperation, counted: Sequence[Counted]
) -> Iterator[TextTable]:
    rows: list[Row] = []
    for one in counted:
        unit = analysis.metric(one.series.metric).unit_for([one.operations])
        rows.append(
            (
                _title(one),
                words.platform(analysis.config, one.environment).name,
                *(_count_cell(one, place) for place in range(len(contrast.counts))),
                f"{unit.number(one.operations)} {unit.text}",
                (words.count(one.runs, "run"), words.count(one.steps, "step")),
            )
        )
    titles = (what for _, what in contrast.counts)
    head = ("Operation", "Environment", *titles, "operations", "stands on")
    if rows:
        yield TextTable.of(contrast.title, head, rows)


def _title(one: Counted) -> str:
    return words.joined(family(one.series.benchmark).title, words.short(one.series, {}))


def _of_one(analysis: Analysis, contrast: PerOperation) -> list[str]:
    """Return what the micro-cost is in each environment, and against its baseline."""
    sentences: list[str] = []
    compared: set[str] = set()
    title = words.upper_first(contrast.unit_title)

    def name(label: str) -> str:
        return words.platform(analysis.config, label).name

    for one in analysis.comparisons:
        if not contrast.unit.matches(one.series) or one.factor is None or one.reason:
            continue
        base, side = one.baseline, one.side
        if base.summary is None or side.summary is None:
            continue
        compared |= {base.environment, side.environment}
        ours, theirs = (display(cell.summary.value, "s") for cell in (side, base) if cell.summary)
        ends = one.interval and (significant(one.interval.low), significant(one.interval.high))
        stands = words.joined(" to ".join(ends or ()), one.verdict, by="; ")
        sentences.append(
            f"{title} takes {significant(one.factor)} times as long on"
            f" {name(side.environment)} as on {name(base.environment)}:"
            f" {ours} against {theirs}{f' ({stands})' if stands else ''}."
        )
    for cell in analysis.of(contrast.unit.metric.partition(".")[0]):
        alone = cell.environment not in compared and contrast.unit.matches(cell.series)
        if alone and cell.summary:
            text = display(cell.summary.value, "s")
            doubt = f" ({cell.doubt})" if cell.doubt else ""
            sentences.append(f"{title} takes {text} on {name(cell.environment)}{doubt}.")
    return sentences


def _count_cell(one: Counted | None, place: int, *, n: bool = False) -> Sequence[str]:
    """Return the mean of a count with its range, and how many runs it stands on where asked."""
    count = one and one.counts[place]
    if one is None or count is None:
        return ("not measured",)
    mean, low, high = count
    ends = f"{significant(low)} to {significant(high)}" if one.runs > 1 else ""
    return significant(mean), words.joined(ends, words.count(one.runs, "run") if n else "")
