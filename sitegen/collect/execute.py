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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
from msgspec import structs

from sitegen import bounds, fingerprint
from sitegen.collect import Collector, Plan, Reading, Refused, Request, Step
from sitegen.collect.host import Host, RawOutput, timestamp
from sitegen.collect.installed import blamed, check_measurement, check_samples
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Fingerprint,
    Measurement,
    Parameter,
    Provenance,
    Run,
    Sample,
    Status,
    StepRecord,
    ToolIdentity,
    is_quantity,
    run_id,
)
from sitegen.redact import Redactor, redacted

_FILE = re.compile(r"[A-Za-z0-9._+-]{1,100}")
_SCRATCH = "sitegen-"


@dataclass(frozen=True, slots=True)
class Collected:
    """A run and the files that go to its ``raw`` folder, redacted."""

    run: Run
    raw: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a collection stands: said before each step and once at the end of it."""

    benchmark: str
    step: str
    done: int
    total: int
    repetition: int
    failed: str = ""


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
    that is raised. An interrupt (Ctrl-C) keeps the
    repetitions that are whole, marks the run incomplete, and is raised again by the caller:
    the return value is None when not one repetition was whole.
    """
    started = datetime.now(UTC)
    clock = time.monotonic()
    record = _Record(collector, redactor)
    total = len(plan.prepare) + request.repetitions * len(plan.steps)
    order = random.Random(seed)  # noqa: S311 - an order, not a secret
    whole = 0
    try:
        for index, step in enumerate(plan.prepare):
            progress(Progress(collector.BENCHMARK, step.name, index, total, -1))
            record.prepare(step, host)
        done = len(plan.prepare)
        for repetition in range(request.repetitions):
            for step in order.sample(plan.steps, len(plan.steps)):
                progress(Progress(collector.BENCHMARK, step.name, done, total, repetition))
                failed = record.measure(step, host, repetition)
                done += 1
                if failed:
                    progress(
                        Progress(collector.BENCHMARK, step.name, done, total, repetition, failed)
                    )
            whole += 1
    except KeyboardInterrupt:
        if not whole:
            return None
    progress(Progress(collector.BENCHMARK, "", total, total, whole - 1))
    steps = tuple(s for s in record.steps if s.repetition < whole)
    kept = {name for step in steps for name in step.raw}
    run = Run(
        id=run_id(timestamp(started), collector.BENCHMARK, secrets.token_bytes(16)),
        benchmark=collector.BENCHMARK,
        environment=environment,
        provenance=Provenance.COLLECTED,
        started_at=timestamp(started),
        duration_s=round(time.monotonic() - clock, 3),
        measurements=tuple(m for m in record.measurements if m.repetition < whole),
        samples=tuple(s for s in record.samples if s.repetition < whole),
        preset=request.preset,
        session=session,
        boot=fingerprint.boot_hash(host.root),
        seed=seed,
        tool=tool,
        definitions=plan.definitions,
        parameters=(
            *plan.parameters,
            *record.told(plan.parameters),
            Parameter("preset", request.preset, Comparability.MUST_MATCH),
            Parameter("repetitions", str(whole), Comparability.IGNORED),
        ),
        fingerprint=machine,
        steps=steps,
        note=note,
        complete=whole == request.repetitions,
    )
    run = redacted(run, redactor)
    return Collected(run, {name: data for name, data in record.raw.items() if name in kept})


