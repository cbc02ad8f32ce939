from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import ab
from collectors.ab.readers.params import asked_for, clean_path
from sitegen.collect import RawOutput, Step
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Status, params
from tests.collectors.ab.readers.recorded import (
    NONE,
    REPORT,
    doubts,
    one,
    parameters,
    raw,
    read,
    sample,
    statistics,
    where,
)
from tests.collectors.damage import bear

WHOLE = raw("http.out").decode()
REPORTS = (
    *("http", "https", "keepalive", "not-found", "closed", "interrupted", "multi", "post"),
    *("variable", "length-failures", "no-spread", "no-percentiles", "one", "html", "html-post"),
    *("progress", "tls12", "head", "timed", "old-2.0.40", "trunk", "refused-r"),
)


def changed(old: str, new: str, text: str = WHOLE) -> bytes:
    assert old in text
    return text.replace(old, new).encode()


def line(name: str, label: str) -> str:
    [row] = [row for row in raw(name).decode().splitlines() if row.strip().startswith(label)]
    return row.split(":", 1)[1].strip()


def test_the_collector_offers_its_readers() -> None:
    assert [reader.name for reader in ab.READERS] == ["ab-report", "ab-percentiles", "ab-requests"]
    assert [bundle.name for bundle in ab.BUNDLES] == ["ab-run", "ab-processes"]


def test_an_imported_report_gives_what_the_collector_measures() -> None:
    about = (("concurrency", "50"), ("processes", "1"), ("requests", "2000"), ("scheme", "http"))
    step = Step("x", "sweep", ("ab",), 60.0, about)
    collected = ab.parse(step, RawOutput(stdout=raw("http.out"))).measurements
    imported = read(raw("http.out")).measurements
    assert set(collected) <= set(imported)
    assert {row.metric for row in set(imported) - set(collected)} == {"ab.time_per_request"}


@pytest.mark.parametrize("name", REPORTS)
def test_every_recorded_report_is_known_to_one_reader_and_read(name: str) -> None:
    reading = read(raw(f"{name}.out"))
    assert reading.measurements
    keys = [
        (m.workload, m.metric, m.statistic, m.params, m.repetition) for m in reading.measurements
    ]
    assert len(keys) == len(set(keys))
    message = "".join(
        str(field) for field in (reading.parameters, reading.measurements, reading.notes)
    )
    assert "127.0.0.1" not in message
    assert "18080" not in message


def test_both_times_per_request_are_told_apart() -> None:
    reading = read(raw("http.out"))
    assert one(reading, "time_per_request").printed == "4.805"
    assert one(reading, "time_per_request").value == pytest.approx(0.004805)
    assert one(reading, "latency").printed == line("http.out", "Total:").split()[1]


def test_where_the_server_stood_is_no_part_of_the_series() -> None:
    about = params(concurrency=50, processes=1, requests=2000, scheme="http")
    assert where(read(raw("http.out"))) == dict(about)
    assert where(read(raw("https.out")))["scheme"] == "https"
    assert "keepalive" not in where(read(raw("https.out")))
    kept = where(read(raw("keepalive.out"), access="tproxy"))
    assert (kept["keepalive"], kept["access"]) == ("true", "tproxy")


def test_tls_and_server_are_caveats_of_the_run() -> None:
    texts = parameters(read(raw("tls12.out")))
    assert texts["tls_protocol"] == "TLSv1.2"
    assert texts["tls_cipher"] == "ECDHE-RSA-AES256-GCM-SHA384"
    assert texts["tls_key_exchange"] == "X25519 253 bits"
    assert texts["server_software"] == "nginx/1.22.1"
    assert texts["document_length"] == "102"
    mixed = parameters(read(raw("https.out") + b"\n" + raw("tls12.out")))
    assert mixed["tls_protocol.sweep"] == "TLSv1.2, TLSv1.3"


def test_a_post_tells_what_was_sent() -> None:
    reading = read(raw("post.out"))
    assert where(reading)["method"] == "POST"
    sent = re.search(r"([\d.]+) kb/s sent", raw("post.out").decode())
    assert sent
    assert one(reading, "send_rate").value == pytest.approx(float(sent[1]) * 1024)
    assert one(reading, "send_rate").printed == sent[1]
    assert [d.id for d in reading.definitions] == ["ab.time_per_request", "ab.send_rate"]


