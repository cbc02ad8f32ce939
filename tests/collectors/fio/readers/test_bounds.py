"""What all of fio's readers owe: one form, one reader; damage is borne, and size is bounded."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from collectors.fio.readers import BUNDLES, READERS
from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from tests.collectors.damage import bear, check

RAW = Path(__file__).parents[3] / "raw" / "fio"
FORMS = {
    "fio-json": ("*.json", "*.out"),
    "fio-text": ("text*.txt",),
    "fio-dbench": ("dbench*.txt",),
    "fio-terse": ("terse-[345].txt",),
    "fio-log": ("*.log",),
    "fio-kubestr": ("kubestr.txt",),
}
KNOWN = [
    (form, path.name)
    for form, patterns in FORMS.items()
    for pattern in patterns
    for path in sorted(RAW.glob(pattern))
    if path.name != "bad-engine.out"
]
BY_NAME = {reader.name: reader for reader in READERS}
SETTINGS = {"fio-log": {"kind": "bw", "unit": "ns"}}


@pytest.mark.parametrize(("form", "name"), KNOWN)
def test_exactly_one_reader_of_all_knows_a_file_and_no_row_stands_twice(
    form: str, name: str
) -> None:
    data = (RAW / name).read_bytes()
    known = [r.name for _, r in forms().readers if r.knows(data)]
    assert known == [form]
    for reading in BY_NAME[form].runs(data, SETTINGS.get(form, {})):
        check(reading)
        rows = [row._replace(value=None, printed=None) for row in reading.measurements]
        assert len(rows) == len(set(rows))
        kept = repr((reading.parameters, reading.measurements, reading.notes, reading.facts))
        # Neither a path nor a host of the machine.
        assert not re.search(r"127\.0\.0\.1|/dev|filename|fiofix|hostname", kept)


@pytest.mark.parametrize(("form", "name"), KNOWN)
def test_damage_anywhere_is_refused_or_read(form: str, name: str) -> None:
    reader = BY_NAME[form]
    data = (RAW / name).read_bytes()
    settings = SETTINGS.get(form, {})
    bear(reader.knows, lambda hurt: reader.runs(hurt, settings), data, trials=25)


@pytest.mark.parametrize("name", ["job.fio", "terse-2.txt", "bad-engine.out"])
def test_what_holds_no_result_that_can_be_read_is_nobodys(name: str) -> None:
    data = (RAW / name).read_bytes()
    assert [r.name for _, r in forms().readers if r.knows(data)] == []


def test_damage_to_a_bundle_is_refused_or_read() -> None:
    whole = {p.name: p.read_bytes() for p in (RAW / "logs.json", *RAW.glob("log_*.log"))}
    for name, data in whole.items():
        bear(
            lambda hurt, name=name: BUNDLES[0].knows({**whole, name: hurt}),  # type: ignore[misc]
            lambda hurt, name=name: BUNDLES[0].runs({**whole, name: hurt}, {}),  # type: ignore[misc]
            data,
            trials=6,
        )
    for reading in BUNDLES[0].runs(whole, {}):
        check(reading)


@pytest.mark.parametrize(
    "data",
    [
        b'{"fio version" : "fio-3.33", "jobs" : ' + b"[" * 100_000,
        b'{"fio version" : "fio-3.33", "jobs" : [{"jobname" : "x", "error" : 1' + b"0" * 5000,
        b'{"fio version" : "fio-3.33", "jobs" : [{"jobname" : "x", "groupid" : NaN}]}',
        b'{"fio version" : "fio-3.33", "jobs" : [{"jobname" : "x", "groupid" : 1e999}]}',
        b'{"fio version" : "fio-3.33", "jobs" : {"jobname" : "x"}}',
        b'{"fio version" : "fio-3.33", "jobs" : []}',
        b'{"fio version" : 3, "jobs" : []}',
        b'{ "jobs" :\n' * 50_000 + b'"fio version" :',
        b"x: (groupid=0, jobs=1): err= 0: pid=1\n" * 20_000,
        b"x: (groupid=0, jobs=1): err= 0" + b" " * 500_000,
        b"3;fio-3.33;x;0;0;" + b"1;" * 500_000,
        b"  read: IOPS=" + b"9" * 500_000 + b"\nx: (groupid=0, jobs=1): err= 0: pid=1\n",
        b"= Dbench Summary =\n" * 50_000,
        b"1, 2, 0, 0" + b", 1" * 500_000,
    ],
)
def test_hostile_input_is_refused_at_once(data: bytes) -> None:
    started = time.process_time()
    for reader in READERS:
        if reader.knows(data):
            with pytest.raises(SitegenError):
                reader.runs(data, SETTINGS.get(reader.name, {}))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("line", [b"2026-11-21 1,2,3\n", b"{", b" ", b"read: IOPS=1k\n"])
def test_a_large_file_of_another_form_is_passed_over_at_once(line: bytes) -> None:
    data = line * (30_000_000 // len(line))
    started = time.process_time()
    assert not any(reader.knows(data) for reader in READERS)
    assert time.process_time() - started < 2
