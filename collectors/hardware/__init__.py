"""Hardware: what the machine has, and the bandwidth of its memory by kernel and threads."""

from __future__ import annotations

import os
import re

from collectors.hardware import bandwidth, gpu, machine
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step
from sitegen.model import Comparability, Parameter, ToolIdentity

BENCHMARK = "hardware"
SETTINGS = {
    "threads": "thread counts, such as 1,2,4,8 (default: 1,2,4,8 and all CPUs)",
    "size": "bytes that all arrays of a kernel have together, such as 2GB (default: 2GB)",
    "kernels": "comma-separated kernels (default: load,copy,triad)",
    "directory": "the existing folder whose file system is described (default: the work folder)",
}

_VERSION = re.compile(r"Version\s+(\d[\w.]*)")


def detect(host: Host) -> ToolIdentity | Missing:
    """Return likwid-bench with its version; one that is too old for ``-W`` is missing."""
    install = "apt install likwid"
    path = host.find("likwid-bench")
    if path is None:
        return Missing("likwid-bench", install)
    asked = host.run([path, "-h"], timeout_s=20).stdout.decode("utf-8", "replace")
    # Without -W one thread touches all the memory first, and on NUMA machines owns it.
    if not re.search(r"^-W\b", asked, re.MULTILINE):
        return Missing("likwid-bench with the option -W (5.2 or later)", install)
    said = host.run([path, "-v"], timeout_s=20).stdout.decode("utf-8", "replace")
    found = _VERSION.search(said)
    return host.identify("likwid-bench", path, found[1] if found else "unknown")


def plan(tool: ToolIdentity, request: Request) -> Plan:
    """Return the reading of the machine and one step a kernel and thread count.

    Raises SitegenError for a setting out of range, or when there is too little memory.
    """
    host = Host()
    steps = bandwidth.steps(tool, request, bandwidth.memory_of(host))
    huge = re.search(r"\[(\w+)\]", host.read("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    record = gpu.read()
    return Plan(
        steps=(machine.step(request), *steps),
        parameters=(
            Parameter("tool_version", tool.version, Comparability.CAVEAT),
            Parameter("huge_pages", huge[1] if huge else "unknown", Comparability.CAVEAT),
            *(gpu.parameters(record) if record else ()),
        ),
        about_s=bandwidth.about_s(request, len(steps)),
    )


def run(step: Step, host: Host) -> RawOutput:
    """Execute one step: read the machine, or run likwid-bench once."""
    if step.workload == machine.WORKLOAD:
        folder = os.statvfs(step.get("folder"))
        return machine.read(host, folder.f_blocks * folder.f_frsize, gpu.read())
    return bandwidth.run(step, host)


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return what the machine has, or the bandwidth that likwid-bench printed.

    Raises SitegenError when the output is not whole.
    """
    if step.workload == machine.WORKLOAD:
        return machine.parse(step, raw)
    return bandwidth.parse(step, raw)
