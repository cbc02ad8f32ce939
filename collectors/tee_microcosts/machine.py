"""What decides which micro-costs can be measured here: CPUs, memory, programs; read once."""

from __future__ import annotations

import os
import re

from msgspec import Struct

from sitegen.collect import Host

#: The programs that measure a second time.
PROGRAMS = ("perf", "taskset", "cyclictest", "stress-ng", "likwid-bench", "dd")
_MOST_CPUS = 4096
_KIB = 1024
_SLAB_BYTES = 2048
_SWIOTLB = "/sys/kernel/debug/swiotlb"


class Pair(Struct, frozen=True):
    """The CPU that measures and the one that answers; ``other`` is None where there is none.

    ``relation`` is how the two lie: cores, or siblings, which are threads of one core.
    """

    cpu: int
    other: int | None = None
    relation: str = ""


class Machine(Struct, frozen=True):
    """What a plan stands on. ``programs`` has the paths of those that are there."""

    pair: Pair
    quota: float | None = None
    free_bytes: int | None = None
    cache_bytes: int | None = None
    huge_pages: str = "unknown"
    hugetlb_free: int = 0
    programs: tuple[tuple[str, str], ...] = ()
    x86: bool = True

    def program(self, name: str) -> str:
        """Return the path of a program, or nothing."""
        return dict(self.programs).get(name, "")


def read(host: Host, allowed: set[int] | None = None) -> Machine:
    """Return what the machine shows; ``allowed`` are the CPUs that this process may use."""
    if allowed is None:
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    meminfo = host.read("/proc/meminfo") or ""
    pair = pair_of(host, sorted(allowed))
    hugetlb = re.search(r"^HugePages_Free:\s{1,20}(\d{1,12})$", meminfo, re.MULTILINE)
    chosen = re.search(r"\[(\w+)\]", host.read("/sys/kernel/mm/transparent_hugepage/enabled") or "")
    cache = re.fullmatch(r"(\d{1,9})K", host.read(f"{_cpu(pair.cpu)}/cache/index3/size") or "")
    return Machine(
        pair=pair,
        quota=host.cpu_quota(),
        free_bytes=host.free_memory(),
        cache_bytes=int(cache[1]) * _KIB if cache else None,
        huge_pages=chosen[1] if chosen else "unknown",
        hugetlb_free=int(hugetlb[1]) if hugetlb else 0,
        programs=tuple((name, path) for name in PROGRAMS if (path := host.find(name))),
        x86=os.uname().machine in ("x86_64", "AMD64"),
    )


def pair_of(host: Host, cpus: list[int]) -> Pair:
    """Return the first CPU and the next that is no thread of its core, or else any other."""
    first, *others = cpus or [0]
    mates = _listed(host.read(f"{_cpu(first)}/topology/thread_siblings_list") or "")
    apart = next((cpu for cpu in others if cpu not in mates), None)
    if apart is not None:
        return Pair(first, apart, "cores")
    return Pair(first, others[0], "siblings") if others else Pair(first)


def bounce_bytes(host: Host) -> tuple[tuple[str, str], ...]:
    """Return the bytes of bounce buffers in use, and the most since the boot, as root sees them."""
    found = []
    for name, file in (("bounce_used", "io_tlb_used"), ("bounce_most", "io_tlb_used_hiwater")):
        text = host.read(f"{_SWIOTLB}/{file}") or ""
        if re.fullmatch(r"\d{1,12}", text):
            found.append((name, str(int(text) * _SLAB_BYTES)))
    return tuple(found)


def unaccepted_bytes(host: Host) -> str:
    """Return the memory that a TEE has not accepted yet, or nothing where there is no such word."""
    match = re.search(
        r"^Unaccepted:\s{1,20}(\d{1,15}) kB$", host.read("/proc/meminfo") or "", re.MULTILINE
    )
    return str(int(match[1]) * _KIB) if match else ""


def _cpu(number: int) -> str:
    return f"/sys/devices/system/cpu/cpu{number}"


def _listed(text: str) -> set[int]:
    """Return the CPUs of a list as the kernel writes it: ``0,64`` or ``0-1``."""
    cpus: set[int] = set()
    for part in text.split(",")[:_MOST_CPUS]:
        if match := re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip()):
            first, last = int(match[1]), int(match[2] or match[1])
            cpus.update(range(first, min(last, first + _MOST_CPUS) + 1))
    return cpus
