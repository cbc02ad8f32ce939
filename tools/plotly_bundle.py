"""Put plotly.js where the site takes it from: templates/vendor/.

The basic bundle has bars and scatters, which is all that our charts are made of, and starts in half
the time of the next larger one (`python -m benchmarks.live`). It comes from the npm package that
tools/plotly-bundle.json names, checked against the digest written there. Without npm, or without a
network, the full bundle inside the installed plotly package serves: the same charts, four times the
bytes.

The style sheet is derived from the bundle, which would otherwise insert the same rules as an
inline <style> that the pages' security policy forbids. Upstream ships the sheet only in a package
of 22 MB. Its digest is pinned too, so a bundle whose rules changed is noticed.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.metadata
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "tools" / "plotly-bundle.json"
VENDOR = ROOT / "templates" / "vendor"
NPM_TIMEOUT_S = 60


class BundleError(Exception):
    """The bundle could not be had or is not the one that is pinned."""


@dataclass(frozen=True)
class Bundle:
    """A plotly.js bundle and the licence that goes with it."""

    script: bytes
    licence: bytes
    origin: str


def main() -> int:
    """Fill templates/vendor/ unless what is there is already right."""
    pins = json.loads(PINS.read_text())
    if in_place(pins):
        print(f"plotly.js {pins['version']}: already in {VENDOR.relative_to(ROOT)}")
        return 0
    try:
        bundle = fetch(pins)
        style = stylesheet(bundle.script.decode())
        check("plotly.css", style.encode(), pins["css_sha256"])
    except BundleError as error:
        print(f"plotly.js: {error}", file=sys.stderr)
        return 2
    VENDOR.mkdir(parents=True, exist_ok=True)
    (VENDOR / "plotly.css").write_text(style)
    (VENDOR / "plotly.LICENSE.txt").write_bytes(bundle.licence)
    (VENDOR / "plotly.min.js").write_bytes(bundle.script)
    size_kb = len(bundle.script) // 1000
    print(f"plotly.js {pins['version']}: {size_kb} kB from {bundle.origin}")
    return 0


def in_place(pins: dict[str, Any]) -> bool:
    """Say whether the three files are there, with a pinned digest each."""
    try:
        script = digest((VENDOR / "plotly.min.js").read_bytes())
        style = digest((VENDOR / "plotly.css").read_bytes())
        has_licence = (VENDOR / "plotly.LICENSE.txt").stat().st_size > 0
    except FileNotFoundError:
        return False
    known = {pins["npm"]["script_sha256"], pins["wheel"]["script_sha256"]}
    return has_licence and script in known and style == pins["css_sha256"]


def fetch(pins: dict[str, Any]) -> Bundle:
    """Return the bundle from npm where that works, else the one of the plotly package."""
    try:
        return from_npm(pins)
    except BundleError as error:
        print(f"plotly.js: {error}; taking the full bundle of the plotly package instead")
    return from_wheel(pins)


def from_npm(pins: dict[str, Any]) -> Bundle:
    """Fetch the pinned npm package and take the bundle out of it."""
    npm = shutil.which("npm")
    if npm is None:
        message = "npm is not installed"
        raise BundleError(message)
    name = f"{pins['npm']['package']}@{pins['version']}"
    with tempfile.TemporaryDirectory() as folder:
        argv = [npm, "pack", name, "--silent", "--fetch-retries=1", "--fetch-timeout=20000"]
        try:
            subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=NPM_TIMEOUT_S)
        except (subprocess.SubprocessError, OSError) as error:
            message = f"`npm pack {name}` did not work ({type(error).__name__})"
            raise BundleError(message) from error
        packed = next(Path(folder).glob("*.tgz")).read_bytes()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
    if integrity != pins["npm"]["integrity"]:
        # A wrong digest is no reason to fall back quietly: somebody has to look.
        sys.exit(f"plotly.js: {name} has the digest {integrity}, not the pinned one")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        script = member(archive, f"package/{pins['npm']['script']}")
        licence = member(archive, "package/LICENSE")
    check(name, script, pins["npm"]["script_sha256"])
    return Bundle(script, licence, name)


def from_wheel(pins: dict[str, Any]) -> Bundle:
    """Take the full bundle out of the installed plotly package."""
    try:
        installed = importlib.metadata.distribution("plotly")
    except importlib.metadata.PackageNotFoundError as error:
        message = "the plotly package is not installed here"
        raise BundleError(message) from error
    files = {Path(str(file)).name: file for file in installed.files or ()}
    script = Path(str(files["plotly.min.js"].locate())).read_bytes()
    licence = Path(str(files["LICENSE.txt"].locate())).read_bytes()
    check(f"plotly {installed.version}", script, pins["wheel"]["script_sha256"])
    return Bundle(script, licence, f"the plotly {installed.version} package")


def stylesheet(script: str) -> str:
    """Return the rules that a bundle would insert, as the style sheet that upstream publishes.

    The bundle holds them as one object, selector to declarations, and walks it with a loop that
    puts the real selectors in the place of X and Y.
    """
    loop = re.search(
        r'for\((\w+) in (\w+)\)\w+=\1\.replace\(/\^,/," ,"\)'
        r'\.replace\(/X/g,"([^"]+)"\)\.replace\(/Y/g,"([^"]+)"\)',
        script,
    )
    start = script.rfind(f"{loop[2]}={{", 0, loop.start()) if loop else -1
    if loop is None or start < 0:
        message = "the bundle's table of style rules was not found"
        raise BundleError(message)
    string = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
    pair = re.compile(rf"({string}|\w+):({string})[,}}]")
    rules = []
    position = start + len(loop[2]) + 2
    while script[position - 1] != "}":
        entry = pair.match(script, position)
        if entry is None:
            message = f"the bundle's style rules end oddly at character {position}"
            raise BundleError(message)
        selector = unquote(entry[1]).replace("X", loop[3]).replace("Y", loop[4])
        rules.append(f"{selector}{{{unquote(entry[2]).rstrip(';')}}}\n")
        position = entry.end()
    return "".join(rules)


def unquote(literal: str) -> str:
    """Return the text of a JavaScript string literal, or a bare key as it stands."""
    return str(ast.literal_eval(literal)) if literal[0] in "\"'" else literal


def member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return one file of an archive."""
    file = archive.extractfile(name)
    if file is None:
        message = f"{name} is not a file"
        raise BundleError(message)
    return file.read()


def check(name: str, content: bytes, sha256: str) -> None:
    """Refuse content that is not what was pinned."""
    if digest(content) != sha256:
        message = f"{name} has the digest {digest(content)}, {PINS.name} says {sha256}"
        raise BundleError(message)


def digest(content: bytes) -> str:
    """Return the SHA-256 of content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
