"""Running a benchmark: the Host, the Collector protocol, and execute() -> Collected.

A collector is a module. It decides what to run (`plan`), runs one command at a time (`run`)
and reads what the command said (`parse`); this module does the order, the clock, the
conditions of the machine, redaction and the record.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import math
import os
import random
import re
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from sitegen import fingerprint
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Provenance,
    Run,
    Sample,
    Status,
    StepRecord,
    ToolIdentity,
    check_benchmark,
    check_label,
    check_metric,
    check_statistic,
    run_id,
)
from sitegen.redact import Redactor

PRESETS = ("quick", "standard", "thorough")
REPETITIONS = {"quick": 1, "standard": 3, "thorough": 5}
_PR_SET_PDEATHSIG = 1
_FILE = re.compile(r"[A-Za-z0-9._+-]{1,100}")


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a benchmark cannot run here, and the command that would change that."""

    what: str
    install: str = ""

    def __str__(self) -> str:
        """Return both in words."""
        return f"{self.what}; install it with: {self.install}" if self.install else self.what


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked of one collector.

    ``settings`` are the ``--set`` values of this collector without their prefix. ``scratch``
    is an empty directory that belongs to the run and is removed after it.
    """

    preset: str
    repetitions: int
    settings: Mapping[str, str]
    cpus: int
    scratch: Path
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a plan.

    ``name`` is unique in its plan and safe as a file name. ``expects`` are measurements
    without a value: what is recorded as failed when the command does not deliver.
    ``context`` carries what `run` and `parse` need and ``argv`` does not say.
    """

    name: str
    workload: str
    argv: tuple[str, ...]
    timeout_s: float
    params: Params = ()
    expects: tuple[Measurement, ...] = ()
    context: tuple[tuple[str, str], ...] = ()

    def get(self, key: str, default: str = "") -> str:
        """Return one value of ``context``."""
        return dict(self.context).get(key, default)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one collector will do: ``prepare`` once in order, then ``steps`` once a repetition.

    ``about_s`` estimates the time of one repetition, for the progress display.
    ``definitions`` say what the metrics are that sitegen does not know; the run carries them.
    """

    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()
    prepare: tuple[Step, ...] = ()
    about_s: float = 0.0
    definitions: tuple[MetricDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class RawOutput:
    """What a command left behind: everything that `parse` may use, and all of it is archived.

    ``files`` are further outputs by name; ``values`` what only the collector could see.
    """

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    started_at: str = ""
    duration_s: float = 0.0
    cpu_s: float | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    values: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> str | None:
        """Return one of ``values``, or None."""
        return dict(self.values).get(key)


@dataclass(frozen=True, slots=True)
class Reading:
    """What `parse` found in a RawOutput."""

    measurements: tuple[Measurement, ...]
    samples: tuple[Sample, ...] = ()


class Collector(Protocol):
    """What a collector module offers."""

    @property
    def BENCHMARK(self) -> str:  # noqa: N802 - a constant of the module
        """The benchmark's name, as in addresses and metric ids."""

    @property
    def SETTINGS(self) -> Mapping[str, str]:  # noqa: N802 - a constant of the module
        """What ``--set`` may change: name -> one line of help."""

    def detect(self, host: Host) -> ToolIdentity | Missing:
        """Return the tool on this machine, or what is missing."""

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        """Return the commands of one repetition. Pure: runs and writes nothing.

        Raises SitegenError for a setting that cannot be met.
        """

    def run(self, step: Step, host: Host) -> RawOutput:
        """Execute one step."""

    def parse(self, step: Step, raw: RawOutput) -> Reading:
        """Return what ``raw`` says. Pure: the same bytes give the same measurements.

        Raises SitegenError when the output is not what the tool documents.
        """