def test_what_may_be_a_secret_is_cut_from_the_path() -> None:
    assert where(read(raw("post.out")))["path"] == "/order?token=...&kind=a"
    assert clean_path("/a?user=joe&n=1&s=0123456789abcdef0123456789") == "/a?user=...&n=1&s=..."
    assert clean_path("/reset/eyJhbGciOiJIUzI1NiJ9.e30/x") == "/reset/.../x"
    assert clean_path("http://box.example:8080/a#top") == "/a"
    assert len(clean_path("/" + "a/" * 500)) < 200
    assert clean_path("/" + "a/" * 500) != clean_path("/" + "a/" * 501)


def test_failures_are_counted_by_reason_beside_their_total() -> None:
    reading = read(raw("length-failures.out"))
    total = one(reading, "failed_requests", "value")
    assert one(reading, "failed_requests", "value", reason="length").value == total.value == 119
    assert one(reading, "failed_requests", "value", reason="connect").value == 0
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}


def test_an_old_report_has_no_receive_failures_and_names_its_revision() -> None:
    reading = read(raw("old-2.0.40.out"))
    assert reading.tool is not None
    assert (reading.tool.name, reading.tool.version) == ("ApacheBench", "2.0.40-dev r1.146")
    reasons = {dict(m.params).get("reason") for m in reading.measurements} - {None}
    assert reasons == {"connect", "length", "exceptions"}
    assert one(reading, "write_errors", "value").value == 3
    # 500 requests, 20 failed, 5 outside 2xx: a request may be both.
    assert one(reading, "ok_requests_per_second", "min").value == pytest.approx(200 * 475 / 500)
    assert one(reading, "ok_requests_per_second", "max").value == pytest.approx(200 * 480 / 500)
    assert one(reading, "latency", "max").value == 0.2
    assert where(reading)["path"] == "/index.html"
    assert reading.notes[0] == "Line 1: 5 of 500 answers were not 2xx, so the rate misleads."
    assert "ab calls the initial connection time not reliable" in reading.notes[1]


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: re.sub(r" +", " ", text),
        lambda text: text.replace(":  ", ":\t"),
        lambda text: "\n".join(f"> {row}" for row in text.split("\n")),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"Here it is:\n```\n{text}```\nand that was all.\n",
        lambda text: text.replace("(longest request)", "(last request)"),
        lambda text: text.encode("utf-16"),
    ],
)
def test_a_report_reads_the_same_in_any_dress(dress: object) -> None:
    assert callable(dress)
    text = dress(WHOLE)
    data = text if isinstance(text, bytes) else text.encode()
    assert read(data).measurements == read(WHOLE.encode()).measurements


def test_the_html_table_gives_no_processing_times() -> None:
    reading = read(raw("html.out"))
    assert one(reading, "requests_per_second").printed == "16839.74"
    assert one(reading, "transfer_rate").printed == "4045.48"
    assert not statistics(reading, "processing_time")
    assert one(reading, "latency", "max").status == Status.OK
    post = read(raw("html-post.out"))
    assert one(post, "send_rate").printed == "15792.70"
    assert where(post)["path"] == "/missing"


def test_what_the_server_answered_is_not_read_as_a_report() -> None:
    with pytest.raises(SitegenError, match="run ab without -v"):
        read(raw("chatter.out"))


def test_a_table_without_spread_has_three_columns() -> None:
    reading = read(raw("no-spread.out"))
    assert statistics(reading, "connect_time") == {"min", "mean", "max"}
    assert "stddev" not in statistics(reading, "latency")
    assert one(reading, "processing_time").status == Status.OK


@pytest.mark.parametrize("name", ["no-percentiles", "one"])
def test_without_the_list_of_percentiles_nothing_is_missing(name: str) -> None:
    reading = read(raw(f"{name}.out"))
    assert not reading.doubts
    assert "p99" not in statistics(reading, "latency")
    assert one(reading, "latency", "p50").printed == line(f"{name}.out", "Total:").split()[3]


def test_a_document_of_variable_length_is_told() -> None:
    assert parameters(read(raw("variable.out")))["document_length"] == "Variable"


def test_blocks_are_workloads_or_repetitions_of_one() -> None:
    reading = read(raw("http.out") + b"\n" + raw("https.out") + b"\n" + raw("http.out"))
    rates = [m for m in reading.measurements if m.metric == "ab.requests_per_second"]
    assert [m.repetition for m in rates] == [0, 0, 1]
    assert rates[0].params == rates[2].params != rates[1].params
    assert reading.duration_s is None


