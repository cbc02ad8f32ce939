"""Reports as people keep them: commented, explained, wrapped, glued, and of ab's old ages."""

from __future__ import annotations

import pytest

from collectors.ab.lines import lines
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status
from tests.collectors.ab.readers.given import (
    NONE,
    PERCENTILES,
    REPORT,
    doubts,
    one,
    raw,
    read,
    statistics,
    where,
)
from tests.collectors.damage import bear

WHOLE = raw("http.out").decode()
AGE_1_3 = """This is ApacheBench, Version 1.3d <$Revision: 1.73 $> apache-1.3

Server Software:        Apache/1.3.33
Document Path:          /
Concurrency Level:      2
Time taken for tests:   4.000 seconds
Complete requests:      1000
Failed requests:        0
Broken pipe errors:     3
Total transferred:      8192000 bytes
HTML transferred:       8000000 bytes
Requests per second:    250.00 [#/sec] (mean)
Transfer rate:          2048.00 [Kbytes/sec] received
Connnection Times (ms)
              min  mean[+/-sd] median   max
Total:          3     8   19.0      3   206
"""


def same(kept: str) -> None:
    assert read(kept.encode()).measurements == read(WHOLE.encode()).measurements


@pytest.mark.parametrize("sign", ["//", "#", "--", ";", "%", "    //", "\t#"])
def test_a_report_in_a_block_of_comments_is_read(sign: str) -> None:
    same("".join(f"{sign} {line}".rstrip() + "\n" for line in WHOLE.splitlines()))
    blank = "".join(f"{sign} {line}\n" if line else "\n" for line in WHOLE.splitlines())
    same(f"start();\n\n{blank}\nend();\n")


def test_a_heading_is_no_comment() -> None:
    found = read(f"# Runs\n\n## Concurrency Level: 7\n\n{WHOLE}".encode())
    assert {row.status for row in found.measurements} == {Status.OK}
    assert where(found)["concurrency"] == "50"


@pytest.mark.parametrize("told", ["  # how fast", "   ### 50 of them", " // so many", " <- look"])
def test_what_somebody_explains_behind_a_line_is_left_out(told: str) -> None:
    same("".join(f"{line}{told}\n" if line else "\n" for line in WHOLE.splitlines()))


def test_a_percentile_may_be_followed_by_words_and_not_by_another_unit() -> None:
    same(WHOLE.replace("(longest request)", "(last request)"))
    same(WHOLE.replace("Percentage of the requests", "Percentage of requests"))
    text = WHOLE.replace("\n  66%", " (half of them)\n  66%")
    assert text != WHOLE
    same(text)


def test_lines_that_lost_their_ends_are_parted() -> None:
    rows = WHOLE[WHOLE.index("Connect: ") : WHOLE.index("Percentage")]
    glued = WHOLE.replace(rows, rows.replace("\n", ""))
    head = WHOLE[WHOLE.index("Failed requests") : WHOLE.index("Requests per")]
    glued = glued.replace(head, head.replace("\n", ""))
    assert glued.count("\n") < WHOLE.count("\n") - 3
    same(glued)


def test_a_report_in_one_line_is_read() -> None:
    text = WHOLE[WHOLE.index("Server Hostname") :]
    found, whole = read(" ".join(text.split()).encode() + b"\n"), read(text.encode())
    assert found.measurements == whole.measurements


def test_a_row_wrapped_within_its_numbers_is_joined() -> None:
    text = WHOLE[: WHOLE.index("Connect:")] + "Connect: 0\n 29 106.1 0 553\nProcessing: 2942 6016\n"
    text += "1845.4 6227 10796\n\nWaiting:\n2941 5999 1850.7 6226 10795\n\nTotal: 2 3 4.5 3 4\n"
    found = read(text.encode())
    assert one(found, "connect_time", "max").value == pytest.approx(0.553)
    assert one(found, "processing_time", "stddev").value == pytest.approx(1.8454)
    assert one(found, "waiting_time").value == pytest.approx(5.999)


def test_a_label_without_numbers_is_no_row() -> None:
    text = WHOLE.replace("Waiting: ", "Waiting:\nWaited:  ")
    assert "waiting_time" not in statistics(read(text.encode()), "waiting_time")


