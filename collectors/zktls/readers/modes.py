"""CSVs of SP1 by proof mode: a column a mode, a row a mode, or what was executed only.

No tool owns this form: scripts around SP1's SDK write it, each with names of its own. A file is
known by SP1's words: its modes ``core`` and ``compressed``, or its prover gas. What a column is
follows from its name, and its unit stands there, too, or in its cells, or is asked for. A column
that is no figure and differs between rows (a size, a count of rounds) tells series apart.

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
from typing import Annotated, Literal, NamedTuple

from collectors.zktls import quantities
from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import interactive, proofs, zkvm
from collectors.zktls.readers.proofs import Cells
from sitegen.collect import Reader, Reading, Recorder, Refused, described
from sitegen.collect import settings as language
from sitegen.errors import SitegenError
from sitegen.model import (
    Doubt,
    MetricDefinition,
    Params,
    Status,
    ToolIdentity,
    check_time,
    is_plain,
    params,
)

_MODES = {name: name for name in ("core", "compressed", "groth16", "plonk", "mock")} | {
    "compress": "compressed",
    **dict.fromkeys(("execute", "execution", "exec", "none"), "execution"),
}
#: Columns of stages, in their order; verbs, where the modes are adjectives.
_STAGES = ("core", "compress", "shrink", "wrap", "groth16", "plonk")
_PREFIX = re.compile(r"(core|compressed|compress|shrink|wrap|groth16|plonk)(?:_|$)(.*)")
_STATISTIC = {"median": "p50", "p50": "p50", "mean": "mean", "avg": "mean", "min": "min", "max": "max"}
_TIME = {"s": "s", "ms": "ms", "us": "us", "ns": "ns", "h": "h"} | {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("millis", "milliseconds"), "ms"),
    **dict.fromkeys(("min", "mins", "minutes"), "m"),
}
_BYTES = {"b": 1, "bytes": 1, "byte": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_HERTZ = {"hz": 1, "khz": 1000, "mhz": 10**6}
_OTHER = {"kb", "mb", "gb", "count", "pct", "percent", "usd"}
_UNITS = {*_TIME, *_BYTES, *_HERTZ, *_OTHER}
#: Role -> what its columns are called without mode, statistic and unit.
_NAMES = {
    "prove_time": "prove proving prover prove_time proving_time prover_time proof_time "
    "prove_duration proving_duration proof_generation_time proof_gen_time",
    "verify_time": "verify verify_time verification_time verifier_time verify_duration",
    "execute_time": "execute exec execute_time execution_time exec_time execution_duration "
    "total_execution_time",
    "total_time": "total_time e2e e2e_time end_to_end_time",
    "proof_size": "proof proof_size size_of_proof",
    "cycles": "cycles total_cycles cycle_count num_cycles number_cycles user_cycles "
    "total_instruction_count instruction_count",
    "gas": "prover_gas sp1_gas total_sp1_gas",
    "speed": "speed prove_speed proving_speed throughput",
    "mode": "mode proof_mode proof_type proof_kind prove_mode",
    "program": "program benchmark bench test test_case case name statement guest workload primitive",
    "prover": "prover zkvm vm prover_name backend sp1_prover",
    "version": "version sp1_version prover_version",
    "status": "status success verified ok valid",
    "date": "timestamp date started_at datetime",
    "again": "run run_id rep repetition trial sample row index commit git_commit id",
}
_ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}
_TIMES = ("execute_time", "prove_time", "verify_time", "total_time")
_DONE = ("ok", "true", "success", "succeeded", "pass", "passed", "yes", "1")
_DEVICES = ("cpu", "cuda", "gpu", "network", "local")
#: What a column that is no figure of ours is about where it is no setting either.
_MEASURED = re.compile(
    r"(?:^|_)(?:cycles|per|mem|memory|rss|time|duration|speed|rate|cost|price|energy|usage|shards?"
    r"|segments?|syscalls?|throughput|instruction_count|count)(?:_|$)"
)
_PART = re.compile(r"_(?:cycles|instruction_count)$")
#: Parameters that hold a whole number or a size.
_NUMBERED = ("size", "threads", "cores", "gpus", "concurrency", "processes", "workers", "requests")
_SETTING = re.compile(r"[\w .:/+()-]{1,80}", re.ASCII)
_MOST_CELLS, _MOST_TOLD, _AGREE = 200, 8, Fraction(2, 100)
_DEFINITIONS = (
    MetricDefinition(
        *("sp1.prover_gas", "Prover gas", "count", "none"),
        "SP1's estimate of what a program costs to prove, as it prints it.",
    ),
)


_EXECUTION = "execution"
#: The mode that ends with a stage; and the stages that come before it.
_ENDS = (
    *(("core", "core"), ("compressed", "compress"), ("compressed", "compressed")),
    *(("groth16", "groth16"), ("plonk", "plonk")),
)
_JOINED = ("core", "compress", "compressed", "shrink", "wrap")
_BEFORE = {"core": (), "compressed": ("core",), "groth16": _JOINED, "plonk": _JOINED}
#: What of a row goes for each of its modes; and what of a series its mode says.
_SHARED = ("cycles", "gas", "execute_time")
_NO_MODE = {"proof_system": "", "time_scope": ""}


class Asks(proofs.Asks, frozen=True):
    """What a file does not say."""

    statement: Annotated[str, described("what is proven, as in fibonacci")] = ""
    time_unit: (
        Annotated[Literal["s", "ms"], described("the unit of times that have none: s or ms")] | None
    ) = None
    times: (
        Annotated[
            Literal["whole", "stages"],
            described("whole: times are of finished proofs; stages: they add up"),
        ]
        | None
    ) = None


class _Column(NamedTuple):
    """What a column is: its role, whose mode or stage it is of, its statistic and its unit."""

    name: str
    words: str
    role: str = ""
    of: str = ""
    statistic: str = "value"
    unit: str = ""


#: The figures of one mode: (role, statistic) -> quantity.
_Figures = Mapping[tuple[str, str], Quantity]


def _column(name: str) -> _Column:
    """Return what a column is by its name; one that is not known has no role."""
    words = base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    of, statistic, unit = "", "value", ""
    if match := _PREFIX.fullmatch(base):
        of, base = match[1], match[2]
    for _ in range(2):
        rest, _, last = base.rpartition("_")
        if last in _UNITS and not unit and (rest or of):
            base, unit = rest, last
        elif last in _STATISTIC and statistic == "value" and rest:
            base, statistic = rest, _STATISTIC[last]
    role = _ROLES.get(base, "")
    if of and base in ("", "time", "duration"):
        role = "prove_time"
    elif not of and base in ("", "speed") and unit in _HERTZ:
        role = "speed"
    if (of and role not in (*_TIMES, "proof_size")) or not _fits(role, base, unit):
        return _Column(name, words, unit=unit)
    return _Column(name, words, role, of, statistic, unit)


def _fits(role: str, base: str, unit: str) -> bool:
    """Say whether figures of a role can have a unit."""
    if role in _TIMES:
        return unit in ("", *_TIME)
    if role == "proof_size":
        return unit in _BYTES or (not unit and base != "proof")
    return not unit or (role == "speed" and unit in _HERTZ)


def _columns(data: bytes) -> list[_Column]:
    """Return the columns of a file by its first line; of what stands twice the first counts."""
    line = proofs.head_of(data).lstrip().partition("\n")[0]
    columns: list[_Column] = []
    for name in line.split(",")[:_MOST_CELLS]:
        column = _column(name.strip(' "\r'))
        twice = any(column[2:] == other[2:] for other in columns if other.role)
        columns.append(_Column(*column[:2], unit=column.unit) if twice else column)
    return columns


def knows(data: bytes) -> bool:
    """Say whether its columns, or the cells under them, have SP1's modes or its gas."""
    columns = _columns(data)
    if len(columns) < 2 or zkvm.PERF.knows(data) or interactive.PRIMUS.knows(data):  # noqa: PLR2004 - a table
        return False
    roles = {column.role for column in columns}
    timed = {column.of for column in columns if column.role == "prove_time"} - {""}
    if roles >= {"gas", "cycles"} or (len(timed) > 1 and timed & {"core", "compress", "compressed"}):
        return True
    if not roles >= {"mode", "prove_time"}:
        return False
    at = next(place for place, column in enumerate(columns) if column.role == "mode")
    lines = proofs.head_of(data).lstrip().split("\n")[1:_MOST_CELLS]
    cells = {row[at].strip(' "\r') for line in lines if len(row := line.split(",")) > at}
    return not {_mode(cell) for cell in cells}.isdisjoint(("core", "compressed"))


