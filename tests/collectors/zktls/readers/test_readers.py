"""What holds for every reader: it knows its own form only, and no damage gives a wrong value."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.zktls.readers import READERS
from sitegen.collect import Reader, Reading
from sitegen.collect.installed import check_measurement
from sitegen.collect.settings import helps
from sitegen.errors import SitegenError
from sitegen.model import Params, check_time

RAW = Path(__file__).parents[3] / "raw" / "zktls"
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "risc0": {"statement": "rsa-2048-verify", "proof_mode": "core", "size": "256"},
    "sp1": {"statement": "fibonacci"},
    "proof-table": {"statement": "tls-record", "machine": "G1"},
    "zkevm-benchmark-workload": {"prover": "zisk", "proof_mode": "core", "cycle_kind": "total"},
    "zktls-bench": {"prover": "primus"},
}
FILES = {
    "contract/ok.jsonl": "zktls-contract",
    "zkvm-perf/results.csv": "zkvm-perf",
    "zkvm-perf/priority-second.csv": "zkvm-perf",
    "risc0/info.log": "risc0",
    "risc0/old.log": "risc0",
    "risc0/dev-mode.log": "risc0",
    "sp1/core.log": "sp1",
    "sp1/summary.log": "sp1",
    "sp1/groth16.log": "sp1",
    "proof-table/table.md": "proof-table",
    "zkevm/cases.json": "zkevm-benchmark-workload",
    "zkevm/one.json": "zkevm-benchmark-workload",
    "interactive/primus.csv": "zktls-bench",
    "interactive/tlsn-runtime.csv": "tlsnotary",
    "interactive/tlsn-phases.csv": "tlsnotary",
}
#: Not of these: an SP1 proof may end after each stage, and its summary has a time as well.
WHOLE = ("risc0/dev-mode.log", "sp1/groth16.log", "sp1/summary.log")
CUT = [name for name in FILES if name not in WHOLE]


Key = tuple[str, str, str, Params, int]


def reader(name: str) -> Reader:
    return next(each for each in READERS if each.name == FILES[name])


def read(name: str, data: bytes) -> tuple[Reading, ...]:
    found = reader(name).runs(data, ANSWERS.get(FILES[name], {}))
    for one in found:
        assert one.started_at == "" or check_time(one.started_at)
        for row in one.measurements:
            check_measurement(row)
            assert row.value is None or (math.isfinite(row.value) and row.value >= 0)
    return found


def values(found: tuple[Reading, ...]) -> dict[Key, float | None]:
    rows = [row for one in found for row in one.measurements]
    keyed = {(r.workload, r.metric, r.statistic, r.params, r.repetition): r.value for r in rows}
    assert len(keyed) == len(rows)  # no row contradicts another
    return keyed


@pytest.mark.parametrize("name", FILES)
def test_a_form_is_known_by_its_content_and_by_one_reader(name: str) -> None:
    data = (RAW / name).read_bytes()
    assert [each.name for each in READERS if each.knows(data)] == [FILES[name]]


def test_every_file_recorded_here_is_read() -> None:
    folders = {name.partition("/")[0] for name in FILES}
    there = {f"{folder}/{path.name}" for folder in folders for path in (RAW / folder).iterdir()}
    assert there == set(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if name != "risc0/dev-mode.log"])
def test_every_row_names_its_mode_and_no_two_are_the_same(name: str) -> None:
    for one in read(name, (RAW / name).read_bytes()):
        assert values((one,))
        for row in one.measurements:
            have = dict(row.params)
            if row.metric.startswith("zktls."):
                assert have["proof_mode"]
                assert have["statement"]
                assert have["prover"]
            if row.metric in ("zktls.proving_speed", "zktls.cycles"):
                assert have["cycle_kind"] in ("user", "total")
            if row.metric in ("zktls.proving_speed", "zktls.prove_time", "zktls.total_time"):
                assert have["time_scope"] in ("core", "compressed", "wrapped", "total")


@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_anywhere_near_its_end_gives_no_wrong_value(name: str) -> None:
    whole = (RAW / name).read_bytes()
    for end in range(max(0, len(whole) - 150), len(whole)):
        try:
            found = read(name, whole[:end])
        except SitegenError:
            continue
        assert values(found).items() <= values(read(name, whole)).items()


@given(st.data())
def test_a_changed_byte_is_an_error_or_a_reading(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    whole = bytearray((RAW / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for each in READERS:
        each.knows(bytes(whole))
    with contextlib.suppress(SitegenError):
        read(name, bytes(whole))


@given(st.binary(max_size=300))
def test_any_bytes_are_known_or_not_and_read_or_refused(data: bytes) -> None:
    for each in READERS:
        each.knows(data)
        with contextlib.suppress(SitegenError):
            each.runs(data, ANSWERS.get(each.name, {}))


@pytest.mark.parametrize("each", READERS, ids=lambda each: each.name)
def test_nesting_and_nothing_are_errors_or_nothing(each: Reader) -> None:
    for data in (b"", b"\n", b"[" * 100_000, b'{"a":' * 20_000, b"\x00" * 1000):
        each.knows(data)
        try:
            found = each.runs(data, ANSWERS.get(each.name, {}))
        except SitegenError:
            continue
        assert not any(one.measurements for one in found)


def test_readers_ask_with_a_line_of_help_each() -> None:
    assert len({each.name for each in READERS}) == len(READERS)
    for each in READERS:
        assert all(text and len(text) < 80 for text in helps(each.asks).values())
        assert set(ANSWERS.get(each.name, {})) <= set(helps(each.asks))
