from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from sitegen.archive import Archive, library, remarks
from sitegen.cli import terminal
from sitegen.errors import SitegenError
from sitegen.intake import files, packs
from sitegen.intake.run import Order
from sitegen.model import Remark, RemarkKind, Run
from sitegen.redact import Redactor
from tests import site_checks as check


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    for number, environment in enumerate(("host", "cvm")):
        check.write(tmp_path, check.storage_run(number, environment))
    found = Archive(tmp_path / "archive")
    said = Remark(RemarkKind.WITHDRAWN, "2026-03-02T12:00:00Z", "A lesson.")
    found.remark_on(found.scan()[0], said)
    return found


def packed(archive: Archive) -> bytes:
    out = io.BytesIO()
    packs.pack(archive, archive.scan(), out)
    return out.getvalue()


def brought(*paths: Path, into: Path, take_remarks: bool = False) -> list[files.Taken]:
    arrivals, _ = files.read_all(paths, Order(), Redactor())
    return [*files.write(arrivals, Archive(into), take_remarks=take_remarks)]


def taken(path: Path, into: Path) -> list[str]:
    """Return the runs that importing ``path`` found to be there already."""
    return [one.there for one in brought(path, into=into)]


def extended(data: bytes, member: tarfile.TarInfo, body: bytes = b"") -> bytes:
    """Return a pack with one more member."""
    out = io.BytesIO(data)
    member.size = len(body)
    with tarfile.open(fileobj=out, mode="a") as tar:
        tar.addfile(member, io.BytesIO(body))
    return out.getvalue()


def test_a_pack_brings_every_byte_of_the_runs_and_what_was_said_of_them(
    archive: Archive, tmp_path: Path
) -> None:
    file = tmp_path / "all.pack"
    assert packs.write(archive, archive.scan(), file) == 2
    assert taken(file, tmp_path / "elsewhere") == ["", ""]
    assert check.tree(tmp_path / "elsewhere") == check.tree(archive.root)
    assert list(Archive(tmp_path / "elsewhere").fsck()) == []
    assert taken(file, tmp_path / "elsewhere") == [e.run_id for e in archive.scan()]
    assert packed(archive) == file.read_bytes()  # the same runs give the same pack


def test_a_gzipped_pack_the_tar_of_a_runs_page_and_a_folder_of_runs_are_packs(
    archive: Archive, tmp_path: Path
) -> None:
    brought(archive.root, into=tmp_path / "elsewhere")
    assert check.tree(tmp_path / "elsewhere") == check.tree(archive.root)
    (tmp_path / "all.tgz").write_bytes(gzip.compress(packed(archive)))
    assert len(taken(tmp_path / "all.tgz", tmp_path / "one")) == 2
    check.built(tmp_path / "report", check.storage_run(7))
    [page] = (tmp_path / "report/site/runs").glob("*/*.tar")
    assert taken(page, tmp_path / "two") == [""]
    assert [e.run_id for e in Archive(tmp_path / "two").scan()] == [check.storage_run(7).id]


def test_runs_are_chosen_by_name_environment_and_benchmark(archive: Archive) -> None:
    assert len(packs.chosen(archive, (), "cvm", ["fio"])) == 1
    [entry] = packs.chosen(archive, (archive.scan()[1].run_id[-8:],), "")
    assert entry == archive.scan()[1]
    assert packs.chosen(archive, [entry.run_id] * 2, "") == [entry]
    assert len(packs.chosen(archive, (), "new", (), {"cvm": "new"})) == 1
    with pytest.raises(SitegenError, match="no such run"):
        packs.chosen(archive, (), "cvm", ["ab"])


