"""Whole reports from small archives: what every page says, word for word.

A case is a folder with ``sitegen.toml``, tidy CSV files (``figures.csv``, or ``cited.csv`` with
``sources.csv``), ``recorded.toml`` (runs made of outputs recorded in ``tests/raw``) and notes.
``expected/`` holds one text for each page. After a change that is meant, write them again with

    SITEGEN_GOLDEN=write .venv/bin/pytest tests/cases

and read the diff.
"""

from __future__ import annotations

import difflib
import os
import shutil
import tomllib
from pathlib import Path

import pytest

from collectors import sevenzip
from sitegen import config
from sitegen.archive import Archive
from sitegen.collect import RawOutput, Step
from sitegen.intake import tidy
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Provenance,
    Run,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
    params,
    run_id,
)
from sitegen.site.build import build
from tests import site_checks as check
from tests.cases import extract

CASES = Path(__file__).parent
NAMES = sorted(path.parent.name for path in CASES.glob("*/sitegen.toml"))


@pytest.fixture(scope="module", params=NAMES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a case."""
    return made(request.param, tmp_path_factory.mktemp("cases"))


def test_the_pages_say_what_they_should(site: Path) -> None:
    name = site.parent.name
    found = {
        f"{page.relative_to(site).as_posix().removesuffix('.html')}.txt": extract.text(
            page.read_text("utf-8")
        )
        for page in sorted(site.rglob("*.html"))
        # The same on every site, and tested elsewhere.
        if page.relative_to(site).parts[0] not in ("404.html", "methodology")
    }
    expected = CASES / name / "expected"
    if os.environ.get("SITEGEN_GOLDEN") == "write":
        shutil.rmtree(expected, ignore_errors=True)
        for path, text in found.items():
            (expected / path).parent.mkdir(parents=True, exist_ok=True)
            (expected / path).write_text(text, "utf-8")
    wanted = {path: data.decode() for path, data in check.tree(expected).items()}
    changed = [
        line
        for path in sorted({*found, *wanted})
        for line in difflib.unified_diff(
            wanted.get(path, "").splitlines(), found.get(path, "").splitlines(),
            f"{name}/expected/{path}", "built now", lineterm="", n=1,
        )
    ]  # fmt: skip
    if changed:
        pytest.fail("\n".join(changed), pytrace=False)


def test_the_pages_are_whole(site: Path) -> None:
    for page in sorted(site.rglob("*.html")):
        assert check.faults(site, page.relative_to(site).as_posix()) == [], page
    assert check.dead_links(site) == []


def made(name: str, folder: Path) -> Path:
    """Build a copy of a case and return its site."""
    case = folder / name
    shutil.copytree(CASES / name, case, ignore=shutil.ignore_patterns("expected"))
    settled = config.load(case / "sitegen.toml")
    archive = Archive(settled.archive)
    for run in figures(case):
        archive.write(run)
    if (case / "recorded.toml").is_file():
        for run, raw in recorded(case / "recorded.toml"):
            archive.write(run, raw)
    build(settled)
    return settled.output


def figures(case: Path) -> list[Run]:
    found: list[Run] = []
    if (case / "figures.csv").is_file():
        found += tidy.read_runs(case / "figures.csv", Provenance.IMPORTED)
    if (case / "cited.csv").is_file():
        sources = tidy.read_sources(case / "sources.csv")
        found += tidy.read_runs(case / "cited.csv", Provenance.CITED, sources=sources)
    return found


def recorded(file: Path) -> list[tuple[Run, dict[str, bytes]]]:
    """Return runs as a collection would archive them, from outputs of 7-Zip."""
    found = []
    for table in tomllib.loads(file.read_text("utf-8"))["runs"]:
        rows: list[Measurement] = []
        steps, raw = [], {}
        for number, said in enumerate(table["steps"]):
            output = (check.ROOT / "tests/raw/7z" / said["output"]).read_bytes()
            workload = f"threads-{said['threads']}"
            step = Step(
                workload, workload, tuple(said["argv"]), 60.0,
                params(threads=said["threads"], dictionary=said["dictionary"]),
                context=(("cpus", "2"),),
            )  # fmt: skip
            name = f"{workload}-{said['repetition']}.out"
            raw[name] = output
            rows += [
                row._replace(repetition=said["repetition"])
                for row in sevenzip.parse(step, RawOutput(stdout=output)).measurements
            ]
            steps.append(
                StepRecord(
                    workload, workload, said["repetition"], step.argv, table["started_at"],
                    10.0 + number, 0, 9.5, (("load_before", 0.25), ("psi_cpu", said["pressure"])),
                    raw=(name,),
                )
            )  # fmt: skip
        run = Run(
            id=run_id(table["started_at"], "7z", table["session"].encode()),
            benchmark="7z",
            environment=table["environment"],
            provenance=Provenance.COLLECTED,
            started_at=table["started_at"],
            duration_s=sum(step.duration_s for step in steps),
            measurements=tuple(rows),
            preset=table["preset"],
            session=table["session"],
            boot=table["session"],
            seed=1,
            tool=ToolIdentity("7-Zip", "26.02 (x64)", "/usr/bin/7zz", "e" * 64),
            parameters=(Parameter("iterations", "1", Comparability.CAVEAT),),
            fingerprint=Fingerprint(
                (
                    Fact("cpu", "AMD EPYC", "/proc/cpuinfo"),
                    Fact("cpus", "2", "/proc/cpuinfo"),
                    Fact("governor", None, "/sys/devices/system/cpu/cpu0/cpufreq"),
                ),
                TeeVerdict("none", ("no guest device",)),
            ),
            steps=tuple(steps),
            note=table.get("note", ""),
            redactions=(("host name", 1),),
        )
        found.append((run, raw))
    return found
