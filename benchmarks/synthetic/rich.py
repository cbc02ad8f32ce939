"""The rich report: what a careful report has, on which pages are judged.

Three platforms, five sessions each, all benchmarks. The shape of a run (its rows, steps,
parameters and samples) is that of a real one in this repository's archive. Its values are that
run's, carried over to another machine: by the speed of each step, by what guest and TEE cost, by
noise of repetition, run and boot, and by what befell the session. `rich.toml` says all of that.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby, product
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar
from unittest import mock

import msgspec
from msgspec import Struct, structs
from msgspec.structs import replace

from benchmarks.synthetic import plain
from sitegen import fingerprint
from sitegen.archive import Archive
from sitegen.collect import timestamp
from sitegen.model import (
    Fingerprint,
    Measurement,
    Params,
    Remark,
    RemarkKind,
    Run,
    Sample,
    Signal,
    Status,
    StepRecord,
    TeeVerdict,
    params,
    run_id,
)

_Value = TypeVar("_Value")
_HERE = Path(__file__).parent
_MODELS = Archive(_HERE.parents[1] / "archive")
_STANDARD, _REPETITIONS = "standard", 3
_VERIFY, _QUOTE = params(part="verify"), params(part="quote")
_TAIL, _JITTER, _PACE, _COUNTED = 0.05, 0.003, 0.01, 0.03
_PERIOD = timedelta(days=9)
_FIRST, _TURN, _LATER_S = timedelta(hours=5, minutes=30), timedelta(hours=5), 10_000.0


class Event(msgspec.Struct, frozen=True):
    """What befell steps of a session: in all repetitions or one; conditions as least and most.

    What was so ``before`` befell all sessions before it too.
    """

    label: str
    session: int
    steps: str
    repetition: int | None = None
    slower: float = 1.0
    status: Status = Status.OK
    busy: dict[str, tuple[float, float]] = {}
    before: bool = False

    def befell(self, label: str, number: int) -> bool:
        """Say whether it befell a session of a platform."""
        at = number <= self.session if self.before else number == self.session
        return at and label == self.label


class Extra(msgspec.Struct, frozen=True):
    """A run beside those of the sessions, or what was said of a run and when."""

    label: str
    session: int
    benchmark: str
    kind: str
    at: str = ""
    text: str = ""


class Tables(msgspec.Struct, frozen=True):
    """The tables of `rich.toml`, where each is explained."""

    labels: tuple[str, ...]
    days: tuple[str, ...]
    sampled: tuple[int, ...]
    later: int
    spreads: tuple[float, float, float]
    failure: tuple[str, str]
    exact: str
    models: dict[str, str]
    names: dict[str, str]
    steps: dict[str, tuple[float, float, float, float]]
    powers: dict[str, int]
    other_powers: dict[str, int]
    factors: dict[str, float]
    wider: dict[str, tuple[str, ...]]
    events: tuple[Event, ...]
    remarks: tuple[Extra, ...]
    extras: tuple[Extra, ...]
    quick: dict[str, tuple[str, ...]]
    facts: dict[str, dict[str, str]]
    signals: dict[str, dict[str, tuple[str, str]]]
    reasons: dict[str, tuple[str, ...]]


TABLES = msgspec.toml.decode((_HERE / "rich.toml").read_bytes(), type=Tables)


class _Series(NamedTuple):
    """A series of the model: its median, and the middle beyond which its tail begins."""

    step: str
    row: Measurement
    value: float
    middle: float
    power: int  # what a slower step does to it
    exact: bool
    once: bool
    unit: float  # of what the tool printed


class _Model(NamedTuple):
    """A real run, and the series, steps and samples that it lends."""

    run: Run
    series: tuple[_Series, ...]
    steps: tuple[StepRecord, ...]
    samples: tuple[tuple[str, Sample], ...]


class _Session(Struct, frozen=True):
    """One session of one platform; of another ``kind`` what was run beside it, hours later."""

    label: str
    number: int
    kind: str = _STANDARD

    def noise(self, *key: object) -> random.Random:
        """Return the same numbers for the same key, and others for every other."""
        words = map(str, (self.label, self.number, self.kind, *key))
        return random.Random("/".join(words))  # noqa: S311 - noise, not a secret

    def digest(self, name: str, size: int) -> str:
        """Return hexadecimal digits that only this session has."""
        return hashlib.sha256(f"{name} {self.label} {self.number}".encode()).hexdigest()[:size]

    def start(self, benchmark: str) -> datetime:
        """Return when a benchmark begins: within a day the platforms take turns."""
        day = datetime.fromisoformat(TABLES.days[max(self.number, 0)]).replace(tzinfo=UTC)
        day += _PERIOD * min(self.number, 0)  # sessions before the table's have numbers below 0
        turn = (TABLES.labels.index(self.label) + self.number) % len(TABLES.labels)
        before = list(TABLES.models)[: list(TABLES.models).index(benchmark)]
        taken = sum(1.2 * (_model(name).run.duration_s or 0.0) for name in before)
        taken += 0 if self.kind == _STANDARD else _LATER_S
        return day + _FIRST + turn * _TURN + timedelta(seconds=round(taken))

    def events(self, step: str, repetition: int) -> list[Event]:
        """Return what befell a step, named with its benchmark."""
        return [
            event
            for event in TABLES.events
            if event.befell(self.label, self.number)
            and event.repetition in (None, repetition)
            and re.fullmatch(event.steps, step)
        ]


def write(folder: Path, sessions: Collection[int] = range(len(TABLES.days))) -> None:
    """Write the report of these sessions below ``folder``: settings, a note and the archive."""
    shutil.copytree(_HERE / "report", folder, dirs_exist_ok=True)
    archive = Archive(folder / "archive")
    runs = list(product(TABLES.labels, sessions, TABLES.models, [_STANDARD]))
    runs += [(one.label, one.session, one.benchmark, one.kind) for one in TABLES.extras]
    with mock.patch.object(os, "fsync"):  # it can be made again: no reason to wait for a disk
        for label, number, benchmark, kind in runs:
            if number in sessions:
                archive.write(*make(label, number, benchmark, kind))
        for one in TABLES.remarks:
            if one.session in sessions:
                run, _ = make(one.label, one.session, one.benchmark)
                remark = Remark(RemarkKind(one.kind), one.at, one.text)
                archive.remark_on(archive.find(run.id), remark)


def make(
    label: str, number: int, benchmark: str, kind: str = _STANDARD
) -> tuple[Run, dict[str, bytes]]:
    """Return a session's run of a benchmark; or one beside it, quick or interrupted."""
    session, model = _Session(label, number, kind), _model(benchmark)
    name, started_at = f"{benchmark} {kind}", timestamp(session.start(benchmark))
    repetitions = _REPETITIONS if kind == _STANDARD else 1
    settings = {key: value for key, (value, *_) in TABLES.quick.items() if kind == "quick"}
    settings |= {"repetitions": str(repetitions)}
    settings |= {"quote_generation": "configfs-tsm"} if label == "cvm" else {}
    rows = list(_rows(session, model, repetitions))
    steps, raw = _steps(session, model, rows)
    run = replace(
        model.run,
        id=run_id(started_at, benchmark, session.digest(name, 64).encode()),
        environment=label,
        started_at=started_at,
        duration_s=round(sum(step.duration_s for step in steps), 3),
        measurements=tuple(row for _, row in rows),
        samples=tuple(_samples(session, model)) if number in TABLES.sampled else (),
        preset="quick" if kind == "quick" else "standard",
        session=session.digest("session", 12),
        boot=session.digest("boot", 16),
        seed=int(session.digest(f"seed {name}", 7), 16),
        parameters=tuple(
            structs.replace(one, value=settings.get(one.name, one.value))
            for one in model.run.parameters
        ),
        fingerprint=_machine(session),
        steps=steps,
        note="",
        complete=kind != "interrupted",
    )
    return run, raw