def test_blocks_without_banners_are_told_apart() -> None:
    body = WHOLE[WHOLE.index("Server Software") :]
    bare = WHOLE[WHOLE.index("Concurrency Level") :]
    for text in (body, bare):
        reading = read((text + "\n" + text).encode())
        rates = [m for m in reading.measurements if m.metric == "ab.requests_per_second"]
        assert [m.repetition for m in rates] == [0, 1]


# What was asked for.


def test_the_number_that_a_time_limit_allowed_is_not_part_of_the_series() -> None:
    reading = read(raw("timed.out"))
    assert "requests" not in where(reading)
    assert "time limit" in reading.notes[0]
    assert one(reading, "complete_requests", "value").value == 18768
    assert "requests" not in where(read(raw("http.out"), duration_s="10"))


@pytest.mark.parametrize(
    ("count", "time_s", "asked"),
    [
        *((5000, 12.2, True), (3, 0.1, True), (4096, 2.2, True), (12734, 0.996, False)),
        *((18768, 1.0, False), (18770, 1.003, False), (50000, 30.001, False), (18700, 1.5, True)),
    ],
)
def test_round_numbers_are_asked_for(count: int, time_s: float, *, asked: bool) -> None:
    assert asked_for(count, time_s) is asked


def test_a_report_that_was_interrupted_is_suspect() -> None:
    reading = read(raw("interrupted.out"))
    assert doubts(reading)[Doubt.INTERRUPTED] == "line 1: it was stopped after 12734 requests"
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}
    assert "requests" not in where(reading)
    short = read(raw("http.out"), requests="5000")
    assert doubts(short)[Doubt.INTERRUPTED] == "line 1: it was stopped after 2000 of 5000 requests"
    assert where(short)["requests"] == "5000"


def test_progress_lines_without_an_end_mean_that_it_was_stopped() -> None:
    text = raw("progress.out").decode()
    assert not read(text.encode()).doubts
    assert Doubt.INTERRUPTED in doubts(read(changed("Finished 2000 requests\n", "", text)))


# What is wrong, missing, or somebody else's.


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("Failed requests:        0", "Failed requests:        41"), "41 of 2000 requests failed"),
        (
            ("Total transferred:", "Non-2xx responses:      7\nTotal transferred:"),
            "7 of 2000 answers",
        ),
        (("transferred:       2048000", "transferred:       0"), "every answer was empty"),
    ],
)
def test_figures_that_are_suspect_for_failed_requests_say_so(
    pair: tuple[str, str], message: str
) -> None:
    reading = read(changed(*pair))
    assert one(reading, "requests_per_second").status == Status.SUSPECT
    assert message in " ".join(reading.notes)


def test_a_server_that_never_answered_is_a_failed_series() -> None:
    for name in ("closed.out", "refused-r.out"):
        reading = read(raw(name))
        assert {(m.value, m.status) for m in reading.measurements} == {(None, Status.FAILED)}
        assert "without an answer" in doubts(reading)[Doubt.FAILED_PART]


def test_empty_documents_and_error_pages_are_suspect() -> None:
    for name in ("head.out", "not-found.out"):
        assert {m.status for m in read(raw(name)).measurements} == {Status.SUSPECT}


def test_an_ab_that_gave_up_is_refused_or_recorded_as_failed() -> None:
    with pytest.raises(SitegenError, match=r"gave up: apr_socket_recv: Connection refused \(111\)"):
        read(raw("aborted.out"))
    reading = read(raw("aborted.out"), concurrency="10", scheme="http", requests="200")
    assert {(m.value, m.status) for m in reading.measurements} == {(None, Status.FAILED)}
    assert where(reading)["requests"] == "200"


def test_the_host_that_was_not_found_is_not_told() -> None:
    data = b"(be patient)...apr_sockaddr_info_get() for box.example: Name or service not known (67)"
    with pytest.raises(SitegenError, match="Name or service not known") as caught:
        read(b"This is ApacheBench, Version 2.3\n\nBenchmarking box.example " + data)
    assert "box.example" not in str(caught.value)


def test_one_of_several_that_failed_is_said() -> None:
    reading = read(raw("multi.out"))
    assert "line 44: ab printed no result" in doubts(reading)[Doubt.FAILED_PART]
    assert len([m for m in reading.measurements if m.metric == "ab.requests_per_second"]) == 2