def _mode(text: str) -> str:
    """Return the mode that a cell names; of none that is known its own words."""
    word = text.rpartition(":")[2].strip().lower()
    return _MODES.get(word, word)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run with every row; raises Refused for mock proofs."""
    columns = _columns(data)
    recorder = Recorder(definitions=_DEFINITIONS)
    table = [*proofs.csv_rows(data, set())]
    settings = [column for column in columns if _is_setting(column, [cells for _, cells in table])]
    versions, dates = set(), set()
    for line, cells in table:
        with proofs.at(f"line {line}"):
            _row(recorder, columns, settings, cells, asks)
        versions.add(_text(columns, cells, "version"))
        dates.add(_text(columns, cells, "date"))
    _check_order(recorder)
    left = [c.name for c in columns if c.name and not c.role and c not in settings]
    if left:
        more = f" and {len(left) - _MOST_TOLD} more" if len(left) > _MOST_TOLD else ""
        recorder.note(f"Columns that are not read: {', '.join(left[:_MOST_TOLD])}{more}."[:300])
    stated = versions.pop() if len(versions) == 1 else ""
    version = language.agreed("prover_version", asks.prover_version or None, stated or None)
    provers = {dict(row.params)["prover"] for row in recorder.measurements}
    recorder.tool = ToolIdentity(provers.pop() if len(provers) == 1 else "several", version or "")
    with contextlib.suppress(SitegenError):
        times = [check_time(f"{date[:19]}Z") for date in dates if date.endswith("Z")]
        recorder.started_at = min(times, default="")
    return (recorder.reading(),)


def _text(columns: Sequence[_Column], cells: Cells, role: str) -> str:
    """Return what a row says in the column of a role, or nothing."""
    name = next((column.name for column in columns if column.role == role), "")
    text = cells.get(name, "").strip()[:_MOST_CELLS]
    return text if is_plain(text) else ""


def _is_setting(column: _Column, rows: Sequence[Cells]) -> bool:
    """Say whether a column tells series apart: whole numbers or names, and nothing measured."""
    if column.role or column.unit or not column.words or _MEASURED.search(column.words):
        return False
    cells = [cells.get(column.name, "").strip() for cells in rows]
    return all(not cell or _SETTING.fullmatch(cell) for cell in cells) and not any(
        re.fullmatch(r"[0-9]*\.[0-9]+", cell) for cell in cells
    )


def _row(
    recorder: Recorder,
    columns: Sequence[_Column],
    settings: Sequence[_Column],
    cells: Cells,
    asks: Asks,
) -> None:
    """Write what one row says, of each mode that it is of."""
    program = _text(columns, cells, "program")
    name = proofs.answer(asks, "statement", proofs.label(program) if program else "")
    work: dict[str, object] = {"statement": name, "prover": "sp1"}
    for column in settings:
        if text := cells[column.name].strip():
            numbered = column.words in _NUMBERED and not text.isdecimal()
            work.setdefault(f"{column.words}_printed" if numbered else column.words, text)
    prover = _text(columns, cells, "prover").lower()
    if prover:
        work["device" if prover in _DEVICES else "prover"] = proofs.label(prover)
    figures = _figures(recorder, name, columns, cells, asks)
    done = _text(columns, cells, "status")
    for mode, own in _by_mode(columns, cells, figures, asks):
        if "mock" in (mode, prover):
            raise Refused("its proofs are mock proofs", fix="prove with SP1_PROVER=cpu or cuda")
        about = params(**dict(proofs.about(asks, mode, **work)))
        series = recorder.series(name, about)
        if done and done.lower() not in _DONE:
            failed = "execute_time" if mode == _EXECUTION else "prove_time"
            series.failed(f"zktls.{failed}", about=_scope(mode, failed))
            recorder.note(f"{name} ({mode}) did not succeed: {done[:80]}.")
            continue
        _write(recorder, name, about, own)
    whole = figures.get("", {}).get(("cycles", "value"))
    for column in columns:
        if whole and not column.role and _PART.search(column.words):
            with proofs.at(column.name):
                part = quantities.count(cells[column.name])
            if part and part > whole.value:
                sentence = f"{column.name} is more than the {whole.value:,.0f} cycles of the whole"
                recorder.doubt(Doubt.INCONSISTENT, sentence, name)


def _figures(
    recorder: Recorder, name: str, columns: Sequence[_Column], cells: Cells, asks: Asks
) -> Mapping[str, dict[tuple[str, str], Quantity]]:
    """Return the figures of a row by mode or stage; those of the row itself stand under nothing."""
    figures: defaultdict[str, dict[tuple[str, str], Quantity]] = defaultdict(dict)
    for column in columns:
        with proofs.at(column.name):
            quantity = _quantity(column, cells.get(column.name, ""), asks)
        if quantity is None:
            continue
        key = (column.role, column.statistic)
        known = figures[column.of].setdefault(key, quantity)
        if abs(known.exact - quantity.exact) > _AGREE * known.exact:
            sentence = f"{column.name} contradicts another column of the same figure"
            recorder.doubt(Doubt.INCONSISTENT, sentence, name)
    return figures


def _quantity(column: _Column, text: str, asks: Asks) -> Quantity | None:
    """Return the figure in a cell in its base unit; None where the column has none."""
    if column.role in _TIMES:
        unit = _TIME.get(column.unit) or asks.time_unit or ""
        if not unit and re.fullmatch(r"[0-9.,]{1,40}", text.strip()) and text.strip("0., "):
            raise SitegenError("it has no unit", fix="add --set time_unit=s, or time_unit=ms")
        return quantities.duration(text, unit)
    if column.role in ("cycles", "gas"):
        count = quantities.count(text)
        return Quantity(float(count), text.strip()) if count else None
    if column.role == "proof_size":
        if column.unit in ("", *_BYTES) and _BYTES.get(column.unit, 1) == 1:
            return quantities.size(text)
        number = quantities.number(text)
        size = number and round(number * _BYTES[column.unit])
        return Quantity(float(size), f"{text.strip()} {column.unit}") if size else None
    if column.role == "speed" and column.unit:
        speed = quantities.number(text)
        return Quantity(float(speed * _HERTZ[column.unit])) if speed else None
    return None


def _by_mode(
    columns: Sequence[_Column],
    cells: Cells,
    figures: Mapping[str, dict[tuple[str, str], Quantity]],
    asks: Asks,
) -> Iterator[tuple[str, _Figures]]:
    """Yield the modes of a row with their figures: by its column, or a column a mode."""
    common = figures.get("", {})
    of = [stage for stage in _STAGES + ("compressed",) if any(c.of == stage for c in columns)]
    if not of:
        stated = _mode(_text(columns, cells, "mode"))
        proven = any(role == "prove_time" for role, _ in common)
        if not (stated or proven or asks.proof_mode):
            stated = _EXECUTION
        if stated not in ("mock", _EXECUTION):
            stated = proofs.answer(asks, "proof_mode", stated and proofs.label(stated))
        yield stated, common
        return
    if asks.proof_mode:
        raise SitegenError("the file says the modes itself", where="--set proof_mode")
    stages = (asks.times or ("stages" if {"compress", "shrink", "wrap"} & {*of} else "")) == "stages"
    shared = {key: value for key, value in common.items() if key[0] in _SHARED}
    for mode, stage in _ENDS:
        own = figures.get(stage, {})
        if not own:
            continue
        if stages:
            before = [each for each in of if each in _BEFORE[mode]]
            own = {**own, **_added([figures.get(each, {}) for each in (*before, stage)])}
        yield mode, {**shared, **own}


def _added(stages: Sequence[_Figures]) -> dict[tuple[str, str], Quantity]:
    """Return the proving time of stages together; nothing where that of one is not there."""
    key = ("prove_time", "value")
    whole = quantities.total(stage.get(key) for stage in stages)
    return {key: whole} if whole else {}


def _scope(mode: str, metric: str) -> Params:
    return proofs.scope(mode) if metric in ("prove_time", "total_time") else ()


def _write(recorder: Recorder, name: str, about: Params, figures: _Figures) -> None:
    """Write the rows of one proof, or of one execution."""
    mode = dict(about)["proof_mode"]
    cycles = figures.get(("cycles", "value"))
    status = Status.OK
    speeds = {}
    for (role, statistic), time in figures.items():
        if role == "prove_time" and cycles and statistic in ("value", "mean", "p50"):
            speeds[statistic] = cycles.exact / time.exact
    theirs = figures.get(("speed", "value"))
    if theirs and "value" in speeds and abs(theirs.exact - speeds["value"]) > _AGREE * theirs.exact:
        sentence = f"its speed of {theirs.value:,.0f} Hz is not cycles over proving time ({mode})"
        recorder.doubt(Doubt.INCONSISTENT, sentence, name)
        status = Status.SUSPECT
    series = recorder.series(name, about, status=status)
    kind = params(cycle_kind="user")
    for (role, statistic), quantity in figures.items():
        if role == "cycles":
            series.add("zktls.cycles", statistic, *quantity, about=kind)
        elif role == "gas":
            series.add("sp1.prover_gas", statistic, *quantity)
        elif role == "proof_size" and mode != _EXECUTION:
            series.add("zktls.proof_size", statistic, *quantity)
        elif role == "execute_time" or (role in _TIMES and mode != _EXECUTION):
            series.add(f"zktls.{role}", statistic, *quantity, about=_scope(mode, role))
        elif role in _TIMES:
            recorder.note(f"{name} was only executed: its {role.replace('_', ' ')} is left out.")
    if mode != _EXECUTION:
        for statistic, speed in speeds.items():
            more = (*proofs.scope(mode), *kind)
            series.add("zktls.proving_speed", statistic, float(speed), about=more)


def _check_order(recorder: Recorder) -> None:
    """Doubt a proof that took less time than one that it contains."""
    times: defaultdict[object, dict[str, list[float]]] = defaultdict(dict)
    for row in recorder.measurements:
        if row.metric == "zktls.prove_time" and row.value and row.statistic in ("value", "mean", "p50"):
            about = dict(row.params)
            mode = about.pop("proof_mode")
            rest = (row.workload, row.statistic, *sorted((about | _NO_MODE).items()))
            times[rest].setdefault(mode, []).append(row.value)
    for key, by_mode in times.items():
        means = {mode: sum(values) / len(values) for mode, values in by_mode.items()}
        for inner, outer in (("core", "compressed"), ("compressed", "groth16"), ("compressed", "plonk")):
            if means.get(outer, means.get(inner, 0)) < means.get(inner, 0) * (1 - float(_AGREE)):
                sentence = f"the {outer} proof took less time than the {inner} one that it contains"
                name = key[0] if isinstance(key, tuple) else ""
                recorder.doubt(Doubt.INCONSISTENT, f"{sentence}: are they stages?", name)


MODES = Reader("sp1-modes", "SP1 by proof mode (CSV)", knows, read, Asks, text=True)