@cache
def _slowness(session: _Session, step: str, repetition: int) -> float:
    """Return how much longer a step, named with its benchmark, took than in the model."""
    speed, vm, cvm, noisy = _first(TABLES.steps, step, (1.0, 1.0, 1.0, 1.0))
    slow = {"metal": 1.0, "vm": vm, "cvm": vm * cvm}[session.label] / speed
    for spread, key in zip(TABLES.spreads, ((step, repetition), (step,), ()), strict=True):
        slow *= session.noise(*key).lognormvariate(0, spread * noisy)
    return slow * math.prod(event.slower for event in session.events(step, repetition))


def _first(patterns: Mapping[str, _Value], name: str, default: _Value) -> _Value:
    return next((value for key, value in patterns.items() if re.fullmatch(key, name)), default)


@cache
def _model(benchmark: str) -> _Model:
    """Return the real run of a benchmark, with what a larger machine and a TEE add."""
    run = _MODELS.read(_MODELS.find(TABLES.models[benchmark]))
    rows, steps = list(run.measurements), list(run.steps)
    for row in run.measurements:
        step = _step(benchmark, row.workload, row.params)
        for count in _first(TABLES.wider, f"{benchmark} {step}", ()):
            workload = re.sub(r"\d+$", count, row.workload)
            about = params(**{**dict(row.params), "threads": count})
            rows.append(row._replace(workload=workload, params=about))
    for each in run.steps:
        counts = _first(TABLES.wider, f"{benchmark} {each.name}", ())
        steps += [_again(each, count) for count in counts]
    if benchmark == "secure-inference":
        verified = [row for row in rows if (row.workload, row.params) == ("evidence", _VERIFY)]
        rows += [row._replace(params=_QUOTE) for row in verified]
        steps += [_again(each, "quote") for each in run.steps if each.name == "verify"]
    samples = tuple((_step(benchmark, one.workload, one.params), one) for one in run.samples)
    series = sorted(_series(benchmark, rows), key=lambda one: one.step)
    return _Model(run, tuple(series), tuple(steps), samples)