@pytest.mark.parametrize(
    "data",
    [
        raw("help.out"),
        b"Running 30s test @ x\n  2 threads and 10 connections\nRequests/sec: 5\n",
        b"Transactions: 5 hits\nAvailability: 100 %\nLongest transaction: 1\n",
        b"http_req_duration: 1\niterations: 5\nvus: 1\n",
        # SeaweedFS prints ab's labels over times of its own.
        b"Concurrency Level: 1\nComplete requests: 9\nmin   avg   max   std\nTotal: 1 2 3 4\n",
    ],
)
def test_what_ab_did_not_report_is_known_to_no_reader(data: bytes) -> None:
    assert not any(reader.knows(data) for reader in ab.READERS)


def test_without_its_concurrency_a_report_is_no_series() -> None:
    text = WHOLE[WHOLE.index("Time taken") :].encode()
    with pytest.raises(SitegenError, match="line 1: does not say its concurrency; add"):
        read(text)
    reading = read(text, concurrency="50", scheme="http")
    assert where(reading) == where(read(raw("http.out")))
    assert "no Concurrency Level" in doubts(reading)[Doubt.CUT_OFF]


@pytest.mark.parametrize(
    ("end", "missing", "there"),
    [
        ("Transfer rate", "Transfer rate, no Connection Times", {"requests_per_second"}),
        ("Processing", "Connection Times", {"transfer_rate", "connect_time"}),
        ("  95%", "end of the percentiles", {"latency"}),
    ],
)
def test_what_was_cut_off_is_absent_and_said(end: str, missing: str, there: set[str]) -> None:
    reading = read(WHOLE[: WHOLE.index(end)].encode())
    assert missing in doubts(reading)[Doubt.CUT_OFF]
    assert {f"ab.{name}" for name in there} <= {m.metric for m in reading.measurements}


@pytest.mark.parametrize("end", ["10406", "10406.4", "  98%     1", "Total:          2    5 "])
def test_a_number_that_was_cut_is_no_number(end: str) -> None:
    reading = read(WHOLE[: WHOLE.index(end) + len(end)].encode())
    rates = [m.printed for m in reading.measurements if m.metric == "ab.requests_per_second"]
    assert rates in ([], ["10406.48"])
    assert "p98" not in statistics(reading, "latency")
    assert Doubt.CUT_OFF in doubts(reading)


def test_a_report_cut_before_its_figures_is_a_failed_series() -> None:
    reading = read(WHOLE[: WHOLE.index("Complete requests") + 26].encode())
    assert {(m.value, m.status) for m in reading.measurements} == {(None, Status.FAILED)}
    assert "cut off" in doubts(reading)[Doubt.FAILED_PART]


@pytest.mark.parametrize(
    ("old", "new", "message", "suspect"),
    [
        ("10406.48", "20406.48", "a second are not 2000 in 0.192 s", "requests_per_second"),
        ("4.805", "8.805", "8.805 ms a request is not 50 at once", "time_per_request"),
        ("0.096 [", "0.196 [", "0.196 ms a request is not 2000 in", "requests_per_second"),
        ("11880.05", "880.05", "880.05 KiB/s are not 2338000 B", "transfer_rate"),
        ("  99%     17", "  99%      7", "p99 of 7 ms is below p98 of 17 ms", "latency"),
        (" 100%     20", " 100%     40", "20 ms in the table and 40 ms in the list", "latency"),
        (
            "Processing:     0    3   1.7      2      19",
            "Processing:     0    3   1.7     62      19",
            "the median of 62 ms is not between 0 and 19 ms",
            "processing_time",
        ),
    ],
)
def test_figures_that_contradict_each_other_are_suspect(
    old: str, new: str, message: str, suspect: str
) -> None:
    reading = read(changed(old, new))
    assert message in doubts(reading)[Doubt.INCONSISTENT]
    assert {m.status for m in reading.measurements if m.metric == f"ab.{suspect}"} == {
        Status.SUSPECT
    }
    assert Status.OK in {m.status for m in reading.measurements}


def test_parts_of_failures_that_do_not_add_up_are_said() -> None:
    text = raw("length-failures.out").decode()
    reading = read(changed("Length: 119", "Length: 118", text))
    assert "119 failed requests are not the sum" in doubts(reading)[Doubt.INCONSISTENT]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("10406.48", "-10406.48"),
        ("10406.48", "nan"),
        ("10406.48", "1e999"),
        ("10406.48", "1" * 400),
        ("2000\n", "2000.5\n"),
        ("Connect:        0    2 ", "Connect:        0    x2"),
        ("  99%     17", "  99%     1x"),
    ],
)
def test_a_number_that_ab_cannot_have_printed_is_refused_with_its_line(old: str, new: str) -> None:
    with pytest.raises(SitegenError, match=r"line \d+: holds no number"):
        read(changed(old, new))