class Host:
    """The one door to the machine: finds, runs and reads, and cleans up behind itself."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Read system files below ``root``, so that a recorded machine can stand in."""
        self.root = root

    def find(self, *names: str) -> str | None:
        """Return the path of the first of ``names`` on PATH or in the system folders."""
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        return next((found for name in names if (found := shutil.which(name, path=path))), None)

    def cpus(self) -> int:
        """Return how many CPUs this process may use."""
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )

    def read(self, path: str) -> str | None:
        """Return the text of a system file, or None when it is not there or not readable."""
        return fingerprint.read_text(self.root, path)

    def identify(self, name: str, path: str, version: str) -> ToolIdentity:
        """Return the identity of the program at ``path``, with the digest of its bytes."""
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return ToolIdentity(name, version, path, digest)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> RawOutput:
        """Run one program to its end and return all it printed.

        After ``timeout_s`` its process group is killed, the exit code is -9 and a line on
        stderr says so.
        """
        started = datetime.now(UTC)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock = time.monotonic()
        with self.start(argv, cwd=cwd, environ=environ) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                _kill_group(process)
                out, err = process.communicate()
                err += f"\nsitegen: killed after {timeout_s:.0f} s\n".encode()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return RawOutput(
            stdout=out,
            stderr=err,
            exit_code=process.returncode,
            started_at=timestamp(started),
            duration_s=time.monotonic() - clock,
            cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        )

    @contextlib.contextmanager
    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program in a process group of its own, which is gone when the block ends."""
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C", **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
            )
        except OSError as error:
            raise SitegenError(f"cannot be started: {error.strerror}", where=argv[0]) from error
        try:
            yield process
        finally:
            # Also when the program itself has ended: what it left behind is in its group.
            _kill_group(process)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


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


class Collectors(Mapping[str, Collector]):
    """The installed collectors by benchmark name, in alphabetical order.

    Names cost nothing; a collector is imported when it is asked for, which raises SitegenError
    when it cannot be.
    """

    def __init__(self) -> None:
        """Read the entry points of the installed packages."""
        points = entry_points(group="sitegen.collectors")
        self._points = {point.name: point for point in sorted(points, key=lambda p: p.name)}

    def __getitem__(self, benchmark: str) -> Collector:
        return load_collector(self._points[benchmark])

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, benchmark: object) -> bool:
        return benchmark in self._points  # the inherited one would import it


def collectors() -> Collectors:
    """Return the installed collectors."""
    return Collectors()


def load_collector(point: EntryPoint) -> Collector:
    """Import one collector; raises SitegenError when that fails or it is not one."""
    try:
        check_benchmark(point.name)
    except SitegenError as error:
        raise SitegenError(error.what, where=point.value, fix="rename its entry point") from error
    try:
        module: ModuleType = point.load()
    except (Exception, SystemExit) as error:
        raise SitegenError(
            f"collector {point.name!r} cannot be imported: {_told(error)}",
            where=point.value,
            fix="reinstall the package that provides it",
        ) from error
    wanted = ("BENCHMARK", "SETTINGS", "detect", "plan", "run", "parse")
    if absent := [name for name in wanted if not hasattr(module, name)]:
        raise SitegenError(
            f"collector {point.name!r} has no {', '.join(absent)}",
            where=point.value,
            fix="see CONTRIBUTING.md, 'Add a collector'",
        )
    if point.name != module.BENCHMARK:
        raise SitegenError(
            f"its BENCHMARK is {module.BENCHMARK!r} and its entry point {point.name!r}",
            where=point.value,
            fix="give both the same name",
        )
    return cast("Collector", module)


def method_note(benchmark: str) -> str:
    """Return the Markdown note that lies beside the module of a benchmark's collector.

    Nothing when there is none, or the collector is not installed here or cannot be loaded: a
    report is also built where nothing is measured.
    """
    try:
        module = cast("ModuleType", collectors()[benchmark])
    except (KeyError, SitegenError):
        return ""
    path = Path(str(module.__file__)).with_suffix(".md")
    return path.read_text("utf-8") if path.is_file() else ""


def detect(collector: Collector, host: Host) -> ToolIdentity | Missing:
    """Return what the collector detects; raises SitegenError when it fails at that."""
    with _blamed("detect", collector.BENCHMARK):
        return collector.detect(host)


def check_settings(collector: Collector, settings: Mapping[str, str]) -> None:
    """Raise SitegenError for a setting that the collector does not know.

    Also when the setting ``directory``, of a collector that measures a disk, names no existing
    folder: a mistyped path must not be created and then benchmarked.
    """
    if unknown := sorted(set(settings) - set(collector.SETTINGS)):
        known = f"it knows {', '.join(sorted(collector.SETTINGS))}"
        raise SitegenError(
            f"{collector.BENCHMARK} has no setting {unknown[0]!r}",
            where="--set",
            fix=known if collector.SETTINGS else "it knows none",
        )
    if "directory" in settings and not Path(settings["directory"]).is_dir():
        raise SitegenError(
            f"{settings['directory']} is not an existing folder",
            where=f"--set {collector.BENCHMARK}.directory",
            fix="create it on the disk that is to be measured",
        )


def make_plan(collector: Collector, tool: ToolIdentity, request: Request) -> Plan:
    """Return the collector's plan; raises SitegenError as check_settings and check_plan do."""
    check_settings(collector, request.settings)
    with _blamed("plan", collector.BENCHMARK):
        plan = collector.plan(tool, request)
        check_plan(plan)
    return plan


