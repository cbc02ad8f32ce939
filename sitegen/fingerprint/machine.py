"""Processor, memory, kernel, clock and limits: what explains a number besides the benchmark.

A fact that the machine does not show is None, never a guess. Identifiers are never facts.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform as python_platform
import re
from collections.abc import Iterator

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
_LSCPU = (
    ("sockets", "Socket(s)"), ("cores_per_socket", "Core(s) per socket"),
    ("threads_per_core", "Thread(s) per core"), ("numa_nodes", "NUMA node(s)"),
    ("l1d_cache", "L1d cache"), ("l1i_cache", "L1i cache"), ("l2_cache", "L2 cache"),
    ("l3_cache", "L3 cache"),
)  # fmt: skip
_CPU_ID = "{vendor_id} family {cpu family} model {model} stepping {stepping}"
_ARM_ID = (
    "implementer {CPU implementer} part {CPU part} variant {CPU variant} revision {CPU revision}"
)
_CPU = "/sys/devices/system/cpu"
_HUGE = "/sys/kernel/mm/transparent_hugepage"
_CHOSEN = re.compile(r"\[([\w+-]+)\]")
_SWIOTLB = re.compile(
    r"software IO TLB: (?:mapped [^\n(]*\((\d{1,9}MB)\)|(Memory encryption is active[^\n]{0,80}))"
)
_SECCOMP = {"0": "off", "1": "strict", "2": "filter"}
_SWITCHES = (
    ("ksm", "/sys/kernel/mm/ksm/run", {"0": "off", "1": "on", "2": "off"}),
    ("overcommit", "/proc/sys/vm/overcommit_memory",
     {"0": "heuristic", "1": "always", "2": "never"}),
)  # fmt: skip
_ASKED_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized")
_LEAP = {"": None, "Not synchronised": "no"}


def processor(machine: Machine) -> Iterator[Fact]:
    """Yield what the CPU is, how many there are, and what they may do."""
    source = "/proc/cpuinfo"
    cpuinfo, cpu = machine.text(source) or "", machine.cpu()
    yield Fact("cpu", cpu.get("model name") or cpu.get("Model") or cpu.get("Hardware"), source)
    yield Fact("cpu_id", _cpu_id(cpu), source)
    yield Fact("microcode", cpu.get("microcode"), source)
    count = cpuinfo.count("\nprocessor") + cpuinfo.startswith("processor")
    yield Fact("cpus", str(count) if count else None, source)
    lscpu = fields(machine.said("lscpu"))
    for name, key in _LSCPU:
        yield Fact(name, lscpu.get(key), "lscpu")
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
    given = {name: whole(text.partition(" ")[0]) for name, text in machine.fields(source).items()}
    for name, key in (("memory", "MemTotal"), ("swap", "SwapTotal")):
        kib = given.get(key)
        yield Fact(name, None if kib is None else f"{kib / 2**20:.1f} GiB", source)
    for name, path in (
        ("huge_pages", f"{_HUGE}/enabled"),
        ("huge_pages_defrag", f"{_HUGE}/defrag"),
    ):
        found = _CHOSEN.search(machine.text(path) or "")
        yield Fact(name, found[1] if found else None, path)
    pages, size = given.get("HugePages_Total"), given.get("Hugepagesize")
    known = pages is not None and size is not None
    reserved = f"{pages} of {size} KiB" if pages else "none"
    yield Fact("reserved_huge_pages", reserved if known else None, source)
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
    kept = [word for word in (line or "").split() if word.split("=")[0] in _CMDLINE_KEYS]
    options = None if line is None else " ".join(kept) or "none of note"
    yield Fact("kernel_options", options, "/proc/cmdline")
    yield from _flaws(machine)
    system = dict(line.partition("=")[::2] for line in machine.lines("/etc/os-release"))
    yield Fact("os", system.get("PRETTY_NAME", "").strip("\"'") or None, "/etc/os-release")
    yield Fact("python", python_platform.python_version(), "sys.version")
    yield Fact("sitegen", __version__, "sitegen")
    yield _synchronised(machine)


def limits(machine: Machine) -> Iterator[Fact]:
    """Yield what holds this process back: the limits of its control group and its own."""
    period = next(machine.cgroup_files("cpu.cfs_period_us", "cpu.cfs_period_us"), "")
    given = [
        [whole(part) for part in (*text.split(), period)[:2]]
        for text in machine.cgroup_files("cpu.max", "cpu.cfs_quota_us")
    ]
    shares = [quota / every for quota, every in given if quota is not None and every]
    quota = f"{min(shares):g}" if shares else "none" if given else None
    yield Fact("cpu_quota", quota, "cgroup cpu.max")
    # Version 1 writes a limit of 19 digits where there is none.
    bounds = [whole(t) for t in machine.cgroup_files("memory.max", "memory.limit_in_bytes")]
    least = min((bound for bound in bounds if bound is not None), default=None)
    limit = f"{least / 2**30:.2f} GiB" if least is not None else "none" if bounds else None
    yield Fact("memory_limit", limit, "cgroup memory.max")
    groups = machine.cgroups()
    version = "2" if set(groups) == {""} else "1" if groups else None
    yield Fact("cgroup_version", version, "/proc/self/cgroup")
    status, source = machine.fields("/proc/self/status"), "/proc/self/status"
    yield Fact("cpu_affinity", status.get("Cpus_allowed_list"), source)
    yield Fact("seccomp", _SECCOMP.get(status.get("Seccomp", "")), source)
    source = "/proc/self/limits"
    found = re.search(r"^Max open files\s+(\w{1,20})", machine.text(source) or "", re.MULTILINE)
    yield Fact("open_files", found[1] if found else None, source)


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
    if found := _SWIOTLB.findall(machine.log.text):
        sizes = [size.replace("MB", " MiB") for size, _ in found if size] or ["size not told"]
        forced = ", forced by memory encryption" if any(text for _, text in found) else ""
        return Fact("swiotlb", f"{sizes[-1]}{forced}", "kernel log")
    word = re.search(r"(?:^| )swiotlb=(\S{1,40})", machine.text("/proc/cmdline") or "")
    return Fact("swiotlb", f"asked for {word[1]}" if word else None, "/proc/cmdline")


def _flaws(machine: Machine) -> Iterator[Fact]:
    place = f"{_CPU}/vulnerabilities"
    told = {name: machine.text(f"{place}/{name}") or "" for name in machine.names(place)}
    open_ = [name for name, text in told.items() if text.startswith("Vulnerable")]
    yield Fact("vulnerable_to", (", ".join(open_) or "none") if told else None, place)
    digest = _digest("\n".join(f"{name} {text}" for name, text in told.items()))
    met = sum(text.startswith("Mitigation") for text in told.values())
    yield Fact("mitigations", f"{digest}, {met} of {len(told)} mitigated" if told else None, place)


def _synchronised(machine: Machine) -> Fact:
    said = machine.said(*_ASKED_CLOCK).partition("NTPSynchronized=")[2].split("\n")[0]
    if said in ("yes", "no"):
        return Fact("clock_synchronised", said, "timedatectl")
    leap = fields(machine.said("chronyc", "-n", "tracking")).get("Leap status", "")
    source = "chronyc" if leap else "timedatectl, chronyc"
    return Fact("clock_synchronised", _LEAP.get(leap, "yes"), source)
