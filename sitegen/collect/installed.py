"""The installed collectors: how they are found, and what is checked of what they say."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from msgspec.structs import replace

from sitegen import model
from sitegen.catalogue import declared, own, parameters
from sitegen.catalogue.declared import Declared
from sitegen.collect import settings
from sitegen.collect.host import Host
from sitegen.collect.protocol import Bundle, Collector, Missing, Plan, Reader, Request
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Sample, Status, ToolIdentity

if TYPE_CHECKING:
    from sitegen.collect.declared.reader import TableReader

_GROUP = "sitegen.collectors"
_COLLECTING = ("SETTINGS", "detect", "plan", "run", "parse")


class TablePoint(Struct, frozen=True):
    """Where a collector is that is a table, as an entry point says it of a module."""

    table: Declared

    @property
    def name(self) -> str:
        """The benchmark."""
        return self.table.benchmark

    @property
    def value(self) -> str:
        """Where it stands."""
        return self.table.place

    def load(self) -> TableReader:
        """Return what the table can do."""
        from sitegen.collect.declared.collector import collector

        return collector(self.table)


def collectors() -> dict[str, EntryPoint | TablePoint]:
    """Return the collectors by benchmark name, in that order; none is imported.

    They are modules of packages that are installed, tables that come with sitegen, and the tables
    of the report that is open.
    """
    points: list[EntryPoint | TablePoint] = list(entry_points(group=_GROUP))
    points += map(TablePoint, {**declared.shipped(), **own.TABLES}.values())
    return {point.name: point for point in sorted(points, key=lambda point: point.name)}


def check_benchmarks(names: Iterable[str], here: Iterable[str] = ()) -> None:
    """Raise SitegenError for a benchmark that no collector is of, nor a run that is ``here``."""
    known = {*collectors(), *here}
    for name in names:
        if name not in known:
            fix = f"known are {', '.join(sorted(known))}"
            raise SitegenError(f"no benchmark {name!r}", fix=fix)


def load_collector(point: EntryPoint | TablePoint) -> Collector:
    """Import one collector; raises SitegenError when that fails or it is not one."""

    def unfit(message: str, fix: str) -> SitegenError:
        return SitegenError(message, where=point.value, fix=fix)

    try:
        model.check_benchmark(point.name)
    except SitegenError as error:
        raise unfit(error.what, "rename its entry point") from error
    try:
        module: ModuleType | TableReader = point.load()
    except SitegenError:
        raise
    except (Exception, SystemExit) as error:
        message = f"collector {point.name!r} cannot be imported: {_reason(error)}"
        raise unfit(message, "reinstall the package that provides it") from error
    reads = any(hasattr(module, name) for name in ("READERS", "BUNDLES"))
    collects = any(hasattr(module, name) for name in _COLLECTING)
    needed = ("BENCHMARK", *(_COLLECTING if collects or not reads else ()))
    if absent := [name for name in needed if not hasattr(module, name)]:
        message = f"collector {point.name!r} has no {', '.join(absent)}"
        raise unfit(message, "see docs/own-collector.md")
    if collects and point.name != module.BENCHMARK:
        message = f"its BENCHMARK is {module.BENCHMARK!r} and its entry point {point.name!r}"
        raise unfit(message, "give both the same name")
    return cast("Collector", module)


def method_note(benchmark: str) -> str:
    """Return the Markdown note that lies beside the module of a benchmark's collector.

    It has the name of the module; for a package it is the ``method.md`` inside. Nothing when
    there is none, or the collector is not installed here or cannot be loaded: a report is also
    built where nothing is measured.
    """
    point = collectors().get(benchmark)
    if point is None or isinstance(point, TablePoint):
        return point.table.note if point else ""
    try:
        # Found and not imported: a report needs the note, and none of the collector's code.
        spec = find_spec(point.module)
    except (ImportError, ValueError):
        return ""
    if spec is None or not spec.origin:
        return ""
    file = Path(spec.origin)
    path = file.with_name("method.md") if file.stem == "__init__" else file.with_suffix(".md")
    return path.read_text("utf-8") if path.is_file() else ""


class Forms(Struct, frozen=True):
    """The forms of output that can be read, each with its benchmark; and why others cannot be."""

    readers: tuple[tuple[str, Reader], ...]
    bundles: tuple[tuple[str, Bundle], ...]
    broken: tuple[str, ...]


def forms() -> Forms:
    """Return the forms that the installed modules read; one broken module does not stop others."""
    return _forms(tuple(sys.path), str(own.TABLES))


@lru_cache(maxsize=1)
def _forms(_path: tuple[str, ...], _own: str) -> Forms:
    readers: list[tuple[str, Reader]] = []
    bundles: list[tuple[str, Bundle]] = []
    broken: list[str] = []
    for point in collectors().values():
        try:
            module = load_collector(point)
        except SitegenError as error:
            broken.append(str(error))
        else:
            readers += [(module.BENCHMARK, each) for each in getattr(module, "READERS", ())]
            bundles += [(module.BENCHMARK, each) for each in getattr(module, "BUNDLES", ())]
    return Forms(tuple(readers), tuple(bundles), tuple(broken))


def collects(collector: Collector) -> bool:
    """Say whether a module collects; one that only reads others' outputs does not."""
    return hasattr(collector, "detect")