def _again(step: StepRecord, word: str) -> StepRecord:
    """Return a step that says ``word`` where it says how many threads, or what is timed."""
    old = re.compile(r"(?<=threads-)\d+|(?<=-mmt)\d+|(?<=MB:)\d+|^verify$")
    name, workload, *argv = (old.sub(word, each) for each in (step.name, step.workload, *step.argv))
    return replace(step, name=name, workload=workload, argv=tuple(argv))


def _step(benchmark: str, workload: str, about: Params) -> str:
    """Return the name of the step that a series comes from."""
    have = defaultdict(str, about)
    have["keepalive"] = "-keepalive" if "keepalive" in have else ""
    have["session"] = "handshake" if "mode" in have else "sessions"
    have["evidence"] = "quote" if about == _QUOTE else "verify"
    return TABLES.names.get(f"{benchmark} {workload}", workload).format_map(have)


def _series(benchmark: str, rows: Iterable[Measurement]) -> Iterator[_Series]:
    groups: dict[tuple[str, str, Params], dict[str, list[Measurement]]] = {}
    for row in rows:
        group = groups.setdefault((row.workload, row.metric, row.params), {})
        group.setdefault(row.statistic, []).append(row)
    for (workload, metric, about), group in groups.items():
        step = _step(benchmark, workload, about)
        name = f"{benchmark} {step} {metric}"
        factor = _first(TABLES.factors, name, 1.0)
        medians = {key: median(one.value or 0.0 for one in each) for key, each in group.items()}
        middle = medians.get("p50", medians.get("mean"))
        for statistic, entries in group.items():
            row = entries[0]
            power = _first(TABLES.other_powers, name, TABLES.powers.get(row.unit, 0))
            tail = middle is not None and statistic.startswith(("p", "max"))
            exact = row.unit == "count" or re.fullmatch(TABLES.exact, name) is not None
            shown = float(_digits(row.printed) or 0)
            yield _Series(
                step, row._replace(repetition=0, status=Status.OK),
                medians[statistic] * factor, middle * factor if middle and tail else math.inf,
                power, exact, len(entries) == 1, (row.value or 0.0) / shown if shown else 0.0,
            )  # fmt: skip


