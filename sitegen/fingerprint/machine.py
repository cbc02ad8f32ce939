"""Processor, memory, kernel, limits, disk and network: what explains a number besides the tool."""

from __future__ import annotations

import contextlib
import hashlib
import platform as python_platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sitegen import __version__
from sitegen.fingerprint.places import Machine, fields, whole
from sitegen.model import Fact

#: Kernel command-line words that explain performance; no other word is read.
_CMDLINE_KEYS = frozenset(
    {"mitigations", "swiotlb", "iommu", "intel_iommu", "amd_iommu", "idle", "isolcpus",
     "nohz_full", "mem_encrypt", "transparent_hugepage", "hugepages", "hugepagesz",
     "default_hugepagesz", "nosmt", "rcu_nocbs", "clocksource", "tsc", "preempt", "pti",
     "intel_pstate", "amd_pstate", "cpufreq.default_governor", "processor.max_cstate",
     "intel_idle.max_cstate", "spectre_v2", "nopti", "nospectre_v2", "kvm-intel.tdx",
     "kvm_intel.tdx", "kvm_amd.sev", "kvm_amd.sev_snp", "numa_balancing"}
)  # fmt: skip
_CPU_FLAGS = (
    "aes", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16",
    "sha_ni", "vaes", "vpclmulqdq", "gfni", "sha2", "asimd", "sve", "hypervisor", "tdx_guest",
    "tdx_host_platform", "sev", "sev_es", "sev_snp", "sgx",
)  # fmt: skip
_TSC_FLAGS = ("constant_tsc", "nonstop_tsc", "tsc_known_freq", "tsc_reliable", "tsc_scale")
_CPU_ID = "{vendor_id} family {cpu family} model {model} stepping {stepping}"
_ARM_ID = (
    "implementer {CPU implementer} part {CPU part} variant {CPU variant} revision {CPU revision}"
)
_CPU = "/sys/devices/system/cpu"
_SWIOTLB = re.compile(
    r"software IO TLB: (?:mapped [^\n(]*\((\d{1,9}MB)\)|(Memory encryption is active[^\n]{0,80}))"
)
_SECCOMP = {"0": "off", "1": "strict", "2": "filter"}
_SWITCHES = (
    ("ksm", "/sys/kernel/mm/ksm/run", {"0": "off", "1": "on", "2": "off"}),
    ("overcommit", "/proc/sys/vm/overcommit_memory",
     {"0": "heuristic", "1": "always", "2": "never"}),
)  # fmt: skip
ASKED_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized")
_LEAP = {"": None, "Not synchronised": "no"}
_PSEUDO = re.compile(r"overlay|tmpfs|9p|virtiofs|nfs4?|cifs|fuse.*|proc|sysfs")
_OPTION = re.compile(
    r"rw|ro|\w*atime|discard|data=\w+|compress\S*|barrier=\d|sync|dax\S*|nobarrier|commit=\d+"
)
_QUEUE = (
    ("disk_rotational", "queue/rotational"), ("disk_scheduler", "queue/scheduler"),
    ("disk_write_cache", "queue/write_cache"), ("disk_requests", "queue/nr_requests"),
    ("disk_block_size", "queue/logical_block_size"), ("disk_model", "device/model"),
)  # fmt: skip
#: How a disk is attached, by its name: plainly, and behind virtio.
_BUSES = (
    (r"nvme\d", "nvme", "nvme"), (r"vd[a-z]+", "virtio-blk", "virtio-blk"),
    (r"sd[a-z]+", "scsi", "virtio-scsi"), (r"xvd[a-z]+", "xen", "xen"),
    (r"mmcblk\d", "mmc", "mmc"), (r"loop\d", "loop", "loop"), (r"md\d", "raid", "raid"),
    (r"pmem\d", "pmem", "pmem"), (r"dm-\d", "device mapper", "device mapper"),
)  # fmt: skip
_OFFLOADS = (
    ("tcp-segmentation-offload", "TSO"), ("generic-segmentation-offload", "GSO"),
    ("generic-receive-offload", "GRO"), ("large-receive-offload", "LRO"),
    ("rx-checksumming", "RX checksum"), ("tx-checksumming", "TX checksum"),
)  # fmt: skip
_COLUMNS = 5


