"""What one micro-cost is, beside what happens while an operation of other benchmarks runs."""

from __future__ import annotations

from collections.abc import Sequence

from sitegen.analysis import contrasts
from sitegen.analysis.compare import Analysis
from sitegen.catalogue.families import family
from sitegen.catalogue.tool import PerOperation
from sitegen.catalogue.units import display, significant
from sitegen.report import words
from sitegen.report.sections import Row, Section, TextTable


def section(analysis: Analysis, contrast: PerOperation) -> Section | None:
    """Return what one micro-cost comes to, beside what happened while others' operations ran."""
    sentences = _of_one(analysis, contrast)
    counted = contrasts.per_operation(analysis, contrast)
    if not sentences and not counted:
        return None
    rows: list[Row] = []
    for one in counted:
        unit = analysis.metric(one.series.metric).unit_for([one.operations])
        rows.append(
            (
                words.joined(family(one.series.benchmark).title, words.short(one.series, {})),
                words.platform(analysis.config, one.environment).name,
                *(_count_cell(each, one.runs) for each in one.counts),
                f"{unit.number(one.operations)} {unit.text}",
                (words.count(one.runs, "run"), words.count(one.steps, "step")),
            )
        )
    titles = (what for _, what in contrast.counts)
    head = ("Operation", "Environment", *titles, "operations", "stands on")
    if not rows:
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
        tables=(TextTable.of(contrast.title, head, rows),) if rows else (),
    )


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


def _count_cell(count: tuple[float, float, float] | None, runs: int) -> Sequence[str]:
    if count is None:
        return "not measured"
    mean, low, high = count
    ends = f"{significant(low)} to {significant(high)}" if runs > 1 else ""
    return significant(mean), ends
