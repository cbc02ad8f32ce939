"""Processor, memory, kernel, clock and limits: what explains a number besides the benchmark.

A fact that the machine does not show is None, never a guess. Identifiers are never facts.
"""

from __future__ import annotations

import hashlib
import platform as python_platform
import re
from collections.abc import Iterator, Mapping

from sitegen import __version__
from sitegen.fingerprint.places import Log, Machine, colon_lines
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
_SYSTEM = "/sys/devices/system"
_CPU = f"{_SYSTEM}/cpu"
_POLICY = f"{_CPU}/cpu0/cpufreq"
_HUGE = "/sys/kernel/mm/transparent_hugepage"
_CLOCK = f"{_SYSTEM}/clocksource/clocksource0"
_SWITCHES = (
    ("governor", f"{_POLICY}/scaling_governor"),
    ("frequency_driver", f"{_POLICY}/scaling_driver"),
    ("energy_preference", f"{_POLICY}/energy_performance_preference"),
    ("no_turbo", f"{_CPU}/intel_pstate/no_turbo"),
    ("boost", f"{_CPU}/cpufreq/boost"),
    ("smt", f"{_CPU}/smt/active"),
)
_CHOSEN = re.compile(r"\[([\w+-]+)\]")
_SWIOTLB = re.compile(
    r"software IO TLB: (?:mapped [^\n(]*\((\d{1,9}MB)\)|(Memory encryption is active[^\n]{0,80}))"
)
_SECCOMP = {"0": "off", "1": "strict", "2": "filter"}
_OVERCOMMIT = {"0": "heuristic", "1": "always", "2": "never"}
#: A limit as large as this is none: version 1 of cgroups writes it so.
_NO_LIMIT = 2**60
_ASKED_CLOCK = ("timedatectl", "show", "--property=NTPSynchronized")


def processor(machine: Machine) -> Iterator[Fact]:
    """Yield what the CPU is, how many there are, and what they may do."""
    cpuinfo = machine.cpuinfo()
    source = "/proc/cpuinfo"
    fields = dict(colon_lines(cpuinfo.split("\n\n", 1)[0]))
    model = fields.get("model name") or fields.get("Model") or fields.get("Hardware")
    yield Fact("cpu", model, source)
    yield Fact("cpu_id", _cpu_id(fields), source)
    yield Fact("microcode", fields.get("microcode"), source)
    count = cpuinfo.count("\nprocessor") + cpuinfo.startswith("processor")
    yield Fact("cpus", str(count) if count else None, source)
    lscpu = dict(colon_lines(machine.said("lscpu")))
    for name, key in _LSCPU:
        yield Fact(name, lscpu.get(key), "lscpu")
    path = f"{_SYSTEM}/node/node0/distance"
    yield Fact("numa_distances", machine.text(path), path)
    flags = machine.flags()
    yield Fact("cpu_flags", " ".join(f for f in _CPU_FLAGS if f in flags) or None, source)
    digest = hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest()[:12]
    yield Fact("cpu_flags_digest", f"{digest}, {len(flags)} flags" if flags else None, source)
    for name, path in _SWITCHES:
        yield Fact(name, machine.text(path) or None, path)
    path = f"{_POLICY}/cpuinfo_max_freq"
    khz = machine.text(path) or ""
    most = f"{int(khz) / 1e6:.2f} GHz" if re.fullmatch(r"\d{1,9}", khz) else None
    yield Fact("highest_frequency", most, path)
    path = f"{_CPU}/isolated"
    isolated = machine.text(path)
    yield Fact("isolated_cpus", None if isolated is None else isolated or "none", path)
    own = _status(machine).get("Cpus_allowed_list")
    yield Fact("cpu_affinity", own, "/proc/self/status")


def memory(machine: Machine, log: Log | None) -> Iterator[Fact]:
    """Yield how much memory there is, in which pages, and what bounces through it."""
    meminfo = {
        name: value.split() for name, value in colon_lines(machine.text("/proc/meminfo") or "")
    }
    for name, key in (("memory", "MemTotal"), ("swap", "SwapTotal")):
        kib = _whole(meminfo.get(key))
        yield Fact(name, None if kib is None else f"{kib / 2**20:.1f} GiB", "/proc/meminfo")
    for name, path in (
        ("huge_pages", f"{_HUGE}/enabled"),
        ("huge_pages_defrag", f"{_HUGE}/defrag"),
    ):
        found = _CHOSEN.search(machine.text(path) or "")
        yield Fact(name, found[1] if found else None, path)
    pages, size = _whole(meminfo.get("HugePages_Total")), _whole(meminfo.get("Hugepagesize"))
    reserved = (
        None if pages is None or size is None else f"{pages} of {size} KiB" if pages else "none"
    )
    yield Fact("reserved_huge_pages", reserved, "/proc/meminfo")
    path = "/sys/kernel/mm/ksm/run"
    yield Fact("ksm", {"0": "off", "1": "on", "2": "off"}.get(machine.text(path) or ""), path)
    path = "/proc/sys/vm/overcommit_memory"
    yield Fact("overcommit", _OVERCOMMIT.get(machine.text(path) or ""), path)
    path = "/proc/sys/vm/swappiness"
    yield Fact("swappiness", machine.text(path), path)
    yield _bounce(machine, log)


def kernel(machine: Machine) -> Iterator[Fact]:
    """Yield which kernel runs, with what switched on, and against which flaws."""
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
    path = "/sys/kernel/security/lsm"
    yield Fact("security_modules", machine.text(path) or None, path)
    lines = (machine.text("/etc/os-release") or "").splitlines()
    release_of = dict(line.split("=", 1) for line in lines if "=" in line)
    yield Fact("os", release_of.get("PRETTY_NAME", "").strip("\"'") or None, "/etc/os-release")
    yield Fact("python", python_platform.python_version(), "sys.version")
    yield Fact("sitegen", __version__, "sitegen")