@pytest.mark.parametrize("damaged", ["*/*/measurements.parquet", "*/*.json"])
def test_a_damaged_run_or_remark_is_not_packed_and_leaves_no_file(
    archive: Archive, tmp_path: Path, damaged: str
) -> None:
    next(archive.root.glob(damaged)).write_bytes(b"{}")
    with pytest.raises(SitegenError, match="fsck"):
        packs.write(archive, archive.scan(), tmp_path / "all.pack")
    with pytest.raises(SitegenError, match="is a folder"):
        packs.write(archive, archive.scan(), tmp_path)
    assert not list(tmp_path.glob("*.pack*"))


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """Return a pack with other files in it; None leaves one out."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            stream = old.extractfile(member)
            body = change(member.name, stream.read() if stream else b"")
            if body is not None:
                member.size = len(body)
                new.addfile(member, io.BytesIO(body))
    return out.getvalue()


def refused(tmp_path: Path, data: bytes) -> str:
    """Return why a pack is refused, in the one line that says it; nothing of it is written."""
    file = tmp_path / "odd.pack"
    file.write_bytes(data)
    with pytest.raises(SitegenError) as raised:
        taken(file, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    return str(raised.value)


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


RUN = check.storage_run(0, "host").id


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (_member("../../etc/passwd"), "no part of a run"),
        (_member("/etc/passwd"), "no part of a run"),
        (_member(f"host/{RUN}/../../x"), "not in its manifest|no part of a run|in parts"),
        (_member(f"host/{RUN}/raw/link.gz", tarfile.SYMTYPE, "/etc/passwd"), "no part of a run"),
        (_member(f"host/{RUN}/raw/pipe.gz", tarfile.FIFOTYPE), "no part of a run"),
        (_member(f"host/{RUN}/more.txt"), "in parts|not in its manifest"),
    ],
)
def test_a_pack_that_reaches_out_of_itself_is_refused_and_nothing_is_written(
    archive: Archive, tmp_path: Path, extra: tarfile.TarInfo, said: str
) -> None:
    assert re.search(said, refused(tmp_path, extended(packed(archive), extra)))


@pytest.mark.parametrize("part", ["run.json", "measurements.parquet"])
def test_a_pack_in_which_a_byte_was_changed_or_a_file_is_missing_is_refused(
    archive: Archive, tmp_path: Path, part: str
) -> None:
    data = packed(archive)
    refused(tmp_path, rewritten(data, lambda name, body: b"#" + body[1:] if part in name else body))
    refused(tmp_path, rewritten(data, lambda name, body: None if part in name else body))
    zipped = gzip.compress(data)
    refused(tmp_path, zipped[:999] + b"x" * 40 + zipped[1039:])


def test_a_pack_cut_anywhere_is_refused(archive: Archive, tmp_path: Path) -> None:
    data = packed(archive)
    file = tmp_path / "cut.pack"
    for at in range(600, len(data) - 20_000, 977):
        file.write_bytes(data[:at])
        try:
            found = files.read(file, Order(), Redactor())
        except SitegenError:
            continue
        # Cut between two runs it is a pack of fewer: each of them whole.
        assert all(isinstance(one, packs.Packed) for one in found)


def foreign(run: Run, folder: Path) -> Path:
    """Return a pack of one run, as somebody else's archive has it."""
    folder.mkdir()
    check.write(folder, run)
    other = Archive(folder / "archive")
    packs.write(other, other.scan(), folder / "foreign.pack")
    return folder / "foreign.pack"


def test_another_run_of_the_same_id_is_refused_before_anything_is_written(
    archive: Archive, tmp_path: Path
) -> None:
    before = check.tree(archive.root)
    mine = check.storage_run(0, "host")
    changed = replace(mine, note="Not mine.")
    moved = replace(mine, environment="elsewhere")
    for number, run in enumerate((changed, moved)):
        with pytest.raises(SitegenError, match="this id"):
            taken(foreign(run, tmp_path / str(number)), archive.root)
    assert check.tree(archive.root) == before


