"""A report with any number of runs: what builds are timed on.

Three benchmarks in six environments with declared baselines; each run has the fingerprint,
the parameters, the steps with their argv, the measurements and a raw output that a collector
writes. The same arguments give the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from pathlib import Path
from unittest import mock

from msgspec import Struct

from sitegen.archive import Archive
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Params,
    Provenance,
    Run,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
    params,
    run_id,
)

_HERE = Path(__file__).parent
CONFIG = (_HERE / "plain.toml").read_text("utf-8")
#: Label -> (which TEE its signals show, how much slower than bare metal).
_ENVIRONMENTS = {
    "metal": ("none", 1.0),
    "vm": ("none", 1.04),
    "cvm": ("tdx", 1.13),
    "gpu-metal": ("none", 0.7),
    "gpu-cvm": ("tdx", 0.78),
    "snp-cvm": ("sev-snp", 1.09),
}
_BENCHMARKS = ("fio", "ab", "7z")
_FIRST = datetime(2026, 6, 1, tzinfo=UTC)
# Shorter than the window of a comparison, so that every run enters one.
_SPAN = timedelta(days=80)
_STEPS = 12
_TOOLS = {
    "fio": ToolIdentity("fio", "3.33", "/usr/bin/fio", "1" * 64),
    "ab": ToolIdentity("ApacheBench", "2.3", "/usr/bin/ab", "2" * 64),
    "7z": ToolIdentity("7-Zip", "24.09 (x64)", "/usr/bin/7zz", "3" * 64),
}
#: Name, value (nothing where a machine does not show it) and source.
FACTS = tuple(csv.reader((_HERE / "facts.csv").read_text("utf-8").splitlines()))


class Shape(Struct, frozen=True):
    """How much to make: runs, series a run, repetitions of each series."""

    runs: int
    measurements: int = 40
    repetitions: int = 1


class _Kind(Struct, frozen=True):
    """One series of a benchmark, with a typical value on bare metal."""

    workload: str
    metric: str
    statistic: str
    unit: str
    typical: float
    params: Params
    rate: bool


def write(folder: Path, shape: Shape) -> None:
    """Write ``sitegen.toml`` and an archive of ``shape`` below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitegen.toml").write_text(CONFIG, "utf-8")
    archive = Archive(folder / "archive")
    # A synthetic archive can be made again: no reason to wait for a disk 5,000 times.
    with mock.patch.object(os, "fsync"):
        for number in range(shape.runs):
            run, raw = make(number, shape)
            archive.write(run, raw)


def add(folder: Path, shape: Shape, number: int) -> Path:
    """Write run ``number`` of a report of ``shape``, newer than all others; return its folder."""
    run, raw = make(number, shape)
    return Archive(folder / "archive").write(run, raw)


def make(number: int, shape: Shape) -> tuple[Run, dict[str, bytes]]:
    """Return the run with this number and its raw output."""
    session, place = divmod(number, len(_BENCHMARKS))
    benchmark = _BENCHMARKS[place]
    label = list(_ENVIRONMENTS)[session % len(_ENVIRONMENTS)]
    tee, slowness = _ENVIRONMENTS[label]
    chance = random.Random(f"{number}")  # noqa: S311 - noise, not a secret
    start = _FIRST + _SPAN * number / max(shape.runs, 1)
    started_at = start.strftime("%Y-%m-%dT%H:%M:%SZ")
    kinds = list(islice(_kinds(benchmark), shape.measurements))
    between = chance.lognormvariate(0, 0.02)
    rows = tuple(
        Measurement(
            kind.workload,
            kind.metric,
            kind.statistic,
            kind.unit,
            kind.typical
            * (slowness * between * chance.lognormvariate(0, 0.01)) ** (-1 if kind.rate else 1),
            kind.params,
            repetition,
        )
        for repetition in range(shape.repetitions)
        for kind in kinds
    )
    steps, raw = _steps(benchmark, kinds, start, shape.repetitions, chance)
    run = Run(
        id=run_id(started_at, benchmark, f"synthetic {number}".encode()),
        benchmark=benchmark,
        environment=label,
        provenance=Provenance.COLLECTED,
        started_at=started_at,
        duration_s=sum(step.duration_s for step in steps),
        measurements=rows,
        preset="standard",
        session=hashlib.sha256(f"session {session}".encode()).hexdigest()[:12],
        boot=hashlib.sha256(f"boot {session}".encode()).hexdigest()[:16],
        seed=number,
        tool=_TOOLS[benchmark],
        parameters=(
            Parameter("engine", "libaio", Comparability.MUST_MATCH),
            Parameter("direct", "1", Comparability.MUST_MATCH),
            Parameter("size", "4294967296", Comparability.MUST_MATCH),
            Parameter("runtime_s", "20", Comparability.CAVEAT),
            Parameter("target", "file", Comparability.MUST_MATCH),
            Parameter("tool_version", _TOOLS[benchmark].version, Comparability.MUST_MATCH),
            Parameter("preset", "standard", Comparability.MUST_MATCH),
            Parameter("repetitions", str(shape.repetitions), Comparability.IGNORED),
        ),
        fingerprint=Fingerprint(
            _machine(label),
            TeeVerdict(tee, (f"signals of {tee}",) if tee != "none" else ("no guest device",)),
        ),
        steps=steps,
        redactions=(("host name", 2), ("home path", 1)),
    )
    return run, raw


def _machine(label: str) -> tuple[Fact, ...]:
    """Return the facts of an environment's machine: bare metal shows no hypervisor."""
    hidden = "virtualisation" if label.endswith("metal") else ""
    return tuple(Fact(name, value or None, place) for name, value, place in FACTS if name != hidden)