def check_plan(plan: Plan) -> None:
    """Raise SitegenError for a plan whose results could not be archived.

    Found before anything runs, because afterwards it would cost the run.
    """
    names = [step.name for step in (*plan.prepare, *plan.steps)]
    for name in names:
        check_label(name, "step")
        if names.count(name) > 1:
            raise SitegenError(f"two steps are called {name!r}")
    if not plan.steps:
        raise SitegenError("there is no step")
    for step in (*plan.prepare, *plan.steps):
        check_label(step.workload, "workload")
        for row in step.expects:
            _check_measurement(row)
    for definition in plan.definitions:
        check_metric(definition.id)


@contextlib.contextmanager
def scratch(settings: Mapping[str, str], workdir: Path) -> Iterator[Path]:
    """Yield an empty directory of the run's own, removed afterwards.

    It lies in ``workdir``, or in the existing folder that the setting ``directory`` names.
    """
    parent = Path(settings.get("directory", workdir))
    if "directory" not in settings:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sitegen-", dir=parent.absolute()) as folder:
        yield Path(folder)


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
    fails is recorded as failed and the rest goes on. An interrupt (Ctrl-C) keeps the
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
    redact = record.redact
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
        tool=replace(tool, path=redact(tool.path)),
        definitions=plan.definitions,
        parameters=(
            *(replace(p, value=redact(p.value)) for p in plan.parameters),
            Parameter("preset", request.preset, Comparability.MUST_MATCH),
            Parameter("repetitions", str(whole), Comparability.IGNORED),
        ),
        fingerprint=machine,
        steps=steps,
        note=redact(note),
        complete=whole == request.repetitions,
    )
    run = replace(run, redactions=tuple(sorted(redactor.counts().items())))
    return Collected(run, {name: data for name, data in record.raw.items() if name in kept})