def test_one_id_in_two_environments_is_set_aside_and_named(
    archive: Archive, tmp_path: Path
) -> None:
    moved = replace(check.storage_run(0, "host"), environment="elsewhere")
    check.write_foreign(tmp_path, moved)
    for _ in range(2):
        found = library.load(archive, tmp_path / "cache", archive.scan())
        assert len(found.runs) == 2
        [damaged] = found.damaged
        assert "has the id of a run in" in damaged.reason
        rows = [len(one.run.measurements) for one in found.runs.values()]
        assert rows == [9, 9]
    assert any("has the id of a run in" in f.problem for f in archive.fsck())


def test_a_pack_brings_back_what_a_run_here_has_lost(archive: Archive, tmp_path: Path) -> None:
    packs.write(archive, archive.scan(), tmp_path / "all.pack")
    before = check.tree(archive.root)
    (archive.scan()[0].path / "measurements.parquet").unlink()
    shutil.rmtree(archive.scan()[1].path / "raw")
    assert taken(tmp_path / "all.pack", archive.root) == ["", ""]
    assert check.tree(archive.root) == before


def test_a_pack_has_its_limits_and_names_its_environments_itself(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed(archive)
    for limit, said in (("MAX_FILES", "more than 2"), ("MAX_RUN_BYTES", "larger than 2")):
        monkeypatch.setattr(packs, limit, 2)
        assert said in refused(tmp_path, data)
        monkeypatch.undo()
    with pytest.raises(SitegenError, match="leave --env out"):
        files.read(tmp_path / "odd.pack", Order("cvm"), Redactor())


def test_a_remark_of_another_run_is_not_adopted(archive: Archive, tmp_path: Path) -> None:
    [first, second] = archive.scan()
    name, data = remarks.dump(
        second.run_id, Remark(RemarkKind.WITHDRAWN, "2026-03-02T12:00:00Z", "Not mine.")
    )
    member = tarfile.TarInfo(f"host/{first.run_id}/{name}")
    (tmp_path / "bad.pack").write_bytes(extended(packed(archive), member, data))
    with pytest.raises(SitegenError):
        taken(tmp_path / "bad.pack", archive.root)
    assert archive.scan()[1].remarks == ()


# What is inside must be what it is called


def with_part(archive: Archive, name: str, data: bytes) -> bytes:
    """Return a pack of the first run with one file replaced or added, and all digests right."""
    [entry, *_] = archive.scan()
    parts = {
        path.relative_to(entry.path).as_posix(): path.read_bytes()
        for path in entry.path.rglob("*")
        if path.is_file()
    }
    manifest = json.loads(parts.pop("run.json"))
    parts[name] = data
    manifest["files"] = [
        {"name": each, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for each, body in sorted(parts.items())
    ]
    pack = bytes(tarfile.RECORDSIZE)
    for each, body in {**parts, "run.json": json.dumps(manifest).encode()}.items():
        pack = extended(pack, tarfile.TarInfo(f"host/{entry.run_id}/{each}"), body)
    return pack


def parquet(table: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd")
    return bytes(out.getvalue().to_pybytes())


#: The form of a run's rows, as any reader of Parquet has it.
ROWS = pa.schema(
    [
        *[(name, pa.string()) for name in ("run_id", "environment", "benchmark", "workload")],
        *[(name, pa.string()) for name in ("metric", "statistic", "unit")],
        ("value", pa.float64()),
        ("printed", pa.string()),
        ("repetition", pa.int32()),
        ("status", pa.string()),
        ("params", pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))),
    ],
    metadata={"sitegen.schema": "2"},
)


def rows(count: int, **columns: object) -> pa.Table:
    """Return a table of measurements, all alike but for ``columns``."""
    usual: dict[str, object] = {
        **dict.fromkeys(("run_id", "environment", "benchmark", "workload", "unit"), ["w"] * count),
        "metric": ["fio.iops"] * count,
        "statistic": ["value"] * count,
        "value": [1.0] * count,
        "printed": [None] * count,
        "repetition": [0] * count,
        "status": ["ok"] * count,
        "params": [[]] * count,
    }
    return pa.table(usual | columns, schema=ROWS)


WHOLE = gzip.compress(b"output of a tool\n" * 5000, mtime=0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"this is no gzip", "is no gzip file"),
        (b"", "is no gzip file"),
        (WHOLE[:-3], "is no whole gzip file"),
        (WHOLE[: len(WHOLE) // 2], "is no whole gzip file"),
        (WHOLE[:-6] + b"\0\0" + WHOLE[-4:], "is no whole gzip file"),
        (WHOLE[:40] + b"\xff\xff" + WHOLE[42:], "is no whole gzip file"),
        (WHOLE + b"rest", "is no whole gzip file"),
        (gzip.compress(bytes(40_000_000), 9), "holds more than 1"),
    ],
)
def test_raw_output_that_is_no_whole_gzip_is_refused_and_found_by_fsck(
    archive: Archive, tmp_path: Path, data: bytes, said: str
) -> None:
    name = "raw/read-0.out.gz"
    packed_run = with_part(archive, name, data)
    assert f"{name}: {said}" in refused(tmp_path, packed_run)
    check.unpacked(packed_run, tmp_path / "archive")
    [finding] = [one for one in archive.fsck() if "host" in one.path]
    assert said in finding.problem


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda: rows(200_000), "200,000 rows, more than 100,000"),
        (lambda: rows(2_500, unit=["x" * 100_000] * 2_500), "is longer than 80 characters"),
        (lambda: rows(1, params=[[{"key": "k", "value": "v"}] * 300_000]), "more than 200 param"),
        (lambda: rows(1).append_column("value", [[2.0]]), "has the column value twice"),
        (lambda: rows(1).drop(["unit"]), "has no column unit"),
        (lambda: rows(1, value=[1e300]), "is not between"),
        (lambda: rows(1, value=[1e-300]), "is not between"),
        (lambda: rows(1, repetition=[-5]), "a repetition is not between 0 and"),
        (lambda: rows(1, status=["fine"]), "unknown status"),
        (lambda: rows(1, statistic=["p101"]), "unknown statistic"),
        (lambda: rows(1, workload=["../x"]), "is not a usable workload name"),
        (lambda: rows(1, params=[[{"key": "block_size", "value": "4k"}]]), "is not a size"),
        (lambda: rows(1, params=[[{"key": "threads", "value": "9" * 400}]]), "is not a count"),
        (lambda: rows(1, params=[[{"key": "x", "value": "9" * 5000}]]), "longer than 500 char"),
    ],
)  # fmt: skip
def test_rows_that_no_page_could_show_are_refused_before_they_are_unpacked(
    archive: Archive, tmp_path: Path, table: Callable[[], pa.Table], said: str
) -> None:
    message = refused(tmp_path, with_part(archive, "measurements.parquet", parquet(table())))
    assert "measurements.parquet: " in message
    assert said in message


