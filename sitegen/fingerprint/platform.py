"""What kind of machine: bare metal, a virtual machine, a container in one, and in whose cloud."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from sitegen.fingerprint.places import PRESENT, Log, Machine
from sitegen.model import Fact

UNNAMED = "unnamed hypervisor"
DSTACK_SOCKETS = tuple(
    f"{folder}/{name}.sock"
    for name in ("dstack", "tappd")
    for folder in ("/var/run", "/run", "/var/run/dstack", "/run/dstack")
)
SIMULATOR = frozenset({"DSTACK_SIMULATOR_ENDPOINT", "TAPPD_SIMULATOR_ENDPOINT"})
#: The tag that every virtual machine of Azure's carries: the same on all, so it names no one.
_AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
_DMI = "/sys/class/dmi/id"
_HYPERVISORS = {
    "kvm": "KVM", "qemu": "QEMU without KVM", "amazon": "AWS Nitro", "microsoft": "Hyper-V",
    "xen": "Xen", "vmware": "VMware", "oracle": "VirtualBox", "bhyve": "bhyve", "acrn": "ACRN",
    "parallels": "Parallels", "apple": "Apple Virtualization", "google": "KVM (Google)",
}  # fmt: skip
_CLOUDS = (
    ("Amazon EC2", "AWS"), ("Google Compute Engine", "Google Cloud"),
    ("Alibaba Cloud", "Alibaba Cloud"),
    ("Tencent Cloud", "Tencent Cloud"), ("OracleCloud.com", "Oracle Cloud"), ("Hetzner", "Hetzner"),
    ("DigitalOcean", "DigitalOcean"), ("OVHcloud", "OVHcloud"), ("Scaleway", "Scaleway"),
    ("OpenStack", "OpenStack"),
)  # fmt: skip
_INSTANCE = re.compile(r"[a-z][a-z0-9-]{1,20}\.[a-z0-9-]{2,24}")
_REGION = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,30}")
_CLOUD_INIT = "/run/cloud-init/instance-data.json"
#: Where the root file system of a container lies tells who runs it.
_RUNTIMES = (
    ("/var/lib/docker/", "docker"), ("/var/lib/containerd/", "containerd"),
    ("/run/containerd/", "containerd"), ("/containers/storage/", "podman"),
)  # fmt: skip
_GROUPS = (
    (re.compile(r"cri-containerd[-:]"), "containerd"),
    (re.compile(r"crio-"), "cri-o"),
    (re.compile(r"libpod-"), "podman"),
    (re.compile(r"/docker[-/]"), "docker"),
    (re.compile(r"/lxc(?:\.payload)?[./]"), "lxc"),
)


def facts(machine: Machine, log: Log | None, *, enclave: bool) -> Iterator[Fact]:
    """Yield what kind of machine this is, with whose hypervisor, container and cloud.

    The inside of an ``enclave`` is neither a virtual machine nor a container.
    """
    virtual, boxed = virtualisation(machine), container(machine, log)
    kind = "enclave" if enclave else _platform(machine, virtual, boxed)
    yield Fact("platform", kind, "systemd-detect-virt, CPU flags")
    yield Fact("virtualisation", virtual, "systemd-detect-virt --vm, CPU flags")
    yield Fact("hypervisor", _hypervisor(machine, virtual), "systemd-detect-virt --vm, DMI")
    yield Fact("container", boxed, "systemd-detect-virt --container, marker files, cgroup")
    cloud = _cloud(machine)
    yield Fact("cloud", cloud, f"{_DMI}")
    name = machine.text(f"{_DMI}/product_name") or ""
    sold = name if cloud == "AWS" and _INSTANCE.fullmatch(name) else None
    yield Fact("instance_type", sold, f"{_DMI}/product_name")
    yield Fact("region", _region(machine), _CLOUD_INIT)
    yield Fact("dstack", dstack(machine), "sockets of dstack, names of environment variables")
    for part in ("sys_vendor", "product_name"):
        yield Fact(part, machine.text(f"{_DMI}/{part}") or None, f"{_DMI}/{part}")


def virtualisation(machine: Machine) -> str | None:
    """Return the hypervisor as systemd calls it, ``none``, or None where nothing tells."""
    virt = machine.one_word("systemd-detect-virt", "--vm")
    # In a container systemd may see less than the CPU itself tells.
    return UNNAMED if virt in (None, "none") and "hypervisor" in machine.flags() else virt


def is_hyper_v(machine: Machine) -> bool:
    """Say whether the machine runs on Microsoft's hypervisor, where a paravisor can hide a TEE."""
    return (
        machine.one_word("systemd-detect-virt", "--vm") == "microsoft"
        or machine.look("/sys/bus/vmbus") == PRESENT
        or machine.text(f"{_DMI}/sys_vendor") == "Microsoft Corporation"
    )


