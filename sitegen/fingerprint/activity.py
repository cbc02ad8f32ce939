"""What the machine does meanwhile: pressure, steal and throttling between two moments."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from sitegen.fingerprint.places import Machine, whole


class Activity(Struct, frozen=True):
    """Counters of the machine at one moment: seconds since boot, by name."""

    at_s: float
    cpus: int
    load: float | None
    counters: Mapping[str, float]


def activity(root: Path = Path("/")) -> Activity:
    """Return the counters that tell contention: pressure, steal and throttling."""
    here = Machine(root)
    counters: dict[str, float] = {}
    for kind in ("cpu", "io", "memory"):
        text = here.text(f"/proc/pressure/{kind}") or ""
        if found := re.search(r"some .*total=(\d{1,18})", text):
            counters[f"psi_{kind}"] = int(found[1]) / 1e6
    words = (here.text("/proc/stat") or "").split("\n", 1)[0].split()
    steal = whole("".join(words[8:9]))  # the eighth figure, see proc(5)
    if steal is not None:
        counters["steal"] = steal / os.sysconf("SC_CLK_TCK")
    own = next(here.cgroup_files("cpu.stat"), "")
    if found := re.search(r"throttled_usec (\d{1,18})", own):
        counters["throttled"] = int(found[1]) / 1e6
    load = re.match(r"\d{1,9}\.\d{1,4}", here.text("/proc/loadavg") or "")
    before = float(load[0]) if load else None
    return Activity(time.monotonic(), os.cpu_count() or 1, before, counters)


def conditions(before: Activity, after: Activity) -> dict[str, float]:
    """Return what happened between two moments as shares of the wall time, and the load before.

    ``steal`` is a share of all CPUs' time. What the machine does not show is left out.
    """
    wall_s = max(after.at_s - before.at_s, 1e-6)
    shares = {
        name: max(value - before.counters[name], 0.0)
        / wall_s
        / (before.cpus if name == "steal" else 1)
        for name, value in after.counters.items()
        if name in before.counters
    }
    return shares if before.load is None else {**shares, "load_before": before.load}


def boot_hash(root: Path = Path("/")) -> str:
    """Return a digest that tells two boots apart and does not identify the machine."""
    boot = Machine(root).text("/proc/sys/kernel/random/boot_id")
    return hashlib.sha256(f"sitegen boot {boot}".encode()).hexdigest()[:16] if boot else ""
