"""Machines that are written down: one JSON file each, laid out as a root for the readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sitegen import fingerprint
from sitegen.model import Fingerprint
from sitegen.redact import Redactor

HERE = Path(__file__).parent
Command = Callable[[tuple[str, ...]], str | None]


def names() -> set[str]:
    """Return the names of all machines."""
    return {path.stem for path in HERE.glob("*.json")}


def written(name: str) -> dict[str, Any]:
    """Return a machine with all that it takes over from the one that it is like."""
    own = json.loads((HERE / f"{name}.json").read_text())
    if "like" not in own:
        return {"files": {}, "commands": {}, **own}
    base = written(own["like"])
    gone = own.get("without", ())
    kept = {
        path: content
        for path, content in base["files"].items()
        if not any(path == prefix or path.startswith(f"{prefix}/") for prefix in gone)
    }
    return {
        "about": own["about"],
        "files": {**kept, **own.get("files", {})},
        "commands": {**base["commands"], **own.get("commands", {})},
    }


def lay_out(name: str, folder: Path) -> Path:
    """Write the machine's files below ``folder`` and return it: the root of a file system."""
    files = written(name)["files"]
    for path, content in files.items():
        place = folder / path.lstrip("/")
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        elif isinstance(content, str):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
    for path, content in files.items():
        if isinstance(content, dict):
            place = folder / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(folder / content["to"].lstrip("/"))
    return folder


def command(name: str) -> Command:
    """Return what answers as the machine's programs: by command line, or by their first word."""
    answers = written(name)["commands"]

    def answer(argv: tuple[str, ...]) -> str | None:
        line = " ".join(argv)
        found: str | None = answers.get(line, answers.get(argv[0]))
        return found

    return answer


def seen(root: Path, answers: Command = lambda _: None) -> Fingerprint:
    """Return the fingerprint of what lies below ``root``, whose programs answer so."""
    return fingerprint.read(Path("/work"), Redactor(), root=root, command=answers)


def read(name: str, folder: Path) -> Fingerprint:
    """Return the fingerprint of a machine, laid out below ``folder``."""
    return seen(lay_out(name, folder), command(name))
