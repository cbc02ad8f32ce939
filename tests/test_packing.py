from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sitegen import importing, packing
from sitegen.archive import Archive
from sitegen.errors import SitegenError
from sitegen.importing import Order
from sitegen.model import Remark, RemarkKind
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
    packing.pack(archive, archive.scan(), out)
    return out.getvalue()


def taken(path: Path, into: Path) -> list[str]:
    """Return the runs that importing ``path`` found to be there already."""
    arrivals = importing.read(path, Order(), Redactor())
    return [there for _, there in importing.write(arrivals, Archive(into))]


def test_a_pack_brings_every_byte_of_the_runs_and_what_was_said_of_them(
    archive: Archive, tmp_path: Path
) -> None:
    file = tmp_path / "all.pack"
    assert packing.write(archive, archive.scan(), file) == 2
    assert taken(file, tmp_path / "elsewhere") == ["", ""]
    assert check.tree(tmp_path / "elsewhere") == check.tree(archive.root)
    assert list(Archive(tmp_path / "elsewhere").fsck()) == []
    assert taken(file, tmp_path / "elsewhere") == [e.run_id for e in archive.scan()]


def test_the_same_runs_give_the_same_pack(archive: Archive) -> None:
    assert packed(archive) == packed(archive)


def test_a_gzipped_pack_and_the_tar_of_a_runs_page_are_packs(
    archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "all.tgz").write_bytes(gzip.compress(packed(archive)))
    assert len(taken(tmp_path / "all.tgz", tmp_path / "one")) == 2
    check.built(tmp_path / "report", check.storage_run(7))
    [page] = (tmp_path / "report/site/runs").glob("*/*.tar")
    assert taken(page, tmp_path / "two") == [""]
    assert [e.run_id for e in Archive(tmp_path / "two").scan()] == [check.storage_run(7).id]


def test_a_folder_of_runs_is_taken_as_a_pack_is(archive: Archive, tmp_path: Path) -> None:
    found, left = importing.read_folder(archive.root, Order(), Redactor())
    assert left == []
    list(importing.write(found, Archive(tmp_path / "elsewhere")))
    assert check.tree(tmp_path / "elsewhere") == check.tree(archive.root)


def test_runs_are_chosen_by_name_environment_and_benchmark(archive: Archive) -> None:
    assert len(packing.chosen(archive, (), "cvm", "fio")) == 1
    [entry] = packing.chosen(archive, (archive.scan()[1].run_id[-8:],), "", "")
    assert entry == archive.scan()[1]
    with pytest.raises(SitegenError, match="no such run"):
        packing.chosen(archive, (), "cvm", "ab")


def test_a_damaged_run_is_not_packed_and_leaves_no_file(archive: Archive, tmp_path: Path) -> None:
    (archive.scan()[0].path / "measurements.parquet").write_bytes(b"x")
    with pytest.raises(SitegenError, match="fsck"):
        packing.write(archive, archive.scan(), tmp_path / "all.pack")
    assert not list(tmp_path.glob("*.pack*"))


def rewritten(
    data: bytes, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            stream = old.extractfile(member)
            for changed, body in change(member, stream.read() if stream else b""):
                changed.size = len(body)
                new.addfile(changed, io.BytesIO(body))
    return out.getvalue()


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
    data = packed(archive)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
        new.addfile(extra)
    (tmp_path / "bad.pack").write_bytes(out.getvalue())
    with pytest.raises(SitegenError, match=said):
        taken(tmp_path / "bad.pack", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("part", ["run.json", "measurements.parquet"])
def test_a_pack_in_which_a_byte_was_changed_or_a_file_is_missing_is_refused(
    archive: Archive, tmp_path: Path, part: str
) -> None:
    data = packed(archive)
    changed = rewritten(data, lambda m, body: [(m, b"#" + body[1:] if part in m.name else body)])
    missing = rewritten(data, lambda m, body: [] if part in m.name else [(m, body)])
    for number, bad in enumerate((changed, missing)):
        file = tmp_path / f"{number}.pack"
        file.write_bytes(bad)
        with pytest.raises(SitegenError):
            taken(file, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_a_pack_cut_anywhere_is_refused(archive: Archive, tmp_path: Path) -> None:
    data = packed(archive)
    file = tmp_path / "cut.pack"
    for at in range(600, len(data) - 20_000, 977):
        file.write_bytes(data[:at])
        try:
            found = importing.read(file, Order(), Redactor())
        except SitegenError:
            continue
        # Cut between two runs it is a pack of fewer: each of them whole.
        assert all(isinstance(one, packing.Packed) for one in found)


def test_a_pack_names_its_environments_itself(archive: Archive, tmp_path: Path) -> None:
    packing.write(archive, archive.scan(), tmp_path / "all.pack")
    with pytest.raises(SitegenError, match="leave --env out"):
        importing.read(tmp_path / "all.pack", Order("cvm"), Redactor())
