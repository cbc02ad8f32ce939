"""What machine is this: facts with where each was read, the TEE verdict, and its activity.

Every reader takes a root directory, so that a recorded machine can stand in for this one.
A fact that the machine does not show is None, never a guess.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sitegen.model import Fact, Fingerprint, TeeVerdict
from sitegen.redact import Redactor

#: Kernel command-line words that explain performance; no other word is read.
_CMDLINE_KEYS = (
    "mitigations",
    "swiotlb",
    "iommu",
    "intel_iommu",
    "amd_iommu",
    "idle",
    "isolcpus",
    "nohz_full",
    "mem_encrypt",
    "transparent_hugepage",
    "hugepages",
    "nosmt",
)
_CPU_FLAGS = (
    "aes",
    "avx2",
    "avx512f",
    "amx_tile",
    "sha_ni",
    "vaes",
    "hypervisor",
    "tdx_guest",
    "sev",
    "sev_es",
    "sev_snp",
    "sgx",
)
#: Signals that only a guest of that TEE shows. `sev*` CPU flags are host capability: not here.
_GUEST_SIGNALS: tuple[tuple[str, str], ...] = (
    ("tdx", "/dev/tdx_guest"),
    ("tdx", "/dev/tdx-guest"),
    ("tdx", "/sys/devices/virtual/misc/tdx_guest"),
    ("sev-snp", "/dev/sev-guest"),
    ("sev-snp", "/sys/devices/platform/sev-guest"),
    ("sev-snp", "/sys/devices/system/cpu/sev/vmpl"),
    ("csv", "/dev/csv-guest"),
    ("nitro", "/dev/nsm"),
    ("cca", "/sys/devices/platform/arm-cca-dev"),
)
_PSEUDO = re.compile(r"^(?:overlay|tmpfs|9p|virtiofs|nfs4?|cifs|fuse.*|proc|sysfs)$")


def read_text(root: Path, path: str) -> str | None:
    """Return the stripped text of a system file below ``root``, or None."""
    try:
        return (root / path.lstrip("/")).read_text("utf-8", "replace").strip()
    except OSError:
        return None


def read(
    workdir: Path,
    redactor: Redactor,
    *,
    root: Path = Path("/"),
    command: Callable[[tuple[str, ...]], str | None] | None = None,
) -> Fingerprint:
    """Return the fingerprint of the machine, redacted.

    ``workdir`` lies on the disk whose path is described. ``command`` runs a program and
    returns its output, or None; tests give recorded answers.
    """
    run = command or _run
    facts: list[Fact] = []
    for source in (_cpu, _memory, _kernel, _tuning, _platform):
        facts += source(root, run)
    facts += _disk(workdir, root, run)
    facts += _gpu(run)
    clean = tuple(
        Fact(f.name, None if f.value is None else redactor.text(f.value)[:500], f.source)
        for f in facts
    )
    return Fingerprint(clean, tee_verdict(root))


def tee_verdict(root: Path) -> TeeVerdict:
    """Return which TEE the guest's own signals show, with the signals that say so.

    Every signal can be faked by root or by the host: only a quote is proof.
    """
    seen = [(kind, f"{path} exists") for kind, path in _GUEST_SIGNALS if _exists(root, path)]
    cpuinfo = read_text(root, "/proc/cpuinfo") or ""
    flags = _cpu_flags(cpuinfo)
    if "tdx_guest" in flags:
        seen.append(("tdx", "CPU flag tdx_guest"))
    for provider in _tsm_providers(root):
        if provider == "tdx_guest":
            seen.append(("tdx", "configfs tsm provider tdx_guest"))
        elif provider == "sev_guest":
            seen.append(("sev-snp", "configfs tsm provider sev_guest"))
    kinds = sorted({kind for kind, _ in seen})
    if len(kinds) == 1:
        return TeeVerdict(kinds[0], tuple(reason for _, reason in seen))
    if kinds:
        return TeeVerdict("contradictory", tuple(f"{kind}: {reason}" for kind, reason in seen))
    reasons = ["no TDX, SEV-SNP, CSV, Nitro or CCA guest device", "no tdx_guest CPU flag"]
    if "hypervisor" not in flags and flags & {"sev", "sev_es", "sev_snp"}:
        reasons.append("sev CPU flags without a hypervisor: the host of SEV guests, not one")
    elif flags & {"sev", "sev_es", "sev_snp"}:
        reasons.append("sev CPU flags alone are a capability of the processor, not a guest")
    return TeeVerdict("none" if cpuinfo else "unknown", tuple(reasons))


@dataclass(frozen=True, slots=True)
class Activity:
    """Counters of the machine at one moment: seconds since boot, by name."""

    at_s: float
    cpus: int
    load: float | None
    counters: Mapping[str, float]


def activity(root: Path = Path("/")) -> Activity:
    """Return the counters that tell contention: pressure, steal and throttling."""
    counters: dict[str, float] = {}
    for kind in ("cpu", "io", "memory"):
        found = re.search(r"some .*total=(\d+)", read_text(root, f"/proc/pressure/{kind}") or "")
        if found:
            counters[f"psi_{kind}"] = int(found[1]) / 1e6
    stat = (read_text(root, "/proc/stat") or "").split("\n", 1)[0].split()
    if len(stat) > 8:  # noqa: PLR2004 - steal is the eighth figure, see proc(5)
        counters["steal"] = int(stat[8]) / os.sysconf("SC_CLK_TCK")
    throttled = re.search(r"throttled_usec (\d+)", _cgroup(root, "cpu.stat") or "")
    if throttled:
        counters["throttled"] = int(throttled[1]) / 1e6
    load = (read_text(root, "/proc/loadavg") or "").split()
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
    boot = read_text(root, "/proc/sys/kernel/random/boot_id") or ""
    return hashlib.sha256(f"sitegen boot {boot}".encode()).hexdigest()[:16] if boot else ""


def _cpu(root: Path, run: Callable[[tuple[str, ...]], str | None]) -> Iterator[Fact]:
    cpuinfo = read_text(root, "/proc/cpuinfo") or ""
    fields = dict(_colon_lines(cpuinfo.split("\n\n", 1)[0]))
    model = fields.get("model name") or fields.get("Model") or fields.get("Hardware")
    yield Fact("cpu", model, "/proc/cpuinfo")
    ids = [fields.get(key) for key in ("vendor_id", "cpu family", "model", "stepping")]
    if all(ids):
        yield Fact("cpu_id", "{} family {} model {} stepping {}".format(*ids), "/proc/cpuinfo")
    yield Fact("microcode", fields.get("microcode"), "/proc/cpuinfo")
    yield Fact(
        "cpus",
        str(cpuinfo.count("\nprocessor") + cpuinfo.startswith("processor")) if cpuinfo else None,
        "/proc/cpuinfo",
    )
    lscpu = dict(_colon_lines(run(("lscpu",)) or ""))
    for name, key in (
        ("threads_per_core", "Thread(s) per core"),
        ("sockets", "Socket(s)"),
        ("numa_nodes", "NUMA node(s)"),
        ("l2_cache", "L2 cache"),
        ("l3_cache", "L3 cache"),
    ):
        yield Fact(name, lscpu.get(key), "lscpu")
    flags = _cpu_flags(cpuinfo)
    yield Fact("cpu_flags", " ".join(f for f in _CPU_FLAGS if f in flags) or None, "/proc/cpuinfo")
    quota = (_cgroup(root, "cpu.max") or "").split()
    if len(quota) == 2:  # noqa: PLR2004 - quota and period
        text = "none" if quota[0] == "max" else f"{int(quota[0]) / int(quota[1]):g}"
        yield Fact("cpu_quota", text, "cgroup cpu.max")
    else:
        yield Fact("cpu_quota", None, "cgroup cpu.max")


def _memory(root: Path, run: Callable[[tuple[str, ...]], str | None]) -> Iterator[Fact]:
    del run
    meminfo = dict(_colon_lines(read_text(root, "/proc/meminfo") or ""))
    for name, key in (("memory", "MemTotal"), ("swap", "SwapTotal")):
        kib = (meminfo.get(key) or "").split()
        yield Fact(name, f"{int(kib[0]) / 2**20:.1f} GiB" if kib else None, "/proc/meminfo")


def _kernel(root: Path, run: Callable[[tuple[str, ...]], str | None]) -> Iterator[Fact]:
    del run
    release = read_text(root, "/proc/sys/kernel/osrelease")
    version = re.match(r"[\d.]+(?:-\d+)?", release or "")
    # The rest of the release is often a build host's or a customer's name.
    yield Fact(
        "kernel", f"Linux {version[0]}" if version else release, "/proc/sys/kernel/osrelease"
    )
    words = read_text(root, "/proc/cmdline")
    kept = [word for word in (words or "").split() if word.split("=")[0] in _CMDLINE_KEYS]
    options = None if words is None else " ".join(kept) or "none of note"
    yield Fact("kernel_options", options, "/proc/cmdline")
    os_release = dict(
        line.split("=", 1)
        for line in (read_text(root, "/etc/os-release") or "").splitlines()
        if "=" in line
    )
    yield Fact("os", os_release.get("PRETTY_NAME", "").strip('"') or None, "/etc/os-release")
    place = "/sys/devices/system/cpu/vulnerabilities"
    folder = root / place.lstrip("/")
    exposed = None
    if folder.is_dir():
        found = (
            path.name
            for path in sorted(folder.iterdir())
            if (read_text(root, f"{place}/{path.name}") or "").startswith("Vulnerable")
        )
        exposed = ", ".join(found) or "none"
    yield Fact("vulnerable_to", exposed, place)


def _tuning(root: Path, run: Callable[[tuple[str, ...]], str | None]) -> Iterator[Fact]:
    del run
    cpu = "/sys/devices/system/cpu"
    for name, path in (
        ("governor", f"{cpu}/cpu0/cpufreq/scaling_governor"),
        ("no_turbo", f"{cpu}/intel_pstate/no_turbo"),
        ("boost", f"{cpu}/cpufreq/boost"),
        ("smt", f"{cpu}/smt/active"),
        ("clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        ("somaxconn", "/proc/sys/net/core/somaxconn"),
    ):
        yield Fact(name, read_text(root, path), path)
    huge = re.search(
        r"\[(\w+)\]", read_text(root, "/sys/kernel/mm/transparent_hugepage/enabled") or ""
    )
    yield Fact(
        "huge_pages", huge[1] if huge else None, "/sys/kernel/mm/transparent_hugepage/enabled"
    )


def _platform(root: Path, run: Callable[[tuple[str, ...]], str | None]) -> Iterator[Fact]:
    flags = _cpu_flags(read_text(root, "/proc/cpuinfo") or "")
    virt = (run(("systemd-detect-virt", "--vm")) or "").strip() or None
    if virt in (None, "none") and "hypervisor" in flags:
        virt = "unnamed hypervisor"
    yield Fact("virtualisation", virt, "systemd-detect-virt --vm, CPU flags")
    container = (run(("systemd-detect-virt", "--container")) or "").strip() or None
    if container in (None, "none"):
        for mark, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
            if _exists(root, mark):
                container = name
    yield Fact("container", container, "systemd-detect-virt --container, marker files")
    for name in ("sys_vendor", "product_name"):
        yield Fact(name, read_text(root, f"/sys/class/dmi/id/{name}"), f"/sys/class/dmi/id/{name}")


def _disk(
    workdir: Path, root: Path, run: Callable[[tuple[str, ...]], str | None]
) -> Iterator[Fact]:
    findmnt = run(("findmnt", "-no", "FSTYPE,OPTIONS,SOURCE", "-T", str(workdir))) or ""
    parts = findmnt.split()
    if len(parts) < 3:  # noqa: PLR2004 - the three columns asked for
        yield Fact("file_system", None, "findmnt")
        return
    fstype, options, source = parts[:3]
    yield Fact("file_system", fstype, "findmnt")
    kept = [
        word
        for word in options.split(",")
        if re.fullmatch(r"rw|ro|\w*atime|discard|data=\w+|compress\S*|barrier=\d|sync|dax\S*", word)
    ]
    yield Fact("mount_options", ",".join(kept) or None, "findmnt")
    if _PSEUDO.match(fstype) or not source.startswith("/dev/"):
        yield Fact("disk", None, "findmnt")
        return
    # /dev/mapper/... is a link to the dm device that sysfs knows.
    device = (root / re.sub(r"\[.*", "", source).lstrip("/")).resolve().name
    block = root / "sys/class/block" / device
    if not block.exists():
        yield Fact("disk", None, "findmnt, /sys/class/block")
        return
    real = block.resolve()
    disk = real if (real / "queue").is_dir() else real.parent
    yield Fact("disk", disk.name, "findmnt, /sys/class/block")
    base = f"/sys/class/block/{disk.name}"
    for name, path in (
        ("disk_rotational", "queue/rotational"),
        ("disk_scheduler", "queue/scheduler"),
        ("disk_write_cache", "queue/write_cache"),
        ("disk_model", "device/model"),
    ):
        yield Fact(name, read_text(root, f"{base}/{path}"), f"{base}/{path}")
    driver = root / base.lstrip("/") / "device/driver"
    yield Fact(
        "disk_driver", driver.resolve().name if driver.exists() else None, f"{base}/device/driver"
    )
    uuid = read_text(root, f"{base}/dm/uuid") or ""
    yield Fact("disk_mapper", uuid.split("-", 1)[0] or "none", f"{base}/dm/uuid")


def _gpu(run: Callable[[tuple[str, ...]], str | None]) -> Iterator[Fact]:
    query = run(
        ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    )
    if not query:
        yield Fact("gpu", None, "nvidia-smi")
        return
    yield Fact("gpu", "; ".join(sorted(set(query.strip().splitlines()))), "nvidia-smi")
    state = run(("nvidia-smi", "conf-compute", "-f")) or ""
    found = re.search(r":\s*(\w+)", state)
    # Protected PCIe reports OFF here and is confidential all the same: say what was read.
    yield Fact(
        "gpu_confidential_compute", found[1] if found else None, "nvidia-smi conf-compute -f"
    )


def _run(argv: tuple[str, ...]) -> str | None:
    path = shutil.which(argv[0])
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *argv[1:]],
            capture_output=True,
            timeout=10,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace")


def _colon_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _cpu_flags(cpuinfo: str) -> set[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return set(found[1].split()) if found else set()


def _tsm_providers(root: Path) -> list[str]:
    folder = root / "sys/kernel/config/tsm/report"
    try:
        return [
            text for path in sorted(folder.glob("*/provider")) if (text := path.read_text().strip())
        ]
    except OSError:
        return []


def _cgroup(root: Path, name: str) -> str | None:
    own = (read_text(root, "/proc/self/cgroup") or "").split("::")[-1].strip()
    return read_text(root, f"/sys/fs/cgroup{own}/{name}") or read_text(
        root, f"/sys/fs/cgroup/{name}"
    )


def _exists(root: Path, path: str) -> bool:
    try:
        return (root / path.lstrip("/")).exists()
    except OSError:
        return False