FAILING = (
    "Failed requests:        {}\n   (Connect: 0, Receive: {}, Length: {}, Exceptions: {})\n"
    "Non-2xx responses:      {}\n"
)


@pytest.mark.parametrize(
    ("failed", "parts", "other", "least", "most"),
    [
        (1820, (0, 1820, 0), 1820, 1820, 2000),
        (100, (0, 100, 0), 300, 300, 400),
        (200, (0, 100, 100), 0, 100, 200),
        (300, (100, 100, 100), 50, 100, 350),
        (40, (0, 40, 0), 0, 40, 40),
        (0, (0, 0, 0), 40, 40, 40),
    ],
)
def test_what_may_be_counted_twice_as_failed_gives_a_range(
    failed: int, parts: tuple[int, int, int], other: int, least: int, most: int
) -> None:
    reading = read(changed("Failed requests:        0\n", FAILING.format(failed, *parts, other)))
    if least == most:
        assert one(reading, "error_rate", "value").value == least / 2000
        assert not any("between" in note for note in reading.notes)
        return
    low, high = (one(reading, "error_rate", name) for name in ("min", "max"))
    assert (low.value, high.value) == (least / 2000, most / 2000)
    assert {low.status, high.status} == {Status.SUSPECT}
    assert statistics(reading, "error_rate") == {"min", "max"}
    good = [one(reading, "ok_requests_per_second", name).value for name in ("min", "max")]
    assert good == pytest.approx([10406.48 * (2000 - count) / 2000 for count in (most, least)])
    assert f"between {least} and {most} of 2000 requests failed" in " ".join(reading.notes)


@pytest.mark.parametrize(
    ("old", "new", "message", "metric"),
    [
        ("transferred:       2048000", "transferred:       3048000", "more than the 2338000 B", ""),
        ("transferred:       2048000", "transferred:       1048000", "are not 2000 documents", ""),
        (
            *("Failed requests:        0", "Failed requests:        2001"),
            *("2001 failed requests are more than the 2000", "error_rate"),
        ),
        ("Total:          2    5 ", "Total:          2   15 ", "mean of 15 ms is more", "latency"),
        ("  50%      4", "  50%     14", "the median is 4 ms in the table and 14 ms", "latency"),
    ],
)
def test_bytes_counts_and_times_are_held_to_each_other(
    old: str, new: str, message: str, metric: str
) -> None:
    reading = read(changed(old, new))
    assert message in doubts(reading)[Doubt.INCONSISTENT]
    name = f"ab.{metric or 'transfer_rate'}"
    assert Status.SUSPECT in {m.status for m in reading.measurements if m.metric == name}


# The command line above a report.

CUT = WHOLE[WHOLE.index("Time taken") :]


@pytest.mark.parametrize(
    "line",
    [
        "$ ab -n 2000 -c 50 http://127.0.0.1:8080/index.html",
        "root@box:~# ab -c50 -n2000 http://h/index.html > out.txt",
        "+ /usr/bin/ab -q -n 2000 -c 50 -H 'Host: x' http://h/index.html",
        "Running: `ab -n 2000 -c 50 http://h/index.html`",
        "time ab -d -n 2000 -c 50 -g out.tsv http://h/index.html",
    ],
)
def test_the_command_above_a_cut_report_says_what_was_asked(line: str) -> None:
    about = where(read(f"{line}\n{CUT}".encode()))
    expected = {"concurrency": "50", "requests": "2000", "scheme": "http", "path": "/index.html"}
    assert expected.items() <= about.items()


def test_a_command_with_a_time_limit_and_kept_connections_is_understood() -> None:
    tail = WHOLE[WHOLE.index("Requests per second") :]
    about = where(read(f"$ ab -k -t 10 -c 50 https://h:8443/\n{tail}".encode()))
    assert about == {"concurrency": "50", "keepalive": "true", "processes": "1", "scheme": "https"}
    posted = where(read(f"ab -p x.json -n 2000 -c 50 http://h/;\n{CUT}".encode()))
    assert (posted["method"], "path" in posted) == ("POST", False)


def test_each_report_has_the_command_above_it_and_none_where_there_are_several() -> None:
    pairs = [f"$ ab -n 2000 -c {count} http://h/\n{CUT}\n" for count in (10, 50)]
    rates = [
        dict(m.params)["concurrency"]
        for m in read("".join(pairs).encode()).measurements
        if m.metric == "ab.requests_per_second"
    ]
    assert rates == ["10", "50"]
    commands = "".join(pair.partition("\n")[0] + "\n" for pair in pairs)
    with pytest.raises(SitegenError, match="does not say its concurrency"):
        read(f"{commands}{CUT}".encode())


