"""The Markdown that OpenVM's benchmarks print (openvm-prof): a summary, and a table a stage.

The first stage is the program's own, in segments; ``leaf`` and ``internal`` proofs join them,
``root`` and Halo 2 make the result short. ``Proof Time`` is that of all proofs of a stage one
after another, and the time of a proof is that of its stages so far. ``Parallel Proof Time`` is
that of the slowest one, as if there were a prover for each: nobody waited so long, and it is kept
under a name of its own.

``total_proof_time_ms`` spans execution and trace, so it is the time from the input to the proof;
an execution that comes before all segments (``execute_metered``) is no part of it, but of the
summary's total, and in newer reports of the stage's line above. ``stark_prove_excluding_trace``
is proving. What brackets hold is the difference to another report. Keys (``agg_keygen``) are made
beforehand: the total leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Annotated

from msgspec import Struct

from collectors import text_tables
from collectors.zktls import contract, quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from sitegen.collect import Count, Reader, Reading, Recorder, Settings, Size, described
from sitegen.collect import settings as language
from sitegen.collect.text import plain
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    MetricDefinition,
    Params,
    Status,
    ToolIdentity,
    params,
)

_PROVER, _SUMMARY, _PARALLEL = "openvm", "Proof Time (s)", "Parallel Proof Time (s)"
#: The column of a stage's table that a column of the summary is of.
_OF = {_SUMMARY: "sum", _PARALLEL: "max"}
_PROVERS = re.compile(r"Parallel Proof Time \(([0-9]{1,6}) provers\) \(s\)")
_HEAD = re.compile(r"\|\s{0,9}Summary\s{0,9}\|\s{0,9}Proof Time \(s\)\s{0,9}\|")
_DIFFERENCE = re.compile(r"^\([-+][0-9.,]{1,30} \[[-+]?[0-9.,]{1,30}%\]\)\s{0,9}")
_METRIC = ("metric", "avg", "sum", "max", "min")
#: The stages after the program's: how the name begins, which proof ends there, and its system.
_STAGES = (
    ("leaf", "leaf", "stark"),
    ("internal", "compressed", "stark"),
    ("root", "root", "stark"),
    ("halo2_outer", "halo2-outer", "halo2"),
    ("halo2_wrapper", "halo2", "halo2"),
)
#: What the first stage is called where the report does not say which program it is.
_NAMELESS = ("app", "app_proof")
_WHOLE = "total_proof_time_ms"
_TIMES: Mapping[str, tuple[str, ...]] = {
    "execute_time": ("execute_time_ms", "execute_e1_time_ms", "execute_metered_time_ms"),
    "witness_time": ("trace_gen_time_ms",),
    "prove_time": ("stark_prove_excluding_trace_time_ms",),
}
#: Executions before those of the segments.
_BEFORE = ("execute_e1_time_ms", "execute_metered_time_ms")
_CYCLES = ("total_cycles", "execute_metered_insns", "execute_preflight_insns")
_NATIVES = {
    "zktls.total_time": f"{_WHOLE} and execution before it, sum of the stages so far",
    "zktls.setup_time": f"{_WHOLE} of keygen",
    **{f"zktls.{metric}": " or ".join(names) for metric, names in _TIMES.items()},
    "zktls.cycles": " or ".join(_CYCLES),
}
_DEFINITIONS = (
    MetricDefinition(
        *("openvm.stage_time", "Time of a stage", "s", "none"),
        "total_proof_time_ms of one stage: of all its proofs, their mean, the least and the most.",
    ),
    MetricDefinition(
        *("openvm.parallel_time", "Time with a prover for each proof", "s", "none"),
        "The slowest proof of each stage, added up by the tool: computed, not how long it took.",
    ),
)
_FOOT = re.compile(
    r"^(Commit|Max Segment Length|Instance Type|Memory Allocator): {1,9}(\S{1,200})[ \t]*$",
    re.MULTILINE,
)
_COMMIT = re.compile(r"https://github\.com/([\w.-]{1,80}/[\w.-]{1,80})/commit/([0-9a-f]{7,40})")
#: Half of a summary's last digit; what parts may be above their total for being rounded.
_HALF, _MORE = Fraction(1, 200), Fraction(101, 100)


class Asks(Settings, frozen=True):
    """What a report does not say."""

    statement: Annotated[str, described("the program that is proven, as in fibonacci")] = ""
    size: Annotated[Size, described("bytes of the statement that is proven")] | None = None
    threads: Annotated[Count, described("threads that the prover used")] | None = None
    prover_version: proofs.Version = ""


class _Stage(Struct):
    """What a report says of one stage: its line in the summary, and its own table."""

    name: str
    seconds: dict[str, Quantity | None] = {}
    table: dict[str, tuple[str, ...]] | None = None

    @property
    def keygen(self) -> bool:
        """Say whether it makes keys."""
        return self.name.endswith("keygen")

    def text(self, *names: str, column: str = "sum") -> str:
        """Return what stands in a column of the first of these rows that is there.

        What ran once for all proofs has an average only.
        """
        for name in names:
            if row := (self.table or {}).get(name):
                cell = row[_METRIC.index(column)]
                return row[_METRIC.index("avg")] if (cell, column) == ("-", "sum") else cell
        return ""

    def time(self, *names: str, column: str = "sum") -> Quantity | None:
        """Return a time of its table."""
        with proofs.at(f"{self.name}, {names[0]}"):
            return quantities.duration(self.text(*names, column=column), "ms")

    def whole(self, column: str) -> Quantity | None:
        """Return how long its proofs took with the execution before them: all, or the slowest.

        Where its own table is missing that is the time in the summary, which is rounded.
        """
        if time := self.time(_WHOLE, column=_OF[column]):
            before = [quantity for name in _BEFORE if (quantity := self.time(name))]
            return quantities.total([time, *before])
        return self.seconds.get(column)


def knows(data: bytes) -> bool:
    """Say whether it holds the head of the summary."""
    return b"Proof Time (s)" in data and bool(_HEAD.search(plain(data)))


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run that a report is of."""
    text = plain(data)
    proofs.lines_of(text)
    stages, totals = _stages(text)
    recorder = Recorder(definitions=_DEFINITIONS, natives=_NATIVES)
    version = language.agreed("prover_version", asks.prover_version or None, _foot(recorder, text))
    recorder.tool = ToolIdentity(_PROVER, version or "")
    first = stages[0].name
    nameless = first in _NAMELESS or first.startswith(tuple(start for start, *_ in _STAGES))
    name = proofs.answer(asks, "statement", "" if nameless else proofs.label(first))
    wrong = [*_contradictions(stages, totals)]
    for sentence in wrong:
        recorder.doubt(Doubt.INCONSISTENT, sentence, name)
    status = Status.SUSPECT if wrong else Status.OK
    if rounded := [stage.name for stage in stages if stage.table is None]:
        sentence = f"without a table, the times of these are rounded: {', '.join(rounded)}"
        recorder.doubt(Doubt.ROUNDED, sentence[:300], name)
    proven = [stage for stage in stages if not stage.keygen]
    if sentence := _against_total(proven, totals, _PARALLEL):
        # Some versions add it up otherwise; ours is of the stages.
        recorder.note(f"With a prover for each proof the stages took {sentence}.")
    for stage in stages:
        _stage(recorder, name, stage, status)
    _whole(recorder, name, asks, proven, status)
    last = recorder.series(name, _about(asks, name, _modes(stages)[-1]), status=status)
    for stage in stages:
        if stage.keygen and (time := stage.whole(_SUMMARY)):
            last.add("zktls.setup_time", "value", *time, about=params(stage=stage.name))
    for column, time in totals.items():
        if (provers := _PROVERS.fullmatch(column)) and time:
            last.add("openvm.parallel_time", "value", *time, about=params(provers=provers[1]))
    return (recorder.reading(),)