def container(machine: Machine, log: Log | None) -> str | None:
    """Return the kind of container, with Kubernetes where it is one of its pods, or ``none``."""
    said = machine.one_word("systemd-detect-virt", "--container")
    # systemd calls a pod `kube-generic` or names its runtime.
    kind = None if said in ("none", "container-other", "kube-generic") else said
    if _is_gvisor(machine, log):
        kind = "gVisor"
    kind = kind or _runtime(machine)
    if "KUBERNETES_SERVICE_HOST" in machine.variables() or said == "kube-generic":
        kind = f"Kubernetes, {kind}" if kind else "Kubernetes"
    return kind or (said if said != "kube-generic" else None)


def dstack(machine: Machine) -> str | None:
    """Return ``yes`` beside a dstack guest agent and ``simulator`` beside what plays one."""
    if machine.variables() & SIMULATOR:
        return "simulator"
    return "yes" if any(machine.socket(path) for path in DSTACK_SOCKETS) else None


def _platform(machine: Machine, virtual: str | None, boxed: str | None) -> str | None:
    flags = machine.flags()
    if virtual not in (None, "none"):
        base = "virtual machine"
    elif virtual == "none" or (flags and machine.vendor()):
        base = "bare metal"
    else:
        base = ""
    if boxed in (None, "none"):
        return base or None
    return f"container in {base}" if base else "container"


def _hypervisor(machine: Machine, virtual: str | None) -> str | None:
    if virtual in (None, "none"):
        return None
    release = machine.text("/proc/sys/kernel/osrelease") or ""
    if "microsoft-standard" in release.lower():
        return "Hyper-V (WSL2)"
    product = machine.text(f"{_DMI}/product_name") or ""
    name = _HYPERVISORS.get(virtual or "", virtual or "")
    if product == "Cloud Hypervisor":
        return f"{name} (Cloud Hypervisor)"
    if virtual == "kvm" and machine.look(_DMI) != PRESENT and machine.vendor():
        return "KVM, without firmware tables (a microVM)"
    return name


def _cloud(machine: Machine) -> str | None:
    words = [
        machine.text(f"{_DMI}/{name}") or ""
        for name in ("sys_vendor", "product_name", "bios_vendor")
    ]
    tag = machine.text(f"{_DMI}/chassis_asset_tag") or ""
    if tag == _AZURE_TAG:
        return "Azure"
    for mark, cloud in _CLOUDS:
        if any(mark in word for word in (*words, tag)):
            return cloud
    return None


def _region(machine: Machine) -> str | None:
    """Return the region that cloud-init wrote down when the machine started."""
    try:
        region = json.loads(machine.text(_CLOUD_INIT) or "null")["v1"]["region"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return region if isinstance(region, str) and _REGION.fullmatch(region) else None


def _is_gvisor(machine: Machine, log: Log | None) -> bool:
    return (
        (log is not None and "Starting gVisor" in log.text)
        or "gvisor" in (machine.text("/proc/version") or "").lower()
        or machine.look("/proc/sys/kernel/gvisor") == PRESENT
    )


def _runtime(machine: Machine) -> str | None:
    groups = " ".join(machine.cgroups().values())
    for pattern, name in _GROUPS:
        if pattern.search(groups):
            return name
    for line in (machine.text("/proc/self/mountinfo") or "").splitlines():
        if line.split(" ")[4:5] == ["/"]:
            for mark, name in _RUNTIMES:
                if mark in line:
                    return name
    for mark, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if machine.look(mark) == PRESENT:
            return name
    return None