def _digits(printed: str | None) -> str:
    """Return what a tool printed, without the unit behind it."""
    return (printed or "").partition(" ")[0].replace(",", "")


def _rows(session: _Session, model: _Model, repetitions: int) -> Iterator[tuple[str, Measurement]]:
    """Yield the rows of a run with the step of each, one repetition after the other."""
    benchmark = model.run.benchmark
    for repetition in range(repetitions):
        for step, group in groupby(model.series, lambda one: one.step):
            if step == "quote" and session.label != "cvm":
                continue
            name = f"{benchmark} {step}"
            slow = _slowness(session, name, repetition)
            tail = session.noise("tail", name, repetition).lognormvariate(0, _TAIL)
            jitter = session.noise("jitter", name, repetition)
            status = next((one.status for one in session.events(name, repetition)), Status.OK)
            for one in group:
                if one.once and repetition:
                    continue
                row = one.row._replace(repetition=repetition, status=status)
                if status != Status.FAILED:
                    drift = 1.0 if one.exact else jitter.lognormvariate(0, _JITTER)
                    yield step, _carried(one, row, slow**one.power if one.power else drift, tail)
                elif re.fullmatch(TABLES.failure[0], f"{row.metric} {row.statistic}"):
                    yield step, row._replace(value=None, printed=None)


def _carried(one: _Series, row: Measurement, scale: float, tail: float) -> Measurement:
    """Return a row with the value on the other machine, in the digits that the tool prints."""
    value = one.middle + (one.value - one.middle) * tail if one.value > one.middle else one.value
    value *= scale
    if one.unit:
        digits = _digits(row.printed)
        decimals = len(digits.partition(".")[2])
        shown = f"{value / one.unit:.{decimals}f}"
        printed = shown + (row.printed or "")[len(digits) :]
        return row._replace(value=float(f"{float(shown) * one.unit:.12g}"), printed=printed)
    return row._replace(value=float(f"{value:.0f}" if row.unit == "B" else f"{value:.12g}"))


def _samples(session: _Session, model: _Model) -> Iterator[Sample]:
    """Yield the model's samples, carried over: histograms on one axis, the others on the other."""
    powers = {(one.step, one.row.metric): one.power for one in model.series}
    for step, sample in model.samples:
        slow = _slowness(session, f"{model.run.benchmark} {step}", sample.repetition)
        scale = slow ** powers.get((step, sample.metric), 0)
        x, y = (scale, 1.0) if sample.kind == "histogram" else (1.0, scale)
        yield sample._replace(x=float(f"{sample.x * x:.6g}"), y=float(f"{sample.y * y:.6g}"))


def _steps(
    session: _Session, model: _Model, rows: Iterable[tuple[str, Measurement]]
) -> tuple[tuple[StepRecord, ...], dict[str, bytes]]:
    """Return what was executed, one command after the other, and what each printed."""
    printed: dict[tuple[int, str], list[Measurement]] = defaultdict(list)
    for name, row in rows:
        printed[row.repetition, name].append(row)
    planned = {step.name: step for step in model.steps if step.repetition >= 0}
    todo = [(-1, step) for step in model.steps if step.repetition < 0]
    for repetition, group in groupby(sorted(printed), lambda key: key[0]):
        names = [name for _, name in group]
        session.noise("order", model.run.benchmark, repetition).shuffle(names)
        todo += [(repetition, planned[name]) for name in names]
    start = session.start(model.run.benchmark)
    steps: list[StepRecord] = []
    raw: dict[str, bytes] = {}
    for repetition, planned_step in todo:
        step = _executed(session, model.run.benchmark, planned_step, repetition)
        steps.append(replace(step, started_at=timestamp(start)))
        start += timedelta(seconds=step.duration_s)
        if step.raw:
            raw[step.raw[0]] = _output(step, printed[repetition, step.name])
    return tuple(steps), raw