def test_a_kilobyte_of_httpd_1_3_is_a_thousand_bytes() -> None:
    found = read(AGE_1_3.encode())
    assert one(found, "transfer_rate").value == 2_048_000.0
    assert one(found, "broken_pipe_errors", "value").value == 3.0
    assert Doubt.INCONSISTENT not in doubts(found)
    unnamed = read(AGE_1_3.split("\n", 2)[2].encode())
    assert one(unnamed, "transfer_rate").value == 2_048_000.0


def test_httpd_2_0_counts_whole_kib() -> None:
    # 1694 bytes are one whole KiB: 1 / 4.335248 = 0.2307.
    text = AGE_1_3.replace("1.3d", "2.0.40-dev").replace("Broken pipe errors:     3\n", "")
    text = text.replace("8192000", "1694").replace("4.000 ", "4.335248 ").replace("2048.00", "0.23")
    found = read(text.replace("250.00", "230.67").encode())
    assert one(found, "transfer_rate").status == Status.OK
    assert "whole KiB" in doubts(found)[Doubt.ROUNDED]
    assert Doubt.INCONSISTENT not in doubts(found)


@pytest.mark.parametrize(("label", "method"), [("POSTed", "POST"), ("PUT", "PUT")])
def test_what_older_versions_call_a_body(label: str, method: str) -> None:
    text = raw("post.out").decode().replace("Total body sent:", f"Total {label}:")
    found = read(text.encode())
    assert where(found)["method"] == method
    assert one(found, "send_rate") == one(read(raw("post.out")), "send_rate")._replace(
        params=one(found, "send_rate").params
    )


def test_percentiles_of_httpd_2_0_have_an_exponent_and_no_last_row() -> None:
    rows = "".join(f"{percent},{5155 + percent}.000000e+00\n" for percent in range(100))
    text = f"Percentage served,Time in ms\n{rows}".replace("5155.000000e+00", "5.155000e+03")
    found = read(text.encode(), PERCENTILES, concurrency="5")
    assert one(found, "latency", "min").value == 5.155
    assert one(found, "latency", "min").printed == "5.155000e+03"
    assert statistics(found, "latency") >= {"min", "p50", "p99"}
    assert not found.doubts
    cut = read(text[:-6].encode(), PERCENTILES, concurrency="5")
    assert Doubt.CUT_OFF in doubts(cut)
    assert "p99" not in statistics(cut, "latency")


def test_another_tool_with_the_labels_of_ab_is_named() -> None:
    text = AGE_1_3.replace("min  mean[+/-sd] median   max", "min      avg        max      std")
    text = text.split("\n", 2)[2].replace("3     8   19.0      3   206", "0.2   1.3   44.8   0.9")
    with pytest.raises(SitegenError, match="SeaweedFS"):
        read(text.encode())


def test_what_is_made_of_lines_is_borne() -> None:
    commented = "".join(f"// {line}\n" for line in WHOLE.splitlines())
    bear(REPORT.knows, lambda data: REPORT.read(data, NONE), commented.encode())
    bear(REPORT.knows, lambda data: REPORT.read(data, NONE), WHOLE.replace("\n", "").encode())


def test_a_line_without_end_is_not_parted_for_long() -> None:
    assert len(list(lines("Total: 1 2 " * 1_000_000))) == 1
    assert len(list(lines("Total:  1 2" * 500 + "\n"))) < 600


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("Failed requests:        0", "Failed requests:        41"), "41 of 2000 requests failed"),
        (
            ("Total transferred:", "Non-2xx responses:      7\nTotal transferred:"),
            "7 of 2000 answers",
        ),
    ],
)
def test_figures_that_are_suspect_for_failed_requests_say_so(
    changed: tuple[str, str], told: str
) -> None:
    found = read(WHOLE.replace(*changed).encode())
    assert one(found, "requests_per_second").status == Status.SUSPECT
    assert told in " ".join(found.notes)


def test_empty_answers_are_told() -> None:
    html = next(line for line in WHOLE.splitlines() if line.startswith("HTML transferred"))
    found = read(WHOLE.replace(html, "HTML transferred:       0 bytes").encode())
    assert one(found, "requests_per_second").status == Status.SUSPECT
    assert "every answer was empty" in " ".join(found.notes)
