"""The cache of all rows may be absent, old or broken: what comes out is the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import fields, replace

from sitegen.archive import Archive, library
from sitegen.archive.library import Library
from sitegen.fingerprint.facts import KEPT
from sitegen.model import (
    AnyRun,
    Fact,
    Fingerprint,
    GivenRows,
    IndexedRun,
    Measurement,
    Provenance,
    Run,
    Signal,
    StepRecord,
    TeeVerdict,
    run_id,
)


def a_run(number: int) -> Run:
    started = f"2025-01-{number + 1:02}T12:00:00Z"
    rows = tuple(
        Measurement("w", "7z.rating", "value", "MIPS", number * 10.0 + i, (("threads", "1"),), i)
        for i in range(3)
    )
    return Run(
        run_id(started, "7z", bytes([number])), "7z", "here", Provenance.COLLECTED, started, 1.5,
        rows, steps=(StepRecord("w", "w", 0, (), started, 1.0, 0, 0.5, (("steal", 0.25),)),),
        session=f"number {number}",
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    found = Archive(tmp_path / "archive")
    for number in range(4):
        found.write(a_run(number))
    return found


def load(archive: Archive, cache: Path) -> Library:
    return library.load(archive, cache, archive.scan())


def held_as(run: Run) -> IndexedRun:
    """Return what the index keeps of a run: of its steps the conditions, no note."""
    shared = {field.name: getattr(run, field.name) for field in fields(AnyRun)}
    rows = GivenRows(run.measurements)
    return IndexedRun(**shared, units=run.units, conditions=run.conditions, rows=rows)


def content(found: Library) -> dict[str, tuple[IndexedRun, str]]:
    # Rows are compared where they are asked for.
    return {
        run_id: (replace(held.run, rows=GivenRows(held.run.measurements)), held.digest)
        for run_id, held in found.runs.items()
    }


def both(archive: Archive, cache: Path) -> dict[str, tuple[IndexedRun, str]]:
    """Return what is loaded through ``cache``, after checking it against no cache."""
    found = content(load(archive, cache))
    with_none = content(load(archive, cache.with_name("none")))
    shutil.rmtree(cache.with_name("none"))
    assert found == with_none
    return found


def test_the_cache_gives_what_the_archive_holds(archive: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = content(load(archive, cache))
    assert [run for run, _ in first.values()] == [held_as(a_run(n)) for n in range(4)]
    files = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert both(archive, cache) == first
    assert files == {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}


def test_of_a_machine_only_what_comparisons_need_is_held_and_once_for_all_its_runs(
    archive: Archive, tmp_path: Path
) -> None:
    facts = (Fact("cpu", "EPYC", "/proc/cpuinfo"), Fact("free_space", "29 %", "findmnt"))
    signals = (Signal("/dev/tdx_guest", "present", "tdx"),)
    machine = Fingerprint(facts, TeeVerdict("tdx", ("why",), "high", signals))
    for number in (11, 12):
        archive.write(replace(a_run(number), fingerprint=machine), {})
    for _ in ("opened", "from the cache"):
        runs = [held.run for held in load(archive, tmp_path / "cache").runs.values()]
        one, other = (run.fingerprint for run in runs if run.fingerprint.facts)
        assert one is other
        assert one.facts == (Fact("cpu", "EPYC", ""),)
        assert one.tee == TeeVerdict("tdx", ("why",), "high")


def test_new_runs_enter_and_removed_ones_leave(archive: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(archive, cache)
    archive.write(a_run(4))
    shutil.rmtree(archive.path(a_run(1)))
    assert list(both(archive, cache)) == [a_run(n).id for n in (0, 2, 3, 4)]
    assert list(both(archive, cache)) == [a_run(n).id for n in (0, 2, 3, 4)]


def test_a_run_that_was_replaced_is_read_again(archive: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(archive, cache)
    other = replace(a_run(2), measurements=a_run(3).measurements[:1], session="restored")
    shutil.rmtree(archive.path(other))
    archive.write(other)
    assert both(archive, cache)[other.id][0] == held_as(other)


def test_an_environment_that_was_renamed_is_read_again(archive: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(archive, cache)
    (archive.root / "here").rename(archive.root / "there")
    found = load(archive, cache)
    assert not found.runs
    assert len(found.damaged) == 4


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_a_value(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"number 2", b"number 7"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["runs.index", "measurements.parquet"])
@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        truncate,
        flip,
        change_a_value,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"[]"),
        lambda path: path.write_bytes(b"\x00" * 500),
    ],
    ids=["deleted", "truncated", "flipped", "changed", "empty", "foreign", "zeros"],
)
def test_a_cache_that_is_damaged_changes_nothing(
    archive: Archive, tmp_path: Path, name: str, harm: Callable[[Path], object]
) -> None:
    cache = tmp_path / "cache"
    load(archive, cache)
    assert (cache / name).is_file()
    harm(cache / name)
    assert len(both(archive, cache)) == 4


def test_an_index_that_was_made_for_fewer_facts_and_rules_is_made_anew(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = (Fact(min(KEPT), "seen", ""),)
    seen = replace(a_run(4), fingerprint=Fingerprint(facts))
    archive.write(seen)
    for name in ("KEPT", "_READ"):
        with monkeypatch.context() as older:
            older.setattr(library, name, ())
            load(archive, tmp_path / "cache")
        run = load(archive, tmp_path / "cache").runs[seen.id].run
        assert run.fingerprint.facts == facts
        assert run.conditions == seen.conditions


@pytest.mark.parametrize("name", ["runs.index", "measurements.parquet"])
def test_an_index_and_rows_of_different_times_are_not_believed(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    cache, old = tmp_path / "cache", tmp_path / "old"
    load(archive, cache)
    shutil.copytree(cache, old)
    archive.write(a_run(4))
    load(archive, cache)
    shutil.copy(old / name, cache / name)
    found = both(archive, cache)
    assert [run for run, _ in found.values()] == [held_as(a_run(n)) for n in range(5)]
