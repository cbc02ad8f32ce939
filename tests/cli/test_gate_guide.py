"""The guide `docs/gate.md`, run as it stands: a gate that fails, passes and cannot judge."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from sitegen import __version__
from tests import documents

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "gate.md").read_text("utf-8")


def blocks(mark: str) -> list[str]:
    """Return the fenced blocks of the guide under a mark."""
    return re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_does_what_it_says(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    program = bin_ / "sitegen"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m sitegen.cli "$@"\n')
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    names = {f"GIT_{who}_{what}": "x@example.org"
             for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
    clean = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    apart = {"GIT_CONFIG_GLOBAL": os.devnull, "PATH": f"{bin_}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks("run"))], cwd=work,
        env=clean | names | apart, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    place = 0
    for line in "".join(blocks("prints")).splitlines():
        found = done.stdout.find(f"{line}\n", place)
        assert found >= 0, f"{line!r} is not printed after {done.stdout[:place][-200:]!r}"
        place = found + len(line)


def test_every_block_of_commands_in_the_guide_is_run() -> None:
    assert len(blocks("run")) == GUIDE.count("```sh\n")


def test_the_guide_and_the_action_name_the_same_inputs() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    [table] = re.findall(r"\| input \|.*?\n\n", GUIDE, re.DOTALL)
    first = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    assert set(re.findall(r"`([\w-]+)`", " ".join(first))) == set(action["inputs"])
    [workflow] = documents.blocks(GUIDE, "yaml")
    *_, step = yaml.safe_load(workflow)["jobs"]["gate"]["steps"]
    assert step["uses"] == f"sitegen-tee/sitegen@v{__version__}"
    assert set(step["with"]) <= set(action["inputs"])
