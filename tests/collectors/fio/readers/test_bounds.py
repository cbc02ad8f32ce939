"""What all of fio's readers owe: one form, one reader; damage is borne, and size is bounded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collectors.fio.readers import BUNDLES, READERS
from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from tests.collectors.damage import bear, check

RAW = Path(__file__).parents[3] / "raw" / "fio"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "fio"
KNOWN = {
    "fio-json": [
        *("latency.out", "mix.out", "jobs.out", "fio-2.out", "fio-2-group.out", "ramp.json"),
        *("grouped.out", "client.out", "failed-part.out", "all-forms.out", "no-space.out"),
        *(
            "mixed.json",
            "steady.json",
            "json-and-text.out",
            "status-interval.out",
            "stopped.out",
            "missing-file.out",
        ),
    ],
    "fio-text": [
        *("text.txt", "text-2.txt", "text-mix.txt", "text-numjobs.txt", "text-grouped.txt"),
        *("text-stonewall.txt", "text-failed.txt", "text-interrupted.txt", "text-null.txt"),
        *("text-sync.txt", "text-steady.txt"),
    ],
    "fio-dbench": ["dbench.txt", "dbench-null.txt"],
    "fio-terse": ["terse-3.txt", "terse-4.txt", "terse-5.txt"],
    "fio-log": ["log_bw.1.log", "log_lat.2.log", "log_clat_hist.1.log", "perio_bw.1.log"],
    "fio-kubestr": ["kubestr.txt"],
}
BY_NAME = {reader.name: reader for reader in READERS}
SETTINGS = {"fio-log": {"kind": "bw", "unit": "ns"}}


@pytest.mark.parametrize(("form", "name"), [(f, n) for f, names in KNOWN.items() for n in names])
def test_exactly_one_reader_of_all_knows_a_file(form: str, name: str) -> None:
    data = (RAW / name).read_bytes()
    known = [r.name for _, r in forms().readers if r.knows(data)]
    assert known == [form]


@pytest.mark.parametrize(("form", "name"), [(f, n) for f, names in KNOWN.items() for n in names])
def test_damage_anywhere_is_refused_or_read(form: str, name: str) -> None:
    reader = BY_NAME[form]
    data = (RAW / name).read_bytes()
    settings = SETTINGS.get(form, {})
    bear(reader.knows, lambda hurt: reader.runs(hurt, settings), data, trials=25)


def test_damage_to_published_outputs_is_refused_or_read() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("no published samples beside this checkout")
    reader = BY_NAME["fio-json"]
    for path in sorted(SAMPLES.iterdir()):
        bear(reader.knows, lambda hurt: reader.runs(hurt, {}), path.read_bytes(), trials=10)


def test_damage_to_a_bundle_is_refused_or_read() -> None:
    whole = {p.name: p.read_bytes() for p in (RAW / "logs.json", *RAW.glob("log_*.log"))}
    for name, data in whole.items():
        bear(
            lambda hurt, name=name: BUNDLES[0].knows({**whole, name: hurt}),  # type: ignore[misc]
            lambda hurt, name=name: BUNDLES[0].runs({**whole, name: hurt}, {}),  # type: ignore[misc]
            data,
            trials=6,
        )
    for found in BUNDLES[0].runs(whole, {}):
        check(found)


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
