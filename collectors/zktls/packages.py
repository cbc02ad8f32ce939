"""The packages from the npm registry that the provers are made of: installed once, kept whole.

Which they are is `package.json`, at exact versions, and `package-lock.json` beside it, with the
digest of each. No install script of theirs is run, and nothing of theirs is part of sitegen.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sitegen.collect import Host, RawOutput, Step, timestamp
from sitegen.errors import SitegenError

_HERE = Path(__file__).parent
_LISTS = ("package.json", "package-lock.json")
_WHOLE = "whole.json"
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

    They are installed beside their place and moved there, so that they are there whole or not
    at all. Raises SitegenError when npm cannot install them, as without a network.
    """
    cache = Path(step.get("cache"))
    place = folder(cache)
    started = timestamp(datetime.now(UTC))
    if whole(place):
        return RawOutput(stdout=b"already installed\n", started_at=started)
    cache.mkdir(parents=True, exist_ok=True)
    # By a process that was killed, and what other versions of sitegen had.
    for pattern in (f"{_MAKING}*", "packages-*"):
        for left in cache.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_MAKING, dir=cache) as making:
        for name in _LISTS:
            shutil.copyfile(_HERE / name, Path(making) / name)
        raw = host.run(step.argv, timeout_s=step.timeout_s, cwd=Path(making))
        if raw.exit_code != 0:
            raise SitegenError(
                f"npm could not install the provers ({_reason(raw)})",
                where="zktls",
                fix="let this machine reach the npm registry once; the packages are kept",
            )
        (Path(making) / _WHOLE).write_text(_stamp(Path(making)), "utf-8")
        Path(making).rename(place)
    return RawOutput(
        stdout=b"installed\n", started_at=started, duration_s=raw.duration_s, cpu_s=raw.cpu_s
    )


def whole(place: Path) -> bool:
    """Return whether the packages are installed in ``place``, to the last byte."""
    try:
        return (place / _WHOLE).read_text("utf-8") == _stamp(place)
    except (OSError, UnicodeDecodeError):
        return False


def _stamp(place: Path) -> str:
    """Return what says which files are installed: one digest of their names and content."""
    digest = hashlib.sha256()
    modules = place / "node_modules"
    for path in sorted(path for path in modules.rglob("*") if path.is_file()):
        name = path.relative_to(modules).as_posix().encode()
        digest.update(hashlib.sha256(name).digest())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return json.dumps({"tree": digest.hexdigest()})


def _reason(raw: RawOutput) -> str:
    """Return npm's error code; its messages name hosts and paths."""
    said = raw.stderr.decode("utf-8", "replace")
    if "sitegen: killed after" in said:
        return "it took too long"
    match = re.search(r"^npm (?:error|ERR!) code ([A-Z][A-Z0-9_]{1,40})$", said, re.MULTILINE)
    return match[1] if match else f"code {raw.exit_code}"
