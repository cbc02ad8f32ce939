"""The tables of a run's page as markup, joined from strings: a build makes thousands.

What runs of one shape share is joined once, with a slot for what each row shows of a run.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from functools import lru_cache

from sitegen.charts import svg
from sitegen.report import words
from sitegen.report.matrix import ABSENT, MOST_OPEN, Figures, Head, Planned, PlannedRow
from sitegen.report.run import Detail, RunPage
from sitegen.report.run_steps import StepOutput
from sitegen.report.siblings import Link

#: What a row shows of a run, as slots or markup: cells, spread, what it opens to.
Slotted = tuple[str, str, str]
#: Tables that stand open, and steps that stand in a list of their own.
_MOST_TABLES, _MANY = 8, 12
_LACKING = f'<td class="n qq">{ABSENT}</td>'


@lru_cache(maxsize=65536)
def escaped(text: str) -> str:
    """Return a text as markup."""
    return html.escape(text)


@lru_cache(maxsize=65536)
def _quoting(text: str) -> str:
    """Return a text as markup that stands in no attribute: quotes stay as they are."""
    return html.escape(text, quote=False)


def beside(page: RunPage) -> tuple[str, str, list[str]]:
    """Return what stands before and after the run, what is of its session, and these addresses."""
    siblings, addresses = page.siblings, []

    def link(to: Link | None) -> str:
        if to is None:
            return ""
        addresses.append(address := f"../../runs/{to[0]}/index.html")
        return f'<a href="{address}">{_quoting(to[1])}</a>'

    before, after = link(siblings.previous), link(siblings.next)
    told = words.joined(
        f"Before it: {before}" if before else "",
        f"{'after' if before else 'After'} it: {after}" if after else "",
    )
    session = "".join([link(one) for one in siblings.session])
    return f" {told}." if told else "", session, addresses


def heads(page: RunPage) -> list[str]:
    """Return the head of each table: its units are those of the run's values."""
    return [_head(*each) for each in zip(page.heads, map(bool, page.by_second), strict=True)]


def of_rows(page: RunPage) -> Iterator[Slotted]:
    """Yield what each row shows of its run."""
    for table, figures, details, drawn in zip(
        page.tables, page.figures, page.details, page.by_second, strict=True
    ):
        wide = bool(drawn)
        for row, of_row, detail in zip(table.rows, figures, details, strict=True):
            yield (
                _cells(row, of_row, detail, wide=wide),
                escaped(of_row.spread),
                _more(of_row, detail),
            )


def _cells(row: PlannedRow, figures: Figures, detail: Detail, *, wide: bool) -> str:
    off = figures.off
    if off:
        parts = [
            _LACKING
            if not at
            else f'<td class="n"><span class="off">{escaped(text)}</span></td>'
            if place in off
            else f'<td class="n">{escaped(text)}</td>'
            for place, (text, at) in enumerate(zip(figures.cells, row.columns, strict=True))
        ]
    else:
        parts = [
            f'<td class="n">{escaped(text)}</td>' if text else _LACKING for text in figures.cells
        ]
    if wide:
        parts.append(f'<td class="sp">{svg.sparkline(detail.line) if detail.line else ""}</td>')
    mark = figures.mark
    if not mark and detail.reasons:
        mark = detail.reasons[0].partition(":")[0].lower()
    parts.append(f'<td><span class="m">{escaped(mark)}</span></td>' if mark else "<td></td>")
    return "".join(parts)


def _more(figures: Figures, detail: Detail) -> str:
    """Return what a row opens to: doubts, repetitions, commands."""
    parts = [f'<p class="note">{escaped(reason)}</p>' for reason in detail.reasons]
    if figures.lists:
        pairs = "".join(
            [
                f"<dt>{escaped(name)}</dt><dd>{html.escape(values)}</dd>"
                for name, values in figures.lists
            ]
        )
        parts.append(f'<dl class="reps">{pairs}</dl>')
    parts += [_step(one) for one in detail.steps]
    return "".join(parts)


def _step(step: StepOutput) -> str:
    """Return a command to copy, how it went, and the beginning of what it printed."""
    command = (
        f'<pre class="copy" data-copy tabindex="0">{_quoting(step.command)}</pre>'
        if step.command
        else ""
    )
    ended = f', <span class="m">ended with code {step.exit_code}</span>' if step.exit_code else ""
    excerpt = (
        f"<details><summary>Output, its beginning</summary><pre>{html.escape(step.excerpt)}</pre>"
        "</details>"
        if step.excerpt
        else ""
    )
    about = f"{escaped(step.repetition)}, {escaped(step.about)}"
    return f'{command}<p class="note">{about}{ended}</p>{excerpt}'


@lru_cache(maxsize=1024)
def parameters(rows: tuple[tuple[str, str, str], ...]) -> str:
    """Return the rows of the table of parameters: many runs have the same."""
    return "".join(
        [
            f'<tr><th scope="row">{escaped(name)}</th><td>{html.escape(value)}</td>'
            f'<td class="qq">{escaped(meaning)}</td></tr>'
            for name, value, meaning in rows
        ]
    )


