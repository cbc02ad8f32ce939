"""The machine as a page tells it: facts in words and groups, and what each TEE signal means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sitegen.model import Fact, Signal, TeeVerdict


class Shown(NamedTuple):
    """A fact in words, with where it was read."""

    title: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Group:
    """Facts that belong together; ``gist`` is the first of them, ``hidden`` what did not show."""

    title: str
    gist: str
    shown: tuple[Shown, ...]
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which TEE the signals show, how sure, why, and each signal with what it means."""

    kind: str
    sure: str
    reasons: tuple[str, ...]
    signals: tuple[Shown, ...]


#: The groups of a page and their facts, each with its title; the first tells most of its group.
_GROUPS: Mapping[str, Mapping[str, str]] = {
    "Platform": {
        "platform": "Platform", "virtualisation": "Virtualisation", "hypervisor": "Hypervisor",
        "container": "Container", "cloud": "Cloud", "instance_type": "Instance type",
        "region": "Region", "tee_host": "Could host", "paravisor": "Paravisor",
        "dstack": "dstack agent", "sys_vendor": "Vendor", "product_name": "Product",
    },
    "Processor": {
        "cpu": "Processor", "cpu_id": "Processor id", "microcode": "Microcode", "cpus": "CPUs",
        "sockets": "Sockets", "cores_per_socket": "Cores per socket",
        "threads_per_core": "Threads per core", "smt": "SMT", "numa_nodes": "NUMA nodes",
        "numa_distances": "NUMA distances", "l1d_cache": "L1 data cache",
        "l1i_cache": "L1 instruction cache", "l2_cache": "L2 cache", "l3_cache": "L3 cache",
        "cpu_flags": "CPU flags", "cpu_flags_digest": "Digest of all CPU flags",
        "governor": "Governor", "frequency_driver": "Frequency driver",
        "energy_preference": "Energy preference", "no_turbo": "Turbo switched off",
        "boost": "Boost", "highest_frequency": "Highest frequency",
        "isolated_cpus": "Isolated CPUs", "cpu_affinity": "CPUs of this process",
    },
    "Memory": {
        "memory": "Memory", "swap": "Swap", "swappiness": "Swappiness",
        "huge_pages": "Transparent huge pages", "huge_pages_defrag": "Huge pages, defragmentation",
        "reserved_huge_pages": "Reserved huge pages", "ksm": "Page merging (KSM)",
        "overcommit": "Overcommit", "swiotlb": "Bounce buffers (swiotlb)",
    },
    "Kernel": {
        "kernel": "Kernel", "kernel_kind": "Kernel kind", "kernel_options": "Kernel options",
        "vulnerable_to": "Vulnerable to", "mitigations": "Digest of mitigations",
        "security_modules": "Security modules", "os": "System", "python": "Python",
        "sitegen": "sitegen",
    },
    "Clock": {
        "clock_source": "Clock source", "clock_sources": "Clock sources there are",
        "tsc": "Time-stamp counter", "clock_synchronised": "Synchronised",
    },
    "Limits": {
        "cpu_quota": "CPU quota", "memory_limit": "Memory limit",
        "cgroup_version": "Control groups, version", "seccomp": "seccomp",
        "open_files": "Open files",
    },
    "Disk": {
        "file_system": "File system", "mount_options": "Mount options", "free_space": "Free",
        "disk": "Disk", "disk_bus": "Disk attached by", "disk_model": "Disk model",
        "disk_driver": "Disk driver", "disk_mapper": "Disk mapping",
        "disk_rotational": "Disk says it rotates", "disk_scheduler": "Disk scheduler",
        "disk_write_cache": "Disk write cache", "disk_requests": "Disk requests queued",
        "disk_block_size": "Disk block size", "root_file_system": "Root file system",
    },
    "Network": {
        "network_driver": "Network driver", "network_speed": "Network speed", "mtu": "MTU",
        "network_offloads": "Network offloads", "somaxconn": "Listen backlog (somaxconn)",
        "port_range": "Local ports", "tcp_tw_reuse": "TIME_WAIT reuse",
        "congestion_control": "Congestion control",
    },
    "GPU": {
        "gpu": "GPU", "gpus": "GPUs", "gpu_driver": "GPU driver", "gpu_firmware": "GPU firmware",
        "gpu_confidential_compute": "GPU confidential computing",
        "gpu_cc_answers": "GPU driver's answers", "gpu_ready": "GPU ready for work",
        "gpu_mig": "GPU MIG", "gpu_ecc": "GPU ECC", "gpu_power_limit": "GPU power limit",
        "gpu_link_generation": "GPU link generation", "gpu_link_width": "GPU link width",
    },
}  # fmt: skip
_OTHER = "Other"
#: How the first fact of a group is told where its value alone would say little.
_GISTS = {"Limits": "CPU quota {}"}
_PLACES = {
    name: (place, group, title)
    for place, (name, group, title) in enumerate(
        (name, group, title) for group, names in _GROUPS.items() for name, title in names.items()
    )
}
_ON = {"0": "off", "1": "on"}
_NO = {"0": "no", "1": "yes"}
_VALUES: Mapping[str, Mapping[str, str]] = {
    "smt": _ON, "boost": _ON, "no_turbo": _NO, "disk_rotational": _NO,
    "tcp_tw_reuse": {"0": "off", "1": "on", "2": "loopback only"},
    "gpu_confidential_compute": {
        "ppcie": "Protected PCIe", "nvle": "NVLink encryption", "devtools": "developer tools on",
    },
}  # fmt: skip
_TEES = {
    "tdx": "Intel TDX", "sev": "AMD SEV", "sev-es": "AMD SEV-ES", "sev-snp": "AMD SEV-SNP",
    "csv": "Hygon CSV", "sgx": "Intel SGX", "nitro": "AWS Nitro Enclaves", "cca": "Arm CCA",
    "secure-execution": "IBM Secure Execution",
}  # fmt: skip
#: What a signal saw where there was nothing to see.
UNSEEN = ("absent", "unreadable", "not asked")


