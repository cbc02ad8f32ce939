from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sitegen.archive import Archive, library, remarks
from sitegen.errors import SitegenError
from sitegen.model import Remark, RemarkKind
from tests import site_checks as check

SAID = Remark(RemarkKind.NOTE, "2026-03-02T12:00:00Z", "The fan was loud.")
GONE = Remark(RemarkKind.WITHDRAWN, "2026-03-03T12:00:00Z", "The disk was shared.")
sentences = st.text(min_size=1, max_size=80).filter(lambda t: t.isprintable() and t.strip())


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    check.write(tmp_path, check.storage_run(0))
    return Archive(tmp_path / "archive")


def test_what_is_said_of_a_run_lies_beside_it_and_the_run_stays_as_it_was(
    archive: Archive, tmp_path: Path
) -> None:
    [entry] = archive.scan()
    before = check.tree(entry.path)
    file = archive.remark_on(entry, SAID)
    archive.remark_on(entry, GONE)
    assert file.parent == entry.path.parent
    assert check.tree(entry.path) == before
    [entry] = archive.scan()
    run = archive.read(entry)
    assert run.remarks == (SAID, GONE)
    assert run.withdrawn == "The disk was shared."
    held = library.load(archive, tmp_path / "cache", [entry]).runs[run.id]
    assert held.run.remarks == run.remarks
    assert list(archive.fsck()) == []


def test_a_remark_is_seen_though_the_run_is_in_the_cache(archive: Archive, tmp_path: Path) -> None:
    library.load(archive, tmp_path / "cache", archive.scan())
    archive.remark_on(archive.scan()[0], SAID)
    [held] = library.load(archive, tmp_path / "cache", archive.scan()).runs.values()
    assert held.run.remarks == (SAID,)


def test_saying_the_same_twice_writes_one_file(archive: Archive) -> None:
    [entry] = archive.scan()
    assert archive.remark_on(entry, SAID) == archive.remark_on(entry, SAID)
    assert len(archive.scan()[0].remarks) == 1


@given(sentences, st.sampled_from(RemarkKind))
def test_every_sentence_comes_back_as_it_was_said(text: str, kind: RemarkKind) -> None:
    run_id = check.storage_run(0).id
    said = Remark(kind, "2026-03-02T12:00:00Z", text)
    name, data = remarks.dump(run_id, said)
    assert remarks.run_of(name) == run_id
    assert remarks.parse(name, data) == said


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "x" * 2001, "\x1b[31mred"])
def test_what_no_page_can_show_is_refused(archive: Archive, text: str) -> None:
    [entry] = archive.scan()
    with pytest.raises(SitegenError, match="not a sentence"):
        archive.remark_on(entry, replace(SAID, text=text))
    assert archive.scan()[0].remarks == ()


def test_a_damaged_remark_is_left_out_and_named(archive: Archive) -> None:
    [entry] = archive.scan()
    good = archive.remark_on(entry, SAID)
    bad = archive.remark_on(entry, GONE)
    bad.write_bytes(bad.read_bytes().replace(b"shared", b"mine"))
    [entry] = archive.scan()
    assert archive.read(entry).remarks == (SAID,)
    [finding] = archive.fsck()
    assert finding.path == str(bad)
    assert "digest" in finding.problem
    bad.write_bytes(b"[" * 100_000)
    [finding] = archive.fsck()
    assert "is larger than 20,000 bytes" in finding.problem
    bad.unlink()
    os.mkfifo(bad)
    assert archive.read(archive.scan()[0]).remarks == (SAID,)
    [finding] = archive.fsck()
    assert "a device or a pipe" in finding.problem
    bad.unlink()
    good.rename(good.with_name(good.name.replace("20260301", "20260401")))
    assert {f.problem for f in archive.fsck()} >= {"is about a run that is not here"}


def test_a_remark_of_a_newer_version_is_named_as_such(archive: Archive) -> None:
    file = archive.remark_on(archive.scan()[0], SAID)
    file.write_bytes(file.read_bytes().replace(b'"schema": 1', b'"schema": 2'))
    [finding] = archive.fsck()
    assert "newer than this sitegen" in finding.problem