def _executed(session: _Session, benchmark: str, step: StepRecord, repetition: int) -> StepRecord:
    """Return a step of the model as it went in a session."""
    name = f"{benchmark} {step.name}"
    noise = session.noise("step", name, repetition)
    events = session.events(name, repetition)
    failed = Status.FAILED in [event.status for event in events]
    slow = noise.lognormvariate(0, _PACE)
    if repetition >= 0 and benchmark not in ("fio", "hardware", "llm"):  # those take a fixed time
        slow *= _slowness(session, name, repetition)
    shares = {
        "load_before": noise.uniform(0, 0.6),
        "psi_cpu": noise.uniform(0, 0.03),
        "psi_io": noise.uniform(0, 0.7 if benchmark == "fio" else 0.01),
        "psi_memory": 0.0,
        "steal": 0.0 if session.label == "metal" else noise.uniform(0, 0.004),
    }
    for event in events:
        shares |= {share: noise.uniform(*ends) for share, ends in event.busy.items()}
    # An operation that takes longer is interrupted as often: less often a second.
    seen = dict(step.conditions)
    pace = noise.lognormvariate(0, _COUNTED) / _slowness(session, name, repetition)
    shares |= {count: seen[count] * pace for count in fingerprint.RATES if count in seen}
    quick = dict(pair for _, *pair in TABLES.quick.values() if pair and session.kind == "quick")
    return replace(
        step,
        repetition=repetition,
        argv=tuple(quick.get(word, word) for word in step.argv),
        duration_s=round(step.duration_s * slow / (9 if quick else 1), 3),
        exit_code=int(failed),
        cpu_s=step.cpu_s and round(step.cpu_s * slow, 3),
        conditions=tuple((share, round(value, 4)) for share, value in shares.items()),
        values=tuple(pair for pair in step.values if not pair[0].startswith(("device_", "steady"))),
        raw=(f"{step.name}-{repetition}.{'err' if failed else 'out'}",) * (repetition >= 0),
        context=(),
    )


def _output(step: StepRecord, rows: Iterable[Measurement]) -> bytes:
    """Return what a step printed: its main figures, a line each, or its last words."""
    if step.exit_code:
        return f"{TABLES.failure[1]}\n".encode()
    shown = [row for row in rows if row.statistic in ("value", "mean", "total", "p50", "p99")]
    lines = [f"{row.metric:34} {row.statistic:6} {row.value:.7g} {row.unit}\n" for row in shown]
    return f"{step.name}, invented values\n{''.join(lines)}".encode()


def _machine(session: _Session) -> Fingerprint:
    """Return what a session saw of its machine."""
    label, model = session.label, _model("7z").run.fingerprint
    late = f"{label}-later" if session.number >= TABLES.later else ""
    values = {name: value for name, value, _ in plain.FACTS}
    for kind in ("all", "metal" if label == "metal" else "guest", label, late):
        values |= TABLES.facts.get(kind, {})
    facts = TABLES.signals[label]
    signals = [Signal(s.source, *facts.get(s.source, (s.saw, s.means))) for s in model.tee.signals]
    tee = "tdx" if label == "cvm" else "none"
    return Fingerprint(
        tuple(structs.replace(f, value=values.get(f.name, f.value) or None) for f in model.facts),
        TeeVerdict(tee, TABLES.reasons[label], "high", tuple(signals)),
    )
