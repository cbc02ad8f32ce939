"""What is read of a machine that stands in for this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.tee_microcosts import machine
from collectors.tee_microcosts.machine import Pair
from sitegen.collect import Host


def lay_out(root: Path, **files: str) -> Host:
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Host(root)


def siblings(*lists: str) -> dict[str, str]:
    return {
        f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{text}\n"
        for cpu, text in enumerate(lists)
    }


@pytest.mark.parametrize(
    ("lists", "cpus", "pair"),
    [
        (("0-1", "0-1", "2-3", "2-3"), [0, 1, 2, 3], Pair(0, 2, "cores")),
        (("0,2", "1,3", "0,2", "1,3"), [0, 1, 2, 3], Pair(0, 1, "cores")),
        (("0-1", "0-1"), [0, 1], Pair(0, 1, "siblings")),
        ((), [0, 1], Pair(0, 1, "cores")),
        (("0",), [0], Pair(0)),
        (("0-99999", "?"), [0, 1], Pair(0, 1, "siblings")),
    ],
)
def test_the_second_cpu_is_one_of_another_core_where_there_is_one(
    lists: tuple[str, ...], cpus: list[int], pair: Pair, tmp_path: Path
) -> None:
    assert machine.pair_of(lay_out(tmp_path, **siblings(*lists)), cpus) == pair


def test_quota_memory_caches_and_huge_pages_are_those_of_the_files(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    8388608 kB\nHugePages_Free:       3\n",
        "proc/self/cgroup": "0::/box/inner\n",
        "sys/fs/cgroup/cpu.max": "max 100000\n",
        "sys/fs/cgroup/box/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/box/memory.max": "4294967296\n",
        "sys/devices/system/cpu/cpu0/cache/index3/size": "32768K\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    }
    found = machine.read(lay_out(tmp_path, **files), {0})
    assert (found.quota, found.free_bytes, found.cache_bytes) == (1.5, 4 << 30, 32 << 20)
    assert (found.huge_pages, found.hugetlb_free) == ("madvise", 3)


def test_an_empty_machine_and_one_that_talks_nonsense_leave_everything_unknown(
    tmp_path: Path,
) -> None:
    nonsense = {
        "proc/meminfo": "MemAvailable: " + 400 * "9" + " kB\nUnaccepted: many kB\n",
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "max 100000\n",
        "sys/fs/cgroup/memory.max": "max\n",
        "proc/interrupts": "RES: x y\n" + 100 * "CAL:\n",
        "sys/kernel/debug/swiotlb/io_tlb_used": "-1\n",
    }
    for host in (Host(tmp_path / "empty"), lay_out(tmp_path, **nonsense)):
        found = machine.read(host, {0})
        assert (found.quota, found.free_bytes, found.cache_bytes) == (None, None, None)
        assert "sent" not in host.counts()
        assert machine.bounce_bytes(host) == ()
        assert machine.unaccepted_bytes(host) == ""


def test_bounce_buffers_and_memory_not_accepted_are_told_in_bytes(tmp_path: Path) -> None:
    files = {
        "sys/kernel/debug/swiotlb/io_tlb_used": "12\n",
        "sys/kernel/debug/swiotlb/io_tlb_used_hiwater": "4096\n",
        "proc/meminfo": "Unaccepted:      2048 kB\n",
    }
    host = lay_out(tmp_path, **files)
    assert machine.bounce_bytes(host) == (("bounce_used", "24576"), ("bounce_most", "8388608"))
    assert machine.unaccepted_bytes(host) == str(2 << 20)
