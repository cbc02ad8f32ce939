from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import shutil
import string
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sitegen.archive import Archive, library
from sitegen.errors import SitegenError
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
    Source,
    StepRecord,
    TeeVerdict,
    ToolIdentity,
    run_id,
)

ROOT = Path(__file__).parents[2]
letters = st.characters(codec="utf-8")
text = st.text(letters, max_size=12)
shown = text.filter(str.isprintable)
name = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
size = st.floats(1e-30, 1e30)
value = st.just(0.0) | size | size.map(lambda number: -number)
plain = st.text(letters, min_size=1, max_size=8).filter(str.isprintable)
metric = st.from_regex(r"[a-z0-9]{1,8}\.[a-z0-9_]{1,8}", fullmatch=True)
pairs = st.dictionaries(plain, plain, max_size=3).map(lambda d: tuple(sorted(d.items())))
measurement = st.builds(
    Measurement,
    workload=name,
    metric=metric,
    statistic=st.sampled_from(["value", "mean", "p99.9"]),
    unit=shown,
    value=st.none() | value,
    params=pairs,
    repetition=st.integers(0, 999_999),
    status=st.sampled_from(["ok", "failed", "suspect"]),
    printed=st.none() | shown,
)
sample = st.builds(Sample, name, st.integers(0, 9), st.just("time"), metric, value, value, pairs)
step = st.builds(
    StepRecord,
    name=text,
    workload=text,
    repetition=st.integers(-1, 9),
    argv=st.lists(text, max_size=3).map(tuple),
    started_at=text,
    duration_s=st.floats(0, 1e6),
    exit_code=st.integers(-64, 255),
    cpu_s=st.none() | st.floats(0, 1e6),
    conditions=st.dictionaries(text, st.floats(0, 1), max_size=2).map(
        lambda d: tuple(sorted(d.items()))
    ),
    values=st.dictionaries(text, text, max_size=2).map(lambda d: tuple(sorted(d.items()))),
    raw=st.lists(text, max_size=2).map(tuple),
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    benchmark, started = draw(name), "2025-01-31T12:00:00Z"
    return Run(
        id=run_id(started, benchmark, draw(st.binary(max_size=4))),
        benchmark=benchmark,
        environment=draw(name),
        provenance=draw(st.sampled_from(Provenance)),
        started_at=started,
        duration_s=draw(st.none() | st.floats(0, 1e6)),
        measurements=tuple(draw(st.lists(measurement, max_size=4))),
        preset=draw(text),
        session=draw(text),
        boot=draw(text),
        seed=draw(st.none() | st.integers(0, 2**31)),
        tool=draw(st.none() | st.builds(ToolIdentity, text, text, text, text)),
        parameters=tuple(
            draw(
                st.lists(
                    st.builds(Parameter, text, text, st.sampled_from(Comparability)), max_size=2
                )
            )
        ),
        fingerprint=Fingerprint(
            tuple(draw(st.lists(st.builds(Fact, text, st.none() | text, text), max_size=2))),
            draw(st.builds(TeeVerdict, text, st.lists(text, max_size=2).map(tuple))),
        ),
        steps=tuple(draw(st.lists(step, max_size=2))),
        source=draw(st.none() | st.builds(Source, text, text, text, text, text, text, text)),
        definitions=tuple(
            draw(st.lists(st.builds(MetricDefinition, text, text, text, text, text), max_size=1))
        ),
        note=draw(text),
        redactions=draw(
            st.dictionaries(text, st.integers(1, 99), max_size=2).map(
                lambda d: tuple(sorted(d.items()))
            )
        ),
        complete=draw(st.booleans()),
        supersedes=draw(text),
        derived_from=draw(text),
        samples=tuple(draw(st.lists(sample, max_size=2))),
    )


def plain_run(number: int = 0, environment: str = "here") -> Run:
    started = f"2025-01-{number + 1:02}T12:00:00Z"
    rows = tuple(
        Measurement("w", "fio.iops", "value", "1/s", 100.0 + i, (("block_size", "4096"),), i)
        for i in range(3)
    )
    return Run(
        run_id(started, "fio", bytes([number])), "fio", environment, Provenance.COLLECTED, started,
        1.5, rows, tool=ToolIdentity("fio", "3.33"),
        samples=(Sample("w", 0, "time", "fio.iops", 1.0, 99.0),),
    )  # fmt: skip


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Return an archive with three whole runs, the second of which a test damages."""
    found = Archive(tmp_path / "archive")
    for number in range(3):
        found.write(plain_run(number), {"w-0.out": b"raw output\n"})
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(run=runs(), raw=st.dictionaries(name, st.binary(max_size=20), max_size=2))
def test_what_is_written_comes_back_and_the_same_run_gives_the_same_bytes(
    tmp_path: Path, run: Run, raw: dict[str, bytes]
) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    first, second = Archive(tmp_path / "a"), Archive(tmp_path / "b")
    folder = first.write(run, raw)
    [entry] = first.scan()
    assert first.read(entry) == run
    assert {n: gzip.decompress((folder / f"raw/{n}.gz").read_bytes()) for n in raw} == raw
    assert list(first.fsck()) == []
    second.write(run, raw)
    assert bytes_of(first.root) == bytes_of(second.root)
    held = library.load(first, tmp_path / "cache", first.scan())
    assert held.damaged == ()
    assert held.runs[run.id].run.measurements == run.measurements


def test_writing_a_run_that_is_there_changes_nothing(archive: Archive) -> None:
    before = bytes_of(archive.root)
    archive.write(replace(plain_run(0), note="another"), {"w-0.out": b"another"})
    assert bytes_of(archive.root) == before


def test_runs_are_found_by_id_or_by_its_last_eight_characters(archive: Archive) -> None:
    run = plain_run(1)
    assert archive.find(run.id).run_id == archive.find(run.id[-8:]).run_id == run.id
    with pytest.raises(SitegenError, match="no run 'abc'"):
        archive.find("abc")


def test_an_id_that_fits_several_runs_is_refused(archive: Archive) -> None:
    run = plain_run(1)
    archive.write(replace(run, environment="there"))
    with pytest.raises(SitegenError, match="2 runs end with"):
        archive.find(run.id[-8:])


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match="no such archive"):
        Archive(tmp_path / "absent").scan()


@pytest.mark.parametrize("bad", ["../x", "a/b", ".hidden", "", "a b", "<img>", "a\n"])
def test_a_raw_output_cannot_be_named_out_of_its_folder(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SitegenError, match="not usable as the name of a raw output"):
        Archive(tmp_path).write(plain_run(), {bad: b""})
    assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize("mark", ["\x1e", "\x1f"])
def test_parameters_that_would_read_back_otherwise_are_refused(tmp_path: Path, mark: str) -> None:
    run = plain_run()
    for bad in (
        replace(run, measurements=(run.measurements[0]._replace(params=(("k", mark),)),)),
        replace(run, samples=(run.samples[0]._replace(params=((mark, "v"),)),)),
    ):
        with pytest.raises(SitegenError, match="control character"):
            Archive(tmp_path).write(bad)
    assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"metric": "<b>"},
        {"metric": ""},
        {"workload": "a\x00b"},
        {"printed": "\x1b[2J"},
    ],
    ids=str,
)
def test_a_row_that_no_page_can_show_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    run = plain_run()
    with pytest.raises(SitegenError):
        Archive(tmp_path).write(
            replace(run, measurements=(run.measurements[0]._replace(**change),))
        )
    assert bytes_of(tmp_path) == {}


def test_a_printed_text_may_hold_the_spaces_that_publications_use(tmp_path: Path) -> None:
    run = plain_run()
    row = run.measurements[0]._replace(printed="1\u202f254\xa0ms")
    archive = Archive(tmp_path)
    archive.write(replace(run, measurements=(row,)))
    assert archive.read(archive.scan()[0]).measurements == (row,)


def test_a_folder_that_cannot_be_written_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file")
    with pytest.raises(SitegenError, match="cannot write the run"):
        Archive(tmp_path / "archive").write(plain_run())
    assert bytes_of(tmp_path) == {"archive": b"a file"}


def test_a_disk_without_room_for_a_run_is_known_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=300_000))
    said = "archive: the disk has 0.3 MB free, too little for a run; free some space, or name"
    with pytest.raises(SitegenError, match=said):
        Archive(tmp_path / "archive").check_writable()


Damage = Callable[[Path], object]


def edit(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Return a damage that changes the manifest and leaves it valid JSON."""

    def apply(folder: Path) -> None:
        path = folder / "run.json"
        manifest = json.loads(path.read_bytes())
        change(manifest)
        path.write_text(json.dumps(manifest))

    return apply


def flip(name: str, at: float) -> Damage:
    def apply(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[int(at * (len(data) - 1))] ^= 0x40
        (folder / name).write_bytes(data)

    return apply


def to_folder(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()


def relist(listed: dict[str, Any], manifest: dict[str, Any]) -> None:
    next(file for file in manifest["files"] if file["name"] == ROWS).update(listed)


def rename_file(name: str) -> Damage:
    """Return a damage that lists the raw output under another name, where its bytes also are."""

    def apply(folder: Path) -> None:
        if not Path(name).is_absolute():
            (folder / name).write_bytes((folder / "raw/w-0.out.gz").read_bytes())
        edit(lambda m: m["files"][1].update(name=name))(folder)

    return apply


ROWS = "measurements.parquet"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no JSON": (lambda f: (f / "run.json").write_text("hello"), "not JSON"),
    "other JSON": (lambda f: (f / "run.json").write_text("[1]"), "not a manifest"),
    "empty manifest": (lambda f: (f / "run.json").write_text(""), "not JSON"),
    "binary manifest": (lambda f: (f / "run.json").write_bytes(b"\xff\x00"), "not JSON"),
    "deep manifest": (lambda f: (f / "run.json").write_text("[" * 9000 + "]" * 9000), "not"),
    "newer schema": (edit(lambda m: m.update(schema=99)), "newer than this sitegen's"),
    "schema 0": (edit(lambda m: m.update(schema=0)), "unknown schema version 0"),
    "schema as text": (edit(lambda m: m.update(schema="1")), "no schema number"),
    "unknown key": (edit(lambda m: m.update(tags=[])), "unknown field tags"),
    "key of the library": (edit(lambda m: m.update(conditions=[])), "unknown field conditions"),
    "missing key": (edit(lambda m: m.pop("steps")), "missing required field steps"),
    "another run": (edit(lambda m: m.update(id=plain_run(9).id)), "run.json says it is"),
    "another place": (edit(lambda m: m.update(environment="there")), "run.json says it is"),
    "reserved name": (edit(lambda m: m.update(benchmark="runs")), "the site itself"),
    "no time": (edit(lambda m: m.update(started_at="yesterday")), "not a time"),
    "number for text": (edit(lambda m: m.update(note=5)), "Expected str"),
    "text for number": (edit(lambda m: m.update(duration_s="long")), "Expected float"),
    "huge number": (edit(lambda m: m.update(duration_s=10**400)), ""),
    "list as tool": (edit(lambda m: m.update(tool=[])), "run.json is not whole"),
    "markup as version": (edit(lambda m: m["tool"].update(version=["<b>"])), "Expected str"),
    "no measurements": (edit(lambda m: m["files"].pop(0)), "lists no measurements.parquet"),
    "climbing path": (rename_file("../../x"), "lists the file"),
    "absolute path": (rename_file("/etc/passwd"), "lists the file"),
    "markup in a name": (rename_file("raw/<i>.gz"), "lists the file"),
    "hidden raw": (rename_file("raw/..gz"), "lists the file"),
    "number as name": (edit(lambda m: m["files"][0].update(name=7)), "Expected str"),
    "rows missing": (lambda f: (f / ROWS).unlink(), f"{ROWS} is missing"),
    "rows truncated": (lambda f: (f / ROWS).write_bytes(b"PAR1"), "the manifest says"),
    "rows foreign": (lambda f: (f / ROWS).write_bytes(b"x" * 99), "the manifest says"),
    "raw missing": (lambda f: (f / "raw/w-0.out.gz").unlink(), "raw/w-0.out.gz is missing"),
    "rows flipped at the start": (flip(ROWS, 0.0), "does not match its digest"),
    "rows flipped in the middle": (flip(ROWS, 0.5), "does not match its digest"),
    "rows flipped at the end": (flip(ROWS, 1.0), "does not match its digest"),
    "folder for manifest": (to_folder, "run.json: is a folder"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_run_is_set_aside_with_the_reason_and_the_rest_loads(
    archive: Archive, tmp_path: Path, kind: str
) -> None:
    damage, reason = DAMAGES[kind]
    [_, entry, _] = archive.scan()
    damage(entry.path)
    held = library.load(archive, tmp_path / "cache", archive.scan())
    assert set(held.runs) == {plain_run(0).id, plain_run(2).id}
    [damaged] = held.damaged
    assert damaged.path == f"here/{entry.run_id}"
    assert reason in damaged.reason
    assert "\n" not in damaged.reason
    findings = list(archive.fsck())
    assert {finding.path for finding in findings} == {str(entry.path)}
    assert any(reason in finding.problem for finding in findings)
    with pytest.raises(SitegenError):
        archive.read(entry)


def test_rows_that_match_their_digest_and_are_no_parquet_are_set_aside(
    archive: Archive, tmp_path: Path
) -> None:
    whole = Archive(tmp_path / "other")
    folder = whole.write(plain_run(1), {"w-0.out": b"raw output\n"})
    [_, entry, _] = archive.scan()
    for data in (b"", b"not parquet", (folder / "samples.parquet").read_bytes()):
        (entry.path / ROWS).write_bytes(data)
        listed = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        edit(partial(relist, listed))(entry.path)
        held = library.load(archive, tmp_path / "cache", archive.scan())
        assert len(held.runs) == 2
        assert held.damaged[0].reason


def test_rows_flipped_anywhere_are_rows_or_one_line_even_with_a_digest_made_afterwards(
    archive: Archive, capfd: pytest.CaptureFixture[str]
) -> None:
    [_, entry, _] = archive.scan()
    whole = (entry.path / ROWS).read_bytes()
    for at in range(0, len(whole), 7):
        data = bytearray(whole)
        data[at] ^= 0x10
        (entry.path / ROWS).write_bytes(data)
        edit(partial(relist, {"sha256": hashlib.sha256(data).hexdigest()}))(entry.path)
        with contextlib.suppress(SitegenError):
            assert len(archive.read(archive.find(entry.run_id)).measurements) == 3
    assert capfd.readouterr().err == ""


def test_a_manifest_cut_anywhere_is_set_aside(archive: Archive, tmp_path: Path) -> None:
    [_, entry, _] = archive.scan()
    manifest = (entry.path / "run.json").read_bytes()
    for length in range(0, len(manifest) - 2, 200):
        (entry.path / "run.json").write_bytes(manifest[:length])
        held = library.load(archive, tmp_path / "cache", archive.scan())
        assert len(held.runs) == 2
        assert len(held.damaged) == 1


def test_fsck_names_what_does_not_belong(archive: Archive) -> None:
    entry = archive.scan()[0]
    (entry.path / "raw" / "extra.gz").write_bytes(b"")
    (archive.root / "here" / ".writing-x").mkdir()
    (archive.root / "here" / "notes.txt").write_text("")
    (archive.root / "README").write_text("")  # beside the environments anything may lie
    found = {Path(f.path).name: f.problem for f in archive.fsck()}
    assert found == {
        "extra.gz": "not in the run's manifest",
        ".writing-x": "left by a collection that was killed",
        "notes.txt": "not a run",
    }


def test_a_raw_output_whose_bytes_changed_is_found_by_fsck_alone(archive: Archive) -> None:
    entry = archive.scan()[1]
    flip("raw/w-0.out.gz", 0.5)(entry.path)
    [finding] = archive.fsck()
    assert finding.problem == "raw/w-0.out.gz does not match its digest"
    assert archive.read(entry) == plain_run(1)


def test_the_archive_of_this_repository_is_whole() -> None:
    archive = Archive(ROOT / "archive")
    assert list(archive.fsck()) == []
    assert len(archive.scan()) >= 25
