"""What this machine is called: its names, people, addresses, serials and paths."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv6Address
from itertools import chain
from pathlib import Path

import psutil

from sitegen.redact.keys import NAMES_A_SECRET
from sitegen.redact.redactor import Redactor

Command = Callable[[tuple[str, ...]], str | None]

#: Where one identifier a file stands, by kind.
_FILES = {
    "machine-id": "etc/machine-id var/lib/dbus/machine-id",
    "boot-id": "proc/sys/kernel/random/boot_id",
    "host": "etc/hostname proc/sys/kernel/hostname etc/mailname",
    "cloud-id": "var/lib/cloud/data/instance-id run/cloud-init/.instance-id"
    " sys/class/dmi/id/board_asset_tag",
    "serial": "sys/class/dmi/id/product_serial sys/class/dmi/id/product_uuid"
    " sys/class/dmi/id/board_serial sys/class/dmi/id/chassis_serial"
    " sys/class/dmi/id/chassis_asset_tag sys/hypervisor/uuid sys/devices/soc0/serial_number"
    " proc/device-tree/serial-number sys/block/*/serial sys/block/*/wwid sys/block/*/uuid"
    " sys/block/*/nguid sys/block/*/eui sys/block/*/device/serial sys/block/*/device/wwid"
    " sys/block/*/device/vpd_pg80 sys/block/*/device/cid sys/block/*/dm/uuid sys/block/*/md/uuid"
    " sys/class/nvme/*/serial sys/class/nvme/*/subsysnqn",
    "mac": "sys/class/net/*/address sys/class/net/*/phys_port_id sys/class/net/*/phys_switch_id",
    "guid": "sys/class/infiniband/*/node_guid sys/class/infiniband/*/sys_image_guid"
    " sys/class/infiniband/*/ports/*/gids/*",
}
#: Folders whose entries are called by the serial of a disk.
_DISKS = ("dev/disk/by-id", "dev/disk/by-uuid", "dev/disk/by-partuuid")
#: Variables that hold a name.
_VARIABLES = {
    "host": "HOSTNAME HOST NODE_NAME K8S_NODE_NAME MY_NODE_NAME SLURMD_NODENAME SLURM_JOB_NODELIST"
    " COMPUTERNAME",
    "pod": "POD_NAME MY_POD_NAME POD_UID K8S_POD_NAME POD_NAMESPACE",
    "user": "USER LOGNAME SUDO_USER USERNAME",
    "address": "POD_IP HOST_IP NODE_IP KUBERNETES_SERVICE_HOST",
}
_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_GPU_UUID = re.compile(r"(?:GPU|MIG)-([0-9a-fA-F-]{36})")
_PUBLIC_NAME = re.compile(r"(?i)localhost|ip6-|.*\.(?:cluster\.local|docker\.internal)$|metadata")
_PEOPLE = range(1000, 60000)
_SHORT_ID = 12
_SECRET_LENGTH = 8
_MAC_DIGITS = 12
_MOST = 4096


def of_this_machine(
    *,
    workdir: Path,
    cache: Path | None = None,
    root: Path = Path("/"),
    environ: Mapping[str, str] | None = None,
    command: Command | None = None,
) -> Redactor:
    """Return a redactor that knows this machine's names, people, addresses, serials and paths.

    A run's own folder reads `$WORK`, what a collector keeps between runs `$CACHE`, and where
    sitegen is installed `$SITEGEN`: where somebody put them says nothing of the method. ``root`` is
    where system files are read, so that a recorded machine can stand in; ``command`` runs a program
    and returns its output.
    """
    people = [*_people(root)]
    by_kind: dict[str, set[str]] = {}
    for kind, value in chain(
        _of_files(root),
        _of_names(root),
        (("user", word) for name, full, _ in people for word in (name, full)),
        _of_containers(root),
        _of_variables(os.environ if environ is None else environ),
        _of_network(),
        _of_gpus(root, command or _run),
    ):
        by_kind.setdefault(kind, set()).add(value)
    # Some do not live below /home: /srv/people/jane.
    paths = {home: "[home]" for _, _, home in people if home.count("/") > 1}
    # What is installed, where it is: a checkout that is worked in reads $PWD all the same.
    installed = Path(__file__).parents[2]
    folders = {"$SITEGEN": installed, "~": Path.home(), "$PWD": Path.cwd()}
    folders |= {"$WORK": workdir} | ({"$CACHE": cache} if cache else {})
    for stand_in, path in folders.items():
        paths |= dict.fromkeys((str(path.absolute()), str(path.resolve())), stand_in)
    return Redactor({kind: sorted(values) for kind, values in by_kind.items()}, paths)


def _of_files(root: Path) -> Iterator[tuple[str, str]]:
    for kind, patterns in _FILES.items():
        for pattern in patterns.split():
            for text in _texts(root, pattern):
                # Firmware without a serial says so in words ("None", "Not Specified").
                if kind == "host" or any(map(str.isdigit, text)):
                    yield from ((kind, form) for form in _forms(kind, text))
    for folder in _DISKS:
        with contextlib.suppress(OSError):
            for name in os.listdir(root / folder):  # noqa: PTH208 - names, not paths
                if re.search(r"\d", name):
                    yield "serial", re.sub(r"-part\d+$", "", name)


def _forms(kind: str, text: str) -> Iterable[str]:
    """Return the ways in which tools write the same identifier."""
    if kind == "host":
        return {text, text.split(".", 1)[0]}
    if kind in ("mac", "guid"):
        digits = re.sub(r"[^0-9a-fA-F]", "", text).lower()
        if not digits.strip("0"):
            return ()
        if kind == "guid" or len(digits) != _MAC_DIGITS:
            return (text, digits)
        pairs, fours = re.findall("..", digits), re.findall("....", digits)
        return (":".join(pairs), "-".join(pairs), ".".join(fours), digits)
    bare = re.sub(r"^(?:wwn-|0x|eui\.|naa\.|uuid\.)+", "", text)
    return {text, bare, *re.findall(r"(?<![\w])[0-9a-fA-F]{16,64}(?![\w])", text)}


def _of_names(root: Path) -> Iterator[tuple[str, str]]:
    hosts = [socket.gethostname(), os.uname().nodename] if root == Path("/") else []
    names = [*hosts]
    for line in _lines(root, "etc/hosts"):
        names += line.partition("#")[0].split()[1:]
    domains = [*_texts(root, "proc/sys/kernel/domainname")]
    for line in _lines(root, "etc/resolv.conf"):
        word, *rest = line.split() or [""]
        domains += rest if word in ("search", "domain") else []
    names += [name for name in domains if "." in name]
    for line in _lines(root, "etc/machine-info"):
        key, _, value = line.partition("=")
        if key in ("PRETTY_HOSTNAME", "DEPLOYMENT", "LOCATION"):
            names.append(value.strip("\"'"))
    for name in filter(None, names):
        if not _PUBLIC_NAME.match(name):
            yield "host", name.strip(".")
            first = name.split(".", 1)[0]
            # The first label of a search domain is a word: `corp`, `eu`.
            if name in hosts or ("." in name and any(map(str.isdigit, first))):
                yield "host", first


def _people(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the whole name and the home of everybody who has an account here.

    A whole name of one word is left out: it may be any word.
    """
    lines = (line.split(":") for line in _lines(root, "etc/passwd"))
    for account in pwd.getpwall() if root == Path("/") else lines:
        if len(account) == 7 and re.fullmatch(r"\d{1,10}", str(account[2])):  # noqa: PLR2004 - passwd(5)
            name, _, uid, _, about, home, _ = map(str, account)
            full = about.split(",")[0]
            if int(uid) in _PEOPLE:
                yield name, full if " " in full else "", home