def _stages(text: str) -> tuple[list[_Stage], dict[str, Quantity | None]]:
    """Return the stages of a report in their order, and the totals of its summary by column."""
    stages: dict[str, _Stage] = {}
    totals: dict[str, Quantity | None] = {}
    summaries = 0
    for table in text_tables.in_markdown(text):
        if table.header[:2] == ("Summary", _SUMMARY):
            summaries += 1
            for name, seconds in _summary(table):
                if name == "Total":
                    totals = seconds
                else:
                    stages[name] = _Stage(name, seconds)
        elif table.rows and table.rows[0].cells == _METRIC and not any(table.header[1:]):
            name = table.header[0]
            stage = stages.setdefault(name, _Stage(name))
            if stage.table is not None:
                where = f"line {table.line}"
                raise SitegenError(f"there are two tables of {name[:40]!r}", where=where)
            stage.table = _rows(table)
    if summaries > 1:
        fix = "import each from a file of its own"
        raise SitegenError(f"it holds {summaries} reports", fix=fix)
    proven = [stage for stage in stages.values() if not stage.keygen and stage.whole(_SUMMARY)]
    if not proven:
        raise SitegenError("no stage of a proof is in it")
    return [*proven, *(stage for stage in stages.values() if stage.keygen)], totals


def _summary(table: text_tables.Table) -> Iterator[tuple[str, dict[str, Quantity | None]]]:
    names = set()
    for row in table.rows:
        with proofs.at(f"line {row.line}"):
            if len(row.cells) != len(table.header) or row.cells[0] in names:
                raise SitegenError("it is no line of the summary, or stands there twice")
            names.add(row.cells[0])
            cells = zip(table.header[1:], row.cells[1:], strict=True)
            yield row.cells[0], {name: quantities.duration(_plain(c), "s") for name, c in cells}


