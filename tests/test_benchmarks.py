"""The benchmarks measure what they say, on a report that is the same each time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hostile, measure, perturbation, synthetic
from benchmarks.synthetic import rich
from sitegen import config
from sitegen.analysis import stats
from sitegen.analysis.compare import analyse
from sitegen.analysis.stats import Word
from sitegen.archive import Archive, library
from sitegen.catalogue import parameters
from sitegen.catalogue.families import FAMILIES
from sitegen.config import Config
from sitegen.model import Status
from tests import site_checks as check

SHAPE = synthetic.Shape(runs=7, measurements=40, repetitions=2)


def test_a_synthetic_report_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        synthetic.write(tmp_path / name, SHAPE)
    assert check.differing(check.tree(tmp_path / "one"), check.tree(tmp_path / "other")) == []


def test_a_synthetic_run_has_what_a_collected_one_has(tmp_path: Path) -> None:
    synthetic.write(tmp_path, SHAPE)
    archive = Archive(tmp_path / "archive")
    runs = [archive.read(entry) for entry in archive.scan()]
    assert len(runs) == 7
    for run in runs:
        assert len(run.measurements) == 80
        assert len({(m.workload, m.metric, m.statistic, m.params) for m in run.measurements}) == 40
        assert len(run.fingerprint.facts) >= 30
        assert len(run.steps) >= 20
        assert run.steps[0].raw
    assert list(archive.fsck()) == []


def test_the_rich_report_is_the_same_each_time_and_sound(tmp_path: Path) -> None:
    rich.write(tmp_path / "one", sessions=[1])
    code = "import sys, pathlib; from benchmarks.synthetic import rich;"
    code += "rich.write(pathlib.Path(sys.argv[1]), sessions=[1])"
    argv = [sys.executable, "-c", code, str(tmp_path / "other")]
    subprocess.run(argv, cwd=check.ROOT, check=True)  # hashes of texts differ between processes
    assert check.differing(check.tree(tmp_path / "one"), check.tree(tmp_path / "other")) == []
    archive = Archive(tmp_path / "one" / "archive")
    runs = [archive.read(entry) for entry in archive.scan()]
    assert {(run.environment, run.benchmark) for run in runs} == set(
        itertools.product(("metal", "vm", "cvm"), [n for n, f in FAMILIES.items() if f.collected])
    )
    assert [run.benchmark for run in runs if run.withdrawn] == ["7z"]
    assert list(archive.fsck()) == []


def test_something_befell_the_rich_report() -> None:
    contended, _ = rich.make("vm", 3, "zktls")
    assert all(dict(step.conditions)["steal"] > 0.02 for step in contended.steps)
    suspect, _ = rich.make("vm", 0, "7z")
    assert {m.workload for m in suspect.measurements if m.status == Status.SUSPECT} == {"threads-8"}
    failed, raw = rich.make("cvm", 1, "fio")
    assert {m.value for m in failed.measurements if m.status == Status.FAILED} == {None}
    assert b"Input/output error" in raw["seqread-1m-qd8-2.err"]
    assert rich.make("cvm", 0, "fio", "quick")[0].preset == "quick"
    kernels = [rich.make("cvm", number, "7z")[0].fingerprint.get("kernel") for number in (2, 3)]
    assert kernels[0] != kernels[1]
    older, first = (rich.make("metal", number, "7z")[0] for number in (-1, 0))
    assert older.started_at < first.started_at
    sampled, _ = rich.make("metal", 0, "fio")
    assert {sample.kind for sample in sampled.samples} == {"time", "histogram"}


def test_the_rich_report_is_decided_in_every_way(tmp_path: Path) -> None:
    rich.write(tmp_path, sessions=[])
    labels, sessions = rich.TABLES.labels, range(len(rich.TABLES.days))
    runs = [rich.make(*key)[0] for key in itertools.product(labels, sessions, ("7z", "fio"))]
    found = analyse(runs, config.load(tmp_path / "sitegen.toml")).comparisons
    words = {word for one in found if one.tested for word in stats.words([one.tested])}
    assert {Word.SLOWER, Word.FASTER, Word.NO_DIFFERENCE, Word.INCONCLUSIVE} <= words
    assert {c.against for c in found if c.side.environment == "cvm"} == {"vm", "metal"}


def test_the_build_benchmark_prints_its_figures_as_json() -> None:
    argv = [sys.executable, "-m", "benchmarks.build", "--runs", "7", "--rounds", "1",
            "--format", "json"]  # fmt: skip
    done = subprocess.run(argv, cwd=check.ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["runs"] == 7
    assert found["pages"] > 7
    assert 0 < found["no_op_cpu_s"] < found["full_cpu_s"]
    assert 0 < found["io_floor_s"] < found["full_cpu_s"]
    assert found["add_one_cpu_s"] > 0
    assert found["peak_memory_bytes"] > 10_000_000
    assert found["output_bytes"] > 1_000_000


def test_a_measured_program_is_charged_for_itself_and_its_children(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    used = measure.run([sys.executable, "-c", parent], tmp_path)
    idle = measure.run([sys.executable, "-c", "pass"], tmp_path)
    assert used.cpu_s >= 0.3
    assert idle.cpu_s < 0.3


def test_a_program_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(measure.FailedError, match="ended with 3"):
        measure.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_no_odd_run_stops_a_report(tmp_path: Path) -> None:
    result = hostile.trial(tmp_path, runs=90, seed=1)
    assert result.faults == []
    assert result.counts["archived"] >= 90
    assert result.counts["refused"] > 0
    assert result.counts["built"] > result.counts["archived"] / 2


def test_the_trial_finds_what_gets_past_the_doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "_checked", lambda _, value, __=1: value)
    result = hostile.trial(tmp_path, runs=180, seed=5)
    assert any("set aside by the last resort" in fault for fault in result.faults)


def test_no_sentence_of_this_report_compares_figures_without_a_premise(report: Config) -> None:
    sentences = [
        one for path in perturbation.prose(report.notes) for one in perturbation.unpremised(path)
    ]
    assert sentences == []


def test_a_sentence_without_its_premise_is_found(tmp_path: Path) -> None:
    path = tmp_path / "note.md"
    path.write_text(
        "It is {{ number(a / b) }} times as fast. **{{ given(a > b) }}It is faster,** by {{ a }}."
        " And it stays faster than {{ b }}.\n\nIt delivers {{ a }}.\n"
    )
    assert perturbation.unpremised(path) == ["It is … times as fast."]


@pytest.mark.parametrize(
    ("metric", "environment", "factor", "kind"),
    [
        ("fio.latency", "h200-cvm", 0.1, "refused"),
        ("zktls.proof_size", "zk-tee-cpu", 0.3, "refused"),
        ("llm.eval_rate", "xeon6530-tdx", 0.1, "refused"),
        ("7z.rating", "tdx-lab", 1.01, "follows"),
        ("llm.inter_chunk_latency", "h200-raw-on", 10.0, "not quoted"),
    ],
)
def test_prose_stops_a_build_or_follows_its_figures(
    report: Config, metric: str, environment: str, factor: float, kind: str
) -> None:
    runs = [held.run for held in library.of(report).runs.values()]
    place = next(
        at
        for at, row in perturbation.cited(runs)
        if row.metric == metric and runs[at[0]].environment == environment
    )
    found, where = perturbation.outcome(
        runs, report, perturbation.evaluated(runs, report), [place], factor
    )
    assert (found, bool(where)) == (kind, kind != "not quoted")
