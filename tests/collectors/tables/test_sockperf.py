"""sockperf: half of a round trip, and what does not answer."""

from __future__ import annotations

import pytest

from sitegen.catalogue import declared
from sitegen.collect import Reading
from sitegen.collect.declared.collector import collector
from sitegen.errors import SitegenError
from sitegen.model import Status
from tests import site_checks as check

RAW = check.ROOT / "tests" / "raw" / "sockperf"


def read(name: str, host: str = "127.0.0.1", **asked: str) -> Reading:
    [reader] = collector(declared.shipped()["sockperf"]).READERS
    data = (RAW / f"{name}.out").read_bytes().replace(b"127.0.0.1", host.encode())
    [reading] = reader.runs(data, {"message_size": "64", **asked})
    return reading


def test_its_percentiles_are_read_in_seconds() -> None:
    rows = {
        row.statistic: row
        for row in read("ping-pong").measurements
        if row.metric.endswith("latency")
    }
    assert rows["p50"].value == pytest.approx(10.714e-6)
    assert rows["p99.99"].value == pytest.approx(2918.330e-6)
    assert {row.status for row in rows.values()} == {Status.OK}


def test_where_the_server_was_is_asked_unless_it_was_here() -> None:
    assert dict(read("ping-pong").measurements[0].params)["access"] == "loopback"
    with pytest.raises(SitegenError, match="add --set access="):
        read("ping-pong", "192.0.2.7")
    about = dict(read("ping-pong", "192.0.2.7", access="network").measurements[0].params)
    assert about["access"] == "network"


def test_a_load_that_was_not_answered_is_suspect() -> None:
    reading = read("under-load")
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert reading.doubts[0][1] == "0 messages were dropped, 5 of 401 were answered"


def test_percentiles_out_of_order_are_suspect() -> None:
    [reader] = collector(declared.shipped()["sockperf"]).READERS
    data = (RAW / "ping-pong.out").read_bytes().replace(b"99.000 =  733", b"99.000 = 7733")
    [reading] = reader.runs(data, {"message_size": "64"})
    assert {row.status for row in reading.measurements} == {Status.SUSPECT}
    assert "out of order" in reading.doubts[0][1]


@pytest.mark.parametrize("name", ["full-rtt", "refused"])
def test_whole_round_trips_and_no_connection_are_refused(name: str) -> None:
    with pytest.raises(SitegenError, match="import the output whole"):
        read(name)
