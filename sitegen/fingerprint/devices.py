"""The disk below a folder and the network towards the world, as far as everybody may see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sitegen.fingerprint.places import Machine, fields, whole
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


def findmnt(workdir: Path) -> tuple[str, ...]:
    """Return the command that tells which file system ``workdir`` lies on."""
    return ("findmnt", "-rnbo", "FSTYPE,OPTIONS,SIZE,AVAIL,SOURCE", "-T", str(workdir))


def disk(machine: Machine, workdir: Path) -> Iterator[Fact]:
    """Yield the file system that ``workdir`` lies on and the disk below it."""
    types = [line.partition(" - ")[2].split(" ")[0] for line in machine.root_mounts()]
    yield Fact(
        "root_file_system", next(filter(None, reversed(types)), None), "/proc/self/mountinfo"
    )
    parts = machine.said(*findmnt(workdir)).split("\n", 1)[0].split()
    if len(parts) < _COLUMNS:
        yield Fact("file_system", None, "findmnt")
        return
    fstype, options, size, free, source = parts[:_COLUMNS]
    yield Fact("file_system", fstype, "findmnt")
    kept = [word for word in options.split(",") if _OPTION.fullmatch(word)]
    yield Fact("mount_options", ",".join(kept) or None, "findmnt")
    total, left = whole(size), whole(free)
    share = f"{100 * left / total:.0f} %" if total and left is not None else None
    yield Fact("free_space", share, "findmnt")
    if _PSEUDO.fullmatch(fstype) or not source.startswith("/dev/"):
        yield Fact("disk", None, "findmnt")
        return
    # /dev/mapper/... is a link to the dm device that sysfs knows.
    name = machine.at(re.sub(r"\[.*", "", source)).resolve().name
    yield from _device(machine, machine.at(f"/sys/class/block/{name}"))


def _device(machine: Machine, block: Path) -> Iterator[Fact]:
    if not block.exists():
        yield Fact("disk", None, "findmnt, /sys/class/block")
        return
    stack = _stack(machine, block)
    yield Fact("disk", " on ".join(stack), "findmnt, /sys/class/block")
    base = f"/sys/class/block/{stack[-1]}"
    yield Fact("disk_bus", _bus(machine.at(base)), base)
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


def _bus(block: Path) -> str | None:
    """Return how the disk is attached: a virtual disk costs what its transport costs."""
    virtio = re.search(r"/virtio\d", str(block.resolve())) is not None
    kinds = (kind for kind in _BUSES if re.match(kind[0], block.name))
    return next((inside if virtio else plain for _, plain, inside in kinds), None)


def network(machine: Machine) -> Iterator[Fact]:
    """Yield the card of the default route and its switches; its name can hold its address."""
    card = default_card(machine)
    place, source = f"/sys/class/net/{card}", "/sys/class/net, default route"
    yield Fact("network_driver", machine.target(f"{place}/device/driver"), source)
    speed = whole(machine.text(f"{place}/speed"))
    yield Fact("network_speed", f"{speed} Mbit/s" if speed else None, source)
    yield Fact("mtu", machine.text(f"{place}/mtu"), source)
    said = fields(machine.said("ethtool", "-k", card)) if card else {}
    known = [(title, said[name]) for name, title in _OFFLOADS if name in said]
    on = ", ".join(title for title, word in known if word.startswith("on"))
    yield Fact("network_offloads", (on or "none") if known else None, "ethtool -k")
    path = "/proc/sys/net/ipv4/ip_local_port_range"
    yield Fact("port_range", " to ".join((machine.text(path) or "").split()) or None, path)


def default_card(machine: Machine) -> str:
    """Return the name of the card that leads to the world, or nothing."""
    for line in machine.lines("/proc/net/route")[1:]:
        parts = line.split()
        if len(parts) > 1 and parts[1] == "00000000" and re.fullmatch(r"[\w.:-]{1,32}", parts[0]):
            return parts[0] if parts[0] not in (".", "..") else ""
    return ""