def _of_containers(root: Path) -> Iterator[tuple[str, str]]:
    for name in ("proc/self/cgroup", "proc/self/mountinfo"):
        for line in _lines(root, name):
            # A digest of an image's layer is no identifier; the folder of a container is.
            if "/sha256/" in line or "overlay2/" in line:
                line = line.split("overlay2/")[0]  # noqa: PLW2901 - what comes before it
            for container in _ID.findall(line):
                yield "container", container
                yield "container", container[:_SHORT_ID]
    for text in _texts(root, "var/run/secrets/kubernetes.io/serviceaccount/namespace"):
        yield "pod", text


def _of_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for kind, names in _VARIABLES.items():
        yield from ((kind, environ[name]) for name in names.split() if environ.get(name))
    for name, value in environ.items():
        if name.lower().endswith("_proxy") and "://" in value:
            host = re.sub(r"^[a-z0-9+]{1,10}://(?:[^@/]*@)?|[:/].*$", "", value)
            if not host.startswith(("127.", "localhost")):
                yield "proxy", host
        mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
        mixed = mixed and not value.startswith(("/", "~", "sha256:"))
        if mixed and len(value) >= _SECRET_LENGTH and NAMES_A_SECRET.fullmatch(name[:100]):
            yield "secret", value


def _of_network() -> Iterator[tuple[str, str]]:
    for address in chain.from_iterable(psutil.net_if_addrs().values()):
        value = address.address.split("%")[0]
        if address.family == psutil.AF_LINK:
            yield from (("mac", form) for form in _forms("mac", value))
        elif address.family == socket.AF_INET6 and value != "::1":
            yield "address", value
            yield "address", IPv6Address(value).exploded
        elif address.family == socket.AF_INET and not value.startswith("127."):
            yield "address", value


def _of_gpus(root: Path, run: Command) -> Iterator[tuple[str, str]]:
    listed = run(("nvidia-smi", "--query-gpu=uuid,serial", "--format=csv,noheader")) or ""
    for text in (*_texts(root, "proc/driver/nvidia/gpus/*/information"), listed):
        for uuid in _GPU_UUID.findall(text):
            yield "uuid", uuid
    for line in listed.splitlines():
        serial = line.partition(",")[2].strip()
        if any(map(str.isdigit, serial)):
            yield "serial", serial


def _texts(root: Path, pattern: str) -> Iterator[str]:
    """Yield the text of each file below ``root`` that ``pattern`` names; of none, nothing."""
    try:
        paths = sorted(root.glob(pattern)) if "*" in pattern else [root / pattern]
    except OSError:
        return
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(_MOST)
        except OSError:
            continue
        text = "".join(c for c in data.decode("utf-8", "replace") if c.isprintable()).strip()
        if text:
            yield text


def _lines(root: Path, name: str) -> list[str]:
    try:
        return (root / name).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _run(argv: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run(argv, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace")
