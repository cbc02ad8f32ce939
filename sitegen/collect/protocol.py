"""What a collector is: the protocol, what it speaks in, and how installed ones are found.

A collector is a module. It decides what to run (`plan`), runs one command at a time (`run`)
and reads what the command said (`parse`); `sitegen.collect.execute` does the rest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from sitegen.catalogue import parameters
from sitegen.collect.host import Host, RawOutput
from sitegen.errors import SitegenError
from sitegen.model import (
    LONGEST_PRINT,
    LONGEST_UNIT,
    MOST_REPETITIONS,
    Doubt,
    Fact,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Sample,
    Status,
    ToolIdentity,
    check_benchmark,
    check_label,
    check_metric,
    check_statistic,
    is_plain,
)

#: The run-level parameter in which a plan says what it cannot do here, and what would mend it.
LEFT_OUT = "left_out"
PRESETS = ("quick", "standard", "thorough")
REPETITIONS = {"quick": 1, "standard": 3, "thorough": 5}


class Refused(SitegenError):  # noqa: N818 - the run is refused; said so it reads as what it is
    """What was measured means nothing: the whole run is dropped and nothing of it archived.

    Raised by `run` or `parse` when a check fails that every number of the run stands on, such
    as a verifier that accepts a wrong proof. Any other error costs its step only.
    """


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a benchmark cannot run here, and the command that would change that.

    ``unless`` names a setting that does without: then the benchmark runs all the same.
    """

    what: str
    install: str = ""
    unless: str = ""

    def __str__(self) -> str:
        """Return both in words."""
        return f"{self.what}; install it with: {self.install}" if self.install else self.what


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked of one collector.

    ``settings`` are the ``--set`` values of this collector without their prefix. ``scratch``
    is an empty directory that belongs to the run and is removed after it; ``cache`` is a
    directory of the benchmark's own that outlives it, for what is costly to make and the same
    each time (installed provers, keys, models). It may not exist yet, and may be deleted
    between two runs.
    """

    preset: str
    repetitions: int
    settings: Mapping[str, str]
    cpus: int
    scratch: Path
    cache: Path
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

    ``about_s`` estimates the time of one repetition, for the progress display, and
    ``about_bytes`` the disk that the plan takes at once, what it keeps in its cache with it.
    ``definitions`` say what the metrics are that sitegen does not know; the run carries them.
    """

    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()
    prepare: tuple[Step, ...] = ()
    about_s: float = 0.0
    about_bytes: float = 0.0
    definitions: tuple[MetricDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What `parse` found in a RawOutput.

    ``parameters`` are settings that only the output tells (the version of a server, the digest
    of a program): where all steps agree they are the run's, else each workload's own.
    """

    measurements: tuple[Measurement, ...]
    samples: tuple[Sample, ...] = ()
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader found in a tool's own output: one run, less what only the archive adds.

    ``natives`` keeps the tool's own names beside ours: ("llm.tpot mean", "mean_tpot_ms").
    ``facts`` is what the output says of the machine. ``started_at`` is empty where nothing in
    the output dates it. ``notes`` are the reader's remarks, one sentence each. ``doubts`` become
    caveats: the kind, a sentence that says what was seen, and the workload that it is about
    (empty: all of them).
    """

    measurements: tuple[Measurement, ...]
    samples: tuple[Sample, ...] = ()
    tool: ToolIdentity | None = None
    parameters: tuple[Parameter, ...] = ()
    definitions: tuple[MetricDefinition, ...] = ()
    natives: tuple[tuple[str, str], ...] = ()
    facts: tuple[Fact, ...] = ()
    started_at: str = ""
    duration_s: float | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[tuple[Doubt, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """One form of output that a collector can read, told by its content and never by a name.

    ``knows`` looks at the bytes and says whether they have this form; it never raises. ``read``
    returns the runs in them, values exact to what is printed and in base units; it raises
    SitegenError with the place that it stumbled on, and then nothing is imported. Its second
    argument are the user's ``--set`` values; ``asks`` names those that it takes, each with a
    line of help: what the output itself does not say.
    """

    name: str
    title: str
    knows: Callable[[bytes], bool]
    read: Callable[[bytes, Mapping[str, str]], tuple[Found, ...]]
    asks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Several files that are one measurement: the processes of one load, a report and its logs.

    As `Reader`, with the files by name instead of one file's bytes. Names tell the files apart
    and nothing else, but where one file itself names another.
    """

    name: str
    title: str
    knows: Callable[[Mapping[str, bytes]], bool]
    read: Callable[[Mapping[str, bytes], Mapping[str, str]], tuple[Found, ...]]
    asks: Mapping[str, str]


class Collector(Protocol):
    """What a collector module offers.

    Optionally also ``READERS``, a tuple of `Reader`, and ``BUNDLES``, a tuple of `Bundle`.
    """

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

    def module(self, benchmark: str) -> str:
        """Return the name of a collector's module, which is not imported."""
        return self._points[benchmark].module

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

    It has the name of the module; for a package it is the ``method.md`` inside. Nothing when
    there is none, or the collector is not installed here or cannot be loaded: a report is also
    built where nothing is measured.
    """
    try:
        # Found and not imported: a report needs the note, and none of the collector's code.
        spec = find_spec(collectors().module(benchmark))
    except (KeyError, ImportError, ValueError):
        return ""
    if spec is None or not spec.origin:
        return ""
    file = Path(spec.origin)
    path = file.with_name("method.md") if file.stem == "__init__" else file.with_suffix(".md")
    return path.read_text("utf-8") if path.is_file() else ""


def readers(collector: Collector) -> tuple[Reader, ...]:
    """Return the forms of output that a collector can read."""
    return tuple(getattr(collector, "READERS", ()))


def bundles(collector: Collector) -> tuple[Bundle, ...]:
    """Return the forms that a collector can read from several files together."""
    return tuple(getattr(collector, "BUNDLES", ()))


def detect(collector: Collector, host: Host) -> ToolIdentity | Missing:
    """Return what the collector detects; raises SitegenError when it fails at that."""
    with blamed("detect", collector.BENCHMARK):
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
    with blamed("plan", collector.BENCHMARK):
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
            check_measurement(row)
    for definition in plan.definitions:
        check_metric(definition.id)


def check_measurement(row: Measurement) -> None:
    """Raise SitegenError for a row that could not be archived."""
    check_label(row.workload, "workload")
    check_metric(row.metric)
    check_statistic(row.statistic)
    if row.status not in set(Status):
        raise SitegenError(f"{row.metric} has an unknown status {row.status!r}")
    if not 0 <= row.repetition <= MOST_REPETITIONS:
        raise SitegenError(f"{row.metric} has the repetition {row.repetition}")
    for text, most in ((row.unit, LONGEST_UNIT), (row.printed or "", LONGEST_PRINT)):
        if not is_plain(text) or len(text) > most:
            raise SitegenError(
                f"{row.metric} has a text with a control character, or of more than {most}"
                f" characters: {text[:40]!r}"
            )
    try:
        parameters.check(row.params)
    except SitegenError as error:
        raise SitegenError(f"{row.metric}: {error.what}", fix=error.fix) from error


def check_samples(samples: Iterable[Sample]) -> None:
    """Raise SitegenError for samples that could not be archived, but for their numbers."""
    for workload, kind, metric, params in {
        (s.workload, s.kind, s.metric, s.params) for s in samples
    }:
        check_label(workload, "workload")
        check_metric(metric)
        if not is_plain(kind) or len(kind) > LONGEST_UNIT:
            raise SitegenError(f"a sample is of the kind {kind[:40]!r}")
        parameters.check(params)


@contextlib.contextmanager
def blamed(what: str, where: str = "") -> Iterator[None]:
    """Turn an error in a collector into one line: a bug in one must not end the others."""
    try:
        yield
    except SitegenError:
        raise
    except Exception as error:
        raise SitegenError(f"{what} failed: {_told(error)}", where=where) from error


def _told(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "there was not enough memory"
    return f"{type(error).__name__}: {error}"[:200]
