"""The packages from the npm registry that the provers are made of: installed once, kept whole.

Which they are is `package.json`, at exact versions, and `package-lock.json` beside it, with the
digest of each. No install script of theirs is run, and nothing of theirs is part of sitegen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sitegen.collect import Host, RawOutput, Step, timestamp
from sitegen.errors import SitegenError

_HERE = Path(__file__).parent
_LISTS = ("package.json", "package-lock.json")
_WHOLE = "whole.sha256"
_MAKING = ".installing-"
_OPTIONS = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"),
)
_LIMIT_S = 300.0


def versions() -> dict[str, str]:
    """Return the exact version of each package that is asked for by name."""
    return dict(json.loads((_HERE / "package.json").read_text("utf-8"))["dependencies"])


def folder(cache: Path) -> Path:
    """Return where the packages lie: another lock file has another folder."""
    digest = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()
    return cache / f"packages-{digest[:16]}"


def step(npm: str, cache: Path) -> Step:
    """Return the step that installs them."""
    context = (("cache", str(cache)),)
    return Step("install", "install", (npm, "ci", *_OPTIONS), _LIMIT_S, context=context)


def install(step: Step, host: Host) -> RawOutput:
    """Install the packages unless they are there and whole; the output says which.

    Raises SitegenError when npm cannot install them, as without a network.
    """
    cache = Path(step.get("cache"))
    started = timestamp(datetime.now(UTC))
    if whole(folder(cache)):
        return RawOutput(stdout=b"already installed\n", started_at=started)
    with making(folder(cache), "packages-*") as place:
        for name in _LISTS:
            shutil.copyfile(_HERE / name, place / name)
        raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=place)
        if raw.exit_code != 0:
            message = f"npm could not install the provers ({_reason(raw)})"
            fix = "let this machine reach the npm registry once; the packages are kept"
            raise SitegenError(message, where="zktls", fix=fix)
    return RawOutput(
        stdout=b"installed\n", started_at=started, duration_s=raw.duration_s, cpu_s=raw.cpu_s
    )


@contextlib.contextmanager
def making(folder: Path, others: str) -> Iterator[Path]:
    """Yield a place whose files are ``folder`` after the block: whole, or not there at all.

    What a killed process left and what matches ``others`` is removed before: each is up to 400 MB.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for pattern in (f"{_MAKING}*", others):
        for left in folder.parent.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_MAKING, dir=folder.parent) as place:
        yield Path(place)
        (Path(place) / _WHOLE).write_text(stamp(Path(place)), "utf-8")
        Path(place).rename(folder)


def whole(folder: Path) -> bool:
    """Return whether what was made in ``folder`` is there, to the last byte."""
    try:
        return (folder / _WHOLE).read_text("utf-8") == stamp(folder)
    except (OSError, UnicodeDecodeError):
        return False


def stamp(folder: Path) -> str:
    """Return what says which files are in ``folder``: one digest of their names and content."""
    tree = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != _WHOLE:
            tree.update(hashlib.sha256(name.encode()).digest() + digest(path))
    return tree.hexdigest()


def digest(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _reason(raw: RawOutput) -> str:
    """Return npm's error code; its messages name hosts and paths."""
    text = raw.stderr.decode("utf-8", "replace")
    if "sitegen: killed after" in text:
        return "it took too long"
    match = re.search(r"^npm (?:error|ERR!) code ([A-Z][A-Z0-9_]{1,40})$", text, re.MULTILINE)
    return match[1] if match else f"code {raw.exit_code}"
