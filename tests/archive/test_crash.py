"""A collection may be killed at any moment, and two may run at once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sitegen.archive import Archive, library

WRITER = """
import sys
from pathlib import Path
from sitegen.archive import Archive
from sitegen.model import Measurement, Provenance, Run, Sample, run_id

archive, writer, count = Archive(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
rows = tuple(Measurement("w", "fio.iops", "value", "1/s", float(i)) for i in range(300))
samples = tuple(Sample("w", 0, "time", "fio.iops", float(i), 1.0) for i in range(300))
print("ready", flush=True)
for number in range(count):
    id = run_id("2025", "fio", f"{writer}{number}".encode())
    run = Run(id, "fio", "here", Provenance.COLLECTED, "2025", 1.0, rows, samples=samples)
    archive.write(run, {f"step-{i}.out": b"output" * 5000 for i in range(4)})
"""
#: Writes one run again and again, each time killed one step later, until it gets through.
DYING = """
import os, signal, sys
from pathlib import Path
from sitegen.archive import Archive
from sitegen.model import Measurement, Provenance, Run, run_id

root = Path(sys.argv[1])
rows = (Measurement("w", "fio.iops", "value", "1/s", 1.0),)
run = Run(run_id("2025", "fio", b""), "fio", "here", Provenance.COLLECTED, "2025", 1.0, rows)
Archive(root / "warm").write(run)

for steps in range(1000):
    child = os.fork()
    if child == 0:
        left, place = steps, str(root / str(steps))

        def step(event, args):
            global left
            if args and str(args[0]).startswith(place):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(step)
        Archive(Path(place)).write(run, {"a.out": b"1", "b.out": b"2"})
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(steps)
        break
"""


def start(root: Path, writer: str, count: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", WRITER, str(root), writer, str(count)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def check(archive: Archive, cache: Path) -> int:
    """Check that every run that is there is whole; return how many there are."""
    held = library.load(archive, cache, archive.scan())
    assert held.damaged == ()
    for entry in archive.scan():
        run = archive.read(entry)
        assert (len(run.measurements), len(run.samples)) == (300, 300)
    problems = {finding.problem for finding in archive.fsck()}
    assert problems <= {"left by a collection that was killed"}
    return len(held.runs)


@pytest.mark.parametrize("seed", range(6))
def test_a_collection_killed_at_any_moment_leaves_only_whole_runs(
    tmp_path: Path, seed: int
) -> None:
    archive = Archive(tmp_path / "archive")
    archive.root.mkdir()
    with start(archive.root, "a", 10_000) as process:
        time.sleep(random.Random(seed).uniform(0, 0.12))  # noqa: S311 - when to kill
        process.kill()
    check(archive, tmp_path / "cache")
    hidden = list(archive.root.rglob(".writing-*"))
    assert len(hidden) <= 1
    with start(archive.root, "b", 1) as process:
        assert process.wait(30) == 0
    assert check(archive, tmp_path / "cache") >= 1


def test_a_write_killed_at_each_of_its_steps_leaves_the_whole_run_or_none(tmp_path: Path) -> None:
    argv = [sys.executable, "-W", "ignore", "-c", DYING, str(tmp_path)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)
    steps = int(done.stdout)
    assert steps > 10
    there = []
    for step in range(steps + 1):
        archive = Archive(tmp_path / str(step))
        archive.root.mkdir(exist_ok=True)
        held = library.load(archive, tmp_path / f"cache-{step}", archive.scan())
        assert held.damaged == ()
        problems = {finding.problem for finding in archive.fsck()}
        assert problems <= {"left by a collection that was killed"}
        there.append(len(held.runs))
    assert there == sorted(there)
    assert set(there) == {0, 1}


def test_two_collections_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    with start(archive.root, "a", 12) as first, start(archive.root, "b", 12) as second:
        assert (first.wait(60), second.wait(60)) == (0, 0)
    assert check(archive, tmp_path / "cache") == 24
    assert list(archive.fsck()) == []


def test_two_writers_of_the_same_run_leave_it_once(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    with start(archive.root, "a", 12) as first, start(archive.root, "a", 12) as second:
        assert (first.wait(60), second.wait(60)) == (0, 0)
    assert check(archive, tmp_path / "cache") == 12
    assert list(archive.fsck()) == []
