"""The programs of a table: where they are, and which version."""

from __future__ import annotations

import os
import re
from glob import glob

from sitegen.catalogue.table import Program
from sitegen.collect.declared.fields import compiled
from sitegen.collect.host import Host

_VERSION_S = 20.0


def find(program: Program, host: Host) -> str | None:
    """Return where a program is: by its names on PATH, or the last of the places with ``*``."""
    for name in program.find:
        if "/" not in name:
            if path := host.find(name):
                return path
        elif found := [path for path in glob(name) if os.access(path, os.X_OK)]:  # noqa: PTH207 - of the whole system
            # The command runs in a folder of its own; of several versions the newest is taken.
            return os.path.abspath(max(found, key=_numbers))  # noqa: PTH100 - not its target
    return None


def _numbers(path: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d{1,9}", path)]


def version(program: Program, path: str, host: Host) -> str:
    """Return the version that a program tells of itself, or nothing."""
    if not path:
        return ""
    line = [path, *(program.version or ("--version",))]
    raw = host.run(line, timeout_s=_VERSION_S)
    text = (raw.stdout + b"\n" + raw.stderr).decode("utf-8", "replace")
    match = compiled(program.version_is).search(text)
    return (match[1] if match.re.groups else match[0])[:80] if match else ""
