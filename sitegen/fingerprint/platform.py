"""What kind of machine: bare metal, a virtual machine, a container in one, and in whose cloud."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from sitegen.fingerprint.places import PRESENT, Machine
from sitegen.model import Fact

_DSTACK_SOCKETS = tuple(
    f"{folder}/{name}.sock"
    for name in ("dstack", "tappd")
    for folder in ("/var/run", "/run", "/var/run/dstack", "/run/dstack")
)
_SIMULATOR = frozenset({"DSTACK_SIMULATOR_ENDPOINT", "TAPPD_SIMULATOR_ENDPOINT"})
_DMI = "/sys/class/dmi/id"
_HYPERVISORS = {
    "kvm": "KVM", "qemu": "QEMU without KVM", "amazon": "AWS Nitro", "microsoft": "Hyper-V",
    "xen": "Xen", "vmware": "VMware", "oracle": "VirtualBox", "bhyve": "bhyve", "acrn": "ACRN",
    "parallels": "Parallels", "apple": "Apple Virtualization", "google": "KVM (Google)",
}  # fmt: skip
#: Azure's is the tag that all of its virtual machines carry: the same on all, it names no one.
_CLOUDS = (
    ("7783-7084-3265-9085-8269-3286-77", "Azure"),
    ("Amazon EC2", "AWS"), ("Google Compute Engine", "Google Cloud"),
    ("Alibaba Cloud", "Alibaba Cloud"),
    ("Tencent Cloud", "Tencent Cloud"), ("OracleCloud.com", "Oracle Cloud"), ("Hetzner", "Hetzner"),
    ("DigitalOcean", "DigitalOcean"), ("OVHcloud", "OVHcloud"), ("Scaleway", "Scaleway"),
    ("OpenStack", "OpenStack"),
)  # fmt: skip
_INSTANCE = re.compile(r"[a-z][a-z0-9-]{1,20}\.[a-z0-9-]{2,24}")
_REGION = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,30}")
_CLOUD_INIT = "/run/cloud-init/instance-data.json"
#: Its control group tells who runs a container, and then where its root file system lies.
_RUNTIMES = (
    (r"cri-containerd[-:]", "containerd"), (r"crio-", "cri-o"), (r"libpod-", "podman"),
    (r"/docker[-/]", "docker"), (r"/lxc(?:\.payload)?[./]", "lxc"),
    (r"/(?:var/lib|run)/containerd/", "containerd"), (r"/containers/storage/", "podman"),
)  # fmt: skip
_MARKS = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))


def facts(machine: Machine, *, enclave: bool) -> Iterator[Fact]:
    """Yield what kind of machine this is, with whose hypervisor, container and cloud.

    The inside of an ``enclave`` is neither a virtual machine nor a container.
    """
    virtual, boxed = virtualisation(machine), container(machine)
    kind = "enclave" if enclave else _platform(machine, virtual, boxed)
    yield Fact("platform", kind, "systemd-detect-virt, CPU flags")
    yield Fact("virtualisation", virtual, "systemd-detect-virt --vm, CPU flags")
    yield Fact("hypervisor", _hypervisor(machine, virtual), "systemd-detect-virt --vm, DMI")
    yield Fact("container", boxed, "systemd-detect-virt --container, marker files, cgroup")
    cloud = _cloud(machine)
    yield Fact("cloud", cloud, _DMI)
    name = machine.text(f"{_DMI}/product_name") or ""
    sold = name if cloud == "AWS" and _INSTANCE.fullmatch(name) else None
    yield Fact("instance_type", sold, f"{_DMI}/product_name")
    yield Fact("region", _region(machine), _CLOUD_INIT)
    yield Fact("dstack", dstack(machine), "sockets of dstack, names of environment variables")


def virtualisation(machine: Machine) -> str | None:
    """Return the hypervisor as systemd calls it, ``none``, or None where nothing tells."""
    virt = _detected(machine, "--vm")
    # In a container systemd may see less than the CPU itself tells.
    hidden = virt in (None, "none") and "hypervisor" in machine.flags()
    return "unnamed hypervisor" if hidden else virt


def is_hyper_v(machine: Machine) -> bool:
    """Say whether the machine runs on Microsoft's hypervisor, where a paravisor can hide a TEE."""
    return (
        _detected(machine, "--vm") == "microsoft"
        or machine.look("/sys/bus/vmbus") == PRESENT
        or machine.text(f"{_DMI}/sys_vendor") == "Microsoft Corporation"
    )


