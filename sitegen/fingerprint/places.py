"""Where a machine is read: its files, its programs, its kernel log; nothing is ever changed.

Everything lies below a root directory and every program's answer can be a recorded one, so that
a written-down machine can stand in for this one. What is not there reads as None or nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

#: Runs a program and returns what it printed, or None where there is no such program.
Command = Callable[[tuple[str, ...]], str | None]

PRESENT, ABSENT, UNREADABLE = "present", "absent", "unreadable"

_TIMEOUT_S = 10.0
_MOST = 4_000_000
_PARENTS = 32
_KERNEL_LINE = re.compile(
    r"^(?:<\d+>)?\[ *\d+\.\d+\]|^Linux version |Starting gVisor", re.MULTILINE
)
_FIRST_LINE = re.compile(r"Linux version |Command line: |Starting gVisor")
_FLAGS = re.compile(r"^(?:flags|Features|features)[ \t]*:[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine to be read: the root of its file system, and how its programs are asked."""

    root: Path
    command: Command

    def text(self, path: str) -> str | None:
        """Return the stripped text of a system file, or None."""
        return read_text(self.root, path)

    def look(self, path: str) -> str:
        """Say whether ``path`` is ``present``, ``absent`` or, behind a closed door, unreadable."""
        try:
            (self.root / path.lstrip("/")).stat()
        except PermissionError:
            return UNREADABLE
        except (OSError, ValueError):
            return ABSENT
        return PRESENT

    def show(self, path: str) -> str:
        """Return the text of a file, or whether it is ``absent`` or ``unreadable``."""
        text = self.text(path)
        if text is not None:
            return text
        return ABSENT if self.look(path) == ABSENT else UNREADABLE

    def start(self, path: str, size: int) -> bytes:
        """Return the first bytes of a file, none where it cannot be read."""
        try:
            with (self.root / path.lstrip("/")).open("rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def socket(self, path: str) -> bool:
        """Say whether ``path`` exists and could be a socket: a folder is none."""
        try:
            return not stat.S_ISDIR((self.root / path.lstrip("/")).stat().st_mode)
        except OSError:
            return False

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none where it cannot be listed."""
        try:
            return sorted(entry.name for entry in (self.root / path.lstrip("/")).iterdir())
        except OSError:
            return []

    def target(self, path: str) -> str | None:
        """Return the name that the link ``path`` leads to, or None."""
        place = self.root / path.lstrip("/")
        try:
            return place.resolve(strict=True).name if place.is_symlink() else None
        except (OSError, RuntimeError):
            return None

    def said(self, *argv: str) -> str:
        """Return what a program printed, or nothing."""
        return (self.command(argv) or "").strip()

    def one_word(self, *argv: str) -> str | None:
        """Return a program's answer when it is one plain word: an error message is none."""
        said = self.said(*argv)
        return said if re.fullmatch(r"[a-z0-9-]{1,40}", said) else None

    def cpuinfo(self) -> str:
        """Return the description of all CPUs, or nothing."""
        return self.text("/proc/cpuinfo") or ""

    def flags(self) -> frozenset[str]:
        """Return the flags of the first CPU."""
        found = _FLAGS.search(self.cpuinfo())
        return frozenset(found[1].split()) if found else frozenset()

    def vendor(self) -> str:
        """Return the vendor of the CPU as it names itself, or nothing."""
        found = re.search(r"^vendor_id\s*:\s*(.*)$", self.cpuinfo(), re.MULTILINE)
        return found[1].strip() if found else ""

    def variables(self) -> frozenset[str]:
        """Return the names of this process's environment variables; their values are secrets."""
        text = self.text("/proc/self/environ") or ""
        return frozenset(part.partition("=")[0] for part in text.split("\0") if "=" in part)

    def cgroups(self) -> dict[str, str]:
        """Return this process's cgroup by controller; that of version 2 is called nothing."""
        found = {}
        for line in (self.text("/proc/self/cgroup") or "").splitlines():
            parts = line.split(":", 2)
            if len(parts) == 3:  # noqa: PLR2004 - number, controllers, path
                for controller in parts[1].split(","):
                    found[controller] = parts[2]
        return found

    def cgroup(self, name: str) -> str | None:
        """Return a file of this process's own cgroup, version 2."""
        own = self.cgroups().get("", "").rstrip("/")
        return self.text(f"/sys/fs/cgroup{own}/{name}") or self.text(f"/sys/fs/cgroup/{name}")

    def cgroup_limits(self, controller: str, name: str, old: str) -> Iterator[str]:
        """Yield a limit of this process's cgroup and of all above it: any of them may bind.

        ``name`` is the file in version 2; ``old`` that of ``controller`` in version 1.
        """
        groups = self.cgroups()
        for base, own, file in (
            ("/sys/fs/cgroup", groups.get(""), name),
            (f"/sys/fs/cgroup/{controller}", groups.get(controller), old),
        ):
            if own is None:
                continue
            parts = [part for part in own.split("/") if part not in ("", ".", "..")][:_PARENTS]
            for depth in range(len(parts), -1, -1):
                if text := self.text("/".join([base, *parts[:depth], file])):
                    yield text


@dataclass(frozen=True, slots=True)
class Log:
    """The kernel's log of this boot: its text, who gave it, and whether its beginning is there."""

    text: str
    source: str
    whole: bool


def kernel_log(machine: Machine) -> Log | None:
    """Return the kernel's log, or None where it is kept from us; its ring may have wrapped."""
    for argv in (
        ("dmesg",),
        ("journalctl", "-k", "-b", "-q", "--no-pager", "-o", "short-monotonic"),
    ):
        said = machine.said(*argv)
        if _KERNEL_LINE.search(said[:_MOST]) or (argv[0] != "dmesg" and " kernel: " in said):
            text = said[:_MOST]
            return Log(text, argv[0], _FIRST_LINE.search(text) is not None)
    return None


def read_text(root: Path, path: str) -> str | None:
    """Return the stripped text of a system file below ``root``, or None."""
    try:
        return (root / path.lstrip("/")).read_text("utf-8", "replace").strip()
    except (OSError, ValueError):
        return None


def colon_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each ``name: value`` line."""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def asked_at_once(argvs: Iterable[tuple[str, ...]]) -> Command:
    """Return a command that asked all of ``argvs`` at the same time, and asks nothing twice."""
    wanted = list(argvs)
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = dict(zip(wanted, pool.map(run, wanted), strict=True))

    def command(argv: tuple[str, ...]) -> str | None:
        if argv not in answers:
            answers[argv] = run(argv)
        return answers[argv]

    return command


def run(argv: tuple[str, ...]) -> str | None:
    """Return what a program of this machine printed, or None without it or after 10 seconds.

    A program that printed nothing but a complaint is quoted with that: it tells why.
    """
    path = shutil.which(argv[0], path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *argv[1:]],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip() or done.stderr)[:_MOST].decode("utf-8", "replace")