def test_a_command_that_the_report_contradicts_is_doubted_and_not_used() -> None:
    for options, message in (("-c 10", "-c 10, and it ran 50 at once"), ("-n 100", "-n 100, and")):
        reading = read(f"$ ab {options} http://h/other\n{WHOLE}".encode())
        assert message in doubts(reading)[Doubt.INCONSISTENT]
        assert where(reading) == where(read(WHOLE.encode()))
    fits = read(f"$ ab -n 2000 -c 50 http://h/\n{WHOLE}".encode())
    assert not fits.doubts
    short = read(f"$ ab -n 5000 -c 50 http://h/\n{WHOLE}".encode())
    assert "after 2000 of 5000 requests" in doubts(short)[Doubt.INTERRUPTED]


def test_an_ab_that_gave_up_below_its_command_is_a_failed_series() -> None:
    reading = read(b"$ ab -n 200 -c 10 http://h/\n" + raw("aborted.out"))
    assert {m.status for m in reading.measurements} == {Status.FAILED}
    assert where(reading)["concurrency"] == "10"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("http.out", {"concurrency": "10"}, "the file says '50', not '10'"),
        ("https.out", {"scheme": "http"}, "the file says 'https'"),
        ("keepalive.out", {"keepalive": "false"}, "the file says 'yes'"),
        ("http.out", {"keepalive": "true"}, "the file says 'no'"),
        ("http.out", {"path": "/other"}, "the file says '/'"),
        ("http.out", {"requests": "1000"}, "more than 1000"),
        ("http.out", {"processes": "2"}, "one process after another"),
        ("http.out", {"requests": "x"}, "not a whole number"),
        ("http.out", {"access": "A B"}, "not in the right form"),
        ("http.out", {"duration_s": "0"}, "not a number above 0"),
        ("http.out", {"colour": "red"}, "there is no setting"),
    ],
)
def test_what_the_user_may_not_say_is_refused(
    name: str, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(SitegenError, match=message):
        REPORT.runs(raw(name), settings)


def test_published_reports_are_read_to_their_last_digit() -> None:
    reading = read(sample("ab-https-sni.md"))
    assert where(reading)["scheme"] == "https"
    assert one(reading, "latency", "stddev").value == pytest.approx(0.0549)
    assert one(reading, "latency", "max").printed == "675"
    posts = sample("ab-post.md").decode()
    reading = read(posts.encode())
    printed = re.findall(r"Requests per second: +([\d.]+)", posts)
    rates = [m for m in reading.measurements if m.metric == "ab.requests_per_second"]
    assert [m.printed for m in rates] == printed
    assert [m.repetition for m in rates] == [0, 0, 1, 1]
    taken = [float(each) for each in re.findall(r"Time taken for tests: +([\d.]+)", posts)]
    for rate, seconds in zip(rates, taken, strict=True):
        assert rate.value == pytest.approx(100_000 / seconds, rel=1e-4)
    sent = re.findall(r"([\d.]+) kb/s sent", posts)
    values = [m.value for m in reading.measurements if m.metric == "ab.send_rate"]
    assert values == [float(each) * 1024 for each in sent]
    assert not reading.doubts


@pytest.mark.parametrize("name", [f"{name}.out" for name in REPORTS])
def test_damaged_reports_are_refused_or_read(name: str) -> None:
    bear(REPORT.knows, lambda data: REPORT.runs(data, NONE), raw(name), trials=40)


@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_bytes_beside_a_banner_are_borne(data: bytes, times: int) -> None:
    text = b"This is ApacheBench, Version 2.3\n" * times + data
    bear(REPORT.knows, lambda hurt: REPORT.runs(hurt, {"concurrency": "1"}), text + b"\n", trials=1)


def test_a_long_line_and_many_banners_cost_little() -> None:
    with pytest.raises(SitegenError):
        read(b"This is ApacheBench, Version 2.3\n" + b"Requests per second: " * 200_000)
    with pytest.raises(SitegenError, match="more than 20000 reports"):
        read(b"This is ApacheBench, Version 2.3\n" * 30_000)
    with pytest.raises(SitegenError, match="holds 3400 reports, more values than a run may have"):
        read(WHOLE.encode() * 3400)