def container(machine: Machine) -> str | None:
    """Return the kind of container, with Kubernetes where it is one of its pods, or ``none``."""
    said = _detected(machine, "--container")
    # systemd calls a pod `kube-generic` or names its runtime.
    kind = None if said in ("none", "container-other", "kube-generic") else said
    if _is_gvisor(machine):
        kind = "gVisor"
    kind = kind or _runtime(machine)
    if "KUBERNETES_SERVICE_HOST" in machine.variables() or said == "kube-generic":
        kind = f"Kubernetes, {kind}" if kind else "Kubernetes"
    return kind or (said if said != "kube-generic" else None)


def dstack(machine: Machine) -> str | None:
    """Return ``yes`` beside a dstack guest agent and ``simulator`` beside what plays one."""
    if machine.variables() & _SIMULATOR:
        return "simulator"
    for path in _DSTACK_SOCKETS:
        if machine.look(path) == PRESENT and not machine.at(path).is_dir():
            return "yes"
    return None


def _detected(machine: Machine, what: str) -> str | None:
    """Return systemd's answer when it is one plain word: an error message is none."""
    said = machine.said("systemd-detect-virt", what)
    return said if re.fullmatch(r"[a-z0-9-]{1,40}", said) else None


def _platform(machine: Machine, virtual: str | None, boxed: str | None) -> str | None:
    base = ""
    if virtual not in (None, "none"):
        base = "virtual machine"
    elif virtual == "none" or (machine.flags() and machine.vendor()):
        base = "bare metal"
    if boxed in (None, "none"):
        return base or None
    return f"container in {base}" if base else "container"


def _hypervisor(machine: Machine, virtual: str | None) -> str | None:
    if virtual is None or virtual == "none":
        return None
    if "microsoft-standard" in (machine.text("/proc/sys/kernel/osrelease") or "").lower():
        return "Hyper-V (WSL2)"
    name = _HYPERVISORS.get(virtual, virtual)
    if machine.text(f"{_DMI}/product_name") == "Cloud Hypervisor":
        return f"{name} (Cloud Hypervisor)"
    if virtual == "kvm" and machine.look(_DMI) != PRESENT and machine.vendor():
        return "KVM, without firmware tables (a microVM)"
    return name


def _cloud(machine: Machine) -> str | None:
    names = ("sys_vendor", "product_name", "bios_vendor", "chassis_asset_tag")
    words = [machine.text(f"{_DMI}/{name}") or "" for name in names]
    return next((cloud for mark, cloud in _CLOUDS if any(mark in word for word in words)), None)


def _region(machine: Machine) -> str | None:
    """Return the region that cloud-init wrote down when the machine started."""
    try:
        region = json.loads(machine.text(_CLOUD_INIT) or "null")["v1"]["region"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return region if isinstance(region, str) and _REGION.fullmatch(region) else None


def _is_gvisor(machine: Machine) -> bool:
    return (
        "Starting gVisor" in machine.log.text
        or "gvisor" in (machine.text("/proc/version") or "").lower()
        or machine.look("/proc/sys/kernel/gvisor") == PRESENT
    )


def _runtime(machine: Machine) -> str | None:
    text = "\n".join([*machine.cgroups().values(), *machine.root_mounts()])
    named = (name for pattern, name in _RUNTIMES if re.search(pattern, text))
    marked = (name for mark, name in _MARKS if machine.look(mark) == PRESENT)
    return next(named, None) or next(marked, None)