def steps(page: RunPage) -> str:
    """Return each command that belongs to no row, folded; many of them once more."""
    made = "".join(
        [
            f"<details><summary>{escaped(one.name)}, {escaped(one.repetition)}</summary>"
            f"{_step(one)}</details>\n"
            for one in page.outputs
        ]
    )
    if len(page.outputs) <= _MANY:
        return made
    return _folded(f"{len(page.outputs)} steps", made)


def tables(page: RunPage, heads: Sequence[str], slots: Sequence[Slotted], root: str) -> str:
    """Return the tables with ``heads`` and what their rows show.

    What says nothing of cost, and tables beyond those that a page has room for, are folded.
    """
    given, uses = iter(slots), iter(page.uses or ((),) * len(slots))
    major = [table for table in page.tables if not table.minor][:_MOST_TABLES]
    parts: list[str] = []
    rest: list[tuple[str, str]] = []
    room = MOST_OPEN
    for table, head, drawn in zip(page.tables, heads, page.by_second, strict=True):
        width = len(table.columns) + 3 + bool(drawn)
        rows = [
            _row(row, next(given), next(uses), width, page.benchmark, root) for row in table.rows
        ]
        if table not in major:
            rest.append((table.title, _table(table, head, rows)))
            continue
        if len(major) > 1:
            parts.append(f"<h3>{escaped(table.title)}</h3>")
        shown, folded = rows[:room], rows[room:]
        if shown:
            parts.append(_table(table, head, shown))
        if folded:
            more = words.count(len(folded), "more workload")
            parts.append(_folded(more, _table(table, head, folded)))
        room -= len(shown)
    if rest:
        names = [name for name, _ in rest[:_MOST_TABLES]]
        left = [f"{len(rest) - len(names)} more"] if len(rest) > len(names) else []
        summary = f"Also measured: {words.lower_first(words.enumerate_words([*names, *left]))}"
        parts.append(_folded(summary, "".join([markup for _, markup in rest])))
    return "".join(parts)


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{escaped(summary)}</summary>{inside}</details>"


def _table(table: Planned, head: str, rows: Sequence[str]) -> str:
    name = escaped(table.title)
    lacking = any(not at for row in table.rows for at in row.columns)
    note = f'<p class="note">{ABSENT} not measured.</p>' if lacking else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {name}">'
        f'<table class="matrix">{head}<tbody>{"".join(rows)}</tbody></table></div>{note}\n'
    )


@lru_cache(maxsize=4096)
def _head(head: Head, drawn: bool) -> str:  # noqa: FBT001 - of a cached function
    two = any(len(group.statistics) > 1 for group in head.groups)
    down = ' rowspan="2"' if two else ""
    first, second = [f'<th scope="col"{down}>Workload</th>'], []
    for group in head.groups:
        name = (
            f'<a href="../../methodology/index.html#{escaped(group.metric_id)}">'
            f"{escaped(group.title)}</a>"
        )
        if len(group.statistics) > 1:
            across = len(group.statistics)
            first.append(
                f'<th scope="colgroup" class="n over" colspan="{across}">{name}'
                f" <small>{escaped(group.unit)}</small></th>"
            )
            second += [
                f'<th scope="col" class="n">{escaped(one or "value")}</th>'
                for one in group.statistics
            ]
        else:
            about = words.joined(group.statistics[0], group.unit)
            first.append(
                f'<th scope="col" class="n"{down}>{name} <small>{escaped(about)}</small></th>'
            )
    if drawn:
        first.append(f'<th scope="col" class="sp"{down}>By the second, from 0</th>')
    first.append(f'<th scope="col"{down}><span class="vh">Doubt</span></th>')
    first.append(f'<th scope="col"{down}><span class="vh">Link</span></th>')
    below = f"<tr>{''.join(second)}</tr>" if second else ""
    return f"<thead><tr>{''.join(first)}</tr>{below}</thead>"


def _row(  # noqa: PLR0913 - what a row is made of
    row: PlannedRow,
    slots: Slotted,
    uses: Sequence[tuple[str, str]],
    width: int,
    benchmark: str,
    root: str,
) -> str:
    cells, spread, more = slots
    own, *others = map(escaped, row.ids)
    about = escaped(row.about)
    also = "".join([f'<span id="{one}"></span>' for one in others])
    links = "".join(
        [
            f'<a href="{root}{benchmark}/index.html#{escaped(address)}">{escaped(sides)}</a>'
            for address, sides in uses
        ]
    )
    used = f'<p class="links"><span>Used in</span>{links}</p>' if links else ""
    told = " · ".join(filter(None, (about, spread)))
    inside = f"<p>{told}</p>"
    if more or used:
        inside = f"<details><summary>{told or 'details'}</summary>{more}{used}</details>"
    return (
        f'<tr id="{own}"><th scope="row">{escaped(row.title)}{also}</th>{cells}'
        f'<td class="addr"><a href="#{own}" aria-label="Link to this row">¶</a></td></tr>'
        f'<tr class="more"><td colspan="{width}">{inside}</td></tr>\n'
    )
