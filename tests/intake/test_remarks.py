"""What is said of archived runs, and how the pages show it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen import config
from sitegen.analysis import selection as selection_of
from sitegen.analysis.compare import analyse
from sitegen.analysis.stats import Word
from sitegen.archive import Archive
from sitegen.config import Environment
from sitegen.errors import SitegenError
from sitegen.intake import upkeep
from sitegen.model import (
    MACHINE_IN_FILE,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Provenance,
    Remark,
    RemarkKind,
    Run,
)
from sitegen.redact import Redactor
from sitegen.site.build import build
from tests import site_checks as check


def test_what_is_said_is_redacted_and_said_once(tmp_path: Path) -> None:
    check.write(tmp_path, check.storage_run(0))
    archive = Archive(tmp_path / "archive")
    end = check.storage_run(0).id[-8:]
    text = "Ask  jane@example.com\nabout it."
    run_id, file = upkeep.remark(archive, end, RemarkKind.NOTE, text, Redactor())
    assert run_id == check.storage_run(0).id
    assert b"jane" not in file.read_bytes()
    [said] = archive.read(archive.find(end)).remarks
    assert said.text == "Ask [email] about it."
    with pytest.raises(SitegenError, match="was said already"):
        upkeep.remark(archive, end, RemarkKind.NOTE, text, Redactor())
    with pytest.raises(SitegenError, match="no run 'zzz'"):
        upkeep.remark(archive, "zzz", RemarkKind.NOTE, text, Redactor())


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


def test_a_withdrawal_can_be_lifted_and_made_again(tmp_path: Path) -> None:
    settled = check.report(tmp_path, *check.three_a_side())
    archive, gone = Archive(tmp_path / "archive"), check.storage_run(2, "cvm", factor=1.2)

    def say(kind: RemarkKind, text: str) -> str:
        upkeep.remark(archive, gone.id, kind, text, Redactor())
        build(settled)
        return (tmp_path / f"site/runs/{gone.id}/index.html").read_text()

    with pytest.raises(SitegenError, match="is not withdrawn"):
        say(RemarkKind.RESTORED, "It was not shared.")
    assert "This run was withdrawn" in say(RemarkKind.WITHDRAWN, "The disk was shared.")
    page = say(RemarkKind.RESTORED, "It was not shared.")
    assert "This run was withdrawn" not in page
    assert page.index("The disk was shared.") < page.index("It was not shared.")
    assert gone.id in (tmp_path / "site/compare/runs-fio.js").read_text()
    assert "This run was withdrawn: The disk" in say(RemarkKind.WITHDRAWN, "The disk was shared.")
    assert not list(archive.fsck())


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


def imported(run: Run) -> Run:
    """Return a run as another tool's output gives it: without a machine."""
    return replace(run, fingerprint=Fingerprint(), provenance=Provenance.IMPORTED, preset="")


def stands(*runs: Run) -> dict[str, str]:
    """Return why each run is left out of its selection, by id."""
    settings = config.Config(Path(), window_days=36_500)
    return {
        run_id: why
        for selection in selection_of.select(runs, settings).values()
        for run_id, why in selection.left_out
    }


def test_a_withdrawn_run_gives_back_the_place_that_it_took() -> None:
    old = check.storage_run(0)
    new = replace(check.storage_run(1), supersedes=old.id)
    assert stands(old, new) == {old.id: "superseded by a later run"}
    gone = replace(new, remarks=(Remark(RemarkKind.WITHDRAWN, "2026-03-05T12:00:00Z", "Wrong."),))
    assert stands(old, gone) == {new.id: "withdrawn: Wrong."}


def test_runs_collected_here_stand_before_others() -> None:
    own, newer = check.storage_run(0), imported(check.storage_run(5))
    assert stands(own, newer) == {newer.id: "imported; the runs collected here stand first"}
    # One from elsewhere supersedes nothing here.
    assert stands(own, replace(check.storage_run(1, "elsewhere"), supersedes=own.id)) == {}


