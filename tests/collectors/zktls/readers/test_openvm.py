from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls.readers import openvm
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Status

RAW = Path(__file__).parents[3] / "raw" / "zktls" / "openvm"
REPORT = (RAW / "report.md").read_bytes()
E2E = (RAW / "e2e.md").read_bytes()


def read(data: bytes = REPORT, **settings: str) -> Reading:
    [reading] = openvm.OPENVM.runs(data, settings)
    return reading


def of(reading: Reading, metric: str, **about: str) -> dict[str, Measurement]:
    """Return the rows of a metric by their proof mode, or stage."""
    return {
        pairs.get("proof_mode") or pairs["stage"]: row
        for row in reading.measurements
        if row.metric == metric
        and about.items() <= (pairs := dict(row.params)).items()
        and row.statistic in ("value", about.get("statistic", "total"))
    }


def test_the_time_of_a_proof_is_that_of_its_stages_so_far() -> None:
    times = of(read(), "zktls.total_time")
    assert {mode: row.value for mode, row in times.items()} == {"core": 4.0, "compressed": 14.25}
    assert times["core"].printed == "4,000 ms"
    assert times["compressed"].printed is None
    times = of(read(E2E, statement="fib"), "zktls.total_time")
    values = {mode: row.value for mode, row in times.items()}
    assert values == {"core": 2.02, "compressed": 2.67, "halo2": 27.77}  # with 20 ms before
    assert dict(times["halo2"].params)["proof_system"] == "halo2"


def test_what_brackets_hold_is_no_value() -> None:
    plain = REPORT
    for part in (b"(+20 [+1.0%])", b"(+40 [+1.0%])", b"(-1 [-6.6%])"):
        assert part in plain
        plain = plain.replace(part, b"")
    assert read(plain).measurements == read().measurements


def test_a_comment_in_which_the_marks_of_colours_are_lost_reads_the_same() -> None:
    lost = REPORT.replace(b"<span style='color: green'>", b"").replace(b"</span>", b"")
    assert read(lost.replace(b"<span style='color: red'>", b"")).measurements == read().measurements


def test_the_program_has_its_parts_its_cycles_and_its_speed() -> None:
    rows = {row.metric: row for row in read().measurements}
    assert rows["zktls.execute_time"].value == 0.3
    assert rows["zktls.witness_time"].value == 0.8
    assert rows["zktls.prove_time"].value == 2.9
    assert rows["zktls.cycles"].value == 1_500_000
    assert rows["zktls.proving_speed"].value == pytest.approx(1_500_000 / 2.9)
    assert dict(rows["zktls.proving_speed"].params)["time_scope"] == "core"
    newer = {row.metric: row for row in read(E2E, statement="fib").measurements}
    assert newer["zktls.execute_time"].value == 0.02  # ran once: it has an average only
    assert newer["zktls.cycles"].value == 2_000_000


def test_what_nobody_waited_for_has_a_name_of_its_own() -> None:
    rows = [row for row in read().measurements if row.metric == "openvm.parallel_time"]
    assert [row.value for row in rows] == [2.5, 9.85]
    [last] = [
        row for row in read(E2E, statement="fib").measurements if "provers" in str(row.params)
    ]
    assert (last.value, dict(last.params)["provers"]) == (27.22, "4")
    assert {d.better for d in read().definitions} == {"none"}


def test_each_stage_has_its_times_and_only_several_proofs_have_a_spread() -> None:
    rows = [row for row in read().measurements if row.metric == "openvm.stage_time"]
    leaf = {row.statistic: row.value for row in rows if dict(row.params)["stage"] == "leaf"}
    assert leaf == {"total": 6.0, "mean": 3.0, "min": 2.9, "max": 3.1}
    [internal] = [row for row in rows if dict(row.params)["stage"] == "internal.0"]
    assert (internal.statistic, internal.value) == ("total", 4.25)