def test_a_footer_cut_or_flipped_anywhere_is_one_line(archive: Archive, tmp_path: Path) -> None:
    data = parquet(rows(3))
    size = int.from_bytes(data[-8:-4], "little") + 8
    for at in range(len(data) - size, len(data), 61):
        for bit in (1, 128):
            flipped = bytearray(data)
            flipped[at] ^= bit
            file = tmp_path / "odd.pack"
            file.write_bytes(with_part(archive, "measurements.parquet", bytes(flipped)))
            with contextlib.suppress(SitegenError):
                files.read(file, Order(), Redactor())


@pytest.mark.parametrize(
    ("kind", "said"),
    [(b"L", "a name in it is longer"), (b"x", "a name in it is longer"),
     (b"g", "a name in it is longer"), (b"S", "no part of a run"), (b"0", "larger than")],
)  # fmt: skip
def test_a_header_that_announces_gigabytes_is_refused_before_they_are_read(
    tmp_path: Path, kind: bytes, said: str
) -> None:
    member = _member(f"host/{RUN}/raw/x.gz", kind)
    member.size = 3 << 30
    assert said in refused(tmp_path, member.tobuf(tarfile.GNU_FORMAT) + bytes(20_000))


def test_a_pack_that_grows_out_of_proportion_is_refused(tmp_path: Path) -> None:
    folders = _member("host", tarfile.DIRTYPE).tobuf() * 40_000
    message = refused(tmp_path, gzip.compress(folders))
    assert "holds more than 30 times its own size" in message


