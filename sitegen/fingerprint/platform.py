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
    if virtual is None:
        kind = "bare metal" if machine.flags() and machine.vendor() else None
    else:
        kind = "bare metal" if virtual == "none" else "virtual machine"
    if boxed not in (None, "none"):
        kind = f"container in {kind}" if kind else "container"
    kind = "enclave" if enclave else kind
    yield Fact("platform", kind, "systemd-detect-virt, CPU flags")
    yield Fact("virtualisation", virtual, "systemd-detect-virt --vm, CPU flags")
    yield Fact("hypervisor", _hypervisor(machine, virtual), "systemd-detect-virt --vm, DMI")
    yield Fact("container", boxed, "systemd-detect-virt --container, marker files, cgroup")
    names = ("sys_vendor", "product_name", "bios_vendor", "chassis_asset_tag")
    words = "\n".join(machine.text(f"{_DMI}/{name}") or "" for name in names)
    cloud = next((cloud for mark, cloud in _CLOUDS if mark in words), None)
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
    word = _detected(machine, "--container")
    # systemd calls a pod `kube-generic` or names its runtime.
    kind = None if word in ("none", "container-other", "kube-generic") else word
    if (
        "Starting gVisor" in machine.log.text
        or "gvisor" in (machine.text("/proc/version") or "").lower()
        or machine.look("/proc/sys/kernel/gvisor") == PRESENT
    ):
        kind = "gVisor"
    if kind is None:
        text = "\n".join([*machine.cgroups().values(), *machine.root_mounts()])
        named = [name for pattern, name in _RUNTIMES if re.search(pattern, text)]
        named += [name for mark, name in _MARKS if machine.look(mark) == PRESENT]
        kind = next(iter(named), None)
    if "KUBERNETES_SERVICE_HOST" in machine.variables() or word == "kube-generic":
        kind = f"Kubernetes, {kind}" if kind else "Kubernetes"
    return kind or (word if word != "kube-generic" else None)


def dstack(machine: Machine) -> str | None:
    """Return ``yes`` beside a dstack guest agent and ``simulator`` beside what plays one."""
    if machine.variables() & _SIMULATOR:
        return "simulator"
    for path in _DSTACK_SOCKETS:
        if machine.look(path) == PRESENT and not machine.at(path).is_dir():
            return "yes"
    return None


def _detected(machine: Machine, option: str) -> str | None:
    """Return systemd's answer when it is one plain word: an error message is none."""
    word = machine.output("systemd-detect-virt", option)
    return word if re.fullmatch(r"[a-z0-9-]{1,40}", word) else None


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


def _region(machine: Machine) -> str | None:
    """Return the region that cloud-init wrote down when the machine started."""
    try:
        region = json.loads(machine.text(_CLOUD_INIT) or "null")["v1"]["region"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return region if isinstance(region, str) and _REGION.fullmatch(region) else None
