"""The examples of docs/bring-your-own-prover.md do what the page says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from collectors.zktls import contract, controls
from sitegen.cli import main
from sitegen.collect import Recorder
from tests.documents import blocks

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "bring-your-own-prover.md").read_text("utf-8")
SCHEMA = DOCS / "prover-contract.schema.json"
SH = shutil.which("sh") or "sh"


def block(language: str, start: str) -> str:
    [document] = [code for code in blocks(PAGE, language) if code.startswith(start)]
    return document


@pytest.mark.parametrize(
    ("argv", "code", "proofs"),
    [
        ([sys.executable, "-c"], block("python", "import"), 5),
        pytest.param(
            [SH, "-c"],
            block("sh", "set -e"),
            3,
            marks=pytest.mark.skipif(
                sys.platform != "linux" or not shutil.which("sha256sum"),
                reason="needs GNU date and sha256sum",
            ),
        ),
    ],
)
def test_an_example_keeps_to_the_contract(argv: list[str], code: str, proofs: int) -> None:
    assert len(code.splitlines()) <= 18
    done = subprocess.run([*argv, code], capture_output=True, check=True, timeout=60)
    session, recorder = contract.read(done.stdout), Recorder()
    controls.require(session)
    contract.record(recorder, session, lambda _: "command")
    metrics = {row.metric for row in recorder.measurements}
    assert {"zktls.prove_time", "zktls.verify_time", "zktls.hash_speed"} <= metrics
    assert len(session.measured) == proofs
    assert not done.stderr


def test_the_page_names_every_field_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE))
    document = json.loads(SCHEMA.read_text("utf-8"))["$defs"].values()
    shapes = {shape["properties"]["record"]["enum"][0]: shape for shape in document}
    for record, shape in shapes.items():
        named = set(re.findall(r"`(\w+)`", rows[record]))
        assert named == set(shape["properties"]) - {"record"}
        must = set(re.findall(r"`(\w+)`", rows[record].split("|")[0])) - {"prove_s", "online_s"}
        assert must == set(shape["required"]) - {"record"}
    for kind in contract.CONTROLS:
        assert f"| `{kind}` |" in PAGE


def test_it_meets_itself_collected_and_imported(tmp_path: Path) -> None:
    toy = tmp_path / "toy.py"
    toy.write_text(block("python", "import"))
    (tmp_path / "sitegen.toml").write_text("")
    settings = ("--config", str(tmp_path / "sitegen.toml"), "--archive", str(tmp_path / "archive"))

    def sitegen(*words: str) -> str:
        found = CliRunner().invoke(main, [*words, *settings])
        assert found.exit_code == 0, found.output
        return found.stdout

    command = f"zktls.command={sys.executable} {toy}"
    sitegen("collect", "--env", "vm", "--only", "zktls", "--set", command, "--repeat", "1")
    done = subprocess.run([sys.executable, toy], capture_output=True, check=True, timeout=60)
    (tmp_path / "proofs.jsonl").write_bytes(done.stdout)
    sitegen("import", str(tmp_path / "proofs.jsonl"), "--env", "cvm", "--date", "2026-11-01")
    told = json.loads(sitegen("compare", "vm", "cvm", "--all", "--format", "json"))
    assert {one["workload"] for one in told["comparisons"]} == {"sha-256"}
    runs = json.loads(sitegen("list", "--format", "json"))
    tools = {
        json.loads(sitegen("show", one["id"], "--format", "json"))["tool"]["name"] for one in runs
    }
    assert tools == {"toy"}
