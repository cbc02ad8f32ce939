"""What is read of a text: headers of every age, and tables whole and cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.sevenzip import header, output
from collectors.sevenzip.output import Side, Table
from sitegen.errors import SitegenError

RAW = Path(__file__).parents[2] / "raw" / "7z"


def text(name: str) -> str:
    return (RAW / f"{name}.out").read_text()


def tables(text: str) -> list[Table]:
    return list(output.tables(text))


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("p7zip-9.20", "9.20"),
        ("p7zip-16.02", "16.02"),
        ("p7zip-17.05", "17.05"),
        ("windows-19.00", "19.00 (x64)"),
        ("riscv-24.09", "24.09 (riscv64)"),
        ("windows-25.01", "25.01 (x64)"),
        ("mmt1", "26.02 (x64)"),
    ],
)
def test_the_version_is_that_of_the_7_zip_banner(name: str, version: str) -> None:
    [table] = tables(text(name))
    assert table.header.version == version
    assert next(header.versions(text(name))) == version


def test_a_package_that_calls_itself_p7zip_on_the_second_line_is_not_believed() -> None:
    output = text("mmt1").replace(
        "\n 64-bit", "\np7zip Version 16.02 (locale=C,Utf16=on,64 bits,2 CPUs Example (1))\n 64-bit"
    )
    output = output.replace("7-Zip (z) 26.02 (x64)", "7-Zip [64] 26.02")
    [table] = tables(output)
    assert table.header.version == "26.02"
    assert table.header.bits == "64"


def test_versions_of_forks_and_betas_keep_their_name() -> None:
    for banner, version in (
        ("7-Zip [64] 9.38 beta  Copyright (c) 1999-2014 Igor Pavlov", "9.38 beta"),
        ("7-Zip 22.01 ZS v1.5.5 R3 (x64) : Copyright (c)", "22.01 ZS v1.5.5 R3 (x64)"),
        ("7-Zip (a) [32] 16.02 : Copyright (c)", "16.02"),
    ):
        assert list(header.versions(banner)) == [version]


@pytest.mark.parametrize(
    ("name", "cpu", "cpus", "system"),
    [
        ("mmt1", "AMD EPYC", 2, "Linux 6.12.0"),
        ("p7zip-16.02", "Example CPU", 4, ""),
        ("p7zip-17.05", "", 1, ""),
        ("p7zip-9.20", "", 8, ""),
        ("riscv-24.09", "", 4, "Linux 6.6.66"),
        ("windows-19.00", "Example CPU @ 1.80GHz", 8, "Windows 10.0 18363"),
        ("windows-25.01", "Example CPU 16-Core Processor", 32, "Windows 10.0 26200"),
    ],
)
def test_the_header_tells_the_machine(name: str, cpu: str, cpus: int, system: str) -> None:
    [table] = tables(text(name))
    assert table.header.cpu == cpu
    assert table.header.cpus == cpus
    assert (table.header.kernel or table.header.system) == system


def test_the_kernel_is_its_numbers_and_hypervisors_have_their_usual_name() -> None:
    [table] = tables(text("riscv-24.09"))
    assert (table.header.machine, table.header.huge_pages) == ("riscv64", "always")
    assert table.header.compiler == "14.2.0 GCC 14.2.0"
    assert tables(text("mmt1"))[0].header.hypervisor == "kvm"
    assert tables(text("windows-25.01"))[0].header.hypervisor == "microsoft"


def test_a_row_and_the_averages_are_kept_as_printed() -> None:
    [table] = tables(text("mmt2-md20"))
    assert [row.bits for row in table.rows] == [18, 19, 20]
    assert table.rows[1].compress == Side("132", "9313", "12287", "13713")
    assert table.decompress == Side("112", "4727", "5314", "64824")
    assert table.total == Side("120", "6842", "8417")


def test_a_table_knows_its_passes_from_its_rows() -> None:
    assert tables(text("mmt2-md20"))[0].iterations == 1
    assert tables(text("iterations"))[0].iterations == 2
    assert tables(text("p7zip-17.05"))[0].iterations == 1  # 22 to 24 are all that fit
    [lost] = tables(text("riscv-24.09"))
    assert lost.iterations is None
    assert lost.rows_named == "22,23,25"


def test_several_tables_in_a_row_are_all_found_with_their_own_headers() -> None:
    output = "".join(text(name) for name in ("mmt1", "mmt2", "p7zip-16.02", "windows-19.00"))
    all_tables = tables(output)
    assert [table.threads for table in all_tables] == [1, 2, 2, 1]
    assert [table.header.cpus for table in all_tables] == [2, 2, 4, 8]
    assert [table.nth for table in all_tables] == [0, 0, 0, 0]


def test_tables_under_one_banner_are_counted() -> None:
    assert [(table.threads, table.nth) for table in tables(text("every-count"))] == [(1, 0), (2, 1)]


def test_frequencies_are_the_first_single_thread_line_and_the_pairs_by_thread_count() -> None:
    [table] = tables(text("mmt2"))
    assert table.header.frequencies_mhz == (3650, 3652, 3659, 3668, 3669, 3648, 3654)
    assert table.header.together == ((1, (100, 100)), (2, (130, 132)))
    [many] = tables(text("riscv-24.09"))
    assert many.header.together == ((2, (197, 199)), (4, (250, 255)))


@pytest.mark.parametrize(
    "line",
    [
        "CPU Freq: - - - - - - - - -",
        "CPU Freq: 64000000 - - - - - - - -",
        "CPU Freq: 32000000 21333333 12800000 32000000 64000000 85333333 128000000",
        "CPU Freq: 0 0 0",
    ],
)
def test_frequencies_of_a_coarse_clock_are_absent(line: str) -> None:
    output = text("p7zip-16.02").replace("CPU Freq: - - - - - - - - -", line)
    [table] = tables(output)
    assert table.header.frequencies_mhz == ()
    assert table.header.frequency_unusable


def test_the_cpus_are_those_that_7_zip_may_use() -> None:
    [table] = tables(text("taskset"))
    assert (table.header.cpus, table.header.all_cpus) == (1, 2)
    assert table.header.affinity == "1 / 2 : 1"


def test_options_that_change_the_work_are_kept_and_the_others_not() -> None:
    for name, options in (
        ("mmt1", ""), ("mmt2-md20", ""), ("windows-25.01", ""), ("every-count", ""),
        ("level-1", "x=1"), ("dictionary-3m", "d3m"),
    ):  # fmt: skip
        assert tables(text(name))[0].header.options == options


def test_a_table_that_stops_has_its_finished_rows_and_no_averages() -> None:
    [table] = tables(text("cut-off"))
    assert [row.bits for row in table.rows] == [22, 23, 24]
    assert table.compress is None


def test_the_last_row_of_a_text_is_not_believed_when_its_line_does_not_end() -> None:
    whole = text("mmt2-md20")
    cut = whole[: whole.index("5929") + 2]
    [table] = tables(cut)
    assert [row.bits for row in table.rows] == [18, 19]


@pytest.mark.parametrize("name", ["archive", "methods", "crc"])
def test_an_archive_and_tables_of_methods_and_checksums_are_none(name: str) -> None:
    assert tables(text(name)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("18:       7853    99", "18:       785399", "line 21: the row 18: has 7 numbers, not 8"),
        ("Avr:      7853    99", "Avr:      785399", "line 23: the Avr: row has 7 numbers"),
        ("Tot:             100", "Tot:    ", "line 24: the Tot: row has 2 numbers, not 3"),
    ],
)
def test_a_row_that_is_not_7_zips_is_refused_with_its_line(
    old: str, new: str, message: str
) -> None:
    with pytest.raises(SitegenError) as caught:
        list(output.tables(text("mmt1").replace(old, new)))
    assert message in str(caught.value)


def test_an_endless_log_is_refused() -> None:
    printed = text("mmt1") + "Avr:\n" * 100_001
    with pytest.raises(SitegenError, match="more than 100,000 lines"):
        list(output.tables(printed))
