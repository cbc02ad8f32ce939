"""What a result file of the Phoronix Test Suite gives, and what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from collectors.phoronix import READERS, scales
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Doubt, Measurement, Status
from sitegen.redact import Redactor
from tests.collectors.damage import bear, check

RAW = Path(__file__).parents[2] / "raw" / "phoronix"
[READER] = READERS
NONE: Mapping[str, str] = {}
HOST, GUEST = {"system": "host"}, {"system": "guest SNP"}


def data(name: str = "two-systems") -> bytes:
    return (RAW / f"{name}.xml").read_bytes()


def read(content: bytes, settings: Mapping[str, str] = NONE) -> Reading:
    assert READER.knows(content)
    [reading] = READER.runs(content, settings)
    return reading


def rows(reading: Reading, workload: str) -> list[Measurement]:
    return [row for row in reading.measurements if row.workload == workload]


def facts(reading: Reading) -> dict[str, str | None]:
    return {fact.name: fact.value for fact in reading.facts}


def doubts(reading: Reading) -> dict[str, str]:
    return {about: sentence for kind, sentence, about in reading.doubts if kind == "inconsistent"}


def test_repetitions_are_rows_in_base_units_with_the_digits_as_printed() -> None:
    three = rows(read(data(), HOST), "compress-zstd-compression-level-3-compression-speed")
    assert [row.value for row in three] == [2510.4e6, 2525.1e6, 2525.5e6]
    assert [row.printed for row in three] == ["2510.4", "2525.1", "2525.5"]
    assert [row.repetition for row in three] == [0, 1, 2]
    assert {row.unit for row in three} == {"B/s"}


def test_the_file_defines_its_metrics() -> None:
    reading = read(data(), HOST)
    kernel = next(d for d in reading.definitions if "build-linux-kernel" in d.id)
    assert (kernel.title, kernel.unit, kernel.better) == (
        "Timed Linux Kernel Compilation", "s", "lower",
    )  # fmt: skip
    assert "pts/build-linux-kernel-1.16.0" in kernel.definition
    redis = read(data("one-system")).definitions[0]
    assert (redis.title, redis.unit, redis.better) == (
        "Redis, Requests Per Second", "1/s", "higher",
    )  # fmt: skip


def test_a_scale_that_is_not_known_stays_as_it_is_printed() -> None:
    reading = read(data(), HOST)
    himeno = next(d for d in reading.definitions if "himeno" in d.id)
    assert himeno.unit == "MFLOPS"
    assert "kept in it" in himeno.definition
    assert rows(reading, "himeno-poisson-pressure-solver")[0].value == 6001.1


def test_unlike_configurations_never_meet() -> None:
    fine = rows(read(data(), HOST), "himeno-poisson-pressure-solver")[0]
    for old, new in (
        (b"<AppVersion>3.0<", b"<AppVersion>3.1<"),
        (b"pts/himeno-1.3.0", b"pts/himeno-1.4.0"),
        (b"Poisson Pressure Solver", b"Poisson Pressure Solver, large"),
        (b"<Arguments></Arguments>", b"<Arguments>-n 4</Arguments>"),
    ):
        other = rows(read(data().replace(old, new), HOST), fine.workload)
        keys = {(row.workload, row.metric, row.params) for row in other}
        assert (fine.workload, fine.metric, fine.params) not in keys, new


def test_a_value_that_is_not_the_mean_of_its_repetitions_is_doubted() -> None:
    workload = "compress-zstd-compression-level-19-compression-speed"
    assert doubts(read(data(), HOST)) == {}
    assert doubts(read(data(), GUEST)) == {
        workload: "the mean of its 3 repetitions is 16.4, and is printed as 17.9"
    }


def test_the_best_of_several_is_called_that() -> None:
    assert "which is the largest of them" in next(iter(doubts(read(data("one-system"))).values()))


def test_a_mean_may_be_rounded_and_so_may_its_repetitions() -> None:
    # (18.4 + 18.5 + 18.4) / 3 = 18.43, printed as 18.4
    for printed, doubted in ((b"18.4", False), (b"18.5", False), (b"18.6", True)):
        content = data().replace(b"<Value>18.4<", b"<Value>" + printed + b"<")
        assert bool(doubts(read(content, HOST))) == doubted, printed


def test_a_value_without_repetitions_stands_alone() -> None:
    [row] = rows(read(data(), HOST), "openssl-algorithm-rsa4096")
    assert (row.value, row.unit, row.printed) == (31980.5, "1/s", "31980.5")


def test_a_test_that_failed_is_recorded_as_failed() -> None:
    reading = read(data(), GUEST)
    [row] = rows(reading, "openssl-algorithm-rsa4096")
    assert (row.value, row.status) == (None, Status.FAILED)
    assert "What has no number is recorded as failed." in reading.notes


def test_repetitions_that_are_no_numbers_are_doubted_and_the_value_is_kept() -> None:
    content = data().replace(b"6001.1:6020.8:6015.0", b"6001.1:x:6015.0")
    reading = read(content, HOST)
    assert [r.value for r in rows(reading, "himeno-poisson-pressure-solver")] == [6012.3]
    assert "no numbers" in doubts(reading)["himeno-poisson-pressure-solver"]


@pytest.mark.parametrize(
    "form", ["LINE_GRAPH", "PASS_FAIL", "MULTI_PASS_FAIL", "IMAGE_COMPARISON", "BAR_ANALYZE_GRAPH"]
)
def test_what_is_no_bar_of_numbers_is_left_out_and_counted(form: str) -> None:
    reading = read(data().replace(b">LINE_GRAPH<", f">{form}<".encode()), HOST)
    assert any(f"1 of {form}" in note and "1 of time and size" in note for note in reading.notes)
    assert not any("monitor" in row.workload for row in reading.measurements)


def test_several_systems_are_refused_with_their_names() -> None:
    with pytest.raises(SitegenError, match="'host', 'guest SNP'") as caught:
        READER.runs(data(), NONE)
    assert "--set system=NAME" in (caught.value.fix or "")
    with pytest.raises(SitegenError, match="no system 'nowhere'"):
        READER.runs(data(), {"system": "nowhere"})


def test_all_systems_of_one_environment_are_a_run_each() -> None:
    every = READER.runs(data(), {"system": "all"})
    assert every == (read(data(), HOST), read(data(), GUEST))


def test_a_system_that_is_called_all_is_meant_where_there_is_one() -> None:
    content = data().replace(b"<Identifier>host<", b"<Identifier>all<")
    [reading] = READER.runs(content, {"system": "all"})
    assert reading.measurements == read(data(), HOST).measurements


def test_each_system_is_a_run_of_its_own_machine_and_time() -> None:
    host, guest = read(data(), HOST), read(data(), GUEST)
    assert (host.started_at, guest.started_at) == ("2026-09-01T08:30:00Z", "2026-09-02T09:45:10Z")
    assert host.tool == guest.tool
    assert host.tool is not None
    assert host.tool.version == "10.8.4"
    assert {row.metric for row in guest.measurements} == {row.metric for row in host.measurements}
    machines = [
        {p.value for p in one.parameters if p.name == "machine in the file"}
        for one in (host, guest)
    ]
    assert machines[0] != machines[1]
    assert "machine in the file" not in {p.name for p in read(data("one-system")).parameters}


def test_what_the_suite_saw_of_a_machine_are_facts() -> None:
    host, guest = facts(read(data(), HOST)), facts(read(data(), GUEST))
    expected = {
        "cpu": "AMD EPYC 9354 32-Core",
        "cpus": "128",
        "sockets": "2",
        "threads_per_core": "2",
        "memory": "768.0 GiB",
        "kernel": "Linux 6.8.0-79",
        "architecture": "x86_64",
        "file_system": "ext4",
        "governor": "performance",
        "frequency_driver": "acpi-cpufreq",
        "boost": "1",
        "microcode": "0xa101148",
        "huge_pages": "madvise",
        "vulnerable_to": "retbleed",
        "highest_frequency": "3.80 GHz",
        "os": "Ubuntu 24.04",
    }
    assert {name: host[name] for name in expected} == expected
    assert re.fullmatch(r"[0-9a-f]{12}, 2 of 6 mitigated", host["mitigations"] or "")
    # A guest's processor has no frequency in its name, and is the same one.
    assert guest["cpu"] == host["cpu"]
    assert (guest["hypervisor"], guest["virtualisation"], guest["cpus"]) == ("KVM", "kvm", "8")
    other = facts(read(data("one-system")))
    assert (other["container"], other["memory"]) == ("docker", "16.0 GiB")


def test_compilers_are_told_and_cost_a_caveat() -> None:
    settings = {p.name: p for p in read(data(), GUEST).parameters}
    for name, value in (
        ("compiler", "GCC 13.3.0"),
        ("compiled by", "gcc -O3 -pthread -lz"),
        ("environment variables", "CFLAGS=-O3 CXXFLAGS=-O3"),
    ):
        assert (settings[name].value, settings[name].comparability) == (
            value, Comparability.CAVEAT,
        )  # fmt: skip


def test_two_machines_of_one_name_are_doubted_and_share_what_both_say() -> None:
    content = data().replace(b"<Identifier>guest SNP<", b"<Identifier>host<")
    reading = read(content)
    assert any(kind == Doubt.NOT_STATED for kind, _, _ in reading.doubts)
    assert "cpus" not in facts(reading)
    assert facts(reading)["os"] == "Ubuntu 24.04"
    # Values of both are there, as the repetitions that they seem to be.
    assert len(rows(reading, "build-linux-kernel-build-defconfig")) == 6


def test_who_ran_it_is_no_fact_and_is_redacted() -> None:
    content = data("one-system")
    assert b"carol" in content
    reading = read(content)
    assert not any("carol" in str(part) for part in (reading.facts, reading.parameters))
    assert b"carol" not in Redactor().data(content)
    assert read(Redactor().data(content)).measurements == reading.measurements


# What is hostile


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "definition",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!doctype x><!ENTITY % y SYSTEM "http://127.0.0.1/y">',
    ],
)
def test_what_defines_anything_is_refused_before_it_is_parsed(
    encoding: str, definition: str
) -> None:
    text = data("one-system").decode()
    text = text.replace('<?xml version="1.0"?>', f'<?xml version="1.0"?>{definition}', 1)
    content = text.encode(encoding)
    assert READER.knows(content)
    with pytest.raises(SitegenError, match="defines a document type or entities"):
        READER.runs(content, NONE)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_reads_alike_in_every_encoding(encoding: str) -> None:
    content = data("one-system").decode().encode(encoding)
    assert read(content).measurements == read(data("one-system")).measurements


def test_other_encodings_are_refused() -> None:
    declared = data("one-system").replace(b'"1.0"?>', b'"1.0" encoding="cp037"?>')
    with pytest.raises(SitegenError, match="encoding cp037"):
        READER.runs(declared, NONE)
    latin = data("one-system").replace(b"Redis<", b"Red\xefs<")
    with pytest.raises(SitegenError, match="not UTF-8 at byte"):
        READER.runs(latin, NONE)
    stated = latin.replace(b'"1.0"?>', b'"1.0" encoding="ISO-8859-1"?>')
    assert read(stated).definitions[0].title.startswith("Red\xefs")


def test_an_entity_that_nobody_defines_is_an_error_and_not_its_name() -> None:
    with pytest.raises(SitegenError, match="undefined entity"):
        READER.runs(data("one-system").replace(b"Redis<", b"Redis &lol;<"), NONE)


def test_what_is_nested_too_deeply_or_holds_too_much_is_refused() -> None:
    deep = b"<x>" * 100 + b"</x>" * 100
    with pytest.raises(SitegenError, match="levels deep"):
        READER.runs(data("one-system").replace(b"<Data>", deep + b"<Data>", 1), NONE)
    many = b"<x/>" * 1_000_001
    with pytest.raises(SitegenError, match="tags"):
        READER.runs(data("one-system").replace(b"<Data>", many + b"<Data>", 1), NONE)
    result = data().partition(b"<Result>")[2].partition(b"</Result>")[0]
    results = b"<Result>" + result + b"</Result>"
    with pytest.raises(SitegenError, match="results, and 5,000 at most"):
        READER.runs(data().replace(b"<Result>", results * 5_000 + b"<Result>", 1), HOST)


def test_a_number_beyond_all_measure_is_refused() -> None:
    for digits in (b"9" * 400, b"1e400", b"nan", b"Infinity"):
        content = data("one-system").replace(b"<Value>5.312<", b"<Value>" + digits + b"<")
        content = content.replace(b"<RawString>5.401:5.310:5.225<", b"<RawString><")
        try:
            [reading] = READER.runs(content, NONE)
        except SitegenError:
            continue
        [row] = rows(reading, "system-sockperf-test-latency-ping-pong")
        assert row.status == Status.FAILED


def test_long_texts_are_cut_and_still_told_apart() -> None:
    one, other = (
        read(data("one-system").replace(b"ping-pong<", b"-x " * 900 + end + b"<"))
        for end in (b"a", b"b")
    )
    check(one)
    assert one.measurements[-1].params != other.measurements[-1].params


def test_five_thousand_results_take_seconds_at_most() -> None:
    result = data("one-system").partition(b"<Result>")[2].partition(b"</Result>")[0]
    parts = (
        b"<Result>" + result.replace(b"redis-1.4.0", b"redis-1.4.%d" % n) + b"</Result>"
        for n in range(4_990)
    )
    content = data("one-system").replace(b"<Result>", b"".join(parts) + b"<Result>", 1)
    began = time.process_time()
    reading = read(content)
    assert len(reading.definitions) > 4_000
    assert time.process_time() - began < 5  # seconds, of a machine that others use too


def many(systems: int, results: int) -> bytes:
    """Return a file in which each of many systems has a value of each of many results."""
    entry = "<Entry><Identifier>s%d</Identifier><Value>%d</Value></Entry>"
    entries = "".join(entry % (n, n + 1) for n in range(systems))
    result = f"<Result><Identifier>t%d</Identifier><Data>{entries}</Data></Result>"
    every = "".join(result % n for n in range(results))
    return f"<PhoronixTestSuite>{every}</PhoronixTestSuite>".encode()


def test_many_systems_take_no_longer_for_one_another() -> None:
    content = many(500, 20)
    began = time.process_time()
    readings = READER.runs(content, {"system": "all"})
    assert time.process_time() - began < 3  # seconds, of a machine that others use too
    assert [len(reading.measurements) for reading in readings] == [20] * 500


def test_more_systems_than_anybody_compares_are_read_one_by_one() -> None:
    content = many(501, 1)
    with pytest.raises(SitegenError, match=r"holds 501 systems.*--set system=NAME"):
        READER.runs(content, {"system": "all"})
    assert rows(read(content, {"system": "s7"}), "t0")[0].value == 8


@pytest.mark.parametrize("printed", ["1e999", "1e-999", "9" * 400])
def test_a_number_that_no_quantity_has_is_none(printed: str) -> None:
    content = data().replace(b"<Value>18.4<", f"<Value>{printed}<".encode())
    failed = [row for row in read(content, HOST).measurements if row.status == Status.FAILED]
    assert [row.value for row in failed] == [None]
    repeated = data().replace(b"6001.1:6020.8:6015.0", f"6001.1:{printed}:6015.0".encode())
    assert "no numbers" in doubts(read(repeated, HOST))["himeno-poisson-pressure-solver"]


@pytest.mark.parametrize(("name", "settings"), [("two-systems", HOST), ("one-system", NONE)])
def test_damage_costs_a_line(name: str, settings: Mapping[str, str]) -> None:
    bear(READER.knows, lambda hurt: READER.runs(hurt, settings), data(name), trials=80)


def test_other_files_of_the_suite_and_of_others_are_not_claimed() -> None:
    for content in (
        b"<?xml version='1.0'?><PhoronixTestSuite><Options/></PhoronixTestSuite>",
        b"<testsuite><Result><Data/></Result></testsuite>",
        b"<html><pre>PhoronixTestSuite</pre></html>",
        b"",
    ):
        assert not READER.knows(content)


@pytest.mark.parametrize(
    ("printed", "unit", "factor"),
    [
        ("Seconds", "s", 1), ("ms", "s", 1e-3), ("usec", "s", 1e-6), ("ns/op", "s", 1e-9),
        ("MB/s", "B/s", 1e6), ("MiB/s", "B/s", 2**20), ("Mbits/sec", "B/s", 125e3),
        ("Microseconds Per Op", "s", 1e-6), ("Bytes", "B", 1),
        ("Requests Per Second", "1/s", 1), ("IOPS", "1/s", 1), ("Frames Per Second", "1/s", 1),
        ("Tokens Per Second", "tokens/s", 1), ("MIPS", "MIPS", 1), ("Percent", "ratio", 0.01),
        # Neither says what one of them is.
        ("Mb/s", "Mb/s", 1), ("Mflops", "Mflops", 1), ("Score", "Score", 1), ("", "", 1),
    ],
)  # fmt: skip
def test_scales(printed: str, unit: str, factor: float) -> None:
    assert scales.scale_of(printed) == scales.Scale(unit, factor)
