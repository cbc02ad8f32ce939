"""CSVs of SP1 by proof mode: a column a mode, a row a mode, or what was executed only.

No tool owns this form: scripts around SP1's SDK write it. A file is known by SP1's words, its
modes ``core`` and ``compressed`` or its prover gas. A unit stands in a column's name or in its
cells, or is asked for. A column of names or whole numbers that nobody measured (a size, a count
of rounds) tells series apart.

``core_prove_time`` beside ``compress_...`` or ``wrap_...`` are stages that add up; ``compressed``
is a mode, and the SDK times such a proof as a whole. A proof contains those before it, so one that
took less time is doubted. Of what was executed only there is no proving time and no speed.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Literal

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import columns, interactive, proofs, zkvm
from collectors.zktls.readers.columns import Column
from collectors.zktls.readers.proofs import Cells
from sitegen.collect import Reader, Reading, Recorder, Refused, Series, described
from sitegen.collect import settings as language
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Doubt,
    MetricDefinition,
    Params,
    Status,
    ToolIdentity,
    check_time,
    is_plain,
    params,
)

_EXECUTION, _MOCK = "execution", "mock"
#: Words of a mode column -> mode; of any other its own words are the mode.
_MODES = {"compress": "compressed"} | dict.fromkeys(
    ("execute", "execution", "exec", "none"), _EXECUTION
)
#: Which mode a stage ends, and the stages that come before it.
_JOINED = ("core", "compress", "compressed", "shrink", "wrap")
_ENDS: Sequence[tuple[str, str, Sequence[str]]] = (
    ("core", "core", ()),
    *(("compressed", stage, ("core",)) for stage in ("compress", "compressed")),
    *((mode, mode, _JOINED) for mode in ("groth16", "plonk")),
)
_CONTAINS = (("core", "compressed"), ("compressed", "groth16"), ("compressed", "plonk"))
#: What of a row goes for each of its modes.
_SHARED = ("cycles", "gas", "execute_time")
#: The statistics that a speed is computed of.
_MIDDLE = ("value", "mean", "p50")
_DONE = ("ok", "true", "success", "succeeded", "pass", "passed", "yes", "1")
_DEVICES = ("cpu", "cuda", "gpu", "network", "local")
#: Parameters that hold a whole number.
_NUMBERED = ("size", "threads", "cores", "gpus", "concurrency", "processes", "workers", "requests")
#: Role of a column of what a prover is built from -> its parameter.
_BUILDS = {"version": "prover_version", "commit": "commit"}
_SETTING = re.compile(r"[\w .:/+()-]{0,80}", re.ASCII)
_BARE, _DECIMAL = re.compile(r"[0-9][0-9.,]{0,40}"), re.compile(r"[0-9]{0,20}\.[0-9]{1,40}")
_MOST_CELLS, _MOST_TOLD, _MOST_ROWS, _AGREE = 200, 8, 20_000, Fraction(2, 100)
_DEFINITIONS = (
    MetricDefinition(
        *("sp1.prover_gas", "Prover gas", "count", "none"),
        "SP1's estimate of what a program costs to prove, as it prints it.",
    ),
)
_Times = Annotated[
    Literal["whole", "stages"],
    described("whole: times are of finished proofs; stages: they add up"),
]


class Asks(proofs.Asks, frozen=True):
    """What a file does not say."""

    statement: Annotated[str, described("what is proven, as in fibonacci")] = ""
    time_unit: (
        Annotated[Literal["s", "ms"], described("the unit of times that have none: s or ms")] | None
    ) = None
    times: _Times | None = None


#: The figures of one mode or stage of a row: (role, statistic) -> quantity.
_Figures = Mapping[tuple[str, str], Quantity]


def _columns(data: bytes) -> list[Column]:
    """Return the columns of a file by its first line."""
    line = proofs.head_of(data).lstrip().partition("\n")[0]
    return columns.columns(name.strip(' "\r') for name in line.split(",")[:_MOST_CELLS])


def knows(data: bytes) -> bool:
    """Say whether its columns, or the cells under them, have SP1's modes or its gas."""
    listed = _columns(data)
    roles = {column.role for column in listed}
    timed = {column.of for column in listed if column.role == "prove_time"} - {""}
    if zkvm.PERF.knows(data) or interactive.PRIMUS.knows(data):
        return False
    if roles >= {"gas", "cycles"} or (len(timed) > 1 and not timed.isdisjoint(_JOINED[:3])):
        return True
    if not roles >= {"mode", "prove_time"}:
        return False
    at = next(place for place, column in enumerate(listed) if column.role == "mode")
    lines = proofs.head_of(data).lstrip().split("\n")[1:_MOST_CELLS]
    cells = {row[at].strip(' "\r') for line in lines if len(row := line.split(",")) > at}
    return not {_mode(cell) for cell in cells}.isdisjoint(("core", "compressed"))


