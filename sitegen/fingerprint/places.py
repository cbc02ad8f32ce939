"""Where a machine is read: its files, its programs, its kernel log; nothing is ever changed.

Everything lies below a root directory and every program's answer can be a recorded one, so that
a written-down machine can stand in for this one. What is not there reads as None or nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from msgspec import Struct

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
_JOURNAL = ("journalctl", "-k", "-b", "-q", "--no-pager", "-o", "short-monotonic")


class Log(Struct, frozen=True):
    """The kernel's log of this boot: its text, who gave it, and whether its beginning is there.

    One that is kept from us has no text and no source.
    """

    text: str = ""
    source: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Machine:
    """A machine to be read: the root of its file system, and how its programs are asked."""

    root: Path
    command: Command = lambda _: None

    def at(self, path: str) -> Path:
        """Return where the machine's ``path`` lies."""
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str | None:
        """Return the stripped text of a system file, or None."""
        try:
            return self.at(path).read_text("utf-8", "replace").strip()
        except (OSError, ValueError):
            return None

    def lines(self, path: str) -> list[str]:
        """Return the lines of a system file."""
        return (self.text(path) or "").splitlines()

    def fields(self, path: str) -> dict[str, str]:
        """Return the ``name: value`` lines of a system file."""
        return fields(self.text(path) or "")

    def look(self, path: str) -> str:
        """Say whether ``path`` is ``present``, ``absent`` or, behind a closed door, unreadable."""
        try:
            self.at(path).stat()
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

    def names(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none where it cannot be listed."""
        try:
            return sorted(entry.name for entry in self.at(path).iterdir())
        except OSError:
            return []

    def target(self, path: str) -> str | None:
        """Return the name that the link ``path`` leads to, or None."""
        place = self.at(path)
        try:
            return place.resolve(strict=True).name if place.is_symlink() else None
        except (OSError, RuntimeError):
            return None

    def output(self, *argv: str) -> str:
        """Return what a program printed, or nothing."""
        return (self.command(argv) or "").strip()

    @cached_property
    def log(self) -> Log:
        """The kernel's log; its ring may have wrapped."""
        for argv in (("dmesg",), _JOURNAL):
            text = self.output(*argv)[:_MOST]
            if _KERNEL_LINE.search(text) or (argv == _JOURNAL and " kernel: " in text):
                return Log(text, argv[0], _FIRST_LINE.search(text) is not None)
        return Log()

    def cpu(self) -> dict[str, str]:
        """Return what is said of the first CPU."""
        return fields((self.text("/proc/cpuinfo") or "").split("\n\n", 1)[0])

    def flags(self) -> frozenset[str]:
        """Return the flags of the first CPU."""
        cpu = self.cpu()
        names = (cpu.get(name, "") for name in ("flags", "Features", "features"))
        return frozenset(next(filter(None, names), "").split())

    def vendor(self) -> str:
        """Return the vendor of the CPU as it names itself, or nothing."""
        return self.cpu().get("vendor_id", "")

    def variables(self) -> frozenset[str]:
        """Return the names of this process's environment variables; their values are secrets."""
        text = self.text("/proc/self/environ") or ""
        return frozenset(part.partition("=")[0] for part in text.split("\0") if "=" in part)

    def root_mounts(self) -> list[str]:
        """Return the lines on what is mounted as the root of the file system, the last on top."""
        lines = self.lines("/proc/self/mountinfo")
        return [line for line in lines if line.split(" ")[4:5] == ["/"]]

    def cgroups(self) -> dict[str, str]:
        """Return this process's cgroup by controller; that of version 2 is called nothing."""
        lines = (line.split(":", 2) for line in self.lines("/proc/self/cgroup"))
        numbered = [parts[1:] for parts in lines if len(parts) == 3]  # noqa: PLR2004 - see cgroups(7)
        return {name: path for names, path in numbered for name in names.split(",")}

    def cgroup_files(self, name: str, old: str = "") -> Iterator[str]:
        """Yield a file of this process's cgroup and of all above it: any limit of them may bind.

        ``name`` is the file in version 2; ``old`` that in version 1, of the same controller.
        """
        groups, controller = self.cgroups(), name.partition(".")[0]
        for base, place, file in (
            ("/sys/fs/cgroup", groups.get(""), name),
            (f"/sys/fs/cgroup/{controller}", groups.get(controller) if old else None, old),
        ):
            if place is None:
                continue
            parts = [part for part in place.split("/") if part not in ("", ".", "..")][:_PARENTS]
            for depth in range(len(parts), -1, -1):
                if text := self.text("/".join([base, *parts[:depth], file])):
                    yield text


def fields(text: str) -> dict[str, str]:
    """Return the name and the value of each ``name: value`` line."""
    parts = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in parts if colon}


def whole(text: str | None) -> int | None:
    """Return a whole number of at most 18 digits, or None."""
    return int(text) if text and re.fullmatch(r"\d{1,18}", text) else None


def asked_at_once(argvs: Iterable[tuple[str, ...]]) -> Command:
    """Return a command that asked all of ``argvs`` at the same time, and asks nothing twice."""
    command = cache(run)
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(command, argvs))
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
