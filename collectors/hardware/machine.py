"""What the machine has: memory, CPUs, the disk's file system and GPU memory, as it says itself."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from collectors.hardware import gpu
from sitegen.collect import Host, RawOutput, Reading, Recorder, Request, Step, decode, timestamp
from sitegen.errors import SitegenError
from sitegen.model import Measurement, params

WORKLOAD = "machine"

_ABOUT = params(source="detected")
_Count = Annotated[int, Meta(ge=1, le=1 << 60)]  # above any memory or disk: one EiB


class Description(Struct, frozen=True, omit_defaults=True):
    """What a machine says of itself; None is what it does not show."""

    memory_kib: _Count | None = None
    cpus: _Count | None = None
    disk_bytes: _Count | None = None
    nvml: gpu.Record | None = None


def step(request: Request) -> Step:
    """Return the step that reads the machine; it starts no program."""
    units = {"memory_capacity": "B", "cpus": "count", "disk_capacity": "B"}
    expects = tuple(
        Measurement(WORKLOAD, f"hardware.{name}", "value", unit, None, _ABOUT)
        for name, unit in units.items()
    )
    context = (("folder", str(request.scratch)),)
    return Step("machine", WORKLOAD, ("read-machine",), 60.0, expects=expects, context=context)


def read(host: Host, disk_bytes: int, nvml: gpu.Record | None) -> RawOutput:
    """Return what the machine says of itself as one JSON document on standard output."""
    total = re.search(r"^MemTotal:\s*(\d+) kB$", host.read("/proc/meminfo") or "", re.MULTILINE)
    machine = Description(int(total[1]) if total else None, host.cpus(), disk_bytes, nvml)
    document = msgspec.json.format(msgspec.json.encode(machine, order="sorted"), indent=1)
    return RawOutput(stdout=document + b"\n", started_at=timestamp(datetime.now(UTC)))


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the rows of a document that `read` wrote. What it does not hold is left out."""
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
    kinds = Counter((each.name, each.memory_bytes) for each in gpus if each.memory_bytes)
    for (name, total), count in sorted(kinds.items()):
        about = params(gpu=name, gpus=count)
        series.add("hardware.gpu_memory", "value", float(total), about=about)
    return recorder.reading()