def _steps(
    benchmark: str,
    kinds: list[_Kind],
    start: datetime,
    repetitions: int,
    chance: random.Random,
) -> tuple[tuple[StepRecord, ...], dict[str, bytes]]:
    workloads = list(dict.fromkeys(kind.workload for kind in kinds))
    # As many commands as a collector needs; several may belong to one workload.
    names = [f"{workloads[i % len(workloads)]}-{i}" for i in range(_STEPS)]
    output = "\n".join(
        f"{kind.workload:24} {kind.metric:28} {kind.statistic:6}"
        f" {kind.typical * chance.uniform(0.9, 1.1):.6g} {kind.unit}"
        for kind in kinds
    )
    steps: list[StepRecord] = []
    for repetition, (index, name) in product(range(repetitions), enumerate(names)):
        steps.append(
            StepRecord(
                name=name,
                workload=workloads[index % len(workloads)],
                repetition=repetition,
                argv=(
                    _TOOLS[benchmark].path,
                    f"--name={name}",
                    "--filename=$WORK/bench.data",
                    "--ioengine=libaio",
                    "--direct=1",
                    "--randrepeat=0",
                    "--bs=4k",
                    f"--iodepth={2**index}",
                    "--size=4294967296",
                    "--time_based",
                    "--runtime=20",
                    "--ramp_time=2",
                    "--output-format=json+",
                ),
                started_at=(start + timedelta(seconds=22 * len(steps))).strftime(
                    "%Y-%m-%dT%H:%M:%SZ"
                ),
                duration_s=round(chance.uniform(21, 23), 3),
                exit_code=0,
                cpu_s=round(chance.uniform(2, 20), 3),
                conditions=(
                    ("load_before", round(chance.uniform(0, 2), 2)),
                    ("psi_cpu", round(chance.uniform(0, 0.02), 4)),
                    ("psi_io", round(chance.uniform(0, 0.3), 4)),
                    ("psi_memory", 0.0),
                    ("steal", 0.0),
                ),
                values=(("device_read_bytes", "81788928"), ("device_write_bytes", "12288")),
                raw=() if steps else ("output.out",),
            )
        )
    return tuple(steps), {"output.out": output.encode()}


def _kinds(benchmark: str) -> Iterator[_Kind]:
    """Yield series without end, the ones that the pages draw first."""
    depth = 0
    while True:
        depth += 1
        if benchmark == "fio":
            yield from _fio(depth)
        elif benchmark == "ab":
            yield from _ab(depth)
        else:
            yield from _sevenzip(depth)


def _fio(level: int) -> Iterator[_Kind]:
    for workload, direction, pattern, size, depth in (
        ("read_iops", "read", "rand", 4096, 64),
        ("write_iops", "write", "rand", 4096, 64),
        ("read_latency", "read", "rand", 4096, 4),
        ("write_latency", "write", "rand", 4096, 4),
        ("read_bw", "read", "rand", 131072, 64),
        ("write_bw", "write", "rand", 131072, 64),
        ("read_seq", "read", "seq", 1048576, 64),
        ("write_seq", "write", "seq", 1048576, 64),
        ("randread-4k-qd1", "read", "rand", 4096, 1),
        ("logwrite-4k", "write", "seq", 4096, 1),
    ):
        where = params(
            block_size=size, direction=direction, iodepth=depth * level, numjobs=1, pattern=pattern
        )
        rate = 3e5 / (1 + size / 16384)
        yield _Kind(workload, "fio.iops", "value", "1/s", rate, where, rate=True)
        yield _Kind(workload, "fio.bandwidth", "value", "B/s", rate * size, where, rate=True)
        yield _Kind(workload, "fio.latency", "mean", "s", depth / rate, where, rate=False)
        yield _Kind(workload, "fio.latency", "p99", "s", 3 * depth / rate, where, rate=False)


def _ab(level: int) -> Iterator[_Kind]:
    for connections, scheme in product((200, 500, 1000, 2000), ("http", "https")):
        where = params(
            access="loopback",
            concurrency=connections * level,
            keepalive="false",
            requests=5000,
            scheme=scheme,
        )
        rate = 12_000.0 if scheme == "http" else 3_000.0
        mean = connections / rate
        yield _Kind("sweep", "ab.requests_per_second", "mean", "1/s", rate, where, rate=True)
        yield _Kind("sweep", "ab.latency", "mean", "s", mean, where, rate=False)
        yield _Kind("sweep", "ab.latency", "p99", "s", 2.5 * mean, where, rate=False)
        yield _Kind("sweep", "ab.connect_time", "mean", "s", 0.2 * mean, where, rate=False)
        yield _Kind("sweep", "ab.transfer_rate", "mean", "B/s", rate * 1200, where, rate=True)


def _sevenzip(level: int) -> Iterator[_Kind]:
    for threads, operation in product((1, 2, 4, 8, 32), ("compress", "decompress", "total")):
        where = params(operation=operation, threads=threads * level, dictionary=2**22)
        workload = f"threads-{threads * level}"
        rating = 4_500.0 * threads**0.95
        yield _Kind(workload, "7z.rating", "value", "MIPS", rating, where, rate=True)
        yield _Kind(workload, "7z.cpu_usage", "value", "ratio", 0.98 * threads, where, rate=False)
        if operation != "total":
            yield _Kind(workload, "7z.speed", "mean", "B/s", 1500 * rating, where, rate=True)