def title(name: str) -> str:
    """Return the name of a fact in words; one that is not known here is spelled out."""
    known = _PLACES.get(name)
    if known:
        return known[2]
    return "TEE signals" if name == "tee" else name.replace("_", " ").capitalize()


def value(name: str, text: str) -> str:
    """Return the value of a fact in words where it is a mere switch."""
    return _VALUES.get(name, {}).get(text, text)


def groups(facts: Iterable[Fact]) -> tuple[Group, ...]:
    """Return all facts by group, in the order of the groups; none is left out."""
    found: dict[str, list[Fact]] = {name: [] for name in (*_GROUPS, _OTHER)}
    for fact in facts:
        known = _PLACES.get(fact.name)
        found[known[1] if known else _OTHER].append(fact)
    return tuple(_group(name, members) for name, members in found.items() if members)


def verdict(tee: TeeVerdict) -> Verdict:
    """Return the verdict in words; what speaks stands before what showed nothing."""
    signals = sorted(tee.signals, key=lambda one: (not one.means, one.saw in UNSEEN))
    return Verdict(
        tee.kind,
        f"{tee.confidence} confidence" if tee.confidence else "",
        tee.reasons,
        tuple(Shown(one.source, one.saw, _meaning(one)) for one in signals),
    )


def _group(name: str, members: Sequence[Fact]) -> Group:
    ordered = sorted(members, key=lambda fact: _PLACES.get(fact.name, (len(_PLACES),))[0])
    shown = tuple(
        Shown(title(fact.name), value(fact.name, fact.value), fact.source)
        for fact in ordered
        if fact.value is not None
    )
    hidden = tuple(title(fact.name) for fact in ordered if fact.value is None)
    gist = "not visible here"
    if shown:
        gist = shown[0].value
        if name in _GISTS and ordered[0].value is not None:
            gist = _GISTS[name].format(gist)
    return Group(name, gist, shown, hidden)


def _meaning(signal: Signal) -> str:
    if signal.means == "none":
        return "speaks against being inside a TEE"
    if signal.means:
        return f"speaks for {_TEES.get(signal.means, signal.means)}"
    return "" if signal.saw in UNSEEN else "says nothing by itself"