def timestamp(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Record:
    """What execute() gathers, step by step."""

    def __init__(self, collector: Collector, redactor: Redactor) -> None:
        self.collector = collector
        self.redactor = redactor
        self.measurements: list[Measurement] = []
        self.samples: list[Sample] = []
        self.steps: list[StepRecord] = []
        self.raw: dict[str, bytes] = {}

    def redact(self, text: str) -> str:
        """Return a text as it may be written: redacted, and nothing but Unicode."""
        return self.redactor.text(text).encode("utf-8", "backslashreplace").decode()

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
            with _blamed("parse"):
                rows, samples, problem = _usable(self.collector.parse(step, raw))
        except SitegenError as error:
            problem = str(error)
        if raw.exit_code != 0 and not problem:
            problem = f"{step.argv[0]} ended with code {raw.exit_code}"
        found = {_series(row) for row in rows}
        missing = (
            row._replace(status=Status.FAILED) for row in step.expects if _series(row) not in found
        )
        self.measurements += [row._replace(repetition=repetition) for row in (*rows, *missing)]
        self.samples += [sample._replace(repetition=repetition) for sample in samples]
        return problem

    def _run(self, step: Step, host: Host) -> tuple[RawOutput, dict[str, float]]:
        before = fingerprint.activity(host.root)
        try:
            with _blamed("run"):
                raw = _checked(self.collector.run(step, host))
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
            values=tuple((name, self.redact(value)) for name, value in raw.values),
        )
        return clean, fingerprint.conditions(before, after)

    def _keep(
        self, step: Step, raw: RawOutput, conditions: Mapping[str, float], repetition: int
    ) -> None:
        stem = f"{step.name}-{repetition}" if repetition >= 0 else f"{step.name}-prepare"
        parts = {"out": raw.stdout, "err": raw.stderr, **raw.files}
        kept = {f"{stem}.{name}": data for name, data in parts.items() if data}
        self.raw.update(kept)
        self.steps.append(
            StepRecord(
                name=step.name,
                workload=step.workload,
                repetition=repetition,
                argv=tuple(self.redact(word) for word in step.argv),
                started_at=raw.started_at,
                duration_s=round(raw.duration_s, 3),
                exit_code=raw.exit_code,
                cpu_s=None if raw.cpu_s is None else round(raw.cpu_s, 3),
                conditions=tuple((k, round(v, 4)) for k, v in sorted(conditions.items())),
                values=raw.values,
                raw=tuple(sorted(kept)),
            )
        )


def _checked(raw: RawOutput) -> RawOutput:
    for name in raw.files:
        if not _FILE.fullmatch(name):
            raise SitegenError(f"{name[:80]!r} is not usable as the name of a raw output")
    return raw


def _series(row: Measurement) -> tuple[object, ...]:
    return (row.workload, row.metric, row.statistic, row.params)


def _usable(reading: Reading) -> tuple[tuple[Measurement, ...], tuple[Sample, ...], str]:
    """Return what of a reading can be archived, and what is wrong with the rest or nothing."""
    rows: dict[tuple[object, ...], Measurement] = {}
    problem = ""
    for row in reading.measurements:
        wrong = _wrong(row) or (f"{row.metric} is given twice" if _series(row) in rows else "")
        if not wrong:
            rows[_series(row)] = row
            if row.value is not None and not math.isfinite(row.value):
                wrong = f"{row.metric} is {row.value}"
                rows[_series(row)] = row._replace(value=None, status=Status.FAILED)
        problem = problem or wrong
    samples = (s for s in reading.samples if math.isfinite(s.x) and math.isfinite(s.y))
    return tuple(rows.values()), tuple(samples), problem


def _wrong(row: Measurement) -> str:
    try:
        _check_measurement(row)
    except SitegenError as error:
        return str(error)
    return ""


def _check_measurement(row: Measurement) -> None:
    check_label(row.workload, "workload")
    check_metric(row.metric)
    check_statistic(row.statistic)
    if row.status not in set(Status):
        raise SitegenError(f"{row.metric} has an unknown status {row.status!r}")
    for text in (row.unit, row.printed or "", *(part for pair in row.params for part in pair)):
        if not text.isprintable():
            raise SitegenError(f"{row.metric} has a text with a control character: {text[:40]!r}")


@contextlib.contextmanager
def _blamed(what: str, where: str = "") -> Iterator[None]:
    """Turn an error in a collector into one line: a bug in one must not end the others."""
    try:
        yield
    except SitegenError:
        raise
    except Exception as error:
        raise SitegenError(f"{what} failed: {_told(error)}", where=where) from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _die_with_parent() -> None:
    # A collector killed by kill -9 must not leave a load generator or a server behind.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