def test_an_execution_before_the_segments_is_of_the_total_and_of_its_line_or_not() -> None:
    """Newer reports add it to the line of the stage, older ones to the total only."""
    assert not read(E2E, statement="fib").doubts
    older = E2E.replace(b"|  2.02 |  1.22 |", b"|  2.00 |  1.20 |")
    assert not read(older, statement="fib").doubts
    neither = E2E.replace(b"|  27.77 |", b"|  27.50 |")
    assert read(neither, statement="fib").doubts


def test_a_total_of_what_nobody_waited_for_may_be_added_up_otherwise() -> None:
    reading = read(REPORT.replace(b"</span> 9.85", b"</span> 7.85"))
    [note] = reading.notes
    assert note.endswith("the stages took 9.85 s together, and the total is 7.85 s.")
    assert {row.status for row in reading.measurements} == {Status.OK}


def test_keys_are_set_up_and_no_part_of_a_proof() -> None:
    [setup] = [row for row in read().measurements if row.metric == "zktls.setup_time"]
    assert setup.value == 9.9
    assert not read().doubts  # the summary's total leaves them out, too


def test_the_foot_tells_the_version_and_the_machine() -> None:
    reading = read()
    assert reading.tool is not None
    assert reading.tool.version.startswith("0123456789abcdef")
    assert [(fact.name, fact.value) for fact in reading.facts] == [
        ("instance_type", "64cpu-linux-arm64")
    ]
    settings = {p.name: p.value for p in read(E2E, statement="fib").parameters}
    assert settings["max_segment_length"] == "4194204"
    assert settings["commit"].startswith("someone/benchmarks ")  # not OpenVM's version


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b"</span> 14.25", b"</span> 15.25", "the stages took 14.25 s together, and the total is"),
        (b"</span> 6.00", b"</span> 6.02", "leaf took 6 s by its table, 6.02 s above"),
        (b"|  2,500 |  1,500 |", b"|  2,500 |  2,400 |", "of fibonacci_program are not in that"),
        (
            b"_time_ms` |  3,500 |  3,500 ",
            b"_time_ms` |  3,500 |  4,500 ",
            "the parts of internal.0 took longer",
        ),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(
    old: bytes, new: bytes, sentence: str
) -> None:
    assert REPORT.count(old) == 1
    reading = read(REPORT.replace(old, new))
    kinds = {(kind, about) for kind, _, about in reading.doubts}
    assert kinds == {(Doubt.INCONSISTENT, "fibonacci_program")}
    assert sentence in reading.doubts[0][1]
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}


def test_without_the_table_of_a_stage_its_time_is_the_rounded_one() -> None:
    end = REPORT.index(b"| internal.0 |||||")
    reading = read(REPORT[:end])
    assert of(reading, "zktls.total_time")["compressed"].value == 14.25
    rounded = [sentence for kind, sentence, _ in reading.doubts if kind == Doubt.ROUNDED]
    assert "internal.0" in rounded[0]


def test_a_stage_that_is_not_known_is_a_proof_of_its_own_kind() -> None:
    reading = read(REPORT.replace(b"internal.0", b"fold.new"))
    assert set(of(reading, "zktls.total_time")) == {"core", "fold.new"}


def test_two_reports_in_one_file_are_refused() -> None:
    with pytest.raises(SitegenError, match="it holds 2 reports; import each"):
        read(REPORT + REPORT.replace(b"`total_proof_time_ms ` |  4,250", b"`other` |  4,250"))


@pytest.mark.parametrize(
    "data",
    [
        b"| Summary | Proof Time (s) |\n|---|---|\n| Total | 1 |\n",
        b"| Summary | Proof Time (s) |\n|---|---|\n",
        b"| Summary | Proof Time (s) |\n",
    ],
)
def test_a_summary_of_nothing_is_refused(data: bytes) -> None:
    assert openvm.OPENVM.knows(data)
    with pytest.raises(SitegenError, match="no stage of a proof"):
        read(data)