def processor(machine: Machine) -> Iterator[Fact]:
    """Yield what the CPU is, how many there are, and what they may do."""
    source = "/proc/cpuinfo"
    cpuinfo, cpu = machine.text(source) or "", machine.cpu()
    yield Fact("cpu", cpu.get("model name") or cpu.get("Model") or cpu.get("Hardware"), source)
    yield Fact("cpu_id", _cpu_id(cpu), source)
    yield Fact("microcode", cpu.get("microcode"), source)
    count = cpuinfo.count("\nprocessor") + cpuinfo.startswith("processor")
    yield Fact("cpus", str(count) if count else None, source)
    flags = machine.flags()
    yield Fact("cpu_flags", " ".join(f for f in _CPU_FLAGS if f in flags) or None, source)
    digest = _digest(" ".join(sorted(flags)))
    yield Fact("cpu_flags_digest", f"{digest}, {len(flags)} flags" if flags else None, source)
    yield Fact("tsc", " ".join(flag for flag in _TSC_FLAGS if flag in flags) or None, source)
    path = f"{_CPU}/cpu0/cpufreq/cpuinfo_max_freq"
    khz = whole(machine.text(path))
    yield Fact("highest_frequency", None if khz is None else f"{khz / 1e6:.2f} GHz", path)
    path = f"{_CPU}/isolated"
    isolated = machine.text(path)
    yield Fact("isolated_cpus", None if isolated is None else isolated or "none", path)


def memory(machine: Machine) -> Iterator[Fact]:
    """Yield how much memory there is, in which pages, and what bounces through it."""
    source = "/proc/meminfo"
    sizes = {name: whole(text.partition(" ")[0]) for name, text in machine.fields(source).items()}
    for name, key in (("memory", "MemTotal"), ("swap", "SwapTotal")):
        kib = sizes.get(key)
        yield Fact(name, None if kib is None else f"{kib / 2**20:.1f} GiB", source)
    pages, size = sizes.get("HugePages_Total"), sizes.get("Hugepagesize")
    complete = pages is not None and size is not None
    reserved = f"{pages} of {size} KiB" if pages else "none"
    yield Fact("reserved_huge_pages", reserved if complete else None, source)
    for name, path, words in _SWITCHES:
        yield Fact(name, words.get(machine.text(path) or ""), path)
    yield _bounce(machine)


def kernel(machine: Machine) -> Iterator[Fact]:
    """Yield which kernel runs, with what switched on, against which flaws, and by which clock."""
    path = "/proc/sys/kernel/osrelease"
    release = machine.text(path)
    version = re.match(r"[\d.]{1,24}(?:-\d{1,9})?", release or "")
    # The rest of the release is often a build host's or a customer's name.
    yield Fact("kernel", f"Linux {version[0]}" if version else release, path)
    path = "/proc/sys/kernel/version"
    kind = re.findall(r"\b(?:SMP|PREEMPT\w{0,12})\b", machine.text(path) or "")
    yield Fact("kernel_kind", " ".join(kind) or None, path)
    line = machine.text("/proc/cmdline")
    words = [word for word in (line or "").split() if word.split("=")[0] in _CMDLINE_KEYS]
    options = None if line is None else " ".join(words) or "none of note"
    yield Fact("kernel_options", options, "/proc/cmdline")
    yield from _flaws(machine)
    yield Fact("python", python_platform.python_version(), "sys.version")
    yield Fact("sitegen", __version__, "sitegen")
    yield _synchronised(machine)


def cpu_quotas(machine: Machine) -> list[float | None]:
    """Return how many CPUs' time each control group of this process leaves it; None is no limit."""
    period = next(machine.cgroup_files("cpu.cfs_period_us", "cpu.cfs_period_us"), "")
    quotas = [
        [whole(part) for part in (*text.split(), period)[:2]]
        for text in machine.cgroup_files("cpu.max", "cpu.cfs_quota_us")
    ]
    return [quota / every if quota is not None and every else None for quota, every in quotas]


