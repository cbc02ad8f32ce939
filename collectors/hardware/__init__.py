"""Hardware: what the machine has, and the bandwidth of its memory by kernel and threads."""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from collectors.hardware import bandwidth, gpu, prices
from sitegen.collect import LEFT_OUT, Plan, Reading, Recorder, Request, Step, decode
from sitegen.collect.host import Host, RawOutput, timestamp
from sitegen.collect.settings import described
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Measurement, Parameter, ToolIdentity, params

BENCHMARK = "hardware"
READERS = (prices.READER,)
_TOOL = "likwid-bench"
_MISSING = "memory bandwidth; it needs likwid-bench 5.2 or later: apt install likwid"
_MACHINE = "machine"
_ABOUT = params(source="detected")
_Count = Annotated[int, Meta(ge=1, le=1 << 60)]  # above any memory or disk: one EiB
_VERSION = re.compile(r"Version\s+(\d[\w.]*)")


class SETTINGS(bandwidth.Options, frozen=True):
    """What ``--set`` may change."""

    directory: Annotated[str, described("whose file system is described (a work folder)")] = ""


def detect(host: Host) -> ToolIdentity:
    """Return likwid-bench with its version; without it, the kernel, which says what there is.

    A likwid-bench that is too old for ``-W`` counts as absent: with ``-w`` one thread touches all
    the memory first, and on NUMA machines owns it.
    """
    path = host.find(_TOOL)
    usage = host.run([path, "-h"], timeout_s=20).stdout if path else b""
    if path is None or not re.search(rb"^-W\b", usage, re.MULTILINE):
        system = os.uname()
        return ToolIdentity(system.sysname, system.release)
    banner = host.run([path, "-v"], timeout_s=20).stdout.decode("utf-8", "replace")
    match = _VERSION.search(banner)
    return host.identify(_TOOL, path, match[1] if match else "unknown")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the reading of the machine and one step a kernel and thread count."""
    host, settings = Host(), request.read(SETTINGS)
    steps: tuple[Step, ...] = ()
    if measuring := tool.name == _TOOL:
        memory = bandwidth.memory_of(host)
        steps = bandwidth.steps(tool, request.preset, request.cpus, settings, memory)
    huge = re.search(r"\[(\w+)\]", host.read("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    record = gpu.read()
    return Plan(
        steps=(machine_step(request), *steps),
        parameters=(
            Parameter("tool_version", tool.version, Comparability.CAVEAT),
            Parameter("huge_pages", huge[1] if huge else "unknown", Comparability.CAVEAT),
            *(gpu.parameters(record) if record else ()),
            *(() if measuring else (Parameter(LEFT_OUT, _MISSING),)),
        ),
        about_s=bandwidth.PRESETS[request.preset].about_s * len(steps),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Execute one step: read the machine, or run likwid-bench once."""
    if step.workload == _MACHINE:
        folder = os.statvfs(step.get("folder"))
        return read_machine(host, folder.f_blocks * folder.f_frsize, gpu.read())
    return bandwidth.run(step, host)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what the machine has, or the bandwidth that likwid-bench printed."""
    if step.workload == _MACHINE:
        return parse_machine(step, raw)
    return bandwidth.parse(step, raw)


class Description(Struct, frozen=True, omit_defaults=True):
    """What a machine says of itself; None is what it does not show."""

    memory_kib: _Count | None = None
    cpus: _Count | None = None
    disk_bytes: _Count | None = None
    nvml: gpu.Record | None = None


def machine_step(request: Request) -> Step:
    """Return the step that reads the machine; it starts no program."""
    units = {"memory_capacity": "B", "cpus": "count", "disk_capacity": "B"}
    expects = tuple(
        Measurement(_MACHINE, f"hardware.{name}", "value", unit, None, _ABOUT)
        for name, unit in units.items()
    )
    context = (("folder", str(request.scratch)),)
    return Step("machine", _MACHINE, ("read-machine",), 60.0, expects=expects, context=context)


def read_machine(host: Host, disk_bytes: int, nvml: gpu.Record | None) -> RawOutput:
    """Return what the machine says of itself as one JSON document on standard output."""
    total = re.search(r"^MemTotal:\s*(\d+) kB$", host.read("/proc/meminfo") or "", re.MULTILINE)
    machine = Description(int(total[1]) if total else None, host.cpus(), disk_bytes, nvml)
    document = msgspec.json.format(msgspec.json.encode(machine, order="sorted"), indent=1)
    return RawOutput(stdout=document + b"\n", started_at=timestamp(datetime.now(UTC)))


def parse_machine(step: Step, raw: RawOutput) -> Reading:
    """Return the rows of what `read_machine` wrote. What it does not hold is left out."""
    if raw.exit_code != 0:
        raise SitegenError("the machine was not read", where=step.name)
    machine = decode.document(raw.stdout, Description, step.name)
    recorder = Recorder()
    series = recorder.series(step.workload, _ABOUT)
    if kib := machine.memory_kib:
        series.add("hardware.memory_capacity", "value", kib * 1024.0, str(kib))
    for metric, number in (("cpus", machine.cpus), ("disk_capacity", machine.disk_bytes)):
        if number:
            series.add(f"hardware.{metric}", "value", float(number))
    gpus = machine.nvml.gpus if machine.nvml else ()
    kinds = Counter((device.name, device.memory_bytes) for device in gpus if device.memory_bytes)
    for (name, total), count in sorted(kinds.items()):
        about = params(gpu=name, gpus=count)
        series.add("hardware.gpu_memory", "value", float(total), about=about)
    return recorder.reading()