def clock(machine: Machine) -> Iterator[Fact]:
    """Yield what tells the time: a clock source that is slow to read slows what it measures."""
    for name, file in (
        ("clock_source", "current_clocksource"),
        ("clock_sources", "available_clocksource"),
    ):
        yield Fact(name, machine.text(f"{_CLOCK}/{file}") or None, f"{_CLOCK}/{file}")
    flags = machine.flags()
    there = " ".join(flag for flag in _TSC_FLAGS if flag in flags)
    yield Fact("tsc", there or None, "/proc/cpuinfo")
    yield _synchronised(machine)


def limits(machine: Machine) -> Iterator[Fact]:
    """Yield what holds this process back: the limits of its control group and its own."""
    yield Fact("cpu_quota", _cpu_quota(machine), "cgroup cpu.max")
    yield Fact("memory_limit", _memory_limit(machine), "cgroup memory.max")
    groups = machine.cgroups()
    version = "2" if set(groups) == {""} else "1" if groups else None
    yield Fact("cgroup_version", version, "/proc/self/cgroup")
    status = _status(machine)
    yield Fact("seccomp", _SECCOMP.get(status.get("Seccomp", "")), "/proc/self/status")
    found = re.search(
        r"^Max open files\s+(\w{1,20})", machine.text("/proc/self/limits") or "", re.MULTILINE
    )
    yield Fact("open_files", found[1] if found else None, "/proc/self/limits")


def _cpu_id(fields: Mapping[str, str]) -> str | None:
    ids = [fields.get(key) for key in ("vendor_id", "cpu family", "model", "stepping")]
    if all(ids):
        return "{} family {} model {} stepping {}".format(*ids)
    ids = [fields.get(f"CPU {key}") for key in ("implementer", "part", "variant", "revision")]
    return "implementer {} part {} variant {} revision {}".format(*ids) if all(ids) else None


def _bounce(machine: Machine, log: Log | None) -> Fact:
    """Return the bounce buffers' size: a confidential guest's devices reach nothing else."""
    path = "/sys/kernel/debug/swiotlb/io_tlb_nslabs"
    slabs = machine.text(path) or ""
    if re.fullmatch(r"\d{1,12}", slabs):
        return Fact("swiotlb", f"{int(slabs) * 2048 / 2**20:.0f} MiB", path)  # slabs of 2 KiB
    found = _SWIOTLB.findall(log.text) if log else []
    if found:
        sizes = [size for size, _ in found if size]
        forced = any(text for _, text in found)
        size = sizes[-1].replace("MB", " MiB") if sizes else "size not told"
        return Fact(
            "swiotlb", f"{size}{', forced by memory encryption' if forced else ''}", "kernel log"
        )
    word = re.search(r"(?:^| )swiotlb=(\S{1,40})", machine.text("/proc/cmdline") or "")
    return Fact("swiotlb", f"asked for {word[1]}" if word else None, "/proc/cmdline")


def _flaws(machine: Machine) -> Iterator[Fact]:
    place = f"{_CPU}/vulnerabilities"
    told = {name: machine.text(f"{place}/{name}") or "" for name in machine.names(place)}
    open_ = [name for name, text in told.items() if text.startswith("Vulnerable")]
    yield Fact("vulnerable_to", (", ".join(open_) or "none") if told else None, place)
    lines = "\n".join(f"{name} {text}" for name, text in told.items())
    met = sum(text.startswith("Mitigation") for text in told.values())
    digest = hashlib.sha256(lines.encode()).hexdigest()[:12]
    yield Fact("mitigations", f"{digest}, {met} of {len(told)} mitigated" if told else None, place)


def _synchronised(machine: Machine) -> Fact:
    said = dict(line.partition("=")[::2] for line in machine.said(*_ASKED_CLOCK).splitlines())
    told = {"yes": "yes", "no": "no"}.get(said.get("NTPSynchronized", ""))
    if told:
        return Fact("clock_synchronised", told, "timedatectl")
    leap = dict(colon_lines(machine.said("chronyc", "-n", "tracking"))).get("Leap status")
    if leap:
        return Fact("clock_synchronised", "no" if leap == "Not synchronised" else "yes", "chronyc")
    return Fact("clock_synchronised", None, "timedatectl, chronyc")


def _cpu_quota(machine: Machine) -> str | None:
    shares, shown = [], False
    for text in machine.cgroup_limits("cpu", "cpu.max", "cpu.cfs_quota_us"):
        parts = text.split()
        if len(parts) == 1:
            period = next(
                machine.cgroup_limits("cpu", "cpu.cfs_period_us", "cpu.cfs_period_us"), ""
            )
            parts.append(period)
        shown = True
        if all(re.fullmatch(r"\d{1,18}", part) for part in parts[:2]) and int(parts[1]):
            shares.append(int(parts[0]) / int(parts[1]))
    return f"{min(shares):g}" if shares else "none" if shown else None


def _memory_limit(machine: Machine) -> str | None:
    bounds, shown = [], False
    for text in machine.cgroup_limits("memory", "memory.max", "memory.limit_in_bytes"):
        shown = True
        if re.fullmatch(r"\d{1,19}", text) and int(text) < _NO_LIMIT:
            bounds.append(int(text))
    return f"{min(bounds) / 2**30:.2f} GiB" if bounds else "none" if shown else None


def _status(machine: Machine) -> dict[str, str]:
    return dict(colon_lines(machine.text("/proc/self/status") or ""))


def _whole(words: list[str] | None) -> int | None:
    return int(words[0]) if words and re.fullmatch(r"\d{1,18}", words[0]) else None