def detect(collector: Collector, host: Host) -> ToolIdentity | Missing:
    """Return what the collector detects; raises SitegenError when it fails at that."""
    with blamed("detect", collector.BENCHMARK):
        return collector.detect(host)


def check_settings(collector: Collector, texts: Mapping[str, str]) -> None:
    """Raise SitegenError for a setting that the collector does not know, or cannot take.

    Also when the setting ``directory``, of a collector that measures a disk, names no existing
    folder: a mistyped path must not be created and then benchmarked.
    """
    settings.filled(collector.SETTINGS, texts, f"{collector.BENCHMARK}.")
    if "directory" in texts and not Path(texts["directory"]).is_dir():
        message = f"{texts['directory']} is not an existing folder"
        fix = "create it on the disk that is to be measured"
        raise SitegenError(message, where=f"--set {collector.BENCHMARK}.directory", fix=fix)


def make_plan(collector: Collector, tool: ToolIdentity, request: Request) -> Plan:
    """Return the collector's plan; raises SitegenError as check_settings and check_plan do."""
    check_settings(collector, request.settings)
    with blamed("plan", collector.BENCHMARK):
        plan = collector.plan(tool, replace(request, benchmark=collector.BENCHMARK))
        check_plan(plan)
    return plan


def check_plan(plan: Plan) -> None:
    """Raise SitegenError for a plan whose results could not be archived.

    Found before anything runs, because afterwards it would cost the run.
    """
    if not plan.steps:
        raise SitegenError("there is no step")
    steps = (*plan.prepare, *plan.steps)
    names = [step.name for step in steps]
    for step in steps:
        model.check_label(step.name, "step")
        model.check_label(step.workload, "workload")
        if names.count(step.name) > 1:
            raise SitegenError(f"two steps are called {step.name!r}")
        for row in step.expects:
            check_measurement(row)
    for definition in plan.definitions:
        model.check_metric(definition.id)


def check_measurement(row: Measurement) -> None:
    """Raise SitegenError for a row that could not be archived."""
    model.check_label(row.workload, "workload")
    model.check_metric(row.metric)
    model.check_statistic(row.statistic)
    if row.status not in set(Status):
        raise SitegenError(f"{row.metric} has an unknown status {row.status!r}")
    if not 0 <= row.repetition <= model.MOST_REPETITIONS:
        raise SitegenError(f"{row.metric} has the repetition {row.repetition}")
    for text, most in ((row.unit, model.LONGEST_UNIT), (row.printed or "", model.LONGEST_PRINT)):
        if not model.is_plain(text) or len(text) > most:
            problem = f"a text with a control character, or of more than {most} characters"
            raise SitegenError(f"{row.metric} has {problem}: {text[:40]!r}")
    try:
        parameters.check(row.params)
    except SitegenError as error:
        raise SitegenError(f"{row.metric}: {error.what}", fix=error.fix) from error


def check_samples(samples: Iterable[Sample]) -> None:
    """Raise SitegenError for samples that could not be archived, but for their numbers."""
    kinds = {(each.workload, each.kind, each.metric, each.params) for each in samples}
    for workload, kind, metric, params in kinds:
        model.check_label(workload, "workload")
        model.check_metric(metric)
        if not model.is_plain(kind) or len(kind) > model.LONGEST_UNIT:
            raise SitegenError(f"a sample is of the kind {kind[:40]!r}")
        parameters.check(params)


@contextlib.contextmanager
def blamed(task: str, where: str = "") -> Iterator[None]:
    """Turn an error in a collector into one line: a bug in one must not end the others."""
    try:
        yield
    except SitegenError:
        raise
    except Exception as error:
        raise SitegenError(f"{task} failed: {_reason(error)}", where=where) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "there was not enough memory"
    return f"{type(error).__name__}: {error}"[:200]
