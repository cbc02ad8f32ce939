"""What an output of YABS gives: runs of fio, iperf3 and Geekbench, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from collectors.yabs import READERS
from collectors.yabs.output import output_in
from sitegen.collect import Reading
from sitegen.collect.installed import forms
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, params
from tests.collectors.damage import bear, values

RAW = Path(__file__).parents[2] / "raw" / "yabs"
[READER] = READERS
NONE: Mapping[str, str] = {}


def text(**replaced: str) -> str:
    content = (RAW / "whole.txt").read_text()
    for old, new in replaced.items():
        assert old in content
        content = content.replace(old, new)
    return content


def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RAW / "whole.json").read_text())
    return content


def read(content: str | dict[str, Any]) -> dict[str, Reading]:
    data = (content if isinstance(content, str) else json.dumps(content)).encode()
    assert READER.knows(data)
    return {reading.benchmark or "geekbench": reading for reading in READER.runs(data, NONE)}


def swapped(old: str, new: str) -> str:
    content = (RAW / "whole.txt").read_text()
    assert old in content
    return content.replace(old, new)


def fio(reading: Reading, block: int, direction: str) -> dict[str, Measurement]:
    return {
        row.metric: row
        for row in reading.measurements
        if {"block_size": str(block), "direction": direction}.items() <= dict(row.params).items()
    }


def doubts(reading: Reading, kind: Doubt) -> dict[str, str]:
    return {about: sentence for one, sentence, about in reading.doubts if one == kind}


def test_one_output_is_a_run_of_each_thing_that_it_ran() -> None:
    for content in (text(), document()):
        assert list(read(content)) == ["fio", "iperf3", "geekbench"]


def test_only_this_reader_claims_it() -> None:
    for name in ("whole.txt", "whole.json"):
        data = (RAW / name).read_bytes()
        assert [reader.name for _, reader in forms().readers if reader.knows(data)] == ["yabs"]


def test_a_megabyte_of_yabs_is_a_thousand_kibibytes_and_the_digits_stay() -> None:
    rows = fio(read(text())["fio"], 4096, "read")
    assert (rows["fio.bandwidth"].value, rows["fio.bandwidth"].printed) == (
        388.78 * 1_024_000, "388.78 MB/s",
    )  # fmt: skip
    assert (rows["fio.iops"].value, rows["fio.iops"].printed) == (97_100, "97.1k")
    rows = fio(read(text())["fio"], 1 << 20, "write")
    assert rows["fio.bandwidth"].value == pytest.approx(2.27 * 1_024_000_000)


def test_a_later_version_has_megabytes_and_its_figures_tell() -> None:
    content = (RAW / "whole.txt").read_text().replace("v2025-04-20", "v2026-07-24")
    for old, new in (("388.78 MB/s", "398.11 MB/s"), ("389.80 MB/s", "399.15 MB/s"),
        ("778.58 MB/s", "797.26 MB/s"), ("1.22 GB/s", "1.25 GB/s"), ("1.23 GB/s", "1.26 GB/s"),
        ("2.46 GB/s", "2.52 GB/s"), ("1.88 GB/s", "1.93 GB/s"), ("1.98 GB/s", "2.03 GB/s"),
        ("3.87 GB/s", "3.97 GB/s"), ("2.12 GB/s", "2.18 GB/s"), ("2.27 GB/s", "2.32 GB/s"),
        ("4.40 GB/s", "4.50 GB/s")):  # fmt: skip
        assert old in content
        content = content.replace(old, new)
    for version in ("v2026-07-24", "v2025-04-20", "v2025-12-01"):
        reading = read(content.replace("v2026-07-24", version))["fio"]
        assert fio(reading, 4096, "read")["fio.bandwidth"].value == 398.11e6
        assert not doubts(reading, Doubt.INCONSISTENT)
        assert not doubts(reading, Doubt.NOT_STATED)


@pytest.mark.parametrize(
    ("version", "bytes_a_second", "doubted"),
    [("2024-01-01", 6.27 * 1.024e6, False), ("2025-12-01", 6.27 * 1.024e6, True),
     ("2026-07-24", 6.27e6, False)],
)  # fmt: skip
def test_where_the_figures_do_not_tell_the_version_does(
    version: str, bytes_a_second: float, *, doubted: bool
) -> None:
    table = (
        (RAW / "whole.txt").read_text().partition("Block Size")[0].replace("2025-04-20", version)
    )
    table += (
        "Block Size | 4k            (IOPS)\n"
        "Read       | 6.27 MB/s     (1.5k)\nWrite      | 6.28 MB/s     (1.5k)\n"
    )
    reading = read(table)["fio"]
    assert fio(reading, 4096, "read")["fio.bandwidth"].value == pytest.approx(bytes_a_second)
    assert bool(doubts(reading, Doubt.NOT_STATED)) == doubted


def test_json_has_all_digits_and_the_same_series() -> None:
    exact, cut = read(document()), read(text())
    assert fio(exact["fio"], 4096, "read")["fio.bandwidth"].value == 388_781 * 1024
    assert exact["fio"].doubts == ()
    for name in exact:
        assert values(exact[name]).keys() == values(cut[name]).keys()


def test_the_jobs_are_those_of_the_script() -> None:
    row = fio(read(text())["fio"], 4096, "read")["fio.iops"]
    assert row.params == params(
        block_size=4096, direction="read", engine="libaio", iodepth=64, numjobs=2,
        pattern="randrw", read_share="0.5", size=2 << 30,
    )  # fmt: skip
    settings = {p.name: p.value for p in read(text())["fio"].parameters}
    assert settings["direct"] == "1"


def test_an_arm_machine_has_a_smaller_file_and_one_of_neither_make_no_size() -> None:
    arm = document()
    arm["os"]["arch"] = "aarch64"
    row = fio(read(arm)["fio"], 4096, "read")["fio.iops"]
    assert dict(row.params)["size"] == str(512 << 20)
    row = fio(read(swapped("AMD EPYC 9354 32-Core", "Neoverse-N1"))["fio"], 4096, "read")[
        "fio.iops"
    ]
    assert "size" not in dict(row.params)


def test_what_was_cut_off_is_marked_as_rounded() -> None:
    said = doubts(read(text())["fio"], Doubt.ROUNDED)
    assert "at worst at 2.0k" in said["rand_rw_1m"]
    assert not doubts(read(text())["fio"], Doubt.INCONSISTENT)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("388.78 MB/s", "398.10 MB/s", "97.1k I/Os of 4096 B a second"),
        ("(97.1k)", "(79.1k)", "79.1k I/Os of 4096 B a second"),
        ("778.58 MB/s", "788.58 MB/s", "do not add up to 788.58 MB/s"),
        ("(194.6k)", "(194.9k)", "do not add up to 194.9k"),
    ],
)
def test_figures_that_contradict_each_other_are_doubted(old: str, new: str, sentence: str) -> None:
    said = doubts(read(swapped(old, new))["fio"], Doubt.INCONSISTENT)
    assert sentence in said["rand_rw_4k"]
    assert set(said) == {"rand_rw_4k"}


def test_a_total_of_the_json_that_is_none_is_doubted() -> None:
    content = document()
    content["fio"][1]["iops_rw"] += 10
    assert set(doubts(read(content)["fio"], Doubt.INCONSISTENT)) == {"rand_rw_64k"}


def test_bits_a_second_are_bytes_of_a_path_over_the_internet() -> None:
    reading = read(text())["iperf3"]
    row = reading.measurements[0]
    assert (row.metric, row.value, row.unit, row.printed) == (
        "iperf3.bitrate", 2.17e9 / 8, "B/s", "2.17 Gbits/sec",
    )  # fmt: skip
    assert row.params == params(
        address_family="ipv4", direction="send", peer="Clouvider, London, UK (10G)",
        protocol="tcp", streams=8,
    )  # fmt: skip
    assert {dict(row.params)["address_family"] for row in reading.measurements} == {"ipv4", "ipv6"}


def test_busy_servers_are_a_note_and_no_figure() -> None:
    for content in (text(), document()):
        reading = read(content)["iperf3"]
        assert len(reading.measurements) == 5
        assert "Of 8 tests 3 found the server busy and have no figure." in reading.notes


def test_scores_are_told_apart_by_version_and_cores() -> None:
    content = text() + "\nGeekbench 5 Benchmark Test:\n---\nTest | Value\n     |\n"
    reading = read(content + "Single Core     | 1756\nMulti Core      | 7411\n")["geekbench"]
    scores = {row.params: row.value for row in reading.measurements}
    assert scores == {
        params(version=6, cores_used="single"): 2147,
        params(version=6, cores_used="multi"): 9184,
        params(version=5, cores_used="single"): 1756,
        params(version=5, cores_used="multi"): 7411,
    }


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Wed Sep  2 05:29:07 PM +02 2026", "2026-09-02T15:29:07Z"),
        ("Wed Sep 16 10:26:54 UTC 2026", "2026-09-16T10:26:54Z"),
        ("Tue 19 Apr 2022 03:42:20 AM UTC", "2022-04-19T03:42:20Z"),
        ("Tue 19 Apr 2022 12:02:20 AM UTC", "2022-04-19T00:02:20Z"),
        ("2026年 09月 02日 星期三 17:29:07 CST", "2026-09-02"),
        # Which zone is CEST to whom? The day is all that is sure enough.
        ("Wed Aug 25 00:46:05 CEST 2021", "2021-08-25"),
        ("Wed Feb 31 00:46:05 UTC 2021", ""),
        ("Wed is a day", ""),
    ],
)
def test_dates(printed: str, expected: str) -> None:
    content = swapped("Wed Sep  2 05:29:07 PM +02 2026", printed)
    assert {reading.started_at for reading in read(content).values()} == {expected}


def test_json_is_dated_by_the_second() -> None:
    assert {one.started_at for one in read(document()).values()} == {"2026-09-02T15:29:07Z"}


def test_the_machine_is_what_the_script_saw() -> None:
    for content in (text(), document()):
        for reading in read(content).values():
            assert {fact.name: fact.value for fact in reading.facts} == {
                "cpu": "AMD EPYC 9354 32-Core Processor",
                "cpus": "8",
                "memory": "31.3 GiB",
                "os": "Debian GNU/Linux 12 (bookworm)",
                "kernel": "Linux 6.1.0-39",
                "virtualisation": "kvm",
            }


def test_json_beside_the_text_is_taken_for_its_digits() -> None:
    both = text() + "\n" + json.dumps(document()) + "\n"
    assert output_in(both.encode()) == output_in(json.dumps(document()).encode())


def test_json_with_a_hole_leaves_the_text_beside_it() -> None:
    hole = json.dumps(document()).replace('"single": 2147', '"single": ')
    assert values(read(f"{text()}\n{hole}\n")["fio"]) == values(read(text())["fio"])
    with pytest.raises(SitegenError, match="JSON"):
        READER.runs(hole.encode(), NONE)


def test_several_outputs_are_refused() -> None:
    for content in (text() * 2, json.dumps(document()) * 2):
        with pytest.raises(SitegenError, match="holds 2 outputs of YABS") as caught:
            READER.runs(content.encode(), NONE)
        assert "by" not in caught.value.what
        assert "file of its own" in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("Less than 2GB of space available. Skipping disk test...", "Skipping disk test"),
        ("fio disk speed tests failed. Run manually to determine cause.", "speed tests failed"),
        ("iperf3 binary download failed. Skipping iperf network tests...", "download failed"),
        ("Geekbench 6 test failed. Run manually to determine cause.", "Geekbench 6 test failed"),
        ("dd Sequential Disk Speed Tests:", "dd, which stand in for fio's, are not read"),
    ],
)
def test_what_failed_or_was_skipped_is_a_note(line: str, note: str) -> None:
    for content in (f"{text()}\n{line}\n", f"{line}\n{json.dumps(document())}"):
        assert all(any(note in n for n in reading.notes) for reading in read(content).values())


def test_an_output_of_one_part_is_one_run() -> None:
    content = document()
    for name, others in (("fio", ("iperf", "geekbench")), ("geekbench", ("fio", "iperf"))):
        part = {key: value for key, value in content.items() if key not in others}
        assert list(read(part)) == [name]
    with pytest.raises(SitegenError, match="no figure of fio, iperf3 or Geekbench"):
        READER.runs(json.dumps({**content, "fio": [], "iperf": [], "geekbench": []}).encode(), NONE)


def test_text_as_people_keep_it_reads_alike() -> None:
    plain = values(read(text())["fio"])
    for kept in (
        text().replace("\n", "\r\n"),
        "\n".join(f"> {line}" for line in text().split("\n")),
        "\n".join(f"    {line}" for line in text().split("\n")),
        f"<pre>{text()}</pre>",
        text().replace("Read  ", "\x1b[1mRead\x1b[0m  "),
        text()[text().index("Basic System") :],
    ):
        assert values(read(kept)["fio"]) == plain


def test_a_unit_that_the_script_does_not_write_is_refused() -> None:
    content = document()
    content["fio"][0]["speed_units"] = "MBps"
    with pytest.raises(SitegenError, match="which YABS does not write"):
        READER.runs(json.dumps(content).encode(), NONE)


def test_the_script_itself_is_no_output() -> None:
    script = 'echo -e "fio Disk Speed Tests (Mixed R/W 50/50):"\nprintf "%-10s | %-11s" "Read"\n'
    assert not READER.knows(script.encode())


def test_damage_costs_a_line() -> None:
    for name in ("whole.txt", "whole.json"):
        data = (RAW / name).read_bytes()
        bear(READER.knows, lambda hurt: READER.runs(hurt, NONE), data, trials=80)
