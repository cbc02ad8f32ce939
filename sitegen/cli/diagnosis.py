"""What `sitegen doctor` says: this machine, its TEE verdict, and what can be collected here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from sitegen import fingerprint, redact
from sitegen.cli.terminal import encoded
from sitegen.collect import LEFT_OUT, REPETITIONS, Collector, Host, Missing, Request
from sitegen.collect.execute import duration
from sitegen.collect.installed import collectors, collects, detect, load_collector, make_plan
from sitegen.config import Config
from sitegen.errors import SitegenError, many
from sitegen.model import Fingerprint
from sitegen.report import machine


class Checkup(Struct, frozen=True):
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


class Diagnosis(Struct, frozen=True):
    """The machine and every benchmark on it; ``free_bytes`` is room in the work folder."""

    machine: Fingerprint
    checkups: tuple[Checkup, ...]
    preset: str
    free_bytes: int
    redactions: Mapping[str, int]


def doctor(config: Config, label: str, preset: str, *, as_json: bool) -> str:
    """Return what machine this is, and what can be collected on it under ``label``."""
    diagnosis = diagnose(config.cache / "work", preset)
    declared = config.environments.get(label)
    warning = fingerprint.doubted(label, declared, diagnosis.machine) if label else ""
    if as_json:
        return encoded({**msgspec.to_builtins(diagnosis), "warning": warning})
    return as_text(diagnosis, label, warning)


def diagnose(workdir: Path, preset: str) -> Diagnosis:
    """Return what is found here; nothing is measured, installed or changed."""
    place = next(folder for folder in (workdir, *workdir.absolute().parents) if folder.is_dir())
    redactor = redact.of_this_machine(workdir=workdir)
    here = fingerprint.read(place, redactor)
    host, free = Host(), shutil.disk_usage(place).free
    checkups: list[Checkup] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, point in collectors().items():
            cache, times = workdir.absolute() / "cache" / name, REPETITIONS[preset]
            request = Request(preset, times, {}, host.cpus(), Path(scratch), cache, free)
            try:
                collector = load_collector(point)
                if collects(collector):
                    checkups.append(_checkup(collector, host, request))
            except SitegenError as error:
                checkups.append(Checkup(name, problem=str(error)))
    return Diagnosis(here, tuple(checkups), preset, free, redactor.counts())


def _checkup(collector: Collector, host: Host, request: Request) -> Checkup:
    name, tool = collector.BENCHMARK, detect(collector, host)
    if isinstance(tool, Missing):
        return Checkup(name, problem=tool.what, install=tool.install)
    try:
        plan = make_plan(collector, tool, request)
    except SitegenError as error:
        return Checkup(name, tool.name, tool.version, error.what, error.fix)
    return Checkup(
        name,
        tool.name,
        tool.version,
        left_out="; ".join(p.value for p in plan.parameters if p.name == LEFT_OUT),
        steps=len(plan.steps),
        about_s=plan.about_s * request.repetitions,
        needs_bytes=plan.about_bytes,
    )


def as_text(diagnosis: Diagnosis, label: str, warning: str) -> str:
    """Return a diagnosis for the terminal: the machine, the verdict, the benchmarks, the costs.

    ``warning`` is what contradicts the label that the user means to collect under.
    """
    tee = machine.verdict(diagnosis.machine.tee)
    sure = f", {tee.sure}" if tee.sure else ""
    lines = [f"TEE: {tee.kind}{sure}", *(f"  {reason}" for reason in tee.reasons)]
    if warning:
        lines.append(f"warning: {warning}")
    for group in machine.groups(diagnosis.machine.facts):
        width = max((len(fact.title) for fact in group.shown), default=0)
        lines += ["", group.title]
        lines += [f"  {fact.title.ljust(width)}  {fact.value}" for fact in group.shown]
        if group.hidden:
            lines.append(f"  not shown here: {', '.join(group.hidden)}")
    lines += ["", f"Benchmarks, {diagnosis.preset} preset"]
    for checkup in diagnosis.checkups:
        lines += _lines(checkup)
    times = [checkup.about_s for checkup in diagnosis.checkups if checkup.about_s is not None]
    every = many(len(diagnosis.checkups), "benchmark")
    ready = f"{len(times)} of {every}, about {duration(sum(times))}"
    needs = max((checkup.needs_bytes for checkup in diagnosis.checkups), default=0.0)
    disk = f"{_size(needs)} of disk at once, {_size(diagnosis.free_bytes)} free"
    lines += ["", f"`sitegen collect --env {label or 'LABEL'}`: {ready}; {disk}"]
    return "\n".join(lines) + "\n"


def _lines(one: Checkup) -> Iterator[str]:
    if one.about_s is None:
        yield f"  {one.benchmark}: {one.problem}" + (f"; {one.install}" if one.install else "")
        return
    size = f", {_size(one.needs_bytes)}" if one.needs_bytes else ""
    steps = f"{many(one.steps, 'step')}, about {duration(one.about_s)}{size}"
    yield f"  {one.benchmark}: {one.tool} {one.version}, {steps}"
    if one.left_out:
        yield f"    left out: {one.left_out}"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"  # noqa: PLR2004