def _rows(table: text_tables.Table) -> dict[str, tuple[str, ...]]:
    """Return the rows of a stage's table, by their names."""
    rows: dict[str, tuple[str, ...]] = {}
    for row in table.rows[1:]:
        name = row.cells[0].strip("`_ ")
        if not any(row.cells[1:]):
            continue  # a heading
        if len(row.cells) != len(_METRIC) or name in rows:
            message = "it is no line of a stage, or stands there twice"
            raise SitegenError(message, where=f"line {row.line}")
        rows[name] = tuple(map(_plain, row.cells))
    return rows


def _plain(cell: str) -> str:
    """Return a cell without the difference to another report."""
    return _DIFFERENCE.sub("", cell).strip()


def _foot(recorder: Recorder, text: str) -> str | None:
    """Keep what stands below the tables; return the commit of OpenVM where it is one."""
    told = dict(_FOOT.findall(text))
    recorder.fact("instance_type", told.get("Instance Type"), "Instance Type")
    recorder.parameter("max_segment_length", told.get("Max Segment Length"))
    allocator = told.get("Memory Allocator")
    recorder.parameter("memory_allocator", allocator, Comparability.CAVEAT)
    commit = _COMMIT.fullmatch(told.get("Commit", ""))
    if commit and commit[1].endswith("/openvm"):
        return commit[2]
    recorder.parameter("commit", commit and f"{commit[1]} {commit[2]}", Comparability.CAVEAT)
    return None


def _modes(stages: list[_Stage]) -> list[str]:
    """Return which proof ends with each stage that proves; one not known is named after itself."""
    names = [stage.name for stage in stages if not stage.keygen]
    known = [next((mode for start, mode, _ in _STAGES if n.startswith(start)), "") for n in names]
    return [
        mode or ("core" if number == 0 else proofs.label(name))
        for number, (name, mode) in enumerate(zip(names, known, strict=True))
    ]


def _about(asks: Asks, name: str, mode: str) -> Params:
    systems = {mode: system for _, mode, system in _STAGES} | {"core": "stark"}
    work = {"statement": name, "prover": _PROVER, "proof_system": systems.get(mode)}
    return proofs.about(asks, mode, **work)