def memory_limits(machine: Machine) -> list[int | None]:
    """Return how many bytes each control group of this process leaves it; None is no limit."""
    # Version 1 writes a limit of 19 digits where there is none.
    return [whole(text) for text in machine.cgroup_files("memory.max", "memory.limit_in_bytes")]


def least(limits: Iterable[float | None]) -> float | None:
    """Return the limit that binds, or None where none does."""
    return min((limit for limit in limits if limit is not None), default=None)


def limits(machine: Machine) -> Iterator[Fact]:
    """Yield what holds this process back: the limits of its control group and its own."""
    quotas, bounds = cpu_quotas(machine), memory_limits(machine)
    quota, bound = least(quotas), least(bounds)
    text = f"{quota:g}" if quota is not None else "none" if quotas else None
    yield Fact("cpu_quota", text, "cgroup cpu.max")
    text = f"{bound / 2**30:.2f} GiB" if bound is not None else "none" if bounds else None
    yield Fact("memory_limit", text, "cgroup memory.max")
    groups = machine.cgroups()
    version = "2" if set(groups) == {""} else "1" if groups else None
    yield Fact("cgroup_version", version, "/proc/self/cgroup")
    path = "/proc/self/status"
    yield Fact("seccomp", _SECCOMP.get(machine.fields(path).get("Seccomp", "")), path)


def findmnt(workdir: Path) -> tuple[str, ...]:
    """Return the command that tells which file system ``workdir`` lies on."""
    return ("findmnt", "-rnbo", "FSTYPE,OPTIONS,SIZE,AVAIL,SOURCE", "-T", str(workdir))


def disk(machine: Machine, workdir: Path) -> Iterator[Fact]:
    """Yield the file system that ``workdir`` lies on and the disk below it."""
    types = [line.partition(" - ")[2].split(" ")[0] for line in machine.root_mounts()]
    yield Fact(
        "root_file_system", next(filter(None, reversed(types)), None), "/proc/self/mountinfo"
    )
    parts = machine.output(*findmnt(workdir)).split("\n", 1)[0].split()
    if len(parts) < _COLUMNS:
        yield Fact("file_system", None, "findmnt")
        return
    fstype, options, size, free, source = parts[:_COLUMNS]
    yield Fact("file_system", fstype, "findmnt")
    words = [word for word in options.split(",") if _OPTION.fullmatch(word)]
    yield Fact("mount_options", ",".join(words) or None, "findmnt")
    total, left = whole(size), whole(free)
    share = f"{100 * left / total:.0f} %" if total and left is not None else None
    yield Fact("free_space", share, "findmnt")
    if _PSEUDO.fullmatch(fstype) or not source.startswith("/dev/"):
        yield Fact("disk", None, "findmnt")
        return
    # /dev/mapper/... is a link to the dm device that sysfs knows.
    name = machine.at(re.sub(r"\[.*", "", source)).resolve().name
    block = machine.at(f"/sys/class/block/{name}")
    if not block.exists():
        yield Fact("disk", None, "findmnt, /sys/class/block")
        return
    stack = _stack(machine, block)
    yield Fact("disk", " on ".join(stack), "findmnt, /sys/class/block")
    base = f"/sys/class/block/{stack[-1]}"
    # A virtual disk costs what its transport costs.
    virtio = re.search(r"/virtio\d", str(machine.at(base).resolve())) is not None
    kinds = (kind for kind in _BUSES if re.match(kind[0], stack[-1]))
    bus = next((inside if virtio else plain for _, plain, inside in kinds), None)
    yield Fact("disk_bus", bus, base)
    for fact, file in _QUEUE:
        yield Fact(fact, machine.text(f"{base}/{file}") or None, f"{base}/{file}")
    yield Fact("disk_driver", machine.target(f"{base}/device/driver"), f"{base}/device/driver")
    uuids = [machine.text(f"/sys/class/block/{name}/dm/uuid") or "" for name in stack]
    layers = [uuid.split("-", 1)[0] for uuid in uuids if uuid]
    yield Fact("disk_mapper", " on ".join(layers) or "none", "/sys/class/block, dm/uuid")


