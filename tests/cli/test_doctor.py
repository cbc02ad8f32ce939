from __future__ import annotations

import json
from pathlib import Path

import pytest

from sitegen import config
from sitegen.cli import diagnosis
from sitegen.cli.diagnosis import Checkup, Diagnosis
from sitegen.model import Fact, Fingerprint, TeeVerdict
from tests.conftest import SHELL_COLLECTOR, Install

SEEN = Fingerprint(
    (Fact("cpu", "A processor", "/proc/cpuinfo"), Fact("gpu", None, "nvidia-smi")),
    TeeVerdict("tdx", ("/dev/tdx_guest exists",), "high"),
)


def by_name(found: Diagnosis) -> dict[str, Checkup]:
    return {each.benchmark: each for each in found.checkups}


def test_tools_that_are_here_missing_or_broken_are_told_apart(
    tmp_path: Path, install: Install
) -> None:
    install("shell")
    install("absent", tool="no-such-program")
    install("broken", source="raise RuntimeError('no')\n")
    install(
        "poor", source=SHELL_COLLECTOR.replace("expects = (", "raise SitegenError('no room'); (")
    )
    found = by_name(diagnosis.diagnose(tmp_path / "work", "standard"))
    assert found["shell"].steps == 2
    assert found["shell"].about_s == 3.0  # a second, three times
    assert found["absent"].install == "apt-get install no-such-program"
    assert "cannot be imported" in found["broken"].problem
    assert found["poor"].problem == "no room"
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(("preset", "seconds"), [("quick", 1.0), ("thorough", 5.0)])
def test_the_estimate_is_that_of_the_preset_and_stands_in_the_json(
    tmp_path: Path, install: Install, preset: str, seconds: float
) -> None:
    install("shell")
    settings = config.Config(tmp_path / "archive", cache=tmp_path)
    found = json.loads(diagnosis.doctor(settings, "cvm", preset, as_json=True))
    times = {each["benchmark"]: each["about_s"] for each in found["checkups"]}
    assert times["shell"] == seconds
    assert {"facts", "tee"} <= found["machine"].keys()


def test_the_text_begins_with_the_verdict_and_ends_with_what_to_do() -> None:
    ready = Checkup("fio", "fio", "3.33", steps=15, about_s=960.0, needs_bytes=4e9)
    missing = Checkup("ab", problem="ApacheBench (ab)", install="apt install apache2-utils")
    left = Checkup("zktls", "node", "20", left_out="groth16", steps=2, about_s=60.0)
    found = Diagnosis(SEEN, (ready, missing, left), "standard", 80_000_000_000, {})
    lines = diagnosis.as_text(found, "cvm", "it says vm").splitlines()
    assert lines[0] == "TEE: tdx, high confidence"
    assert lines[1] == "  /dev/tdx_guest exists"
    assert lines[2] == "warning: it says vm"
    assert "  Processor  A processor" in lines
    assert "  not shown here: GPU" in lines
    assert "  fio: fio 3.33, 15 steps, about 16 min, 4.0 GB" in lines
    assert "  ab: ApacheBench (ab); apt install apache2-utils" in lines
    assert "    left out: groth16" in lines
    assert lines[-1] == (
        "`sitegen collect --env cvm`: 2 of 3 benchmarks, about 17 min;"
        " 4.0 GB of disk at once, 80.0 GB free"
    )
