"""iperf3: what both ends say, what is no result, and a run of the tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Host, Missing, Reading, Request
from sitegen.collect.declared.collector import TableCollector, collector
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Status
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "iperf3"
TABLE = declared.shipped()["iperf3"]
Values = dict[tuple[str, str], float | None]


def read(data: bytes, **asked: str) -> Reading:
    [reader] = [each for each in collector(TABLE).READERS if each.knows(data)]
    [reading] = reader.runs(data, asked)
    return reading


def values(rows: tuple[Measurement, ...]) -> Values:
    return {(row.metric.partition(".")[2], row.statistic): row.value for row in rows}


def changed(name: str, **end: dict[str, object]) -> bytes:
    document: dict[str, Any] = json.loads((RAW / name).read_bytes())
    for key, more in end.items():
        document["end"][key] |= more
    return json.dumps(document).encode()


def test_bits_become_bytes_of_what_the_receiver_got() -> None:
    reading = read((RAW / "tcp.json").read_bytes())
    found = values(reading.measurements)
    assert found["bitrate", "value"] == pytest.approx(7249058152.083306 / 8)
    assert found["sent_bitrate", "value"] == pytest.approx(7260151994.345047 / 8)
    assert found["retransmits", "value"] == 12
    assert found["rtt", "mean"] == pytest.approx(459e-6)
    assert found["client_cpu_usage", "value"] == pytest.approx(0.2471266633)
    assert found["server_cpu_usage", "value"] == pytest.approx(0.2245987222)
    assert {row.status for row in reading.measurements} == {Status.OK}
    assert dict(reading.measurements[0].params) == {
        "access": "loopback",
        "direction": "send",
        "protocol": "tcp",
        "streams": "1",
    }
    assert reading.tool is not None
    assert (reading.tool.version, reading.started_at) == ("3.12", "2026-11-30T20:41:01Z")
    assert {p.name: p.value for p in reading.parameters}["congestion_control"] == "bbr"


def test_eight_streams_are_summed_and_omitted_seconds_are_no_points() -> None:
    reading = read((RAW / "tcp-8-reverse.json").read_bytes())
    found = values(reading.measurements)
    assert found["bitrate", "value"] == pytest.approx(4789347806.770014 / 8)
    assert ("rtt", "mean") not in found  # the other end sends
    assert dict(reading.measurements[0].params)["streams"] == "8"
    assert dict(reading.measurements[0].params)["direction"] == "receive"
    # Two seconds, and one before them that does not count.
    assert [(each.metric, round(each.x)) for each in reading.samples] == [
        ("iperf3.bitrate", 0),
        ("iperf3.bitrate", 1),
    ]


def test_udp_has_its_target_its_jitter_and_its_loss() -> None:
    reading = read((RAW / "udp.json").read_bytes())
    found = values(reading.measurements)
    assert found["bitrate", "value"] == pytest.approx(99013701.03987175 / 8)
    assert found["jitter", "value"] == pytest.approx(7.9256977e-6)
    assert found["lost_share", "value"] == pytest.approx(0.0086303519)
    assert found["packets", "value"] == 8922
    about = dict(reading.measurements[0].params)
    assert (about["target_bitrate"], about["block_bytes"]) == ("100000000", "1400")
    assert [each.metric for each in reading.samples] == ["iperf3.sent_bitrate"]


def test_without_a_limit_most_of_what_is_sent_is_lost_and_there_is_no_target() -> None:
    reading = read((RAW / "udp-reverse.json").read_bytes())
    found = values(reading.measurements)
    assert found["bitrate", "value"] == pytest.approx(179226251.72367933 / 8)
    assert found["sent_bitrate", "value"] == pytest.approx(597528973.5429478 / 8)
    assert "target_bitrate" not in dict(reading.measurements[0].params)
    assert reading.doubts == ()


def test_loss_of_omitted_seconds_among_the_rest_is_suspect() -> None:
    reading = read((RAW / "udp-omitted.json").read_bytes())
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert "what was lost in omitted seconds too" in reading.doubts[0][1]


def test_the_oldest_form_has_one_sum_and_does_not_say_the_target() -> None:
    reading = read((RAW / "udp-3.1.json").read_bytes(), access="network")
    assert values(reading.measurements)["bitrate", "value"] == 0.99 * 655360000 / 8
    assert [kind for kind, _, _ in reading.doubts] == [Doubt.NOT_STATED]


def test_both_ways_at_once_are_another_series() -> None:
    reading = read((RAW / "bidir.json").read_bytes())
    found = values(reading.measurements)
    assert found["bitrate", "value"] == pytest.approx(226357619.587)
    assert found["backward_bitrate", "value"] == pytest.approx(265220610.557)
    assert dict(reading.measurements[0].params)["duplex"] == "full"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("busy.json", "failed: the server is busy running a test"),
        ("refused.json", "failed: unable to connect to server"),
        ("gone.json", "failed: control socket has closed unexpectedly"),
        ("interrupted.json", "failed: interrupt - the client has terminated"),
        ("interrupted.txt", "failed: the client has terminated"),
        ("cut-off.json", "the JSON breaks off or is damaged"),
        ("cut-off.txt", "import the output whole"),
    ],
)
def test_what_is_no_result_says_why(name: str, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        read((RAW / name).read_bytes())


def test_the_report_of_a_server_lacks_the_other_end() -> None:
    reading = read((RAW / "server.json").read_bytes(), access="loopback")
    assert {row.status for row in reading.measurements} == {Status.FAILED}
    assert "import the report of the client" in reading.doubts[0][1]


def test_documents_one_after_another_are_read_and_the_failed_one_is_named() -> None:
    reading = read((RAW / "several.json").read_bytes())
    assert {row.workload for row in reading.measurements} == {"tcp-send-1", "udp-send-1"}
    assert "the server is busy" in reading.doubts[0][1]


@pytest.mark.parametrize(
    ("name", "key", "more", "message"),
    [
        ("tcp.json", "sum_received", {"bits_per_second": 9e9}, "are not the 1125000000 B/s"),
        ("tcp.json", "sum_sent", {"bytes": 1000}, "bytes arrived, and 1000 were sent"),
        ("udp.json", "sum", {"lost_packets": 9000}, "without the 9000 lost ones"),
        ("udp.json", "sum", {"lost_percent": 50}, "are not the share of 0.5"),
        ("udp.json", "sum_sent", {"bits_per_second": 5e7}, "loss and jitter are of another load"),
    ],
)
def test_a_figure_that_the_others_contradict_is_suspect(
    name: str, key: str, more: dict[str, object], message: str
) -> None:
    reading = read(changed(name, **{key: more}))
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert any(message in sentence for _, sentence, _ in reading.doubts)


def test_what_received_nothing_is_no_bitrate() -> None:
    reading = read(changed("tcp.json", sum_received={"bits_per_second": 0, "bytes": 0}))
    assert {row.status for row in reading.measurements} == {Status.FAILED}


def test_text_is_read_by_its_last_lines() -> None:
    found = values(read((RAW / "tcp.txt").read_bytes()).measurements)
    assert found == {
        ("bitrate", "value"): pytest.approx(4.59e9 / 8),
        ("sent_bitrate", "value"): pytest.approx(4.62e9 / 8),
        ("retransmits", "value"): 5,
    }
    reading = read((RAW / "tcp-2-reverse.txt").read_bytes())
    assert values(reading.measurements)["bitrate", "value"] == pytest.approx(3.82e9 / 8)
    assert dict(reading.measurements[0].params)["streams"] == "2"


def test_text_of_udp_says_its_target_only_when_it_is_verbose() -> None:
    verbose = read((RAW / "udp.txt").read_bytes())
    assert dict(verbose.measurements[0].params)["target_bitrate"] == "100000000"
    assert values(verbose.measurements)["client_cpu_usage", "value"] == pytest.approx(0.113)
    short = read((RAW / "udp-2-reverse.txt").read_bytes())
    assert dict(short.measurements[0].params)["target_bitrate"] == "unknown"
    assert [kind for kind, _, _ in short.doubts] == [Doubt.NOT_STATED]
    assert verbose.doubts == ()
    assert values(short.measurements)["lost_share", "value"] == 7 / 17808
    assert values(short.measurements)["jitter", "value"] == pytest.approx(15e-6)


def test_where_the_server_was_is_asked_unless_it_was_here() -> None:
    away = (RAW / "tcp.txt").read_bytes().replace(b"127.0.0.1", b"192.0.2.7")
    with pytest.raises(SitegenError, match="add --set access=") as refused:
        read(away)
    assert "\n" not in str(refused.value)
    about = dict(read(away, access="network").measurements[0].params)
    assert about["access"] == "network"
    with pytest.raises(SitegenError, match="the file says 'loopback', not 'network'"):
        read((RAW / "tcp.json").read_bytes(), access="network")


def test_text_that_counts_nothing_sent_again_may_be_of_sctp() -> None:
    text = (RAW / "tcp.txt").read_text().replace("Retr", "    ")
    with pytest.raises(SitegenError, match="add --set protocol="):
        read(text.encode())
    about = dict(read(text.encode(), protocol="sctp").measurements[0].params)
    assert about["protocol"] == "sctp"
    verbose = text.replace("[ ID]", "Starting Test: protocol: SCTP, 1 streams\n[ ID]", 1)
    assert dict(read(verbose.encode()).measurements[0].params)["protocol"] == "sctp"


def test_text_of_both_ways_at_once_is_no_bitrate() -> None:
    both = (RAW / "tcp.txt").read_bytes() + (RAW / "bidir.txt").read_bytes()
    statuses = [row.status for row in read(both).measurements if row.metric == "iperf3.bitrate"]
    assert statuses == [Status.OK, Status.FAILED]


def test_text_of_several_streams_without_their_sum_has_no_bitrate() -> None:
    lines = (RAW / "tcp-2-reverse.txt").read_text().splitlines(keepends=True)
    reading = read("".join(line for line in lines if "[SUM]" not in line).encode())
    assert {row.status for row in reading.measurements} == {Status.FAILED}


def test_it_measures_loopback_and_what_does_not_answer_has_failed(tmp_path: Path) -> None:
    able = collector(TABLE)
    assert isinstance(able, TableCollector)
    host = Host()
    tool = able.detect(host)
    if isinstance(tool, Missing):
        pytest.skip(str(tool))
    request = Request("quick", 1, {"streams": "2"}, 2, tmp_path, tmp_path, 10**9, "iperf3")
    plan = able.plan(tool, request)
    step = next(one for one in plan.steps if one.name == "tcp-receive-2")
    reading = able.parse(step, able.run(step, host))
    rate = next(row for row in reading.measurements if row.metric == "iperf3.bitrate")
    assert rate.value
    assert rate.value > 1e6
    assert dict(rate.params)["access"] == "loopback"
    assert {row.metric for row in step.expects} <= {row.metric for row in reading.measurements}
    away = {"address": f"127.0.0.1:{step.argv[4]}"}
    request = Request("quick", 1, away, 2, tmp_path, tmp_path, 10**9, "iperf3")
    alone = able.plan(tool, request).steps[0]
    with pytest.raises(SitegenError, match="Connection refused"):
        able.parse(alone, able.run(alone, host))
