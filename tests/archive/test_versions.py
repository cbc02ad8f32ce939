"""One stored archive of each schema version loads for ever, with the values it was written with.

The files below tests/archives/ are never written again; a new version adds a folder.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from msgspec import structs
from msgspec.structs import replace

from sitegen.archive import Archive, library
from sitegen.archive.manifest import SCHEMA, UPGRADES
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    MetricDefinition,
    Parameter,
    Provenance,
    Run,
    Sample,
    Signal,
    Source,
    Status,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
)

ARCHIVES = Path(__file__).parents[1] / "archives"
READ = (("block_size", "4096"), ("direction", "read"))
COLLECTED = Run(
    id="20250131t123456z-fio-abcdefgh",
    benchmark="fio",
    environment="cvm",
    provenance=Provenance.COLLECTED,
    started_at="2025-01-31T12:34:56Z",
    duration_s=61.25,
    measurements=(
        Measurement("read_iops", "fio.iops", "value", "1/s", 33000.5, READ),
        Measurement("read_iops", "fio.iops", "value", "1/s", None, READ, 1, Status.FAILED),
        Measurement(
            "read_iops", "fio.latency", "p99.9", "s", 0.00123, READ, 0, Status.SUSPECT, "1.23 ms"
        ),
        Measurement("seq", "fio.bandwidth", "value", "B/s", 0.30000000000000004),
    ),
    preset="standard",
    session="0123456789ab",
    boot="fedcba9876543210",
    seed=42,
    tool=ToolIdentity("fio", "3.33", "/usr/bin/fio", "ab" * 32),
    parameters=(
        Parameter("size", "4294967296", Comparability.MUST_MATCH),
        Parameter("tool_version", "3.33", Comparability.CAVEAT),
        Parameter("repetitions", "2", Comparability.IGNORED),
    ),
    fingerprint=Fingerprint(
        (Fact("cpu", "AMD EPYC 9654", "/proc/cpuinfo"), Fact("gpu", None, "nvidia-smi")),
        TeeVerdict("sev-snp", ("/dev/sev-guest exists",)),
    ),
    steps=(
        StepRecord(
            name="read_iops",
            workload="read_iops",
            repetition=0,
            argv=("/usr/bin/fio", "--name=read_iops", "--filename=$WORK/data"),
            started_at="2025-01-31T12:35:00Z",
            duration_s=20.5,
            exit_code=0,
            cpu_s=3.25,
            conditions=(("load_before", 0.42), ("psi_cpu", 0.125), ("steal", 0.0)),
            values=(("device", "vda"),),
            raw=("read_iops-0.err", "read_iops-0.out"),
        ),
    ),
    note="A note with <markup> & “quotes” — and 漢字.",
    redactions=(("host", 2), ("path", 7)),
    samples=(
        Sample("read_iops", 0, "time", "fio.iops", 1.0, 32900.0, READ),
        Sample("read_iops", 0, "histogram", "fio.latency", 0.0001, 512.0),
    ),
)
#: What version 2 keeps besides.
COLLECTED_2 = replace(
    COLLECTED,
    fingerprint=structs.replace(
        COLLECTED.fingerprint,
        tee=TeeVerdict(
            "sev-snp",
            ("/dev/sev-guest exists",),
            "high",
            (Signal("/dev/sev-guest", "present", "sev-snp"), Signal("dmesg", "unreadable")),
        ),
    ),
    steps=tuple(
        replace(step, params=READ, context=(("folder", "$WORK"),)) for step in COLLECTED.steps
    ),
)
CITED = Run(
    id="20240901t000000z-llm-765432za",
    benchmark="llm",
    environment="h100",
    provenance=Provenance.CITED,
    started_at="2024-09",
    duration_s=None,
    measurements=(
        Measurement(
            "serving", "llm.ttft", "mean", "s", 0.0288, (("model", "Llama-3.1-8B"),),
            printed="28.8 ms",
        ),
        Measurement("serving", "own.metric", "value", "apples", 3.0),
    ),
    source=Source(
        "arxiv-0000.00000", "A title", "A. Author", "2024", "https://example.org/", "VII",
        "other-source",
    ),
    definitions=(MetricDefinition("own.metric", "Apples", "apples", "higher", "How many apples."),),
    supersedes="20240801t000000z-llm-22222222",
    derived_from="20240701t000000z-llm-33333333",
)  # fmt: skip


def test_every_version_has_a_stored_archive_and_every_old_one_an_upgrade() -> None:
    versions = sorted(int(path.name.removeprefix("v")) for path in ARCHIVES.iterdir())
    assert versions == [*range(1, SCHEMA + 1)]
    assert sorted(UPGRADES) == [*range(1, SCHEMA)]


@pytest.mark.parametrize(("version", "collected"), [(1, COLLECTED), (2, COLLECTED_2)])
def test_every_version_loads_with_exact_values(
    version: int, collected: Run, tmp_path: Path
) -> None:
    archive = Archive(ARCHIVES / f"v{version}")
    assert list(archive.fsck()) == []
    found = {run.id: run for run in map(archive.read, archive.scan())}
    assert found == {CITED.id: CITED, COLLECTED.id: collected}
    raw = archive.find(COLLECTED.id).path / "raw" / "read_iops-0.out.gz"
    assert gzip.decompress(raw.read_bytes()) == b'{"fio version": "fio-3.33"}\n'
    held = library.load(archive, tmp_path, archive.scan())
    assert held.damaged == ()
    assert held.runs[COLLECTED.id].run.measurements == COLLECTED.measurements
    assert held.runs[COLLECTED.id].samples


def test_a_stored_run_is_written_again_as_the_same_rows(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.write(COLLECTED_2)
    archive.write(CITED)
    assert [archive.read(entry) for entry in archive.scan()] == [CITED, COLLECTED_2]
