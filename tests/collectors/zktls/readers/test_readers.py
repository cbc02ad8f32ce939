"""What holds for every reader: it knows its own form only, and no damage gives a wrong value."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.zktls.readers import CONTRACT, READERS
from sitegen.collect import Reader, Reading, Refused
from sitegen.errors import SitegenError
from sitegen.model import Params, check_time
from tests.collectors.damage import check

RAW = Path(__file__).parents[3] / "raw" / "zktls"
SAMPLES = Path(__file__).parents[5] / "shared" / "samples" / "zk"
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "risc0": {"statement": "rsa-2048-verify", "proof_mode": "core", "size": "256"},
    "sp1": {"statement": "fibonacci"},
    "zkevm-benchmark-workload": {"prover": "zisk", "proof_mode": "core", "cycle_kind": "total"},
    "zktls-bench": {"prover": "primus"},
}
#: What single files do not say.
OF_FILES: Mapping[str, Mapping[str, str]] = {"openvm/e2e.md": {"statement": "fibonacci"}}
FILES = {
    "contract/ok.jsonl": "zktls-contract",
    "zkvm-perf/results.csv": "zkvm-perf",
    "risc0/info.log": "risc0",
    "risc0/old.log": "risc0",
    "risc0/dev-mode.log": "risc0",
    "sp1/core.log": "sp1",
    "sp1/summary.log": "sp1",
    "sp1/groth16.log": "sp1",
    "zkevm/cases.json": "zkevm-benchmark-workload",
    "zkevm/one.json": "zkevm-benchmark-workload",
    "zkevm/executions.jsonl": "zkevm-benchmark-workload",
    "openvm/report.md": "openvm",
    "openvm/e2e.md": "openvm",
    "sp1-modes/wide.csv": "sp1-modes",
    "sp1-modes/rows.csv": "sp1-modes",
    "sp1-modes/stages.csv": "sp1-modes",
    "sp1-modes/executed.csv": "sp1-modes",
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


def answers(name: str) -> Mapping[str, str]:
    return OF_FILES.get(name) or ANSWERS.get(FILES[name], {})


def read(name: str, data: bytes) -> tuple[Reading, ...]:
    readings = reader(name).runs(data, answers(name))
    for one in readings:
        check(one)
        assert one.started_at == "" or check_time(one.started_at)
        assert all(row.value is None or row.value >= 0 for row in one.measurements)
    return readings


def values(readings: tuple[Reading, ...]) -> dict[Key, float | None]:
    rows = [row for one in readings for row in one.measurements]
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
            readings = read(name, whole[:end])
        except SitegenError:
            continue
        assert values(readings).items() <= values(read(name, whole)).items()


CSV, PRIMUS = "zkvm-perf/results.csv", "interactive/primus.csv"
CORE, INFO, ONE = "sp1/core.log", "risc0/info.log", "zkevm/one.json"
VM, WIDE, ROWS = "openvm/report.md", "sp1-modes/wide.csv", "sp1-modes/rows.csv"
DAMAGED = (
    (CSV, b"144000.0,0.04,20.0,12.5", b"1,0.04,20,fast", "line 2, core_prove_duration: 'fast' is"),
    (CSV, b",1800000,", b",1.8e6,", "line 2, cycles: '1.8e6' is not a whole number"),
    (CSV, b",144.0,", b",NaN,", "line 2, core_khz: 'NaN' is not a number"),
    (CSV, b",4200000,", b",-1,", "line 2, core_proof_size"),
    (CSV, b"90.0,1,", b"90.0,sp1,", "line 2: its cells do not stand under"),
    (CSV, b"sha256-100kb,sp1,", b"sha256-100kb,,", "line 2: '' cannot be made a name"),
    (CSV, b",,5120", b",1,2,5120", "line 2: it has 26 cells, the header has 25"),
    (PRIMUS, b"5210.734", b"slow", r"line 2, cost\(ms\): 'slow' is not a duration"),
    (PRIMUS, b"24162160", b"2e7", r"line 2, send_bytes\(B\): '2e7' is not a whole"),
    (PRIMUS, b"native", b"n\x07tive", "line 2, kind: .* is not a name"),
    (PRIMUS, b",104824", b"", "line 2: it has 9 cells, the header has 10"),
    (PRIMUS, b"send_bytes(B)", b"name", r"line 1: it has no column 'send_bytes\(B\)'"),
    (PRIMUS, b"request_size(B)", b"name", "two columns have the same name"),
    (PRIMUS, b"bandwith(Mbps)", b"speed", "it has no column 'bandwidth"),
    (PRIMUS, b"native", b'"native', "it is not CSV"),
    (CORE, b"7.46s", b"7.46", "line 12: '7.46' is not a duration"),
    (CORE, b"cycles: 9941", b"cycles: 9941\ncycles: 7", "line 9: another number"),
    (INFO, b"2621440", b"1621440", "line 4: more user cycles than in total"),
    (INFO, b"59.0434ms", b"59.0434", "line 1: '59.0434' is not a duration"),
    (INFO, b"2621440", b"9" * 26, "line 3"),
    (ONE, b"rpc_block_7", b"///", "case 1: '///' cannot be made a name"),
    (ONE, b'"success"', b'"other"', "proving: object contains unknown field other"),
    (ONE, b'"success": {', b'"crashed": {}, "success": {', "it is neither a success nor"),
    (ONE, b": 2000,", b": -5,", "proving_time_ms: expected int >= 0"),
    (ONE, b": 256,", b": 1.5,", "proof_size: expected int"),
    (ONE, b": 256,", b': 1, "execution_duration": 5,', "execution_duration: expected object"),
    (VM, b" 2,500 ", b" fast ", "fibonacci_program, total_proof_time_ms: 'fast' is not a duration"),
    (VM, b"| leaf |||||", b"| internal.0 |||||", "there are two tables of 'internal.0'"),
    (VM, b"| internal.0 |  4.25 |", b"| internal.0 |", "line 6: it is no line of the summary"),
    (VM, b"1,500,000 |", b"1.5e6 |", "fibonacci_program, cycles: '1.5e6' is not a whole number"),
    (VM, b"`execute_time_ms", b"`total_cycles", "line 16: it is no line of a stage, or stands"),
    (WIDE, b",2.5,", b",fast,", "line 2, core_prove_time_s: 'fast' is not a duration"),
    (WIDE, b",250000,", b",2.5e5,", "line 2, cycles: '2.5e5' is not a whole number"),
    (WIDE, b",260,8192", b",260", "line 2: it has 13 cells, the header has 14"),
    (ROWS, b",16s,", b",16,", "line 3, Prove Time: it has no unit; add --set time_unit=s"),
    (ROWS, b"rsa,core", b"rsa,mock", "line 3: its proofs are mock proofs"),
)


@pytest.mark.parametrize(("name", "old", "new", "message"), DAMAGED)
def test_what_is_wrong_is_named_by_its_place(
    name: str, old: bytes, new: bytes, message: str
) -> None:
    data = (RAW / name).read_bytes()
    assert old in data
    with pytest.raises(SitegenError, match=message):
        read(name, data.replace(old, new))


@pytest.mark.parametrize("name", [CSV, PRIMUS, "zkevm/one.json"])
def test_what_is_there_again_is_a_repetition(name: str) -> None:
    whole = (RAW / name).read_bytes()
    rest = whole.split(b"\n", 1)[1]
    again = b"[" + whole + b"," + whole + b"]" if "json" in name else whole + rest
    [once], [twice] = read(name, whole), read(name, again)
    repeated = {row._replace(repetition=1) for row in once.measurements}
    assert {*twice.measurements} == {*once.measurements} | repeated


@pytest.mark.skipif(not SAMPLES.exists(), reason="recorded samples are not here")
@pytest.mark.parametrize(
    ("sample", "form", "count", "times"),
    [
        ("tlsn-x86.csv", PRIMUS, 288, [18, 19, 20]),
        ("zisk-proving.json", "zkevm/one.json", 3, [20.72]),
    ],
)
def test_a_published_file_is_read(sample: str, form: str, count: int, times: list[float]) -> None:
    readings = reader(form).runs((SAMPLES / sample).read_bytes(), ANSWERS.get(FILES[form], {}))
    rows = [row for one in readings for row in one.measurements]
    assert len(rows) == count
    taken = [m.value for m in rows if m.metric in ("zktls.prove_time", "zktls.total_time")]
    assert taken[:3] == times


@pytest.mark.parametrize("name", [CSV, PRIMUS, CORE, INFO])
def test_a_last_line_without_an_end_may_be_cut_off(name: str) -> None:
    with pytest.raises(SitegenError, match="the last line does not end"):
        read(name, (RAW / name).read_bytes().removesuffix(b"\n"))


@pytest.mark.parametrize(
    ("name", "answers", "message"),
    [
        (INFO, {"proof_mode": "core"}, "does not say the statement; add --set statement="),
        (INFO, {"statement": "x"}, "does not say the proof mode"),
        (INFO, {**ANSWERS["risc0"], "prove_time": "soon"}, "--set prove_time: 'soon'"),
        (INFO, {"size": "big"}, "--set size: 'big' is not a size"),
        (PRIMUS, {}, "does not say the prover"),
        ("openvm/e2e.md", {}, "does not say the statement"),
        (VM, {"statement": "sha2"}, "the file says 'fibonacci_program', not 'sha2'"),
        (VM, {"prover_version": "1"}, "the file says '0123456789abcdef"),
        (WIDE, {"proof_mode": "core"}, "line 2, --set proof_mode: the file says the modes itself"),
        (ROWS, {"proof_mode": "core"}, "line 4|the file says"),
        (CORE, {}, "does not say the statement"),
        ("zkevm/one.json", {"prover": "zisk"}, "case 1: .* proof mode"),
        ("zkevm/cases.json", {"prover": "x", "proof_mode": "core"}, "case 1: .* cycle kind"),
    ],
)
def test_what_an_output_does_not_say_is_asked_for(
    name: str, answers: dict[str, str], message: str
) -> None:
    with pytest.raises(SitegenError, match=message):
        reader(name).runs((RAW / name).read_bytes(), answers)


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


@pytest.mark.parametrize("each", READERS, ids=lambda each: each.name)
def test_nesting_and_nothing_are_errors_or_nothing(each: Reader) -> None:
    for data in (b"", b"\n", b"[" * 100_000, b'{"a":' * 20_000, b"\x00" * 1000):
        each.knows(data)
        try:
            readings = each.runs(data, ANSWERS.get(each.name, {}))
        except SitegenError:
            continue
        assert not any(one.measurements for one in readings)


@pytest.mark.parametrize("field", ["accepted", "dev_mode"])
def test_a_recorded_session_needs_its_controls_as_a_live_one(field: str) -> None:
    whole = (RAW / "contract" / "ok.jsonl").read_bytes()
    with pytest.raises(Refused):
        CONTRACT.runs(whole.replace(f'"{field}":false'.encode(), f'"{field}":true'.encode(), 1), {})
    first, second = CONTRACT.runs(whole + whole, {})
    assert first == second
    assert {row.workload for row in first.measurements} == {"chacha20", "sha-256"}
