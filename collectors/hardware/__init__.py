"""Hardware: what the machine has, and the bandwidth of its memory by kernel and threads."""

from __future__ import annotations

import os
import re
from typing import Annotated

from collectors.hardware import bandwidth, gpu, machine
from sitegen.collect import LEFT_OUT, Host, Plan, RawOutput, Reading, Request, Step, described
from sitegen.model import Comparability, Parameter, ToolIdentity

BENCHMARK = "hardware"
_TOOL = "likwid-bench"
_MISSING = "memory bandwidth; it needs likwid-bench 5.2 or later: apt install likwid"
_VERSION = re.compile(r"Version\s+(\d[\w.]*)")


class SETTINGS(bandwidth.Asked, frozen=True):
    """What ``--set`` may change."""

    directory: Annotated[str, described("whose file system is described (a work folder)")] = ""


def detect(host: Host) -> ToolIdentity:
    """Return likwid-bench with its version; without it, the kernel, which says what there is.

    A likwid-bench that is too old for ``-W`` counts as absent: with ``-w`` one thread touches all
    the memory first, and on NUMA machines owns it.
    """
    path = host.find(_TOOL)
    asked = host.run([path, "-h"], timeout_s=20).stdout if path else b""
    if path is None or not re.search(rb"^-W\b", asked, re.MULTILINE):
        system = os.uname()
        return ToolIdentity(system.sysname, system.release)
    said = host.run([path, "-v"], timeout_s=20).stdout.decode("utf-8", "replace")
    found = _VERSION.search(said)
    return host.identify(_TOOL, path, found[1] if found else "unknown")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the reading of the machine and one step a kernel and thread count."""
    host, given = Host(), request.read(SETTINGS)
    steps: tuple[Step, ...] = ()
    if measuring := tool.name == _TOOL:
        memory = bandwidth.memory_of(host)
        steps = bandwidth.steps(tool, request.preset, request.cpus, given, memory)
    huge = re.search(r"\[(\w+)\]", host.read("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    record = gpu.read()
    return Plan(
        steps=(machine.step(request), *steps),
        parameters=(
            Parameter("tool_version", tool.version, Comparability.CAVEAT),
            Parameter("huge_pages", huge[1] if huge else "unknown", Comparability.CAVEAT),
            *(gpu.parameters(record) if record else ()),
            *(() if measuring else (Parameter(LEFT_OUT, _MISSING),)),
        ),
        about_s=bandwidth.WORK[request.preset].about_s * len(steps),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Execute one step: read the machine, or run likwid-bench once."""
    if step.workload == machine.WORKLOAD:
        folder = os.statvfs(step.get("folder"))
        return machine.read(host, folder.f_blocks * folder.f_frsize, gpu.read())
    return bandwidth.run(step, host)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what the machine has, or the bandwidth that likwid-bench printed."""
    if step.workload == machine.WORKLOAD:
        return machine.parse(step, raw)
    return bandwidth.parse(step, raw)