def test_one_output_kept_in_several_ways_is_one_measurement() -> None:
    whole = imported(check.storage_run(0, factor=1.0371))
    part = replace(whole, id=check.storage_run(7).id, measurements=whole.measurements[:7])
    assert stands(whole, part) == {part.id: f"the same measurement as {whole.id}"}
    other = imported(check.storage_run(3, factor=1.2113))
    assert stands(whole, other) == {}
    # Collected runs are never taken for copies, and round figures tell no measurement.
    one = check.storage_run(0)
    assert stands(one, replace(one, id=check.storage_run(9).id)) == {}
    rows = tuple(
        Measurement("sweep", "ab.latency", f"p{p}", "s", 0.001 * p) for p in (50, 66, 75, 90)
    )
    round_ones = [imported(check.storage_run(n)) for n in (0, 1)]
    assert stands(*(replace(r, measurements=rows, benchmark="ab") for r in round_ones)) == {}


def test_an_import_does_not_take_an_environments_role_or_machine_away(tmp_path: Path) -> None:
    own, newer = check.storage_run(0), imported(check.storage_run(5))
    check.built(tmp_path, own, newer, check.storage_run(1, "host"), toml="")
    page = check.text_of(check.parse((tmp_path / "site/environments/cvm/index.html").read_text()))
    assert "TEE signals: tdx" in page
    assert "Test processor" in page


def test_a_role_that_only_the_label_says_is_told_as_that(tmp_path: Path) -> None:
    facts = Fingerprint((Fact("cpu", "A processor", "7-Zip's banner"),))
    runs = [
        replace(imported(check.storage_run(n, label)), fingerprint=facts)
        for n, label in enumerate(("metal", "tdx-1"))
    ]
    check.built(tmp_path, *runs, toml="")
    page = check.text_of(check.parse((tmp_path / "site/environments/tdx-1/index.html").read_text()))
    assert "tdx-1: CPU TEE, TDX" in page
    assert "read off the words of its label" in page
    assert "What it costs against metal" in page


def test_an_imported_and_a_collected_run_meet_with_what_is_not_known_said() -> None:
    runs = [check.storage_run(0, "host"), imported(check.storage_run(1, factor=1.2))]
    runs[1] = replace(runs[1], parameters=())
    declared = {"cvm": Environment("cvm", "cpu-tee", "tdx", baselines={"metal": "host"})}
    found = analyse(runs, config.Config(Path(), environments=declared)).comparisons
    assert found
    assert {one.word for one in found} == {Word.TOO_FEW}
    for one in found:
        [told] = [c.sentence for c in one.caveats if c.rule.id == "parameters-differ"]
        assert told == "not known of the imported side: engine."


def test_runs_that_the_window_leaves_out_are_hinted_at(tmp_path: Path) -> None:
    late = replace(check.storage_run(1, "host"), started_at="2026-11-01T00:00:00Z")
    settled = check.report(tmp_path, check.storage_run(0), late)
    assert any("all runs of cvm are more than 90 days older" in h for h in build(settled).hints)


def test_a_file_is_not_compared_with_itself() -> None:
    sha = (Parameter("file sha256", "ab" * 32),)
    runs = [
        replace(imported(check.storage_run(n, label)), parameters=sha)
        for n, label in enumerate(("host", "cvm"))
    ]
    found = analyse(runs, config.Config(Path())).comparisons
    assert {one.reason for one in found} == {"both sides were read from one file"}


def test_two_machines_in_one_file_are_compared() -> None:
    runs = []
    for n, label in enumerate(("host", "cvm")):
        parts = (Parameter("file sha256", "ab" * 32), Parameter(MACHINE_IN_FILE, label))
        runs.append(replace(imported(check.storage_run(n, label)), parameters=parts))
    found = analyse(runs, config.Config(Path())).comparisons
    assert "both sides were read from one file" not in {one.reason for one in found}


def test_a_baseline_that_is_nowhere_is_named_with_its_key(tmp_path: Path) -> None:
    toml = "[environments.cvm]\nbaselines = { metal = 'metl' }\n"
    with pytest.raises(SitegenError) as raised:
        check.built(tmp_path, check.storage_run(0), toml=toml)
    assert "environments.cvm.baselines.metal names 'metl', which is no environment" in str(
        raised.value
    )
