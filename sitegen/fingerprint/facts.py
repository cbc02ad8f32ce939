"""FACTS: the one table of what is known of a machine, read by pages, terminal and comparisons.

What has weight is kept in the index; the rest stands on the run's page alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

from msgspec import Struct, field


class Weight(IntEnum):
    """What it means for a comparison that a fact differs; the heavier stand first."""

    NONE = 0  # recorded only
    LISTED = 1  # listed below the comparison
    DOUBT = 2  # named beside each figure
    IDENTITY = 3  # another machine: a TEE is not compared with it


LISTED, DOUBT, IDENTITY = Weight.LISTED, Weight.DOUBT, Weight.IDENTITY


class KnownFact(Struct, frozen=True):
    """One fact of a machine: how it is told, in which group, and its weight in a comparison.

    ``values`` are the words of values that are mere switches. ``gist`` words the value where it
    stands alone for its group. ``indexed`` facts weigh nothing, and a caveat asks for them. ``file``
    is the system file whose text the fact is, or the first group of ``pattern`` in it; ``lscpu`` the
    line of that program, ``nvidia`` what its driver calls it. ``tolerance`` is the share by which
    two amounts of the same may differ. A guest's ``part`` of its host's is no other machine. Where
    it changes between two runs of an environment, ``event`` says what did, with its values or not.
    """

    name: str
    title: str
    group: str
    weight: Weight = Weight.NONE
    values: Mapping[str, str] = field(default_factory=dict)
    gist: str = "{}"
    indexed: bool = False
    file: str = ""
    pattern: str = ""
    lscpu: str = ""
    nvidia: str = ""
    tolerance: float = 0.0
    part: bool = False
    event: str = ""

    def same(self, values: str, others: str) -> bool:
        """Say whether two texts of values, joined by semicolons, are of the same."""
        if values == others or not self.tolerance:
            return values == others
        texts = f"{values}; {others}".split("; ")
        amounts = [float(found[1]) for text in texts if (found := _AMOUNT.fullmatch(text))]
        return len(amounts) == len(texts) and max(amounts) <= min(amounts) * (1 + self.tolerance)


_AMOUNT = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) GiB")
#: Which TEE the machine's signals show, as one fact among the others.
TEE = "tee"
NOT_VISIBLE, NOT_RECORDED = "not visible", "not recorded"
_DMI = "/sys/class/dmi/id"
_SYSTEM = "/sys/devices/system"
_CPU = f"{_SYSTEM}/cpu"
_POLICY = f"{_CPU}/cpu0/cpufreq"
_CLOCK = f"{_SYSTEM}/clocksource/clocksource0"
_HUGE = "/sys/kernel/mm/transparent_hugepage"
_CHOSEN = r"\[([\w+-]+)\]"
_ON = {"0": "off", "1": "on"}
_NO = {"0": "no", "1": "yes"}
#: By group in the order of a page; the first of a group tells most of it.
FACTS: Mapping[str, KnownFact] = {
    fact.name: fact
    for fact in (
        KnownFact(TEE, "TEE signals", "", LISTED),
        KnownFact("platform", "Platform", "Platform", LISTED),
        KnownFact("virtualisation", "Virtualisation", "Platform", LISTED),
        KnownFact("hypervisor", "Hypervisor", "Platform", DOUBT, event="hypervisor {}"),
        KnownFact("container", "Container", "Platform", DOUBT),
        KnownFact("cloud", "Cloud", "Platform"),
        KnownFact("instance_type", "Instance type", "Platform", DOUBT, event="instance type {}"),
        KnownFact("region", "Region", "Platform"),
        KnownFact("tee_host", "Could host", "Platform", indexed=True),
        KnownFact("paravisor", "Paravisor", "Platform", LISTED, event="paravisor {}"),
        KnownFact("dstack", "dstack agent", "Platform"),
        KnownFact("sys_vendor", "Vendor", "Platform", file=f"{_DMI}/sys_vendor"),
        KnownFact("product_name", "Product", "Platform", file=f"{_DMI}/product_name"),
        KnownFact("cpu", "Processor", "Processor", IDENTITY, event="processor {}"),
        KnownFact("cpu_id", "Processor id", "Processor"),
        KnownFact("microcode", "Microcode", "Processor", DOUBT, event="microcode {}"),
        KnownFact("cpus", "CPUs", "Processor", IDENTITY, part=True, event="CPUs {}"),
        KnownFact("sockets", "Sockets", "Processor", IDENTITY, lscpu="Socket(s)", part=True, event="sockets {}"),
        KnownFact("cores_per_socket", "Cores per socket", "Processor", LISTED, lscpu="Core(s) per socket"),
        KnownFact("threads_per_core", "Threads per core", "Processor", LISTED, lscpu="Thread(s) per core"),
        KnownFact("smt", "SMT", "Processor", DOUBT, values=_ON, file=f"{_CPU}/smt/active"),
        KnownFact("numa_nodes", "NUMA nodes", "Processor", DOUBT, lscpu="NUMA node(s)"),
        KnownFact("numa_distances", "NUMA distances", "Processor", file=f"{_SYSTEM}/node/node0/distance"),
        KnownFact("l1d_cache", "L1 data cache", "Processor", lscpu="L1d cache"),
        KnownFact("l1i_cache", "L1 instruction cache", "Processor", lscpu="L1i cache"),
        KnownFact("l2_cache", "L2 cache", "Processor", lscpu="L2 cache"),
        KnownFact("l3_cache", "L3 cache", "Processor", lscpu="L3 cache"),
        KnownFact("cpu_flags", "CPU flags", "Processor", LISTED),
        KnownFact("cpu_flags_digest", "All CPU flags (digest)", "Processor", LISTED),
        KnownFact("governor", "Governor", "Processor", DOUBT, file=f"{_POLICY}/scaling_governor"),
        KnownFact("frequency_driver", "Frequency driver", "Processor", file=f"{_POLICY}/scaling_driver"),
        KnownFact("energy_preference", "Energy preference", "Processor", DOUBT, file=f"{_POLICY}/energy_performance_preference"),
        KnownFact("no_turbo", "Turbo switched off", "Processor", DOUBT, values=_NO, file=f"{_CPU}/intel_pstate/no_turbo"),
        KnownFact("boost", "Boost", "Processor", DOUBT, values=_ON, file=f"{_CPU}/cpufreq/boost"),
        KnownFact("highest_frequency", "Highest frequency", "Processor"),
        KnownFact("isolated_cpus", "Isolated CPUs", "Processor", DOUBT),
        KnownFact("cpu_affinity", "CPUs of this process", "Processor", LISTED, file="/proc/self/status", pattern=r"(?m)^Cpus_allowed_list:\s*(.*\S)"),
        KnownFact("architecture", "Architecture", "Processor", LISTED),
        KnownFact("memory", "Memory", "Memory", IDENTITY, part=True, tolerance=0.05, event="memory {}"),
        KnownFact("swap", "Swap", "Memory"),
        KnownFact("swappiness", "Swappiness", "Memory", file="/proc/sys/vm/swappiness"),
        KnownFact("huge_pages", "Transparent huge pages", "Memory", DOUBT, file=f"{_HUGE}/enabled", pattern=_CHOSEN),
        KnownFact("huge_pages_defrag", "Huge pages, defragmentation", "Memory", LISTED, file=f"{_HUGE}/defrag", pattern=_CHOSEN),
        KnownFact("reserved_huge_pages", "Reserved huge pages", "Memory", LISTED),
        KnownFact("ksm", "Page merging (KSM)", "Memory"),
        KnownFact("overcommit", "Overcommit", "Memory"),
        KnownFact("swiotlb", "Bounce buffers (swiotlb)", "Memory", LISTED),
        KnownFact("page_size", "Page size", "Memory", LISTED),
        KnownFact("kernel", "Kernel", "Kernel", DOUBT, event="kernel {}"),
        KnownFact("kernel_kind", "Kernel kind", "Kernel"),
        KnownFact("kernel_options", "Kernel options", "Kernel", DOUBT, event="kernel options"),
        KnownFact("vulnerable_to", "Vulnerable to", "Kernel", DOUBT),
        KnownFact("mitigations", "Mitigations (digest)", "Kernel", DOUBT, event="mitigations"),
        KnownFact("security_modules", "Security modules", "Kernel", file="/sys/kernel/security/lsm"),
        KnownFact("os", "System", "Kernel", file="/etc/os-release", pattern=r"""(?m)^PRETTY_NAME=["']*(.+?)["']*$"""),
        KnownFact("python", "Python", "Kernel"),
        KnownFact("sitegen", "sitegen", "Kernel"),
        KnownFact("clock_source", "Clock source", "Clock", DOUBT, file=f"{_CLOCK}/current_clocksource"),
        KnownFact("clock_sources", "Clock sources there are", "Clock", file=f"{_CLOCK}/available_clocksource"),
        KnownFact("tsc", "Time-stamp counter", "Clock"),
        KnownFact("clock_synchronised", "Synchronised", "Clock"),
        KnownFact("cpu_quota", "CPU quota", "Limits", DOUBT, gist="CPU quota {}"),
        KnownFact("memory_limit", "Memory limit", "Limits", DOUBT),
        KnownFact("cgroup_version", "Control groups, version", "Limits"),
        KnownFact("seccomp", "seccomp", "Limits"),
        KnownFact("open_files", "Open files", "Limits", file="/proc/self/limits", pattern=r"(?m)^Max open files\s+(\w{1,20})"),
        KnownFact("file_system", "File system", "Disk", DOUBT),
        KnownFact("mount_options", "Mount options", "Disk", LISTED),
        KnownFact("free_space", "Free", "Disk"),
        KnownFact("disk", "Disk", "Disk", DOUBT),
        KnownFact("disk_bus", "Disk attached by", "Disk", LISTED),
        KnownFact("disk_model", "Disk model", "Disk"),
        KnownFact("disk_driver", "Disk driver", "Disk", DOUBT, event="disk driver {}"),
        KnownFact("disk_mapper", "Disk mapping", "Disk", DOUBT),
        KnownFact("disk_rotational", "Disk says it rotates", "Disk", values=_NO),
        KnownFact("disk_scheduler", "Disk scheduler", "Disk", DOUBT),
        KnownFact("disk_write_cache", "Disk write cache", "Disk", DOUBT),
        KnownFact("disk_requests", "Disk requests queued", "Disk"),
        KnownFact("disk_block_size", "Disk block size", "Disk"),
        KnownFact("root_file_system", "Root file system", "Disk"),
        KnownFact("network_driver", "Network driver", "Network", DOUBT, event="network driver {}"),
        KnownFact("network_speed", "Network speed", "Network"),
        KnownFact("mtu", "MTU", "Network", DOUBT),
        KnownFact("network_offloads", "Network offloads", "Network", LISTED),
        KnownFact("somaxconn", "Listen backlog (somaxconn)", "Network", file="/proc/sys/net/core/somaxconn"),
        KnownFact("port_range", "Local ports", "Network"),
        KnownFact("tcp_tw_reuse", "TIME_WAIT reuse", "Network", values={"0": "off", "1": "on", "2": "loopback only"}, file="/proc/sys/net/ipv4/tcp_tw_reuse"),
        KnownFact("congestion_control", "Congestion control", "Network", file="/proc/sys/net/ipv4/tcp_congestion_control"),
        KnownFact("gpu", "GPU", "GPU", IDENTITY, event="GPU {}"),
        KnownFact("gpus", "GPUs", "GPU", IDENTITY, event="GPUs {}"),
        KnownFact("gpu_driver", "GPU driver", "GPU", DOUBT, nvidia="driver_version", event="GPU driver {}"),
        KnownFact("gpu_firmware", "GPU firmware", "GPU", nvidia="vbios_version", event="GPU firmware {}"),
        KnownFact("gpu_confidential_compute", "GPU confidential computing", "GPU", LISTED, values={"ppcie": "Protected PCIe", "nvle": "NVLink encryption", "devtools": "developer tools on"}),
        KnownFact("gpu_cc_answers", "GPU driver's answers", "GPU"),
        KnownFact("gpu_ready", "GPU ready for work", "GPU"),
        KnownFact("gpu_mig", "GPU MIG", "GPU", nvidia="mig.mode.current"),
        KnownFact("gpu_ecc", "GPU ECC", "GPU", nvidia="ecc.mode.current"),
        KnownFact("gpu_power_limit", "GPU power limit", "GPU", nvidia="power.limit"),
        KnownFact("gpu_link_generation", "GPU link generation", "GPU", nvidia="pcie.link.gen.max"),
        KnownFact("gpu_link_width", "GPU link width", "GPU", nvidia="pcie.link.width.max"),
    )
}  # fmt: skip
GROUPS = tuple(dict.fromkeys(fact.group for fact in FACTS.values() if fact.group))
#: What weighs in a comparison, most first; and what the index keeps of a machine.
WEIGHED = tuple(
    fact.name
    for fact in sorted(FACTS.values(), key=lambda fact: (fact.name != TEE, -fact.weight))
    if fact.weight != Weight.NONE
)
IDENTITIES, DOUBTS = (
    tuple(name for name in WEIGHED if FACTS[name].weight == weight) for weight in (IDENTITY, DOUBT)
)
#: What is marked on a time line where it changes.
EVENTS = tuple(fact.name for fact in FACTS.values() if fact.event)
KEPT = frozenset(fact.name for fact in FACTS.values() if fact.weight or fact.indexed or fact.event)


def title(name: str) -> str:
    """Return the name of a fact in words; one that is not known here is spelled out."""
    entry = FACTS.get(name)
    return entry.title if entry else name.replace("_", " ").capitalize()


def words(name: str, value: str | None) -> str:
    """Return the value of a fact in words; None is what the machine does not show."""
    if value is None:
        return NOT_VISIBLE
    entry = FACTS.get(name)
    return entry.values.get(value, value) if entry else value
