from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen.archive import Archive
from sitegen.collect import installed
from sitegen.intake import files, session, upkeep
from sitegen.intake.run import Order
from sitegen.intake.upkeep import Outcome
from sitegen.model import Remark, RemarkKind, Status
from sitegen.redact import Redactor
from sitegen.site.build import build
from tests import site_checks as check
from tests.conftest import SHELL_COLLECTOR, Install
from tests.intake.test_files import READING

RAW = Path(__file__).parents[1] / "raw"
BETTER = SHELL_COLLECTOR.replace("float(raw.stdout)", "2 * float(raw.stdout)")
WORSE = SHELL_COLLECTOR.replace("float(raw.stdout)", "float('no')")


def collected(folder: Path, repeat: int = 2) -> Archive:
    """Return an archive of one run of the shell that is installed."""
    archive = Archive(folder / "archive")
    order = session.Order("here", only=("shell",), repeat=repeat)
    work = folder / "work"
    [*session.Round(order, archive, work, lambda _: None, lambda _: None).collect()]
    return archive


@pytest.fixture
def archive(tmp_path: Path, install: Install) -> Archive:
    install("shell")
    return collected(tmp_path)


def change(tmp_path: Path, name: str, source: str) -> None:
    module = f"collector_{name}"
    path = tmp_path / "site-packages" / f"{module}.py"
    path.write_text(source.format(name=name, tool="sh"))
    sys.modules.pop(module, None)
    installed._forms.cache_clear()  # noqa: SLF001 - another process would read it anew


def again(archive: Archive, *, dry_run: bool = False) -> list[Outcome]:
    return list(upkeep.reparse(archive, archive.scan(), dry_run=dry_run))


def test_a_run_that_reads_as_before_stays_alone(archive: Archive) -> None:
    [outcome] = again(archive)
    assert outcome.reason == "reads as before"
    assert len(archive.scan()) == 1


def test_what_a_parser_makes_of_the_clock_is_the_same_again(
    tmp_path: Path, install: Install
) -> None:
    install("shell", source=SHELL_COLLECTOR.replace("float(raw.stdout)", "raw.duration_s / 7"))
    assert [each.reason for each in again(collected(tmp_path))] == ["reads as before"]


def test_a_better_parser_gives_a_new_run_that_supersedes_the_old(
    archive: Archive, tmp_path: Path
) -> None:
    [old] = map(archive.read, archive.scan())
    change(tmp_path, "shell", BETTER)
    [rehearsed] = again(archive, dry_run=True)
    assert len(archive.scan()) == 1
    [outcome] = again(archive)
    assert outcome.new == rehearsed.new
    assert outcome.changed == 1
    [new] = [run for run in map(archive.read, archive.scan()) if run.id != old.id]
    assert [m.value for m in new.measurements] == [14.0] * len(old.measurements)
    assert (new.supersedes, new.derived_from) == (old.id, old.id)
    assert (
        replace(new, id=old.id, supersedes="", derived_from="", measurements=old.measurements)
        == old
    )
    assert archive.read(archive.find(old.id)) == old
    # Doing it again writes nothing: the old one is superseded, the new one reads as it stands.
    assert [each.reason for each in again(archive)] == ["reads as before"]
    assert len(archive.scan()) == 2


def test_a_parser_that_cannot_read_it_any_more_changes_nothing(
    archive: Archive, tmp_path: Path
) -> None:
    change(tmp_path, "shell", WORSE)
    [outcome] = again(archive)
    assert outcome.new is None
    assert "cannot be read today" in outcome.reason
    assert len(archive.scan()) == 1


def test_a_step_that_failed_when_it_was_taken_still_has(tmp_path: Path, install: Install) -> None:
    source = SHELL_COLLECTOR.replace(
        "float(raw.stdout)", "float(raw.stdout if step.name == 's-0' else 'x')"
    )
    install("shell", source=source)
    archive = collected(tmp_path, repeat=1)
    [run] = map(archive.read, archive.scan())
    assert {m.status for m in run.measurements} == {Status.OK, Status.FAILED}
    assert [each.reason for each in again(archive)] == ["reads as before"]


