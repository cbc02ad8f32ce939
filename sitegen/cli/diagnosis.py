"""What `sitegen doctor` says: this machine, its TEE verdict, and what can be collected here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sitegen import fingerprint, redact
from sitegen.cli.terminal import encoded
from sitegen.collect import LEFT_OUT, REPETITIONS, Host, Missing, Request
from sitegen.collect.installed import collectors, collects, detect, load_collector, make_plan
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.model import Fingerprint, ToolIdentity
from sitegen.report import machine


@dataclass(frozen=True, slots=True)
class Checkup:
    """One benchmark here: the tool that it found, or what is missing and what installs it.

    ``about_s`` is the time of a whole collection, ``needs_bytes`` the disk that it takes at once;
    both are estimates. ``about_s`` is None where nothing can be collected.
    """

    benchmark: str
    tool: str = ""
    version: str = ""
    problem: str = ""
    install: str = ""
    left_out: str = ""
    steps: int = 0
    about_s: float | None = None
    needs_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The machine and every benchmark on it; ``free_bytes`` is room in the work folder."""

    machine: Fingerprint
    checkups: tuple[Checkup, ...]
    preset: str
    free_bytes: int
    redactions: Mapping[str, int]


def doctor(config: Config, label: str, preset: str, *, as_json: bool) -> str:
    """Return what machine this is, and what can be collected on it under ``label``."""
    found = diagnose(config.cache / "work", preset)
    declared = config.environments.get(label)
    warning = fingerprint.doubted(label, declared, found.machine) if label else ""
    if as_json:
        return encoded({**asdict(found), "warning": warning})
    return as_text(found, label, warning)


def diagnose(workdir: Path, preset: str) -> Diagnosis:
    """Return what is found here; nothing is measured, installed or changed."""
    place = next(folder for folder in (workdir, *workdir.absolute().parents) if folder.is_dir())
    redactor = redact.of_this_machine(workdir=workdir)
    seen = fingerprint.read(place, redactor)
    host = Host()
    free = shutil.disk_usage(place).free
    with tempfile.TemporaryDirectory() as scratch:
        found = tuple(_checkups(host, preset, Path(scratch), workdir, free))
    return Diagnosis(seen, found, preset, free, redactor.counts())


def as_text(found: Diagnosis, label: str, warning: str) -> str:
    """Return a diagnosis for the terminal: the machine, the verdict, the benchmarks, the costs.

    ``warning`` is what contradicts the label that the user means to collect under.
    """
    told = machine.verdict(found.machine.tee)
    sure = f", {told.sure}" if told.sure else ""
    lines = [f"TEE: {told.kind}{sure}", *(f"  {reason}" for reason in told.reasons)]
    if warning:
        lines.append(f"warning: {warning}")
    for group in machine.groups(found.machine.facts):
        width = max((len(fact.title) for fact in group.shown), default=0)
        lines += ["", group.title]
        lines += [f"  {fact.title.ljust(width)}  {fact.value}" for fact in group.shown]
        if group.hidden:
            lines.append(f"  not shown here: {', '.join(group.hidden)}")
    lines += ["", f"Benchmarks, {found.preset} preset"]
    for each in found.checkups:
        lines += _lines(each)
    ready = [each for each in found.checkups if each.about_s is not None]
    total_s = sum(each.about_s or 0.0 for each in ready)
    needs = max((each.needs_bytes for each in ready), default=0.0)
    ready_words = f"{len(ready)} of {len(found.checkups)} benchmarks, about {_duration(total_s)}"
    disk = f"{_size(needs)} of disk at once, {_size(found.free_bytes)} free"
    lines += ["", f"`sitegen collect --env {label or 'LABEL'}`: {ready_words}; {disk}"]
    return "\n".join(lines) + "\n"


def _lines(one: Checkup) -> Iterator[str]:
    if one.about_s is None:
        yield f"  {one.benchmark}: {one.problem}" + (f"; {one.install}" if one.install else "")
        return
    size = f", {_size(one.needs_bytes)}" if one.needs_bytes else ""
    yield (
        f"  {one.benchmark}: {one.tool} {one.version}, {one.steps} steps,"
        f" about {_duration(one.about_s)}{size}"
    )
    if one.left_out:
        yield f"    left out: {one.left_out}"


def _duration(seconds: float) -> str:
    if seconds < 90:  # noqa: PLR2004 - seconds read well up to there
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"  # noqa: PLR2004


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"  # noqa: PLR2004


def _checkups(
    host: Host, preset: str, scratch: Path, workdir: Path, free: int
) -> Iterator[Checkup]:
    for name, point in collectors().items():
        found = Checkup(name)
        try:
            collector = load_collector(point)
            tool = detect(collector, host) if collects(collector) else None
        except SitegenError as error:
            yield replace(found, problem=str(error))
            continue
        if isinstance(tool, Missing):
            yield replace(found, problem=tool.what, install=tool.install)
        if not isinstance(tool, ToolIdentity):
            continue
        found = replace(found, tool=tool.name, version=tool.version)
        cache = workdir.absolute() / "cache" / name
        request = Request(preset, REPETITIONS[preset], {}, host.cpus(), scratch, cache, free)
        try:
            plan = make_plan(collector, tool, request)
        except SitegenError as error:
            yield replace(found, problem=error.what, install=error.fix)
            continue
        yield replace(
            found,
            left_out="; ".join(p.value for p in plan.parameters if p.name == LEFT_OUT),
            steps=len(plan.steps),
            about_s=plan.about_s * request.repetitions,
            needs_bytes=plan.about_bytes,
        )
