from __future__ import annotations

import os
from pathlib import Path

import pytest

from sitegen import importing
from sitegen.archive import Archive
from sitegen.errors import SitegenError
from sitegen.importing import Order
from sitegen.model import Provenance
from sitegen.redact import Redactor
from tests.conftest import SHELL_COLLECTOR, Install

# Reads "<word> <seconds>" lines; each line is a run.
READING = (
    SHELL_COLLECTOR
    + """
from sitegen.collect import Found, Reader
from sitegen.model import Fact, Parameter, ToolIdentity, params

def _read(data, settings):
    found = []
    for number, line in enumerate(data.decode().splitlines()[1:], start=2):
        try:
            value = float(line)
        except ValueError:
            raise SitegenError(f"{{line!r}} is no number", where=f"line {{number}}") from None
        found.append(Found(
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


@pytest.fixture
def log(tmp_path: Path, install: Install) -> Path:
    install("stopwatch", source=READING)
    path = tmp_path / "a.log"
    path.write_text("sh log jane@example.com\n1.5\n2.5\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def arrive(path: Path, order: Order | None = None) -> list[importing.Arrival]:
    found = importing.read(path, order or Order("cvm"), Redactor())
    return [one for one in found if isinstance(one, importing.Arrival)]


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


def test_a_file_comes_in_once_whatever_its_date(log: Path, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    before = [there for _, there in importing.write(arrive(log), archive)]
    os.utime(log, (1_800_000_000, 1_800_000_000))
    after = [there for _, there in importing.write(arrive(log), archive)]
    assert before == ["", ""]
    assert sorted(after) == sorted(entry.run_id for entry in archive.scan())


def test_what_dates_a_run_is_said(log: Path) -> None:
    [by_file, _] = arrive(log)
    assert by_file.run.started_at == "2023-11-14T22:13:20Z"
    assert "last written" in {p.name: p.value for p in by_file.run.parameters}["dated by"]
    [by_user, _] = arrive(log, Order("cvm", date="2025-01-31"))
    assert by_user.run.started_at == "2025-01-31"


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
        ("sh log\n1\n", Order(), "names no environment; add --env LABEL"),
        ("sh log\n1\n", Order("../x"), "not a usable environment name"),
        ("sh log\n1\n", Order("cvm", tool="gcc"), "no reader 'gcc'; known: "),
        ("sh log\n1\n", Order("cvm", settings={"size": "1"}), "takes no 'size'; it takes model"),
        (
            "sh log\n1\n",
            Order("cvm", provenance=Provenance.CITED),
            "what a tool itself wrote is imported, not cited",
        ),
        ("sh log\n1\n", Order("cvm", date="soon"), "'soon' is not a time"),
        ("sh log\nnan\n1e999\n", Order("cvm"), "not a finite number"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    log: Path, text: str, order: Order, said: str
) -> None:
    log.write_text(text)
    with pytest.raises(SitegenError) as raised:
        arrive(log, order)
    assert said in str(raised.value)


def test_a_file_that_two_readers_know_needs_the_name_of_one(log: Path, install: Install) -> None:
    install("clock", source=READING)
    with pytest.raises(SitegenError, match="add --tool with one of clock-log, stopwatch-log"):
        arrive(log)
    [first, _] = arrive(log, Order("cvm", tool="clock-log"))
    assert first.run.benchmark == "clock"


def test_a_bug_in_a_reader_is_one_line(log: Path, install: Install) -> None:
    install("broken", source=READING.replace("found = []", "found = 1 / 0"))
    with pytest.raises(SitegenError, match="failed: ZeroDivisionError"):
        arrive(log, Order("cvm", tool="broken-log"))


def test_a_file_that_is_too_large_or_no_file_is_refused_before_it_is_read(
    log: Path, tmp_path: Path
) -> None:
    with log.open("r+b") as file:
        file.truncate(importing.MAX_BYTES + 1)
    with pytest.raises(SitegenError, match="larger than 200 MB"):
        arrive(log)
    with pytest.raises(SitegenError, match="is a folder"):
        arrive(tmp_path)
    endless = tmp_path / "endless"
    endless.symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for path in (endless, tmp_path / "pipe"):
        with pytest.raises(SitegenError, match="is a device or a pipe"):
            arrive(path)
