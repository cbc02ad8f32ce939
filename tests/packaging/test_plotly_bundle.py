"""The plotly.js that set-up puts in place."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = json.loads((ROOT / "tools" / "plotly-bundle.json").read_text())


def take_bundle(root: Path, search_path: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up script in a tree that holds nothing but itself."""
    tools = root / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("plotly_bundle.py", "plotly-bundle.json"):
        if not (tools / name).exists():
            (tools / name).write_bytes((ROOT / "tools" / name).read_bytes())
    return subprocess.run(
        [sys.executable, str(tools / "plotly_bundle.py")],
        env=os.environ | {"PATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_set_up_left_a_pinned_bundle_with_its_licence() -> None:
    vendor = ROOT / "templates" / "vendor"
    script = (vendor / "plotly.min.js").read_bytes()
    pinned = {PINS["npm"]["script_sha256"], PINS["wheel"]["script_sha256"]}
    assert hashlib.sha256(script).hexdigest() in pinned
    assert "plotly.js" in script[:200].decode()
    assert PINS["version"] in script[:200].decode()
    assert "MIT" in (vendor / "plotly.LICENSE.txt").read_text()


def test_without_npm_the_installed_package_serves_with_the_same_style(tmp_path: Path) -> None:
    done = take_bundle(tmp_path, search_path="")
    assert done.returncode == 0, done.stderr
    assert "npm is not installed" in done.stdout
    vendor = tmp_path / "templates" / "vendor"
    style = (vendor / "plotly.css").read_bytes()
    assert hashlib.sha256(style).hexdigest() == PINS["css_sha256"]
    script = (vendor / "plotly.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == PINS["wheel"]["script_sha256"]


def test_a_bundle_that_is_in_place_is_kept(tmp_path: Path) -> None:
    take_bundle(tmp_path, search_path="")
    script = tmp_path / "templates" / "vendor" / "plotly.min.js"
    written = script.stat().st_mtime_ns
    done = take_bundle(tmp_path, search_path="")
    assert "already in" in done.stdout
    assert script.stat().st_mtime_ns == written


def test_a_changed_bundle_is_replaced(tmp_path: Path) -> None:
    take_bundle(tmp_path, search_path="")
    script = tmp_path / "templates" / "vendor" / "plotly.min.js"
    script.write_text("alert(1)")
    take_bundle(tmp_path, search_path="")
    assert hashlib.sha256(script.read_bytes()).hexdigest() == PINS["wheel"]["script_sha256"]


def test_a_bundle_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    changed = PINS | {"wheel": {"script_sha256": "0" * 64}}
    (tmp_path / "tools" / "plotly-bundle.json").write_text(json.dumps(changed))
    done = take_bundle(tmp_path, search_path="")
    assert done.returncode == 2
    assert "plotly-bundle.json says" in done.stderr
    assert not (tmp_path / "templates").exists()


def test_a_wheel_is_built_with_the_plotly_that_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [wanted] = [each for each in project["build-system"]["requires"] if "plotly" in each]
    assert f"\n{wanted} " in (ROOT / "requirements/runtime.txt").read_text("utf-8")


def test_the_pinned_package_and_the_pinned_bundle_are_the_same_plotly_js() -> None:
    found = importlib.metadata.distribution("plotly")
    file = next(file for file in found.files or () if file.name == "plotly.min.js")
    head = Path(str(file.locate())).read_text()[:200]
    assert f"plotly.js v{PINS['version']}" in head
