from __future__ import annotations

import gzip
import os
import tarfile
import time
from pathlib import Path

import pytest

from sitegen import bounds
from sitegen.analysis import caveats, selection
from sitegen.archive import Archive, store
from sitegen.cli import main
from sitegen.collect.installed import forms
from sitegen.config import Config
from sitegen.errors import SitegenError
from sitegen.intake import files, upkeep
from sitegen.intake.run import Arrival, Order
from sitegen.model import Provenance
from sitegen.redact import Redactor
from tests.conftest import SHELL_COLLECTOR, Install

# Reads "<word> <seconds>" lines; each line is a run.
READING = (
    SHELL_COLLECTOR
    + """
from sitegen.collect import Reading, Reader
from sitegen.model import Fact, Parameter, ToolIdentity, params

def _read(data, settings):
    found = []
    for number, line in enumerate(data.decode().splitlines()[1:], start=2):
        try:
            value = float(line)
        except ValueError:
            raise SitegenError(f"{{line!r}} is no number", where=f"line {{number}}") from None
        found.append(Reading(
            (Measurement("w", "{name}.x", "mean", "s", value, params(**settings)),),
            tool=ToolIdentity("stopwatch", "2"),
            natives=(("{name}.x mean", "avg"),),
            facts=(Fact("cpu", "on host.example of jane@example.com", "log"),),
            notes=("Read with care.",),
        ))
    return tuple(found)

READERS = (
    Reader("{name}-log", "Stopwatch, log", lambda d: d.startswith(b"{tool} log"), _read,
           {{"model": "which one"}}),
)
"""
)


UNKNOWN = (
    "is no form of output that is known here;"
    " `sitegen import --forms` lists them; a tidy CSV always works"
)


