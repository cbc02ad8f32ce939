"""What an imported log of ``7z b`` gives, and what is refused."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import sevenzip
from collectors.sevenzip import reader
from sitegen.collect import RawOutput, Reader, Reading, Step
from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Measurement, Status, params
from sitegen.redact import Redactor
from tests.collectors.damage import bear, check, values

RAW = Path(__file__).parents[2] / "raw" / "7z"
SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "7z"
READABLE = sorted(
    path for path in RAW.glob("*.out")
    if path.stem not in {"bad-option", "methods", "crc", "archive", "cut-off"}
)  # fmt: skip
NONE: Mapping[str, str] = {}


def data(name: str) -> bytes:
    return (RAW / f"{name}.out").read_bytes()


def read(content: bytes, settings: Mapping[str, str] = NONE) -> Reading:
    [reading] = reader.READER.runs(content, settings)
    return reading


def of(reading: Reading, metric: str, operation: str | None = "total") -> list[Measurement]:
    return [
        row
        for row in reading.measurements
        if row.metric == metric and dict(row.params).get("operation") == operation
    ]


def doubts(reading: Reading) -> dict[tuple[Doubt, str], str]:
    return {(kind, about): sentence for kind, sentence, about in reading.doubts}


def parameter(reading: Reading, name: str) -> str | None:
    return next((each.value for each in reading.parameters if each.name == name), None)


@pytest.mark.parametrize(("name", "threads", "bits"), [("mmt1", 1, 18), ("p7zip-16.02", 2, 22)])
def test_an_imported_table_meets_what_the_collector_makes_of_it(
    name: str, threads: int, bits: int
) -> None:
    step = Step(
        f"threads-{threads}", f"threads-{threads}", (), 1.0,
        params(threads=threads, dictionary=1 << bits),
    )  # fmt: skip
    collected = sevenzip.parse(step, RawOutput(stdout=data(name))).measurements
    assert read(data(name)).measurements == collected


def test_the_version_must_match_and_the_rest_of_the_build_is_a_caveat() -> None:
    reading = read(data("mmt1"))
    assert reading.tool is not None
    assert reading.tool.version == "26.02 (x64)"
    assert {each.name: (each.value, each.comparability) for each in reading.parameters} == {
        "iterations": ("1", Comparability.CAVEAT),
        "tool_version": ("26.02 (x64)", Comparability.MUST_MATCH),
        "compiler": ("12.2.0 GCC 12.2.0 : SSE2", Comparability.CAVEAT),
    }
    assert parameter(read(data("p7zip-16.02")), "bits") == "64"
    assert parameter(read(data("iterations")), "iterations") == "2"
    assert parameter(read(data("taskset")), "cpu_affinity") == "1 / 2 : 1"


def test_the_machine_is_told_without_what_identifies_it() -> None:
    reading = read(data("riscv-24.09"))
    assert {fact.name: fact.value for fact in reading.facts} == {
        "cpus": "4",
        "memory": "15.4 GiB",
        "kernel": "Linux 6.6.66",
        "architecture": "riscv64",
        "page_size": "4KB",
        "huge_pages": "always",
    }
    assert "example" not in repr(reading)
    assert "user@board" not in repr(reading)


def test_repeated_tables_are_repetitions_and_other_thread_counts_other_workloads() -> None:
    reading = read(data("mmt1") + data("mmt2") + data("mmt1"))
    rows = of(reading, "7z.rating")
    assert [(row.workload, row.repetition) for row in rows] == [
        ("threads-1", 0), ("threads-2", 0), ("threads-1", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (b"AMD EPYC", b"Example CPU", "more than one machine: AMD EPYC and Example CPU"),
        (b"24105 MB", b"12000 MB", "more than one machine: 24105 and 12000"),
        (b"26.02", b"25.01", "more than one build"),
    ],
)
def test_tables_of_two_machines_or_builds_are_refused(
    ours: bytes, theirs: bytes, message: str
) -> None:
    with pytest.raises(SitegenError, match=message) as caught:
        reader.READER.runs(data("mmt1") + data("mmt1").replace(ours, theirs), NONE)
    assert caught.value.where == "line 39"


def test_a_table_without_its_averages_is_refused_and_beside_others_left_out() -> None:
    with pytest.raises(SitegenError, match="line 15: 7-Zip was stopped before its table was done"):
        read(data("cut-off"))
    whole = data("mmt1")
    reading = read(whole + whole[: whole.index(b"18: ")])
    assert values(reading) == values(read(whole))
    assert "ends before its averages" in doubts(reading)[Doubt.CUT_OFF, ""]


def test_without_a_speed_in_the_averages_there_is_none() -> None:
    for name in ("p7zip-9.20", "p7zip-16.02", "windows-19.00"):
        assert not of(read(data(name)), "7z.speed", "compress")


def test_a_row_that_is_missing_makes_another_workload() -> None:
    reading = read(data("riscv-24.09"))
    assert {dict(row.params).get("rows") for row in reading.measurements} == {"22,23,25"}
    whole = read(data("windows-25.01"))
    assert {dict(row.params).get("rows") for row in whole.measurements} == {None}


def test_a_reduced_dictionary_is_that_of_the_rows_and_is_noted() -> None:
    reading = read(data("p7zip-17.05"))
    assert {dict(row.params)["dictionary"] for row in reading.measurements} == {str(1 << 24)}
    assert any("reduced the dictionary to 24" in note for note in reading.notes)


def test_options_that_change_the_work_make_another_workload() -> None:
    assert dict(of(read(data("level-1")), "7z.rating")[0].params)["options"] == "x=1"
    assert dict(of(read(data("dictionary-3m")), "7z.rating")[0].params)["options"] == "d3m"


def test_a_table_cut_off_before_its_total_has_its_averages() -> None:
    whole = data("mmt1")
    reading = read(whole[: whole.index(b"Tot:")])
    assert {dict(row.params).get("operation") for row in reading.measurements} == {
        "compress", "decompress", None,
    }  # fmt: skip
    assert list(doubts(reading)) == [(Doubt.CUT_OFF, "threads-1")]


def test_averages_over_several_thread_counts_are_left_out_for_the_rows() -> None:
    # 7z b -mmt=*: the second Avr: goes over both tables.
    reading = read(data("every-count"))
    assert [row.workload for row in of(reading, "7z.rating")] == ["threads-1"]
    rows = [row for row in reading.measurements if row.workload == "threads-2-rows"]
    assert [row.value for row in rows if row.metric == "7z.rating"] == [14622, 9608]
    assert "other thread counts" in doubts(reading)[Doubt.INCONSISTENT, "threads-2-rows"]


@pytest.mark.parametrize(
    ("usage", "status"), [("98", Status.OK), ("97", Status.OK), ("96", Status.SUSPECT)]
)
def test_one_thread_that_did_not_have_a_cpu_is_suspect(usage: str, status: Status) -> None:
    text = data("p7zip-17.05").decode().replace(" 98 ", f" {usage} ")
    reading = read(text.encode())
    assert {row.status for row in reading.measurements} == {status}


def test_taskset_on_an_old_version_is_told_by_its_usage() -> None:
    # p7zip counts all CPUs and starts a thread for each: one CPU's worth is what they got.
    text = data("p7zip-16.02").decode().replace("190 ", " 99 ").replace("199 ", " 99 ")
    reading = read(text.encode())
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert any("99 % of a CPU" in note for note in reading.notes)
    # Newer ones know: one CPU to use, one thread.
    assert {row.status for row in read(data("taskset")).measurements} == {Status.OK}


def test_threads_that_share_too_few_cpus_before_the_benchmark_are_doubted() -> None:
    message = doubts(read(data("mmt2")))[Doubt.INCONSISTENT, ""]
    assert message.startswith("2 threads together got 130 % and 132 % of a CPU on 2 CPUs")
    message = doubts(read(data("riscv-24.09")))[Doubt.INCONSISTENT, ""]
    assert message.startswith("4 threads together got 250 % and 255 % of a CPU on 4 CPUs")
    assert not read(data("windows-25.01")).doubts
    one_cpu = data("mmt2").replace(b"threads:   2", b"threads:   1")
    assert (Doubt.INCONSISTENT, "") not in doubts(read(one_cpu))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Tot:             100   5352   5331", "Tot:             100   5352   5311",
         "Tot: total rating is 5311, the mean of the Avr: row 5330"),
        ("Avr:      7853    99   7045   6997", "Avr:      7853    99   7045   9697",
         "Avr: compress rating is 9697, the mean of the rows 6997"),
    ],
)  # fmt: skip
def test_averages_that_are_not_are_told_kept_and_out_of_verdicts(
    old: str, new: str, message: str
) -> None:
    reading = read(data("mmt1").decode().replace(old, new).encode())
    assert message in doubts(reading)[Doubt.INCONSISTENT, "threads-1"]
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}


def test_a_row_whose_rating_is_not_that_of_its_usage_is_told() -> None:
    text = data("mmt2-md20").decode().replace("116   7808   9088", "116   7808   9288")
    reading = read(text.encode())
    assert (
        "row 18: compress says 9288 MIPS, 7808 at 116 % are 9057"
        in (doubts(reading)[Doubt.INCONSISTENT, "threads-2"])
    )


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_real_and_written_tables_agree_with_themselves(path: Path) -> None:
    for reading in reader.READER.runs(path.read_bytes(), NONE):
        check(reading)
        assert len(values(reading)) == len(reading.measurements)
        message = " ".join(sentence for _, sentence, _ in reading.doubts)
        assert "mean of" not in message
        assert "MIPS" not in message


def test_a_log_of_something_else_that_unpacked_an_archive_is_not_ours() -> None:
    assert not reader.knows(data("archive"))
    assert not reader.knows(data("archive") + b"\n| model | size | test | t/s |\n" * 200)
    assert not reader.knows(b"7-Zip is a fine program. Its Rating is high.\n")


def test_averages_without_rows_have_no_dictionary() -> None:
    output = re.sub(rb"18: .*\n", b"", data("mmt1"))
    with pytest.raises(SitegenError, match="line 15: the rows above Avr: are missing"):
        reader.READER.runs(output, NONE)


def test_a_table_without_its_header_asks_for_the_threads() -> None:
    output = data("mmt1")
    bare = output[output.index(b"       Compressing") :]
    assert reader.knows(bare)
    with pytest.raises(SitegenError, match="does not say its threads; add --set threads=N"):
        reader.READER.runs(bare, NONE)
    reading = read(bare, {"threads": "1", "version": "26.02 (x64)"})
    assert {m for m in values(reading) if m[1] != "7z.cpu_frequency"} == {
        m for m in values(read(output)) if m[1] != "7z.cpu_frequency"
    }
    assert parameter(reading, "tool_version") == "26.02 (x64)"
    assert parameter(read(bare, {"threads": "1"}), "tool_version") == "unknown"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": "2"}, "the file says '1', not '2'"),
        ({"version": "24.09"}, "the file says '26.02 (x64)'"),
        ({"threads": "two"}, "--set threads"),
        ({"threads": "0"}, "--set threads"),
        ({"threads": "999999999999"}, "--set threads"),
        ({"version": "new"}, "--set version"),
    ],
)
def test_a_setting_never_overrules_the_output(settings: Mapping[str, str], message: str) -> None:
    with pytest.raises(SitegenError, match=re.escape(message)):
        reader.READER.runs(data("mmt1"), settings)


def test_no_threads_at_all_is_refused() -> None:
    output = data("mmt1").replace(b"threads:      1", b"threads:      0")
    with pytest.raises(SitegenError, match="the table has 0 threads"):
        reader.READER.runs(output, NONE)


@pytest.mark.parametrize("form", ["utf-16", "utf-8-sig", "crlf", "html", "markdown", "log"])
def test_a_log_is_read_as_people_keep_it(form: str) -> None:
    text = data("mmt2-md20").decode()
    kept = {
        "utf-16": text.encode("utf-16"),
        "utf-8-sig": text.encode("utf-8-sig"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "html": b"<html><body><pre>" + text.replace("\n", "<br>").encode() + b"</pre></body>",
        "markdown": f"## Our board\n```\n$ 7zz b\n{text}```\nNice.\n".encode(),
        "log": "".join(
            f"2025-01-31T12:00:0{n % 10}.123Z {line}\n" for n, line in enumerate(text.split("\n"))
        ).encode(),
    }[form]
    assert reader.knows(kept)
    assert values(read(kept)) == values(read(text.encode()))


@given(st.lists(st.sampled_from(["mmt1", "mmt2", "mmt2-md20"]), min_size=1))
def test_every_table_of_a_log_is_in_the_run_once(names: list[str]) -> None:
    run = read(b"".join(data(name) for name in names))
    assert len(of(run, "7z.rating")) == len(names)
    assert len(values(run)) == len(run.measurements)


@pytest.mark.parametrize("path", sorted(RAW.glob("*.out")), ids=lambda path: path.stem)
def test_damage_is_borne(path: Path) -> None:
    bear(reader.knows, lambda hurt: reader.READER.runs(hurt, NONE), path.read_bytes())


@pytest.mark.parametrize(
    "hostile",
    [
        b"7-Zip (" * 300_000,
        b"7-Zip 1.1" + b" " * 2_000_000,
        (b" " * 39 + b"Avr: ") * 50_000,
        b"RAM usage: # Benchmark threads: 1\n" * 60_000,
        b"Dict Speed\n" + b"22: 1 1 1 1 | 1 1 1 1\n" * 99_000,
        b"7-Zip 1.1 Copyright\nRAM usage: 1 # Benchmark threads: 1\n" * 9_000,
        b"7-Zip 1.1 Copyright\n"
        + b"m " * 1_000_000
        + b"\nRAM usage: 1 MB # Benchmark threads: 1\n",
    ],
    ids=range(7),
)
def test_hostile_text_costs_little(hostile: bytes) -> None:
    began = time.process_time()
    reader.knows(hostile)
    with contextlib.suppress(SitegenError):
        reader.READER.runs(hostile, NONE)
    assert time.process_time() - began < 10


def _installed() -> list[Reader]:
    return [each for _, each in forms().readers]


def _samples() -> list[Path]:
    return sorted(SAMPLES.glob("*")) if SAMPLES.is_dir() else []


@pytest.mark.parametrize("path", [*READABLE, *_samples()], ids=lambda path: path.stem)
def test_what_redaction_leaves_reads_the_same(path: Path) -> None:
    content = path.read_bytes()
    kept = Redactor({"host name": ["Pi5", "odroid"]}).data(content)
    assert [values(run) for run in reader.READER.runs(kept, NONE)] == [
        values(run) for run in reader.READER.runs(content, NONE)
    ]


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_one_installed_reader_knows_a_log_and_no_other(path: Path) -> None:
    content = path.read_bytes()
    assert [each.name for each in _installed() if each.knows(content)] == ["7z-benchmark"]


@pytest.mark.parametrize("path", _samples(), ids=lambda path: path.stem)
def test_a_published_log_is_known_and_may_hold_another_tools(path: Path) -> None:
    content = path.read_bytes()
    names = {each.name for each in _installed() if each.knows(content)}
    assert names - {"sysbench-cpu"} == {"7z-benchmark"}
    assert ("sysbench-cpu" in names) == (b"sysbench cpu" in content)


def test_published_outputs_of_other_people_are_read_whole() -> None:
    paths = _samples()
    if not paths:
        pytest.skip("no published samples beside this checkout")
    for path in paths:
        content = path.read_bytes()
        [run] = reader.READER.runs(content, NONE)
        check(run)
        assert len(values(run)) == len(run.measurements)
        assert {dict(row.params)["dictionary"] for row in run.measurements} == {str(1 << 25)}
        # Another way to the same figures: every Tot: and Avr: of the file, by its words.
        text = re.sub(r"<[^>]*>", "\n", content.decode().replace("&nbsp;", " "))
        totals = [line.split() for line in text.split("\n") if line.startswith("Tot:")]
        assert [[row.printed for row in of(run, metric)] for metric in (
            "7z.cpu_usage", "7z.rating_per_usage", "7z.rating",
        )] == [[words[place] for words in totals] for place in (1, 2, 3)]  # fmt: skip
        bear(reader.knows, lambda hurt: reader.READER.runs(hurt, NONE), content, trials=30)
