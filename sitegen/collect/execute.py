"""Carrying out a plan: the order, the clock, the conditions of the machine, and the record."""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil
from msgspec import Struct
from msgspec.structs import replace

from sitegen import bounds, fingerprint, model
from sitegen.collect import (
    LEFT_OUT,
    Collector,
    Plan,
    Reading,
    Recorder,
    Refused,
    Request,
    Step,
)
from sitegen.collect.host import Host, RawOutput, timestamp
from sitegen.collect.installed import blamed, check_measurement, check_samples
from sitegen.collect.recorder import series_key
from sitegen.errors import SitegenError
from sitegen.model import Fingerprint, Measurement, Sample, Status, ToolIdentity
from sitegen.redact import Redactor, redacted

_FILE = re.compile(r"[A-Za-z0-9._+-]{1,100}")
_SCRATCH = "sitegen-"


class Collected(Struct, frozen=True):
    """A run and the files that go to its ``raw`` folder, redacted."""

    run: model.Run
    raw: Mapping[str, bytes]


class Progress(Struct, frozen=True):
    """Where a collection stands: said before each step and once at the end of it."""

    benchmark: str
    step: str
    done: int
    total: int
    repetition: int
    failed: str = ""
    left_s: float = 0.0  # about


def time_left(about_s: float, elapsed_s: float, done: float) -> float:
    """Return about how many seconds are left when this share of the steps is done.

    At the beginning the plan is believed, and more and more what the steps have taken.
    """
    return (1 - done) * (about_s * (1 - done) + elapsed_s)


def duration(seconds: float) -> str:
    """Return "40 s", "12 min", "1.5 h"."""
    if seconds < 90:  # noqa: PLR2004 - seconds read well up to there
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"  # noqa: PLR2004


@contextlib.contextmanager
def scratch(settings: Mapping[str, str], workdir: Path) -> Iterator[Path]:
    """Yield an empty directory of the run's own, removed afterwards.

    It lies in ``workdir``, or in the existing folder that the setting ``directory`` names.
    """
    parent = Path(settings.get("directory", workdir))
    if "directory" not in settings:
        parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{_SCRATCH}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent.absolute()) as folder:
        yield Path(folder)


