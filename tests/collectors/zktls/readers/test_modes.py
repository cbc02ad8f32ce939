from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import columns, modes
from sitegen.collect import Reading, Refused
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "sp1-modes"
WIDE = (RAW / "wide.csv").read_bytes()
ROWS = (RAW / "rows.csv").read_bytes()
STAGES = (RAW / "stages.csv").read_bytes()
EXECUTED = (RAW / "executed.csv").read_bytes()


def read(data: bytes, **settings: str) -> Reading:
    [reading] = modes.MODES.runs(data, settings)
    return reading


def of(reading: Reading, metric: str, **about: str) -> dict[str, Measurement]:
    """Return the first rows of a metric by their proof mode."""
    rows: dict[str, Measurement] = {}
    for row in reading.measurements:
        pairs = dict(row.params)
        if row.metric == metric and about.items() <= pairs.items():
            rows.setdefault(pairs["proof_mode"], row)
    return rows


def times(data: bytes, **settings: str) -> dict[str, float | None]:
    proven = of(read(data, **settings), "zktls.prove_time")
    return {mode: row.value for mode, row in proven.items()}


def test_a_column_a_mode_is_a_series_a_mode() -> None:
    reading = read(WIDE)
    small = of(reading, "zktls.prove_time", statement="fibonacci", n="1000")
    assert {mode: row.value for mode, row in small.items()} == {
        "core": 2.5,
        "compressed": 7.25,
        "groth16": 48.5,
    }
    assert dict(small["groth16"].params)["time_scope"] == "wrapped"
    assert small["core"].printed == "2.5 s"
    sizes = of(reading, "zktls.proof_size", n="100000")
    assert [row.value for row in sizes.values()] == [9_900_000, 1_270_000, 260]
    speed = of(reading, "zktls.proving_speed", n="100000")["core"]
    assert (speed.value, speed.unit) == (5_000_000 / 20, "Hz")
    assert of(reading, "sp1.prover_gas", n="1000")["core"].value == 410_000


def test_what_is_not_measured_is_missing_and_not_0() -> None:
    assert set(of(read(WIDE), "zktls.prove_time", statement="sha2")) == {"core", "compressed"}


def test_rows_of_other_sizes_never_pool() -> None:
    assert {row.repetition for row in read(WIDE).measurements} == {0}


def test_a_row_a_mode_is_read_and_the_same_again_is_a_repetition() -> None:
    reading = read(ROWS)
    core = [
        row
        for row in reading.measurements
        if row.metric == "zktls.prove_time" and dict(row.params)["proof_mode"] == "core"
    ]
    assert [(row.value, row.repetition) for row in core] == [(16.0, 0), (20.0, 1)]
    assert of(reading, "zktls.prove_time")["groth16"].value == 80.0
    assert reading.tool is not None
    assert (reading.tool.name, reading.tool.version) == ("sp1", "5.0.8")


@pytest.mark.parametrize(
    ("column", "name"), [("SP1 Version", "prover_version"), ("git_commit", "commit")]
)
def test_rows_of_other_versions_or_commits_never_pool(column: str, name: str) -> None:
    data = ROWS.replace(b"SP1 Version", column.encode()).replace(
        b"200,true,5.0.8", b"200,true,5.1.0"
    )
    reading = read(data)
    assert {row.repetition for row in reading.measurements} == {0}
    values = [dict(row.params)[name] for row in reading.measurements if row.value in (16, 20)]
    assert values == ["5.0.8", "5.1.0"]
    assert reading.tool is not None
    assert reading.tool.version == ""
    assert name not in {each.name for each in reading.parameters}


def test_one_commit_of_all_rows_is_the_runs() -> None:
    reading = read(ROWS.replace(b"SP1 Version", b"Commit"))
    assert {each.name: each.value for each in reading.parameters} == {"commit": "5.0.8"}


def test_a_version_that_is_given_overrules_that_of_no_row() -> None:
    data = ROWS.replace(b"200,true,5.0.8", b"200,true,5.1.0")
    with pytest.raises(SitegenError, match=r"line 4.*the file says '5.1.0', not '5.0.8'"):
        read(data, prover_version="5.0.8")
    unsaid = read(ROWS.replace(b"200,true,5.0.8", b"200,true,"), prover_version="5.0.8")
    versions = {dict(row.params)["prover_version"] for row in unsaid.measurements}
    assert versions == {"5.0.8"}


def test_an_execution_has_no_proof_and_no_speed() -> None:
    executed = [
        row for row in read(ROWS).measurements if dict(row.params)["proof_mode"] == "execution"
    ]
    assert [row.metric for row in executed] == ["zktls.cycles"]
    reading = read(ROWS.replace(b"execute,4000000,,", b"execute,4000000,2s,"))
    assert "execution" not in of(reading, "zktls.prove_time")
    assert "rsa was only executed: what its row says of a proof is left out." in reading.notes


def test_what_was_executed_only_has_its_time_its_cycles_and_its_gas() -> None:
    rows = read(EXECUTED).measurements
    assert {row.metric for row in rows} == {"zktls.cycles", "sp1.prover_gas", "zktls.execute_time"}
    median = next(row for row in rows if row.metric == "zktls.execute_time")
    assert (median.statistic, median.value, median.printed) == ("p50", 0.0415, "41.5 ms")


