"""The disk below a folder and the network towards the world, as far as everybody may see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sitegen.fingerprint.places import Machine, colon_lines
from sitegen.model import Fact

_PSEUDO = re.compile(r"overlay|tmpfs|9p|virtiofs|nfs4?|cifs|fuse.*|proc|sysfs")
_OPTION = re.compile(
    r"rw|ro|\w*atime|discard|data=\w+|compress\S*|barrier=\d|sync|dax\S*|nobarrier|commit=\d+"
)
_QUEUE = (
    ("disk_rotational", "queue/rotational"), ("disk_scheduler", "queue/scheduler"),
    ("disk_write_cache", "queue/write_cache"), ("disk_requests", "queue/nr_requests"),
    ("disk_block_size", "queue/logical_block_size"), ("disk_model", "device/model"),
)  # fmt: skip
_DEPTH = 8
_OFFLOADS = (
    ("tcp-segmentation-offload", "TSO"), ("generic-segmentation-offload", "GSO"),
    ("generic-receive-offload", "GRO"), ("large-receive-offload", "LRO"),
    ("rx-checksumming", "RX checksum"), ("tx-checksumming", "TX checksum"),
)  # fmt: skip
_NET = "/proc/sys/net"
_NETWORK = (
    ("somaxconn", f"{_NET}/core/somaxconn"),
    ("port_range", f"{_NET}/ipv4/ip_local_port_range"),
    ("tcp_tw_reuse", f"{_NET}/ipv4/tcp_tw_reuse"),
    ("congestion_control", f"{_NET}/ipv4/tcp_congestion_control"),
)
_COLUMNS = 5


def findmnt(workdir: Path) -> tuple[str, ...]:
    """Return the command that tells which file system ``workdir`` lies on."""
    return ("findmnt", "-rnbo", "FSTYPE,OPTIONS,SIZE,AVAIL,SOURCE", "-T", str(workdir))


def disk(machine: Machine, workdir: Path) -> Iterator[Fact]:
    """Yield the file system that ``workdir`` lies on and the disk below it."""
    parts = machine.said(*findmnt(workdir)).split("\n", 1)[0].split()
    if len(parts) < _COLUMNS:
        yield Fact("file_system", None, "findmnt")
    else:
        fstype, options, size, free, source = parts[:_COLUMNS]
        yield Fact("file_system", fstype, "findmnt")
        kept = [word for word in options.split(",") if _OPTION.fullmatch(word)]
        yield Fact("mount_options", ",".join(kept) or None, "findmnt")
        share = None
        if re.fullmatch(r"\d{1,18}", size) and re.fullmatch(r"\d{1,18}", free) and int(size):
            share = f"{100 * int(free) / int(size):.0f} %"
        yield Fact("free_space", share, "findmnt")
        yield from _device(machine, fstype, source)
    yield Fact("root_file_system", _root(machine), "/proc/self/mountinfo")


def network(machine: Machine) -> Iterator[Fact]:
    """Yield the card of the default route and TCP's switches; its name can hold its address."""
    card = default_card(machine)
    place = f"/sys/class/net/{card}" if card else ""
    driver = machine.target(f"{place}/device/driver") if card else None
    yield Fact("network_driver", driver, "/sys/class/net, default route")
    speed = (machine.text(f"{place}/speed") or "") if card else ""
    told = f"{speed} Mbit/s" if re.fullmatch(r"[1-9]\d{0,8}", speed) else None
    yield Fact("network_speed", told, "/sys/class/net, default route")
    yield Fact(
        "mtu", machine.text(f"{place}/mtu") if card else None, "/sys/class/net, default route"
    )
    said = dict(colon_lines(machine.said("ethtool", "-k", card))) if card else {}
    on = [title for name, title in _OFFLOADS if said.get(name, "").startswith("on")]
    known = any(name in said for name, _ in _OFFLOADS)
    yield Fact("network_offloads", (", ".join(on) or "none") if known else None, "ethtool -k")
    for name, path in _NETWORK:
        text = machine.text(path)
        yield Fact(name, " to ".join(text.split()) if text else None, path)


def default_card(machine: Machine) -> str:
    """Return the name of the card that leads to the world, or nothing."""
    for line in (machine.text("/proc/net/route") or "").splitlines()[1:]:
        parts = line.split()
        if len(parts) > 1 and parts[1] == "00000000" and re.fullmatch(r"[\w.:-]{1,32}", parts[0]):
            return parts[0] if parts[0] not in (".", "..") else ""
    return ""


def _device(machine: Machine, fstype: str, source: str) -> Iterator[Fact]:
    if _PSEUDO.fullmatch(fstype) or not source.startswith("/dev/"):
        yield Fact("disk", None, "findmnt")
        return
    # /dev/mapper/... is a link to the dm device that sysfs knows.
    name = (machine.root / re.sub(r"\[.*", "", source).lstrip("/")).resolve().name
    block = machine.root / "sys/class/block" / name
    if not block.exists():
        yield Fact("disk", None, "findmnt, /sys/class/block")
        return
    stack = _stack(machine, _whole_disk(block))
    yield Fact("disk", " on ".join(stack), "findmnt, /sys/class/block")
    base = f"/sys/class/block/{stack[-1]}"
    yield Fact("disk_bus", _bus(machine, stack[-1]), base)
    for fact, file in _QUEUE:
        yield Fact(fact, machine.text(f"{base}/{file}") or None, f"{base}/{file}")
    yield Fact("disk_driver", machine.target(f"{base}/device/driver"), f"{base}/device/driver")
    uuids = [machine.text(f"/sys/class/block/{name}/dm/uuid") or "" for name in stack]
    layers = [uuid.split("-", 1)[0] for uuid in uuids if uuid]
    yield Fact("disk_mapper", " on ".join(layers) or "none", "/sys/class/block, dm/uuid")


def _whole_disk(block: Path) -> str:
    """Return the disk that a partition lies on; a disk is its own."""
    real = block.resolve()
    return real.name if (real / "queue").is_dir() else real.parent.name


def _stack(machine: Machine, disk: str) -> list[str]:
    """Return ``disk`` and what it is mapped to, down to a disk that is no mapping."""
    found = [disk]
    while len(found) < _DEPTH:
        below = machine.names(f"/sys/class/block/{found[-1]}/slaves")
        if not below:
            break
        block = machine.root / "sys/class/block" / below[0]
        found.append(_whole_disk(block) if block.exists() else below[0])
    return found


def _bus(machine: Machine, disk: str) -> str | None:
    """Return how the disk is attached: a virtual disk costs what its transport costs."""
    path = str((machine.root / "sys/class/block" / disk).resolve())
    virtio = re.search(r"/virtio\d", path) is not None
    for pattern, plain, inside in (
        (r"nvme\d", "nvme", "nvme"), (r"vd[a-z]+", "virtio-blk", "virtio-blk"),
        (r"sd[a-z]+", "scsi", "virtio-scsi"), (r"xvd[a-z]+", "xen", "xen"),
        (r"mmcblk\d", "mmc", "mmc"), (r"loop\d", "loop", "loop"), (r"md\d", "raid", "raid"),
        (r"pmem\d", "pmem", "pmem"), (r"dm-\d", "device mapper", "device mapper"),
    ):  # fmt: skip
        if re.match(pattern, disk):
            return inside if virtio else plain
    return None


def _root(machine: Machine) -> str | None:
    found = None
    for line in (machine.text("/proc/self/mountinfo") or "").splitlines():
        mount, _, after = line.partition(" - ")
        if mount.split(" ")[4:5] == ["/"] and after:
            found = after.split(" ")[0]
    return found
