"""What the machine has: memory, CPUs, the disk's file system and GPU memory, as it says itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from sitegen.collect import Host, RawOutput, Reading, Request, Step, timestamp
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Params, params

WORKLOAD = "machine"

_KIB = 1024
_MOST_BYTES = 1 << 20
_MOST = 1 << 60  # above any memory or disk: one EiB
_WHERE = params(source="detected")


def step(request: Request) -> Step:
    """Return the step that reads the machine; it starts no program."""
    return Step(
        name="machine",
        workload=WORKLOAD,
        argv=("read-machine",),
        timeout_s=60.0,
        expects=(
            Measurement(WORKLOAD, "hardware.memory_capacity", "value", "B", None, _WHERE),
            Measurement(WORKLOAD, "hardware.cpus", "value", "count", None, _WHERE),
            Measurement(WORKLOAD, "hardware.disk_capacity", "value", "B", None, _WHERE),
        ),
        context=(("folder", str(request.scratch)),),
    )


def read(host: Host, disk_bytes: int, nvml: Mapping[str, object] | None) -> RawOutput:
    """Return what the machine says of itself as one JSON document on standard output."""
    found = re.search(r"^MemTotal:\s*(\d+) kB$", host.read("/proc/meminfo") or "", re.MULTILINE)
    said = {
        "memory_kib": int(found[1]) if found else None,
        "cpus": host.cpus(),
        "disk_bytes": disk_bytes,
        "nvml": nvml,
    }
    return RawOutput(
        stdout=json.dumps(said, indent=1, sort_keys=True).encode() + b"\n",
        started_at=timestamp(datetime.now(UTC)),
    )


def parse(step: Step, raw: RawOutput) -> Reading:
    """Return the rows of a document that `read` wrote. What it does not hold is left out.

    Raises SitegenError for anything else than such a document.
    """
    said = _document(step, raw)
    rows: list[Measurement] = []

    def add(metric: str, unit: str, number: int, where: Params, printed: str | None = None) -> None:
        rows.append(
            Measurement(step.workload, metric, "value", unit, float(number), where, printed=printed)
        )

    if (kib := _count(step, said, "memory_kib")) is not None:
        add("hardware.memory_capacity", "B", kib * _KIB, _WHERE, str(kib))
    if (cpus := _count(step, said, "cpus")) is not None:
        add("hardware.cpus", "count", cpus, _WHERE)
    if (disk := _count(step, said, "disk_bytes")) is not None:
        add("hardware.disk_capacity", "B", disk, _WHERE)
    for (name, total), count in sorted(_gpus(step, said).items()):
        where = params(gpu=name, gpus=count, source="detected")
        add("hardware.gpu_memory", "B", total, where)
    return Reading(tuple(rows))


def _document(step: Step, raw: RawOutput) -> Mapping[str, object]:
    if raw.exit_code == 0 and len(raw.stdout) <= _MOST_BYTES:
        try:
            said = json.loads(raw.stdout)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict):
            return said
    raise SitegenError("the machine's description is not a whole JSON object", where=step.name)


def _count(step: Step, said: Mapping[str, object], name: str) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    # A JSON true is an int in Python.
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST:
        return value
    raise SitegenError(f"{name} is {str(value)[:40]!r}, not a number of things", where=step.name)


def _gpus(step: Step, said: Mapping[str, object]) -> Counter[tuple[str, int]]:
    """Return how many GPUs there are of each name and memory."""
    found: Counter[tuple[str, int]] = Counter()
    nvml = said.get("nvml")
    gpus = nvml.get("gpus") if isinstance(nvml, dict) else None
    for gpu in gpus if isinstance(gpus, list) else ():
        if not isinstance(gpu, dict):
            raise SitegenError("a GPU is not an object", where=step.name)
        name, total = gpu.get("name"), _count(step, gpu, "memory_bytes")
        if not isinstance(name, str) or not name.isprintable() or len(name) > 100:  # noqa: PLR2004 - NVML's own limit is 96
            raise SitegenError("a GPU has no usable name", where=step.name)
        if total is not None:
            found[name, total] += 1
    return found