def sweep(workdir: Path) -> None:
    """Remove the scratch folders of processes that are gone: killed, they could not."""
    for folder in workdir.glob(f"{_SCRATCH}*-*"):
        owner = folder.name.removeprefix(_SCRATCH).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def execute(  # noqa: PLR0913 - each is a fact of the run
    collector: Collector,
    tool: ToolIdentity,
    plan: Plan,
    request: Request,
    *,
    host: Host,
    environment: str,
    session: str,
    machine: Fingerprint,
    redactor: Redactor,
    seed: int,
    note: str = "",
    progress: Callable[[Progress], None] = lambda _: None,
) -> Collected | None:
    """Run a plan and return what came of it.

    Repetitions are interleaved over the steps in an order drawn from ``seed``. A step that
    fails is recorded as failed and the rest goes on; one that is Refused ends the run, and
    that is raised. An interrupt (Ctrl-C) keeps the repetitions that are whole and marks the run
    incomplete; the return value is None when not one was whole.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    record = _Record(collector, host, redactor)
    order = random.Random(seed)  # noqa: S311 - an order, not a secret
    turns = [(-1, step) for step in plan.prepare]
    for repetition in range(request.repetitions):
        drawn = order.sample(plan.steps, len(plan.steps))
        turns += [(repetition, step) for step in drawn if not (step.once and repetition)]

    about_s = plan.about_s * request.repetitions

    def report(done: int, step: str, repetition: int, failed: str = "") -> None:
        left_s = time_left(about_s, time.monotonic() - clock, done / len(turns))
        progress(Progress(collector.BENCHMARK, step, done, len(turns), repetition, failed, left_s))

    done, whole = 0, request.repetitions
    try:
        for repetition, step in turns:
            report(done, step.name, repetition)
            failed = record.take(step, repetition)
            done += 1
            if failed:
                report(done, step.name, repetition, failed)
    except KeyboardInterrupt:
        # Those before that of the turn that was not taken; none where it prepared.
        whole = max(turns[done][0], 0) if done < len(turns) else request.repetitions
        if not whole:
            return None
    report(len(turns), "", whole - 1)
    steps = tuple(s for s in record.steps if s.repetition < whole)
    names = {name for step in steps for name in step.raw}
    planned = {parameter.name for parameter in plan.parameters}
    run = model.Run(
        id=model.run_id(timestamp(started), collector.BENCHMARK, secrets.token_bytes(16)),
        benchmark=collector.BENCHMARK,
        environment=environment,
        provenance=model.Provenance.COLLECTED,
        started_at=timestamp(started),
        duration_s=round(time.monotonic() - clock, 3),
        measurements=tuple(m for m in record.read.measurements if m.repetition < whole),
        samples=tuple(s for s in record.read.samples if s.repetition < whole),
        preset=request.preset,
        session=session,
        boot=fingerprint.boot_hash(host.root),
        seed=seed,
        tool=record.read.tool or tool,
        definitions=plan.definitions,
        parameters=(
            *plan.parameters,
            *(p for p in record.read.output_settings() if p.name not in planned),
            *(kind.parameter(text, about) for kind, text, about in record.read.doubts()),
            model.Parameter("preset", request.preset, model.Comparability.MUST_MATCH),
            *(
                model.Parameter(f"{model.SET}{collector.BENCHMARK}.{name}", value)
                for name, value in sorted(request.settings.items())
            ),
            model.Parameter("repetitions", str(whole), model.Comparability.IGNORED),
        ),
        fingerprint=machine,
        steps=steps,
        note=note,
        complete=whole == request.repetitions,
    )
    run = redacted(run, redactor)
    return Collected(run, {name: data for name, data in record.raw.items() if name in names})


class _Record:
    """What execute() gathers, step by step."""

    def __init__(self, collector: Collector, host: Host, redactor: Redactor) -> None:
        self.collector, self.host, self.redactor = collector, host, redactor
        self.read = Recorder()
        self.steps: list[model.StepRecord] = []
        self.raw: dict[str, bytes] = {}

    def take(self, step: Step, repetition: int) -> str:
        """Run a step, keep what it said, and return why it failed or nothing.

        Raises SitegenError when one fails that prepares: nothing measured after it would mean
        anything.
        """
        raw = self._run(step, repetition)
        if repetition >= 0:
            return self._parse(step, raw, repetition)
        if raw.exit_code != 0:
            message = f"step {step.name} ended with code {raw.exit_code}: {raw.reason}"
            fix = "mend that and collect again"
            raise SitegenError(message, where=self.collector.BENCHMARK, fix=fix)
        return ""

    def _parse(self, step: Step, raw: RawOutput, repetition: int) -> str:
        rows: tuple[Measurement, ...] = ()
        samples: tuple[Sample, ...] = ()
        owed = step.expects
        try:
            with blamed("parse"):
                reading = self.collector.parse(step, raw)
                rows, samples, problem = usable(reading)
                if not rows and raw.exit_code == 0 and _left_out(reading):
                    owed = ()
                self.read.tool = reading.tool or self.read.tool
                for parameter in reading.parameters:
                    self.read.tells(parameter, step.workload)
                for doubt in reading.doubts:
                    self.read.doubt(*doubt)
        except Refused:
            raise
        except SitegenError as error:
            problem = str(error)
        if raw.exit_code != 0 and not problem:
            problem = f"{step.argv[0]} ended with code {raw.exit_code}"
        keys = {series_key(row) for row in rows}
        missing = [row for row in owed if series_key(row) not in keys]
        if len(self.read.samples) + len(samples) > bounds.MOST_SAMPLES:
            problem = problem or f"a run has {bounds.MOST_SAMPLES:,} samples at most"
            samples = ()
        failed = (row._replace(status=Status.FAILED) for row in missing)
        self.read.measurements += [row._replace(repetition=repetition) for row in (*rows, *failed)]
        self.read.samples += [sample._replace(repetition=repetition) for sample in samples]
        return problem

    def _run(self, step: Step, repetition: int) -> RawOutput:
        """Run a step and keep what it left behind, redacted."""
        before = fingerprint.activity(self.host.root)
        try:
            with blamed("run"):
                raw = self.collector.run(step, self.host)
                for name in raw.files:
                    if not _FILE.fullmatch(name):
                        problem = f"{name[:80]!r} is not usable as the name of a raw output"
                        raise SitegenError(problem)  # noqa: TRY301 - as what the step itself raises
        except Refused:
            raise
        except SitegenError as error:
            # A step that cannot even be started has failed; the others go on.
            message = f"sitegen: {error}\n".encode()
            raw = RawOutput(stderr=message, exit_code=-1, started_at=timestamp(datetime.now(UTC)))
        conditions = fingerprint.conditions(before, fingerprint.activity(self.host.root))
        if step.takes_turns:
            conditions.pop("psi_cpu", None)
        redactor = self.redactor
        raw = replace(
            raw,
            stdout=redactor.data(raw.stdout),
            stderr=redactor.data(raw.stderr),
            files={name: redactor.data(data) for name, data in raw.files.items()},
            values=tuple((name, redactor.pair(name, value)) for name, value in raw.values),
            # To the millisecond, as it is archived: parsing it again gives the same numbers.
            duration_s=round(raw.duration_s, 3),
            cpu_s=None if raw.cpu_s is None else round(raw.cpu_s, 3),
        )
        stem = f"{step.name}-{repetition if repetition >= 0 else 'prepare'}"
        parts = {"out": raw.stdout, "err": raw.stderr, **raw.files}
        # A tool may call a file after the machine that it ran on.
        outputs = {redactor.label(f"{stem}.{name}"): data for name, data in parts.items() if data}
        self.raw.update(outputs)
        self.steps.append(
            model.StepRecord(
                name=step.name,
                workload=step.workload,
                repetition=repetition,
                argv=step.argv,
                started_at=raw.started_at,
                duration_s=raw.duration_s,
                exit_code=raw.exit_code,
                cpu_s=raw.cpu_s,
                conditions=tuple((k, round(v, 4)) for k, v in sorted(conditions.items())),
                values=raw.values,
                raw=tuple(sorted(outputs)),
                params=step.params,
                context=tuple(sorted(step.context)),
            )
        )
        return raw


def _left_out(reading: Reading) -> bool:
    """Say whether a reading tells why there is nothing in it."""
    return any(one.name.partition(".")[0] == LEFT_OUT for one in reading.parameters)


def usable(reading: Reading) -> tuple[tuple[Measurement, ...], tuple[Sample, ...], str]:
    """Return what of a reading can be archived, and what is wrong with the rest or nothing."""
    rows: dict[tuple[object, ...], Measurement] = {}
    problems: list[str] = []
    for row in reading.measurements:
        key = series_key(row)
        try:
            check_measurement(row)
            if key in rows:
                raise SitegenError(f"{row.metric} is given twice")  # noqa: TRY301 - as a check does
        except SitegenError as error:
            problems.append(str(error))
            continue
        rows[key] = row
        if row.value is not None and not model.is_quantity(row.value):
            problems.append(f"{row.metric} is {row.value}")
            rows[key] = row._replace(value=None, status=Status.FAILED)
    samples = tuple(s for s in reading.samples if model.is_quantity(s.x) and model.is_quantity(s.y))
    try:
        check_samples(samples)
    except SitegenError as error:
        problems.append(str(error))
        samples = ()
    return tuple(rows.values()), samples, next(iter(problems), "")