def _mode(text: str) -> str:
    """Return the mode that a cell names."""
    word = text.rpartition(":")[2].strip().lower()
    return _MODES.get(word, word)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run with every row; raises Refused for mock proofs."""
    recorder, table = Recorder(definitions=_DEFINITIONS), [*proofs.csv_rows(data, set())]
    rows = [cells for _, cells in table]
    if len(rows) > _MOST_ROWS:
        raise SitegenError(f"it has {len(rows):,} rows, and {_MOST_ROWS:,} at most are read")
    names = [*(rows[0] if rows else ())]
    if len(names) > _MOST_CELLS:
        raise SitegenError(f"it has {len(names):,} columns, and {_MOST_CELLS} at most are read")
    listed = columns.columns(names)
    settings = [column for column in listed if _is_setting(column, listed, rows)]
    for line, cells in table:
        with proofs.at(f"line {line}"):
            _row(recorder, listed, settings, cells, asks)
    _check_order(recorder)
    left = [c.name for c in listed if c.name and not c.role and c not in settings]
    if left:
        more = f" and {len(left) - _MOST_TOLD} more" if len(left) > _MOST_TOLD else ""
        recorder.note(f"Columns that are not read: {', '.join(left[:_MOST_TOLD])[:300]}{more}.")
    version, commit = (_of_all(listed, rows, role) for role in _BUILDS)
    if version is not None:
        version = language.agreed("prover_version", asks.prover_version or None, version or None)
    recorder.parameter("commit", commit or None, Comparability.CAVEAT)
    provers = {dict(row.params)["prover"] for row in recorder.measurements}
    recorder.tool = ToolIdentity(provers.pop() if len(provers) == 1 else "several", version or "")
    dates = {_text(listed, cells, "date") for cells in rows}
    with contextlib.suppress(SitegenError):
        times = [check_time(f"{date[:19]}Z") for date in dates if date.endswith("Z")]
        recorder.started_at = min(times, default="")
    return (recorder.reading(),)


def _text(listed: Sequence[Column], cells: Cells, role: str) -> str:
    """Return what a row says in the column of a role, or nothing."""
    name = next((column.name for column in listed if column.role == role), "")
    text = cells.get(name, "").strip()[:_MOST_CELLS]
    return text if is_plain(text) else ""


def _of_all(listed: Sequence[Column], rows: Sequence[Cells], role: str) -> str | None:
    """Return what all rows say in the column of a role, "" for nothing; None where they differ."""
    texts = {_text(listed, cells, role) for cells in rows}
    return texts.pop() if len(texts) == 1 else None


def _is_setting(column: Column, listed: Sequence[Column], rows: Sequence[Cells]) -> bool:
    """Say whether a column tells series apart: whole numbers or names, and nothing measured.

    So do versions and commits, where a file has several.
    """
    if column.role in _BUILDS:
        return _of_all(listed, rows, column.role) is None
    if column.measured or not column.words:
        return False
    cells = [cells.get(column.name, "").strip() for cells in rows]
    return all(map(_SETTING.fullmatch, cells)) and not any(map(_DECIMAL.fullmatch, cells))


def _row(
    recorder: Recorder,
    listed: Sequence[Column],
    settings: Sequence[Column],
    cells: Cells,
    asks: Asks,
) -> None:
    """Write what one row says, of each mode that it is of."""
    program, done = _text(listed, cells, "program"), _text(listed, cells, "status")
    name = proofs.answer(asks, "statement", proofs.label(program) if program else "")
    work: dict[str, object] = {"prover": "sp1"}
    if prover := _text(listed, cells, "prover").lower():
        work["device" if prover in _DEVICES else "prover"] = proofs.label(prover)
    for column in settings:
        if column.role in _BUILDS:
            built, said = _BUILDS[column.role], _text(listed, cells, column.role)
            work[built] = language.agreed(built, getattr(asks, built, "") or None, said or None)
        elif text := cells[column.name].strip():
            numbered = column.words in _NUMBERED and not text.isdecimal()
            work.setdefault(f"{column.words}_printed" if numbered else column.words, text)
    figures = _figures(recorder, name, listed, cells, asks)
    for mode, own in _by_mode(listed, cells, figures, asks):
        if _MOCK in (mode, prover):
            raise Refused("its proofs are mock proofs", fix="prove with SP1_PROVER=cpu or cuda")
        about = proofs.about(asks, mode, **{"statement": name, **work})
        if done and done.lower() not in _DONE:
            metric = "execute_time" if mode == _EXECUTION else "prove_time"
            series = recorder.series(name, about)
            series.failed(f"zktls.{metric}", about=_about(metric, mode))
            recorder.note(f"{name} ({mode}) did not succeed: {done[:80]}.")
        else:
            _write(recorder, name, about, own)
    _check_parts(recorder, name, listed, cells, figures.get("", {}))


def _figures(
    recorder: Recorder, name: str, listed: Sequence[Column], cells: Cells, asks: Asks
) -> Mapping[str, dict[tuple[str, str], Quantity]]:
    """Return the figures of a row by mode or stage; those of the row itself stand under nothing."""
    figures: defaultdict[str, dict[tuple[str, str], Quantity]] = defaultdict(dict)
    for column in listed:
        with proofs.at(column.name):
            quantity = _quantity(column, cells.get(column.name, ""), asks)
        if quantity is None:
            continue
        known = figures[column.of].setdefault((column.role, column.statistic), quantity)
        if known is not quantity and abs(known.exact - quantity.exact) > _AGREE * known.exact:
            sentence = f"{column.name} contradicts another column of the same figure"
            recorder.doubt(Doubt.INCONSISTENT, sentence, name)
    return figures


def _quantity(column: Column, text: str, asks: Asks) -> Quantity | None:
    """Return the figure in a cell in its base unit; None where the column has none."""
    text = text.strip()
    if column.role in columns.TIMES:
        unit = columns.TIME_UNITS.get(column.unit) or asks.time_unit or ""
        if not unit and _BARE.fullmatch(text) and text.strip("0.,"):
            raise SitegenError("it has no unit", fix="add --set time_unit=s, or time_unit=ms")
        return quantities.duration(text, unit)
    if column.role in ("cycles", "gas"):
        count = quantities.count(text)
        return Quantity(float(count), text) if count else None
    if column.role == "proof_size":
        factor = columns.BYTES.get(column.unit, 1)
        number = quantities.number(text) if factor > 1 else None
        sized = number and Quantity(float(round(number * factor)), f"{text} {column.unit}")
        return quantities.size(text) if factor == 1 else sized or None
    if column.role == "speed" and column.unit:
        speed = quantities.number(text)
        return Quantity(float(speed * columns.HERTZ[column.unit])) if speed else None
    return None


def _by_mode(
    listed: Sequence[Column],
    cells: Cells,
    figures: Mapping[str, dict[tuple[str, str], Quantity]],
    asks: Asks,
) -> Iterator[tuple[str, _Figures]]:
    """Yield the modes of a row with their figures: by its column, or a column a mode."""
    common = figures.get("", {})
    of = [stage for stage in columns.STAGES if any(column.of == stage for column in listed)]
    if not of:
        yield _stated(_mode(_text(listed, cells, "mode")), common, asks), common
        return
    if asks.proof_mode:
        raise SitegenError("the file says the modes itself", where="--set proof_mode")
    verbs = not {"compress", "shrink", "wrap"}.isdisjoint(of)
    adding = (asks.times or ("stages" if verbs else "whole")) == "stages"
    shared = {key: value for key, value in common.items() if key[0] in _SHARED}
    for mode, stage, before in _ENDS:
        own = figures.get(stage)
        if own and adding:
            names = [*(name for name in of if name in before), stage]
            times = [figures.get(name, {}).get(("prove_time", "value")) for name in names]
            own = {key: value for key, value in own.items() if key[0] != "prove_time"}
            if whole := quantities.total(times):
                own["prove_time", "value"] = whole
        if own:
            yield mode, {**shared, **own}


def _stated(mode: str, figures: _Figures, asks: Asks) -> str:
    """Return the mode of a row; without one, and without a proof, it was only executed."""
    proven = any(role == "prove_time" for role, _ in figures)
    if mode in (_MOCK, _EXECUTION) or not (mode or proven or asks.proof_mode):
        return mode or _EXECUTION
    return proofs.answer(asks, "proof_mode", mode and proofs.label(mode))


@lru_cache(maxsize=256)
def _about(metric: str, mode: str) -> Params:
    """Return the parameters that rows of a metric have beside those of their series."""
    return {
        **dict.fromkeys(("prove_time", "total_time"), proofs.scope(mode)),
        "cycles": params(cycle_kind="user"),
        "proving_speed": (*params(cycle_kind="user"), *proofs.scope(mode)),
    }.get(metric, ())


def _write(recorder: Recorder, name: str, about: Params, figures: _Figures) -> None:
    """Write the rows of one proof, or of one execution."""
    mode = dict(about)["proof_mode"]
    if mode == _EXECUTION:
        left = {role for role, _ in figures if role not in _SHARED}
        if left & {*columns.TIMES, "proof_size"}:
            recorder.note(f"{name} was only executed: what its row says of a proof is left out.")
        figures = {key: value for key, value in figures.items() if key[0] in _SHARED}
    cycles, theirs = figures.get(("cycles", "value")), figures.get(("speed", "value"))
    speeds = {
        statistic: cycles.exact / time.exact
        for (role, statistic), time in figures.items()
        if cycles and role == "prove_time" and statistic in _MIDDLE
    }
    status = Status.OK
    if theirs and abs(theirs.exact - speeds.get("value", theirs.exact)) > _AGREE * theirs.exact:
        sentence = f"its speed of {theirs.value:,.0f} Hz is not cycles over proving time ({mode})"
        recorder.doubt(Doubt.INCONSISTENT, sentence, name)
        status = Status.SUSPECT
    series = recorder.series(name, about, status=status)
    for (role, statistic), quantity in figures.items():
        if role != "speed":
            _add(series, role, statistic, quantity, mode)
    for statistic, speed in speeds.items():
        _add(series, "proving_speed", statistic, Quantity(float(speed)), mode)


def _add(series: Series, role: str, statistic: str, quantity: Quantity, mode: str) -> None:
    metric = "sp1.prover_gas" if role == "gas" else f"zktls.{role}"
    series.add(metric, statistic, *quantity, about=_about(role, mode))


def _check_parts(
    recorder: Recorder, name: str, listed: Sequence[Column], cells: Cells, figures: _Figures
) -> None:
    """Doubt cycles of a part that are more than those of the whole."""
    whole = figures.get(("cycles", "value"))
    for column in listed:
        if whole and column.part:
            with proofs.at(column.name):
                part = quantities.count(cells[column.name])
            if part and part > whole.value:
                sentence = f"{column.name} is more than the {whole.value:,.0f} cycles of the whole"
                recorder.doubt(Doubt.INCONSISTENT, sentence, name)


def _check_order(recorder: Recorder) -> None:
    """Doubt a proof that took less time than one that it contains."""
    times: defaultdict[tuple[str, Params], dict[str, list[float]]] = defaultdict(dict)
    for row in recorder.measurements:
        if row.metric == "zktls.prove_time" and row.value and row.statistic in _MIDDLE:
            about = dict(row.params)
            mode = about.pop("proof_mode")
            rest = params(**about | {"proof_system": row.statistic, "time_scope": None})
            times[row.workload, rest].setdefault(mode, []).append(row.value)
    for (name, _), by_mode in times.items():
        means = {mode: sum(values) / len(values) for mode, values in by_mode.items()}
        for inner, outer in _CONTAINS:
            least = means.get(inner, 0.0) * float(1 - _AGREE)
            if means.get(outer, least) < least:
                sentence = f"the {outer} proof took less time than the {inner} one in it"
                recorder.doubt(Doubt.INCONSISTENT, f"{sentence}: are they stages?", name)


MODES = Reader("sp1-modes", "SP1 by proof mode (CSV)", knows, read, Asks, text=True)
