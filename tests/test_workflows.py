"""Workflows: those of this repository, of a new report, of the action and of the guide agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sitegen.site import init

ROOT = Path(__file__).parents[1]
FILES = [
    ROOT / "action.yml",
    ROOT / "docs" / "gate.md",
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "templates" / "init" / "workflows").glob("*.yml")),
]


def test_an_action_of_others_is_one_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for file in FILES:
        for action, pin in re.findall(r"uses: (actions/[\w-]+)@(.*)", file.read_text("utf-8")):
            pins.setdefault(action, set()).add(pin)
    assert {"actions/checkout", "actions/setup-python", "actions/deploy-pages"} <= pins.keys()
    for action, [pin, *more] in pins.items():
        assert more == [], action
        assert re.fullmatch(r"[0-9a-f]{40} # v[\d.]+", pin), action


def pages(text: str) -> dict[Any, Any]:
    """Return a workflow without how the tool comes to be there, which alone may differ."""
    workflow: dict[Any, Any] = yaml.safe_load(text)
    build = workflow["jobs"]["build"]
    build.pop("defaults", None)
    workflow[True]["push"].pop("paths", None)
    for step in build["steps"]:
        step.get("with", {}).pop("cache-dependency-path", None)
        step["run"] = re.sub(r"^(pip install .*|make venv)$|\.venv/bin/", "", step.get("run", ""))
    return workflow


def test_this_repository_publishes_its_report_as_a_new_one_does(tmp_path: Path) -> None:
    init.begin(tmp_path)
    new = (tmp_path / ".github/workflows/pages.yml").read_text("utf-8")
    ours = (ROOT / ".github/workflows/pages.yml").read_text("utf-8")
    assert pages(new) == pages(ours)


def test_this_repository_is_laid_out_as_a_new_report_is(tmp_path: Path) -> None:
    init.begin(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert (ROOT / path.name).exists(), path.name
    ours = (ROOT / ".gitignore").read_text("utf-8").split()
    assert set((tmp_path / ".gitignore").read_text("utf-8").split()) <= set(ours)