def test_one_that_did_not_succeed_is_a_failed_row() -> None:
    reading = read(ROWS)
    row = of(reading, "zktls.prove_time")["plonk"]
    assert (row.value, row.status) == (None, Status.FAILED)
    assert reading.notes == ("rsa (plonk) did not succeed: false.",)


def test_stages_add_up_and_modes_do_not() -> None:
    assert times(STAGES) == {"core": 12.0, "compressed": 21.5, "groth16": 45.0}
    renamed = STAGES.replace(b"compress_ms", b"compressed_ms")
    renamed = renamed.replace(b"shrink_ms,wrap_ms", b"a_ms,b_ms")
    assert times(renamed) == {"core": 12.0, "compressed": 9.5, "groth16": 18.0}
    assert times(renamed, times="stages")["compressed"] == 21.5
    assert times(STAGES, times="whole")["compressed"] == 9.5


def test_a_proof_that_took_less_than_one_in_it_is_doubted() -> None:
    assert not read(STAGES).doubts
    [(kind, sentence, about)] = read(STAGES, times="whole").doubts
    assert (kind, about) == (Doubt.INCONSISTENT, "keccak")
    assert "the compressed proof took less time than the core one in it" in sentence


def test_without_one_stage_there_is_no_time() -> None:
    assert set(times(STAGES.replace(b",9500,", b",0,"))) == {"core"}


def test_a_unit_stands_in_the_name_in_the_cell_or_is_asked_for() -> None:
    bare = ROWS.replace(b",16s,310ms", b",16000,310")
    with pytest.raises(SitegenError, match="Prove Time: it has no unit; add --set time_unit=s"):
        read(bare)
    assert times(bare, time_unit="ms")["core"] == 16.0
    assert times(ROWS.replace(b"Prove Time", b"prove_time_s"))["core"] == 16.0


@pytest.mark.parametrize(
    ("name", "role", "of_", "statistic", "unit"),
    [
        ("Prove Time (s)", "prove_time", "", "value", "s"),
        ("core_prove_ms", "prove_time", "core", "value", "ms"),
        ("groth16", "prove_time", "groth16", "value", ""),
        ("exec_ms_median", "execute_time", "", "p50", "ms"),
        ("verify_time_avg_ms", "verify_time", "", "mean", "ms"),
        ("prove_time_min", "prove_time", "", "min", ""),  # the least, and no minute
        ("Proof Size (bytes)", "proof_size", "", "value", "bytes"),
        ("proof_size_kb", "", "", "value", "kb"),  # 1000 or 1024
        ("kHz", "speed", "", "value", "khz"),
        ("gas_used", "", "", "value", ""),  # of a block, and not SP1's
        ("core_count", "", "", "value", "count"),
    ],
)
def test_a_column_is_told_by_its_name(
    name: str, role: str, of_: str, statistic: str, unit: str
) -> None:
    [column] = columns.columns([name])
    assert (column.role, column.of, column.statistic, column.unit) == (role, of_, statistic, unit)


def test_a_speed_that_is_not_cycles_over_time_is_doubted() -> None:
    reading = read(ROWS.replace(b",250,true", b",2500,true"))
    [(kind, sentence, _)] = reading.doubts
    assert kind == Doubt.INCONSISTENT
    assert "its speed of 2,500,000 Hz is not cycles over proving time (core)" in sentence


def test_a_part_of_more_cycles_than_the_whole_is_doubted() -> None:
    assert not read(EXECUTED).doubts
    [(_, sentence, about)] = read(EXECUTED.replace(b",2400000", b",3400000")).doubts
    assert (sentence, about) == (
        "hash_cycles is more than the 3,290,000 cycles of the whole",
        "ecdsa",
    )


def test_two_columns_of_one_figure_that_differ_are_doubted() -> None:
    both = STAGES.replace(b"keccak,", b"keccak,12.5,").replace(b"benchmark,", b"benchmark,core_s,")
    [(_, sentence, _)] = read(both).doubts
    assert sentence == "core_ms contradicts another column of the same figure"


@pytest.mark.parametrize(
    "data",
    [
        ROWS.replace(b"rsa,core", b"rsa,Mock"),
        ROWS.replace(b"Speed (kHz)", b"prover").replace(b",250,", b",mock,"),
    ],
)
def test_mock_proofs_are_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="mock"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"mode,cycles,time_ms\nfast,1,2\ncore,1,2\n",
        b"circuit,mode,prove_time_s\nmerkle,groth16,2.5\nmerkle,plonk,4.5\n",
        b"benchmark,core_s,wall_s\na,1,2\n",
        b"n,constraints,prove_ms,verify_ms\n1,2,3,4\n",
        b"block,cycles,gas_used\n1,2,3\n",
    ],
)
def test_others_tables_are_not_claimed(data: bytes) -> None:
    assert not modes.MODES.knows(data)


def test_a_table_of_more_columns_than_anybody_writes_is_refused() -> None:
    names, cells = (",".join(f"{word}{n}" for n in range(20_000)) for word in ("c", ""))
    data = f"benchmark,cycles,prover_gas,{names}\na,1,2,{cells}\n".encode()
    assert modes.MODES.knows(data)
    with pytest.raises(SitegenError, match="it has 20,003 columns, and 200 at most are read"):
        read(data)


def test_a_table_of_more_rows_than_anybody_proves_is_refused() -> None:
    header, row, *_ = EXECUTED.splitlines(keepends=True)
    with pytest.raises(SitegenError, match="it has 20,001 rows, and 20,000 at most are read"):
        read(header + row * 20_001)
