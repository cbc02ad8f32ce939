"""What machine is this: facts with where each was read, the TEE verdict, and its activity.

Every reader takes a root directory and a way to ask programs, so that a recorded machine can
stand in for this one. A fact that the machine does not show is None, never a guess.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from sitegen.fingerprint import gpu, machine, platform, tee
from sitegen.fingerprint.facts import FACTS
from sitegen.fingerprint.places import Command, asked_at_once, fields, whole
from sitegen.fingerprint.places import Machine as Machine
from sitegen.fingerprint.signals import Sighting, signals
from sitegen.fingerprint.tee import contradiction as contradiction
from sitegen.fingerprint.tee import doubted as doubted
from sitegen.model import Fact, Fingerprint

if TYPE_CHECKING:
    from sitegen.redact import Redactor

_MOST_TEXT = 500
#: Counts since the boot, by their line of /proc/stat.
_STAT = {"interrupts": "intr", "context_switches": "ctxt"}
#: And by their rows of /proc/interrupts on x86: what a CPU's own timer sets off, and what CPUs send
#: one another. Elsewhere rows have no such names.
_ROWS = {"timers": ("LOC",), "sent": ("RES", "CAL", "TLB")}
#: How many a second, and no shares of the time.
RATES = (*_STAT, *_ROWS)


def read(
    workdir: Path, redactor: Redactor, *, root: Path = Path("/"), command: Command | None = None
) -> Fingerprint:
    """Return the fingerprint of the machine, redacted.

    ``workdir`` lies on the disk whose path is described. ``command`` runs a program and
    returns its output, or None; tests give recorded answers.
    """
    here = Machine(root, command or _ask(root, workdir))
    sightings = list(signals(here))
    verdict = tee.verdict(here, sightings)

    def clean(text: str) -> str:
        return redactor.text(text)[:_MOST_TEXT]

    order = list(FACTS)
    unsorted = _facts(here, verdict.kind, sightings, workdir)
    facts = tuple(
        structs.replace(fact, value=None if fact.value is None else clean(fact.value))
        for fact in sorted(unsorted, key=lambda fact: order.index(fact.name))
    )
    shown = tuple(structs.replace(one, saw=clean(one.saw)) for one in verdict.signals)
    reasons = tuple(map(clean, verdict.reasons))
    return Fingerprint(facts, structs.replace(verdict, reasons=reasons, signals=shown))


def _facts(
    here: Machine, kind: str, sightings: Sequence[Sighting], workdir: Path
) -> Iterator[Fact]:
    lscpu = fields(here.output("lscpu"))
    for entry in FACTS.values():
        if entry.lscpu:
            yield Fact(entry.name, lscpu.get(entry.lscpu), "lscpu")
        elif entry.file:
            match = re.search(entry.pattern or r"(?s)(.+)", here.text(entry.file) or "")
            yield Fact(entry.name, match[1] if match else None, entry.file)
    yield from platform.facts(here, enclave=kind in tee.ENCLAVES)
    yield from tee.facts(here, kind, sightings)
    yield from machine.disk(here, workdir)
    parts = (machine.processor, machine.memory, machine.kernel, machine.limits, machine.network)
    for part in (*parts, gpu.facts):
        yield from part(here)


def _ask(root: Path, workdir: Path) -> Command:
    """Return a command that asked the programs at once: one after another they take too long."""
    card = machine.default_card(Machine(root))
    virtual = (("systemd-detect-virt", option) for option in ("--vm", "--container", "--cvm"))
    commands = [("lscpu",), ("dmesg",), *virtual, machine.ASKED_CLOCK, ("cpuid", "-1", "-r")]
    commands += [machine.findmnt(workdir), gpu.FULL, gpu.STATE]
    return asked_at_once([*commands, ("ethtool", "-k", card)] if card else commands)


class Activity(Struct, frozen=True):
    """Counters of the machine at one moment: seconds since boot, by name."""

    at_s: float
    cpus: int
    load: float | None
    counters: Mapping[str, float]


def activity(root: Path = Path("/")) -> Activity:
    """Return the counters that tell contention, and how many interrupts and switches there were."""
    here = Machine(root)
    counters: dict[str, float] = {}
    for kind in ("cpu", "io", "memory"):
        text = here.text(f"/proc/pressure/{kind}") or ""
        if match := re.search(r"some .*total=(\d{1,18})", text):
            counters[f"psi_{kind}"] = int(match[1]) / 1e6
    counters |= counts(root)
    words = (here.text("/proc/stat") or "").split("\n", 1)[0].split()
    steal = whole("".join(words[8:9]))  # the eighth figure, see proc(5)
    if steal is not None:
        counters["steal"] = steal / os.sysconf("SC_CLK_TCK")
    limit = next(here.cgroup_files("cpu.stat"), "")
    if match := re.search(r"throttled_usec (\d{1,18})", limit):
        counters["throttled"] = int(match[1]) / 1e6
    load = re.match(r"\d{1,9}\.\d{1,4}", here.text("/proc/loadavg") or "")
    before = float(load[0]) if load else None
    return Activity(time.monotonic(), os.cpu_count() or 1, before, counters)


def counts(root: Path = Path("/")) -> dict[str, float]:
    """Return how often CPUs were interrupted and switched between tasks since the boot, by RATES.

    What the machine does not show is left out.
    """
    here = Machine(root)
    stat, found = here.text("/proc/stat") or "", dict[str, float]()
    for name, word in _STAT.items():
        if match := re.search(rf"^{word} (\d{{1,18}})", stat, re.MULTILINE):
            found[name] = float(match[1])
    rows = {line[: line.find(":")].strip(): line for line in here.lines("/proc/interrupts")}
    for name, kinds in _ROWS.items():
        numbers = [whole(word) for kind in kinds for word in rows.get(kind, "").split()]
        if known := [number for number in numbers if number is not None]:
            found[name] = float(sum(known))
    return found


def conditions(before: Activity, after: Activity) -> dict[str, float]:
    """Return what happened between two moments as shares of the wall time, and the load before.

    ``steal`` is a share of all CPUs' time; RATES are counts of the whole machine a second. What the
    machine does not show is left out.
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