def test_an_imported_original_is_read_again_with_what_was_said_of_it(
    tmp_path: Path, install: Install
) -> None:
    install("stopwatch", source=READING)
    file = tmp_path / "a.log"
    file.write_text("sh log jane@example.com\n1.5\n2.5\n")
    archive = Archive(tmp_path / "archive")
    order = Order("cvm", settings={"model": "m"})
    list(files.write(files.read(file, order, Redactor()), archive))
    assert [each.reason for each in again(archive)] == ["reads as before"] * 2
    change(tmp_path, "stopwatch", READING.replace('"s", value,', '"s", value / 10,'))
    new = [each.new for each in again(archive) if each.new]
    assert sorted(m.value or 0 for run in new for m in run.measurements) == [0.15, 0.25]
    assert [m.params for run in new for m in run.measurements] == [(("model", "m"),)] * 2


def test_a_file_of_several_benchmarks_is_a_run_of_each_and_each_is_read_again(
    tmp_path: Path, install: Install
) -> None:
    several = READING.replace(
        "found.append(Reading(", 'found.append(Reading(benchmark="b%d" % number,'
    )
    several = several.replace("            (Measurement(", "            measurements=(Measurement(")
    install("stopwatch", source=several)
    file = tmp_path / "a.log"
    file.write_text("sh log\n1.5\n2.5\n")
    archive = Archive(tmp_path / "archive")
    arrivals = files.read(file, Order("cvm"), Redactor())
    list(files.write(arrivals, archive))
    assert [archive.read(entry).benchmark for entry in archive.scan()] == ["b2", "b3"]
    assert all(f"-{one.run.benchmark}-" in one.run.id for one in arrivals)
    assert [each.reason for each in again(archive)] == ["reads as before"] * 2
    change(tmp_path, "stopwatch", several.replace('"b%d" % number', '"b4"'))
    reasons = [each.reason for each in again(archive)]
    assert reasons == ["its original holds a run of b4 in its place today"] * 2
    change(tmp_path, "stopwatch", several.replace('"b%d" % number', '"runs"'))
    assert all("site itself uses" in each.reason for each in again(archive))


def test_what_has_no_raw_output_or_no_collector_says_so(tmp_path: Path) -> None:
    run, other = check.storage_run(0), check.storage_run(1)
    other = replace(other, benchmark="unheard", id=other.id.replace("-fio-", "-unheard-"))
    check.write(tmp_path, replace(run, steps=()))
    check.write(tmp_path, other)
    check.write(tmp_path, check.cited_run("vm", 1.0, "1"))
    outcomes = {each.old: each.reason for each in again(Archive(tmp_path / "archive"))}
    assert len(outcomes) == 2  # a cited figure has nothing to read
    assert "has no raw output" in outcomes[run.id]
    assert "no collector 'unheard'" in outcomes[other.id]


def test_a_run_of_the_first_version_says_that_it_cannot_be_read_again() -> None:
    stored = Archive(Path(__file__).parents[1] / "archives" / "v1")
    [outcome] = upkeep.reparse(stored, stored.scan(), dry_run=True)
    assert "did not keep what parsing needs" in outcome.reason


def test_the_old_page_leads_to_the_new_run(tmp_path: Path) -> None:
    old, new = check.storage_run(0), check.storage_run(1)
    build(check.report(tmp_path, old, replace(new, supersedes=old.id, derived_from=old.id)))
    page = (tmp_path / f"site/runs/{old.id}/index.html").read_text()
    assert f"runs/{new.id}/index.html" in page


def test_a_withdrawn_run_is_not_brought_back(archive: Archive, tmp_path: Path) -> None:
    said = Remark(RemarkKind.WITHDRAWN, "2026-03-02T12:00:00Z", "A lesson.")
    archive.remark_on(archive.scan()[0], said)
    change(tmp_path, "shell", BETTER)
    assert again(archive) == []
    assert len(archive.scan()) == 1


def test_job_names_that_read_alike_once_redacted_are_not_merged(tmp_path: Path) -> None:
    text = (RAW / "fio" / "stonewall.json").read_text()
    names = list(dict.fromkeys(re.findall(r'"jobname" : "([^"]+)"', text)))
    for number, name in enumerate(names, start=1):
        text = text.replace(f'"{name}"', f'"203.0.113.{number}"')
    file = tmp_path / "a.json"
    file.write_text(text)
    archive = Archive(tmp_path / "archive")
    list(files.write(files.read(file, Order("cvm"), Redactor()), archive))
    [run] = map(archive.read, archive.scan())
    assert "203.0.113" not in str(run)
    [plain] = files.read(RAW / "fio" / "stonewall.json", Order("cvm"), Redactor())
    assert sorted(m.value or 0 for m in run.measurements) == sorted(
        m.value or 0 for m in plain.run.measurements
    )
    [outcome] = again(archive)
    assert outcome.new is None