def _stage(recorder: Recorder, name: str, stage: _Stage, status: str) -> None:
    """Write what one stage took, under a name of its own: it is a part of a proof."""
    about = params(statement=name, prover=_PROVER, stage=stage.name)
    series = recorder.series(name, about, status=status)
    columns = {"total": "sum", "mean": "avg", "min": "min", "max": "max"}
    times = {key: stage.time(_WHOLE, column=column) for key, column in columns.items()}
    if stage.table is None:
        times["total"] = stage.seconds.get(_SUMMARY)
    one = times["total"] == times["mean"]
    for statistic, time in times.items():
        if time and (statistic == "total" or not one):
            series.add("openvm.stage_time", statistic, *time)


def _whole(recorder: Recorder, name: str, asks: Asks, stages: list[_Stage], status: str) -> None:
    """Write what a proof took up to the program's own, the joined one, and the last one."""
    modes = _modes(stages)
    last = {mode: number for number, mode in enumerate(modes, 1)}
    for number, mode in enumerate(modes, 1):
        if number < last[mode] or (mode not in ("core", "compressed") and number < len(modes)):
            continue
        so_far = stages[:number]
        series = recorder.series(name, _about(asks, name, mode), status=status)
        times = {"total_time": quantities.total(stage.whole(_SUMMARY) for stage in so_far)}
        cycles: dict[str, list[Quantity]] = {}
        if mode == "core":
            times |= {metric: stages[0].time(*names) for metric, names in _TIMES.items()}
            if count := _cycles(stages[0]):
                cycles["user"] = [Quantity(float(count), str(count))]
        present = {metric: [time] for metric, time in times.items() if time}
        contract.write(series, proofs.scope(mode), present, cycles, once=True)
        if parallel := quantities.total(stage.whole(_PARALLEL) for stage in so_far):
            series.add("openvm.parallel_time", "value", *parallel)


def _cycles(stage: _Stage) -> int | None:
    with proofs.at(f"{stage.name}, cycles"):
        return quantities.count(stage.text(*_CYCLES))


def _contradictions(stages: list[_Stage], totals: Mapping[str, Quantity | None]) -> Iterator[str]:
    """Yield what in a report contradicts something else in it, in sentences."""
    proven = [stage for stage in stages if not stage.keygen]
    for stage in stages:
        if stage.table is not None:
            yield from _against_itself(stage)
    if sentence := _against_total(proven, totals, _SUMMARY):
        yield f"the stages took {sentence}"


def _against_total(proven: list[_Stage], totals: Mapping[str, Quantity | None], column: str) -> str:
    """Return how a total of the summary is not that of the stages, or nothing."""
    total, ours = totals.get(column), quantities.total(stage.whole(column) for stage in proven)
    if total and ours and abs(total.exact - ours.exact) > _HALF * (len(proven) + 1):
        return f"{ours.value:g} s together, and the total is {total.value:g} s"
    return ""


def _against_itself(stage: _Stage) -> Iterator[str]:
    """Yield where a stage's table contradicts itself, or its line in the summary."""
    for column, name in _OF.items():
        theirs, ours = stage.seconds.get(column), stage.time(_WHOLE, column=name)
        either = [time.exact for time in (ours, stage.whole(column)) if time]
        if theirs and ours and all(abs(theirs.exact - time) > _HALF for time in either):
            yield f"{stage.name} took {ours.value:g} s by its table, {theirs.value:g} s above"
    ordered = [stage.time(_WHOLE, column=name) for name in ("min", "avg", "max", "sum")]
    whole, listed = ordered[-1], [each.exact for each in ordered if each]
    if listed != sorted(listed):
        yield f"least, mean, most and sum of {stage.name} are not in that order"
    parts = [time for names in _TIMES.values() if (time := stage.time(*names[:1]))]
    if whole and sum(part.exact for part in parts) > _MORE * whole.exact:
        yield f"the parts of {stage.name} took longer than the whole"


OPENVM = Reader("openvm", "OpenVM's benchmark report (Markdown)", knows, read, Asks, text=True)