# What others say of runs that are here


def test_what_others_say_of_a_run_that_is_here_is_shown_and_asked_for(
    archive: Archive, tmp_path: Path
) -> None:
    packs.write(archive, archive.scan(), tmp_path / "all.pack")
    mine = Archive(tmp_path / "mine")
    for entry in archive.scan():
        shutil.copytree(entry.path, mine.root / entry.environment / entry.run_id)
    [offered, none] = brought(tmp_path / "all.pack", into=mine.root)
    assert ([one.text for one in offered.offered], none.offered) == (["A lesson."], ())
    assert all(entry.remarks == () for entry in mine.scan())
    said = "not taken: withdrawn, 2026-03-02: A lesson.; --take-remarks"
    assert said in terminal.arrived([offered], [])
    for take in (True, False):
        again = brought(tmp_path / "all.pack", into=mine.root, take_remarks=take)
        assert [one.offered for one in again] == [(), ()]
        assert len(mine.scan()[0].remarks) == 1


def test_a_run_that_would_stand_in_the_place_of_one_here_is_shown_and_asked_for(
    archive: Archive, tmp_path: Path
) -> None:
    mine = check.storage_run(0, "host")
    theirs = replace(check.storage_run(5, "host"), supersedes=mine.id)
    file = foreign(theirs, tmp_path / "there")
    [one] = brought(file, into=archive.root)
    assert one.instead == mine.id
    assert f"it would stand in the place of {mine.id}" in terminal.arrived([one], [])
    assert theirs.id not in {entry.run_id for entry in archive.scan()}
    brought(file, into=archive.root, take_remarks=True)
    assert theirs.id in {entry.run_id for entry in archive.scan()}


def test_runs_that_come_together_are_held_against_each_other(tmp_path: Path) -> None:
    run = check.storage_run(0, "host")
    paths = [
        foreign(other, tmp_path / str(number))
        for number, other in enumerate((run, replace(run, note="Other."), run))
    ]
    told = Archive(tmp_path / "2/archive")
    told.remark_on(told.scan()[0], Remark(RemarkKind.WITHDRAWN, "2026-03-02T12:00:00Z", "Why."))
    packs.write(told, told.scan(), paths[2])

    with pytest.raises(SitegenError, match="two different runs of this id"):
        brought(paths[0], paths[1], into=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    [first, second] = brought(paths[0], paths[2], into=tmp_path / "new")
    assert (first.there, second.there) == ("", run.id)
    assert [one.text for one in second.offered] == ["Why."]
    assert Archive(tmp_path / "new").scan()[0].remarks == ()


def test_a_footer_that_contradicts_itself_is_refused(archive: Archive, tmp_path: Path) -> None:
    data = parquet(rows(90_000))
    count = 2 * 90_000  # as Thrift writes a number: zigzag, seven bits a byte
    wanted = bytes([count & 127 | 128, count >> 7 & 127 | 128, count >> 14])
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    assert footer.count(wanted) > 5
    for at in (footer.index(wanted), footer.rindex(wanted)):
        lying = footer[:at] + bytes([2 | 128, *wanted[1:]]) + footer[at + 3 :]
        odd = data[: -8 - size] + lying + data[-8:]
        assert "measurements.parquet: " in refused(
            tmp_path, with_part(archive, "measurements.parquet", odd)
        )