@pytest.fixture
def log(tmp_path: Path, install: Install) -> Path:
    install("stopwatch", source=READING)
    path = tmp_path / "a.log"
    path.write_text("sh log jane@example.com\n1.5\n2.5\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def arrive(path: Path, order: Order | None = None) -> list[Arrival]:
    arrivals = files.read(path, order or Order("cvm"), Redactor())
    return [one for one in arrivals if isinstance(one, Arrival)]


def test_a_file_is_known_by_its_content_and_each_run_keeps_what_its_reader_found(
    log: Path,
) -> None:
    first, second = arrive(log.rename(log.with_name("renamed.csv")))
    assert [row.value for a in (first, second) for row in a.run.measurements] == [1.5, 2.5]
    assert first.run.provenance == Provenance.IMPORTED
    assert first.run.tool is not None
    assert first.run.tool.name == "stopwatch"
    assert first.run.id != second.run.id
    named = {p.name: p.value for p in first.run.parameters}
    assert named["stopwatch.x mean is printed as"] == "avg"
    assert named["read as"] == "Stopwatch, log"
    assert len(named["file sha256"]) == 64
    assert first.run.note == "Read with care."


def test_what_names_a_person_is_replaced_in_all_that_is_kept(log: Path) -> None:
    [first, _] = arrive(log)
    assert b"jane" not in b"".join(first.raw.values())
    assert "jane" not in str(first.run)
    assert dict(first.run.redactions)["email"] >= 2


def test_a_file_comes_in_once_whatever_its_date_and_under_labels_of_old(
    log: Path, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    before = [one.there for one in files.write(arrive(log, Order("cvm-old")), archive)]
    os.utime(log, (1_750_000_000, 1_750_000_000))
    again = files.write(arrive(log, Order("cvm-old")), archive, {"cvm-old": "cvm"})
    assert before == ["", ""]
    assert sorted(one.there for one in again) == [entry.run_id for entry in archive.scan()]


def test_the_same_file_in_another_environment_or_with_another_setting_is_another_run(
    log: Path,
) -> None:
    orders = (Order("cvm"), Order("vm"), Order("cvm", settings={"model": "m"}))
    assert len({arrive(log, order)[0].run.id for order in orders}) == 3


@pytest.mark.parametrize(
    ("text", "order", "said"),
    [
        ("sh log\nx\n", Order("cvm"), "a.log: line 2: 'x' is no number"),
        ("sh log\n", Order("cvm"), "holds no result (Stopwatch, log)"),
        ("other\n1\n", Order("cvm"), "is no form of output that is known here"),
        (" \n", Order("cvm"), "is empty"),
        ("\ufeff", Order("cvm"), "is no form of output that is known here"),
        ("\x1f\x8b\x08" + 6 * "\0" + 7 * "\xff", Order("cvm"), "is no whole gzip file"),
        ("sh log\n1\n", Order(), "names no environment; add --env LABEL"),
        ("sh log\n1\n", Order("../x"), "not a usable environment name"),
        ("sh log\n1\n", Order("cvm", tool="gcc"), "no reader 'gcc'; known: "),
        (
            "sh log\n1\n",
            Order("cvm", settings={"size": "1"}),
            "there is no setting 'size'; it takes model",
        ),
        (
            "sh log\n1\n",
            Order("cvm", provenance=Provenance.CITED),
            "what a tool itself wrote is imported, not cited",
        ),
        ("sh log\n1\n", Order("cvm", date="soon"), "'soon' is not a time"),
        ("sh log\nnan\n1e999\n", Order("cvm"), "which no quantity is"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    log: Path, text: str, order: Order, said: str
) -> None:
    log.write_bytes(text.encode("latin-1") if "\x1f" in text else text.encode())
    with pytest.raises(SitegenError) as raised:
        arrive(log, order)
    assert said in str(raised.value)


def test_a_file_that_several_readers_know_needs_the_name_of_one(
    log: Path, install: Install
) -> None:
    install("clock", source=READING)
    install("broken", source=READING.replace("found = []", "found = 1 / 0"))
    with pytest.raises(SitegenError, match="with one of broken-log, clock-log, stopwatch-log"):
        arrive(log)
    [first, _] = arrive(log, Order("cvm", tool="clock-log"))
    assert first.run.benchmark == "clock"
    with pytest.raises(SitegenError, match="failed: ZeroDivisionError"):  # a bug is one line
        arrive(log, Order("cvm", tool="broken-log"))


def test_a_file_that_is_too_large_or_no_file_is_refused_before_it_is_read(
    log: Path, tmp_path: Path
) -> None:
    with log.open("r+b") as file:
        file.truncate(bounds.MOST_FILE_BYTES + 1)
    with pytest.raises(SitegenError, match="larger than 64 MB"):
        arrive(log)
    with pytest.raises(SitegenError, match="is a folder"):
        arrive(tmp_path)
    endless = tmp_path / "endless"
    endless.symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for path in (endless, tmp_path / "pipe"):
        with pytest.raises(SitegenError, match="is a device or a pipe"):
            arrive(path)


def _gzipped(head: bytes, size: int) -> bytes:
    return gzip.compress(head.ljust(size, b"\0"), 1)


def _announced(size: int) -> bytes:
    member = tarfile.TarInfo("host/20260301t000000z-fio-n67fnawh/run.json")
    member.size = size
    return member.tobuf()


@pytest.mark.parametrize(
    ("start", "size", "said"),
    [
        (b'{"fio version": "fio-3.33", "jobs": [', 5 << 30, "is larger than 64 MB"),
        (b"This is ApacheBench, Version 2.3\n", 5 << 30, "is larger than 64 MB"),
        (b"benchmark,workload,environment,metric,statistic,unit,value\n", 5 << 30, "than 64 MB"),
        (_gzipped(b"sh log\n", 200_000_000), 0, "holds more than 64 MB unpacked"),
        (_announced(3 << 30), 4 << 30, "is larger than 100,000,000 bytes"),
        (_gzipped(_announced(150_000_000), 150_000_000), 0, "is larger than 100,000,000 bytes"),
    ],
    ids=["json", "text", "csv", "gzip", "pack", "gzipped pack"],
)
def test_what_is_too_large_is_refused_at_once_whatever_it_is(
    tmp_path: Path, start: bytes, size: int, said: str
) -> None:
    path = tmp_path / "large"
    path.write_bytes(start)
    os.truncate(path, max(size, len(start)))  # without taking the room on the disk
    forms()
    begun = time.process_time()
    with pytest.raises(SitegenError, match=said):
        files.read(path, Order(), Redactor())
    assert time.process_time() - begun < 1


def test_the_limits_of_import_are_said_where_they_are_looked_for() -> None:
    root = Path(__file__).parents[2]
    of_file, of_run = (size // 1_000_000 for size in (bounds.MOST_FILE_BYTES, store.MAX_RUN_BYTES))
    told = " ".join((main.commands["import"].help or "").split())
    assert f"A file may have {of_file} MB, also unpacked, and a run in a pack {of_run} MB" in told
    assert f"may have {of_file} MB" in " ".join((root / "README.md").read_text("utf-8").split())


def test_of_a_folder_every_file_is_tried_and_what_is_left_is_said(
    log: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    log.rename(folder / "deep" / "a.log")
    (folder / ".git" / "b.log").write_text("sh log\n9\n")
    (folder / "notes.txt").write_text("nothing of note\n")
    (folder / "damaged.log").write_text("sh log\nx\n")
    (folder / "run.json").write_text('{"a": 1}')  # a stray manifest hides no folder
    arrivals, left = files.read_all([folder], Order("cvm"), Redactor())
    assert len(arrivals) == 2
    assert [(one.path.name, one.reason) for one in left] == [
        ("damaged.log", "'x' is no number"),
        ("notes.txt", UNKNOWN),
        ("run.json", UNKNOWN),
    ]
    with pytest.raises(SitegenError, match="names no environment"):
        files.read_all([folder], Order(), Redactor())


def test_what_was_replaced_is_counted_for_each_run_alone(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.log"
    other.write_text("sh log\n3.5\n")
    arrivals, _ = files.read_all([log, other], Order("cvm"), Redactor())
    emails = [dict(one.run.redactions)["email"] for one in arrivals]
    assert emails[-1] == 1  # the address in its facts


def test_a_gzipped_output_is_read_as_what_it_holds(log: Path, tmp_path: Path) -> None:
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    plain, unpacked = arrive(log), arrive(packed)
    assert [a.run.id for a in plain] == [a.run.id for a in unpacked]
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(SitegenError, match="is no whole gzip file"):
        arrive(packed)
    packed.write_bytes(gzip.compress(bytes(bounds.MOST_FILE_BYTES + 1), 1))
    with pytest.raises(SitegenError, match="holds more than 64 MB unpacked"):
        arrive(packed)


BUNDLING = (
    READING
    + """
from sitegen.collect import Bundle

def _together(files, settings):
    return (Reading(tuple(
        Measurement(name.lower(), "{name}.x", "mean", "s", float(data.split()[-1]))
        for name, data in files.items()
    )),)

BUNDLES = (
    Bundle("{name}-processes", "Stopwatch, processes",
           lambda files: all(d.startswith(b"{tool} log") for d in files.values()), _together, {{}}),
)
"""
)


def test_several_files_are_one_measurement_when_the_user_says_so(
    tmp_path: Path, install: Install
) -> None:
    install("stopwatch", source=BUNDLING)
    for number in (1, 2):
        (tmp_path / f"p{number}").mkdir()
        (tmp_path / f"p{number}" / "out.log").write_text(f"sh log\n{number}.5\n")
    paths = sorted(tmp_path.glob("p*/out.log"))
    [one], _ = files.read_all(paths, Order("cvm"), Redactor(), together=True)
    assert [(m.workload, m.value) for m in one.run.measurements] == [
        ("out.log", 1.5),
        ("p2-out.log", 2.5),
    ]
    assert {p.name: p.value for p in one.run.parameters}["files"] == "2"
    archive = Archive(tmp_path / "archive")
    list(files.write([one], archive))
    assert sorted(p.name for p in archive.scan()[0].path.glob("raw/*")) == [
        "stopwatch-processes.1.original.gz",
        "stopwatch-processes.2.original.gz",
    ]
    [again] = upkeep.reparse(archive, archive.scan(), dry_run=True)
    assert again.reason == "reads as before"
    by_folder, _ = files.read_all(
        [tmp_path / "p1", tmp_path / "p2"], Order("cvm"), Redactor(), together=True
    )
    assert [a.run.id for a in by_folder] == [one.run.id]
    with pytest.raises(SitegenError, match=r"is the same as out\.log; give each part once"):
        files.read_all([paths[0], paths[0]], Order("cvm"), Redactor(), together=True)
    (tmp_path / "p2" / "out.log").write_text("something else\n")
    with pytest.raises(SitegenError, match="no form of these files together"):
        files.read_all(paths, Order("cvm"), Redactor(), together=True)


def test_what_a_reader_doubts_is_kept_with_the_run(tmp_path: Path, install: Install) -> None:
    doubting = READING.replace(
        'notes=("Read with care.",),',
        'doubts=((Doubt.MISNAMED, "It says read of jane@example.com and wrote.", "w"),),',
    ).replace("from sitegen.model import Fact", "from sitegen.model import Doubt, Fact")
    install("stopwatch", source=doubting)
    path = tmp_path / "a.log"
    path.write_text("sh log\n1.5\n")
    [one] = arrive(path)
    [doubt] = caveats.of_reading(one.run, "w")
    assert doubt.rule.id == "misnamed"
    assert doubt.sentence == "It says read of [email] and wrote."


def test_a_run_that_nothing_dates_is_undated_and_stays_in_every_window(log: Path) -> None:
    [by_nothing, _] = arrive(log)
    assert by_nothing.run.undated
    os.utime(log, (1_000_000_000, 1_000_000_000))  # a copy or a checkout, not a measurement
    assert arrive(log)[0].run.id == by_nothing.run.id
    [by_user, _] = arrive(log, Order("cvm", date="2025-01-31"))
    assert (by_user.run.started_at, by_user.run.undated) == ("2025-01-31", False)
    found = selection.select([by_nothing.run, by_user.run], Config(Path()))[
        by_nothing.run.benchmark, "cvm"
    ]
    assert [run.id for run in found.runs] == [by_nothing.run.id, by_user.run.id]
    assert found.left_out == ()
    with pytest.raises(SitegenError, match="--date: 2999-01-01 is not between 2000 and tomorrow"):
        arrive(log, Order("cvm", date="2999-01-01"))


def test_more_rows_than_an_archive_holds_are_refused(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_ROWS", 0)
    with pytest.raises(SitegenError, match="holds 1 values, and a run has 0 at most"):
        arrive(log)


def test_files_whose_names_read_alike_once_redacted_stay_two(
    tmp_path: Path, install: Install
) -> None:
    install("stopwatch", source=BUNDLING)
    paths = [tmp_path / f"load-203.0.113.{n}.log" for n in (1, 2, 3)]
    for number, path in enumerate(paths):
        path.write_text(f"sh log\n{number}.5\n")
    [one], _ = files.read_all(paths, Order("cvm"), Redactor(), together=True)
    assert len(one.run.measurements) == 3
    assert "203.0.113" not in str(one.run)
    archive = Archive(tmp_path / "archive")
    list(files.write([one], archive))
    [again] = upkeep.reparse(archive, archive.scan(), dry_run=True)
    assert again.new is None
