"""What is said of archived runs, and how the pages show it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sitegen import curating
from sitegen.archive import Archive
from sitegen.build import build
from sitegen.errors import SitegenError
from sitegen.model import Fingerprint, Provenance, Remark, RemarkKind
from sitegen.redact import Redactor
from tests import site_checks as check


def test_what_is_said_is_redacted_and_said_once(tmp_path: Path) -> None:
    check.write(tmp_path, check.storage_run(0))
    archive = Archive(tmp_path / "archive")
    end = check.storage_run(0).id[-8:]
    text = "Ask  jane@example.com\nabout it."
    run_id, file = curating.remark(archive, end, RemarkKind.NOTE, text, Redactor())
    assert run_id == check.storage_run(0).id
    assert b"jane" not in file.read_bytes()
    [said] = archive.read(archive.find(end)).remarks
    assert said.text == "Ask [email] about it."
    with pytest.raises(SitegenError, match="was said already"):
        curating.remark(archive, end, RemarkKind.NOTE, text, Redactor())
    with pytest.raises(SitegenError, match="no run 'zzz'"):
        curating.remark(archive, "zzz", RemarkKind.NOTE, text, Redactor())


def test_a_withdrawn_run_keeps_its_page_with_the_reason_and_enters_no_comparison(
    tmp_path: Path,
) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    build(settled)
    gone = check.storage_run(2, "cvm", factor=1.2)
    archive = Archive(tmp_path / "archive")
    note = Remark(RemarkKind.NOTE, "2026-03-05T12:00:00Z", "Taken at <night>.")
    why = Remark(RemarkKind.WITHDRAWN, "2026-03-06T12:00:00Z", "The disk was shared.")
    for remark in (note, why):
        archive.remark_on(archive.find(gone.id), remark)
    result = build(settled)
    assert result.rendered < result.pages  # the pages of the other runs stay as they are
    page = (tmp_path / f"site/runs/{gone.id}/index.html").read_text()
    assert "This run was withdrawn: The disk was shared." in page
    assert "Taken at &lt;night&gt;." in page
    assert gone.id not in (tmp_path / "site/compare/runs-fio.js").read_text()
    assert "withdrawn: The disk was shared." in (tmp_path / "site/fio/index.html").read_text()
    one = check.tree(tmp_path / "site")
    shutil.rmtree(tmp_path / "site")
    shutil.rmtree(tmp_path / ".sitegen")
    build(settled)
    assert check.differing(one, check.tree(tmp_path / "site")) == []
    assert check.dead_links(tmp_path / "site") == []


def test_a_renamed_environment_has_its_runs_and_its_old_address(tmp_path: Path) -> None:
    runs = [check.storage_run(0, "host"), check.storage_run(1, "cvm")]
    toml = check.TOML.replace("[environments.cvm]", '[environments.tdx]\naliases = ["cvm"]')
    check.built(tmp_path, *runs, toml=toml)
    site = tmp_path / "site"
    assert runs[1].id in (site / "environments/tdx/index.html").read_text()
    assert "environments/tdx/index.html" in (site / "environments/cvm/index.html").read_text()
    assert "environments/tdx/" in (site / f"runs/{runs[1].id}/index.html").read_text()
    assert "tdx" in (site / "data/fio.csv").read_text()
    assert check.dead_links(site) == []
    assert check.faults(site, "environments/cvm/index.html") == []


def test_two_imported_environments_are_compared_by_what_their_labels_imply(tmp_path: Path) -> None:
    bare = [
        replace(run, fingerprint=Fingerprint(), provenance=Provenance.IMPORTED)
        for run in (check.storage_run(0, "host"), check.storage_run(1, "cvm", factor=1.2))
    ]
    check.built(tmp_path, *bare, toml="")
    page = check.text_of(check.parse((tmp_path / "site/fio/index.html").read_text()))
    assert "1.2" in page
    assert "these two runs only" in page