class _Record:
    """What execute() gathers, step by step."""

    def __init__(self, collector: Collector, redactor: Redactor) -> None:
        self.collector = collector
        self.redactor = redactor
        self.measurements: list[Measurement] = []
        self.samples: list[Sample] = []
        self.steps: list[StepRecord] = []
        self.raw: dict[str, bytes] = {}
        self.said: dict[str, dict[str, set[Parameter]]] = {}

    def told(self, planned: Sequence[Parameter]) -> list[Parameter]:
        """Return the parameters that outputs told, less those that the plan knew."""
        found = []
        for name, by_workload in sorted(self.said.items()):
            everywhere = set.union(*by_workload.values())
            groups = {name: everywhere}
            if len(everywhere) > 1:
                groups = {f"{name}.{workload}": own for workload, own in by_workload.items()}
            for key, values in groups.items():
                text = ", ".join(sorted({value.value for value in values}))
                found.append(structs.replace(min(values, key=str), name=key, value=text))
        known = {parameter.name for parameter in planned}
        return [parameter for parameter in found if parameter.name not in known]

    def prepare(self, step: Step, host: Host) -> None:
        """Run a step that measures nothing.

        Raises SitegenError when it fails: nothing measured after it would mean anything.
        """
        raw, conditions = self._run(step, host)
        self._keep(step, raw, conditions, -1)
        if raw.exit_code != 0:
            said = raw.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise SitegenError(
                f"step {step.name} ended with code {raw.exit_code}: {said[-1][:200]}",
                where=self.collector.BENCHMARK,
                fix="mend that and collect again",
            )

    def measure(self, step: Step, host: Host, repetition: int) -> str:
        """Run a step, keep what it said, and return why it failed or nothing."""
        raw, conditions = self._run(step, host)
        self._keep(step, raw, conditions, repetition)
        problem = ""
        rows: tuple[Measurement, ...] = ()
        samples: tuple[Sample, ...] = ()
        try:
            with blamed("parse"):
                reading = self.collector.parse(step, raw)
                rows, samples, problem = usable(reading)
                for parameter in reading.parameters:
                    by_workload = self.said.setdefault(parameter.name, {})
                    by_workload.setdefault(step.workload, set()).add(parameter)
        except Refused:
            raise
        except SitegenError as error:
            problem = str(error)
        if raw.exit_code != 0 and not problem:
            problem = f"{step.argv[0]} ended with code {raw.exit_code}"
        found = {series_key(row) for row in rows}
        missing = (
            row._replace(status=Status.FAILED)
            for row in step.expects
            if series_key(row) not in found
        )
        if len(self.samples) + len(samples) > bounds.MOST_SAMPLES:
            problem = problem or f"a run has {bounds.MOST_SAMPLES:,} samples at most"
            samples = ()
        self.measurements += [row._replace(repetition=repetition) for row in (*rows, *missing)]
        self.samples += [sample._replace(repetition=repetition) for sample in samples]
        return problem

    def _run(self, step: Step, host: Host) -> tuple[RawOutput, dict[str, float]]:
        before = fingerprint.activity(host.root)
        try:
            with blamed("run"):
                raw = _checked(self.collector.run(step, host))
        except Refused:
            raise
        except SitegenError as error:
            # A step that cannot even be started has failed; the others go on.
            told = f"sitegen: {error}\n".encode()
            raw = RawOutput(stderr=told, exit_code=-1, started_at=timestamp(datetime.now(UTC)))
        after = fingerprint.activity(host.root)
        clean = replace(
            raw,
            stdout=self.redactor.data(raw.stdout),
            stderr=self.redactor.data(raw.stderr),
            files={name: self.redactor.data(data) for name, data in raw.files.items()},
            values=tuple((name, self.redactor.pair(name, value)) for name, value in raw.values),
            # To the millisecond, as it is archived: parsing it again gives the same numbers.
            duration_s=round(raw.duration_s, 3),
            cpu_s=None if raw.cpu_s is None else round(raw.cpu_s, 3),
        )
        return clean, fingerprint.conditions(before, after)

    def _keep(
        self, step: Step, raw: RawOutput, conditions: Mapping[str, float], repetition: int
    ) -> None:
        stem = f"{step.name}-{repetition}" if repetition >= 0 else f"{step.name}-prepare"
        parts = {"out": raw.stdout, "err": raw.stderr, **raw.files}
        # A tool may call a file after the machine that it ran on.
        label = self.redactor.label
        kept = {label(f"{stem}.{name}"): data for name, data in parts.items() if data}
        self.raw.update(kept)
        self.steps.append(
            StepRecord(
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
                raw=tuple(sorted(kept)),
                params=step.params,
                context=tuple(sorted(step.context)),
            )
        )


def _checked(raw: RawOutput) -> RawOutput:
    for name in raw.files:
        if not _FILE.fullmatch(name):
            raise SitegenError(f"{name[:80]!r} is not usable as the name of a raw output")
    return raw


def series_key(row: Measurement) -> tuple[object, ...]:
    """Return what tells a row from the others of its repetition."""
    return (row.workload, row.metric, row.statistic, row.params)


def usable(reading: Reading) -> tuple[tuple[Measurement, ...], tuple[Sample, ...], str]:
    """Return what of a reading can be archived, and what is wrong with the rest or nothing."""
    rows: dict[tuple[object, ...], Measurement] = {}
    problem = ""
    for row in reading.measurements:
        wrong = _wrong(row) or (f"{row.metric} is given twice" if series_key(row) in rows else "")
        if not wrong:
            rows[series_key(row)] = row
            if row.value is not None and not is_quantity(row.value):
                wrong = f"{row.metric} is {row.value}"
                rows[series_key(row)] = row._replace(value=None, status=Status.FAILED)
        problem = problem or wrong
    samples = tuple(s for s in reading.samples if is_quantity(s.x) and is_quantity(s.y))
    try:
        check_samples(samples)
    except SitegenError as error:
        samples, problem = (), problem or str(error)
    return tuple(rows.values()), samples, problem


def _wrong(row: Measurement) -> str:
    try:
        check_measurement(row)
    except SitegenError as error:
        return str(error)
    return ""