def _stack(machine: Machine, block: Path, depth: int = 8) -> list[str]:
    """Return the disk of a partition and what it is mapped to, down to one that is no mapping."""
    real = block.resolve()
    partition = real.exists() and not (real / "queue").is_dir()
    disk = real.parent.name if partition else real.name
    below = machine.names(f"/sys/class/block/{disk}/slaves")
    if not below or depth == 1:
        return [disk]
    return [disk, *_stack(machine, machine.at(f"/sys/class/block/{below[0]}"), depth - 1)]


def network(machine: Machine) -> Iterator[Fact]:
    """Yield the card of the default route and its switches; its name can hold its address."""
    card = default_card(machine)
    place, source = f"/sys/class/net/{card}", "/sys/class/net, default route"
    yield Fact("network_driver", machine.target(f"{place}/device/driver"), source)
    speed = whole(machine.text(f"{place}/speed"))
    yield Fact("network_speed", f"{speed} Mbit/s" if speed else None, source)
    yield Fact("mtu", machine.text(f"{place}/mtu"), source)
    features = fields(machine.output("ethtool", "-k", card)) if card else {}
    offloads = [(title, features[name]) for name, title in _OFFLOADS if name in features]
    on = ", ".join(title for title, word in offloads if word.startswith("on"))
    yield Fact("network_offloads", (on or "none") if offloads else None, "ethtool -k")
    path = "/proc/sys/net/ipv4/ip_local_port_range"
    yield Fact("port_range", " to ".join((machine.text(path) or "").split()) or None, path)


def default_card(machine: Machine) -> str:
    """Return the name of the card that leads to the world, or nothing."""
    for line in machine.lines("/proc/net/route")[1:]:
        parts = line.split()
        if len(parts) > 1 and parts[1] == "00000000" and re.fullmatch(r"[\w.:-]{1,32}", parts[0]):
            return parts[0] if parts[0] not in (".", "..") else ""
    return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _cpu_id(cpu: dict[str, str]) -> str | None:
    for words in (_CPU_ID, _ARM_ID):
        with contextlib.suppress(KeyError):
            return words.format(**cpu)
    return None


def _bounce(machine: Machine) -> Fact:
    """Return the bounce buffers' size: a confidential guest's devices reach nothing else."""
    path = "/sys/kernel/debug/swiotlb/io_tlb_nslabs"
    slabs = whole(machine.text(path))
    if slabs is not None:
        return Fact("swiotlb", f"{slabs * 2048 / 2**20:.0f} MiB", path)  # slabs of 2 KiB
    if matches := _SWIOTLB.findall(machine.log.text):
        sizes = [size.replace("MB", " MiB") for size, _ in matches if size] or ["size not told"]
        forced = ", forced by memory encryption" if any(text for _, text in matches) else ""
        return Fact("swiotlb", f"{sizes[-1]}{forced}", "kernel log")
    word = re.search(r"(?:^| )swiotlb=(\S{1,40})", machine.text("/proc/cmdline") or "")
    return Fact("swiotlb", f"asked for {word[1]}" if word else None, "/proc/cmdline")


def _flaws(machine: Machine) -> Iterator[Fact]:
    place = f"{_CPU}/vulnerabilities"
    flaws = {name: machine.text(f"{place}/{name}") or "" for name in machine.names(place)}
    open_ = [name for name, text in flaws.items() if text.startswith("Vulnerable")]
    yield Fact("vulnerable_to", (", ".join(open_) or "none") if flaws else None, place)
    digest = _digest("\n".join(f"{name} {text}" for name, text in flaws.items()))
    met = sum(text.startswith("Mitigation") for text in flaws.values())
    yield Fact(
        "mitigations", f"{digest}, {met} of {len(flaws)} mitigated" if flaws else None, place
    )


def _synchronised(machine: Machine) -> Fact:
    answer = machine.output(*ASKED_CLOCK).partition("NTPSynchronized=")[2].split("\n")[0]
    if answer in ("yes", "no"):
        return Fact("clock_synchronised", answer, "timedatectl")
    leap = fields(machine.output("chronyc", "-n", "tracking")).get("Leap status", "")
    source = "chronyc" if leap else "timedatectl, chronyc"
    return Fact("clock_synchronised", _LEAP.get(leap, "yes"), source)
