from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import ab
from collectors.ab import target as ab_target
from collectors.ab.readers import files
from sitegen.collect import Host, RawOutput, Reading, Request, Step, servers
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, ToolIdentity, params

RAW = Path(__file__).parents[2] / "raw" / "ab"
TOOL = ToolIdentity("ab", "2.3", "/usr/bin/ab")


def request(
    settings: Mapping[str, str] | None = None,
    preset: str = "standard",
    scratch: Path = Path("/nowhere"),
) -> Request:
    return Request(preset, 3, settings or {}, 2, scratch, scratch / "cache", 1 << 40, "ab")


def step(requests: int, **more: object) -> Step:
    where = params(access="loopback", concurrency=20, processes=1, requests=requests, **more)
    return Step("x", "sweep", ("ab",), 60.0, where)


def recorded(name: str, exit_code: int = 0) -> RawOutput:
    def data(suffix: str) -> bytes:
        path = RAW / f"{name}.{suffix}"
        return path.read_bytes() if path.exists() else b""

    files = {each: data(each) for each in ("percentiles.csv", "latency.tsv", "processes.tsv")}
    return RawOutput(
        stdout=data("out"),
        stderr=data("err"),
        exit_code=exit_code,
        duration_s=2.0,
        cpu_s=1.0,
        files={key: value for key, value in files.items() if value},
        values=(("server_cpu_s", "3.000"),),
    )


def one(reading: Reading, metric: str, statistic: str) -> Measurement:
    [match] = [m for m in reading.measurements if (m.metric, m.statistic) == (metric, statistic)]
    return match


def line(name: str, label: str) -> str:
    text = (RAW / f"{name}.out").read_text()
    [output] = [row for row in text.splitlines() if row.strip().startswith(label)]
    return output.split(":", 1)[1].strip()


def test_the_report_is_recorded_in_base_units_with_its_printed_text() -> None:
    reading = ab.parse(step(2000), recorded("http"))
    rate = one(reading, "ab.requests_per_second", "mean")
    printed = line("http", "Requests per second").split()[0]
    assert (rate.value, rate.printed, rate.unit) == (float(printed), printed, "1/s")
    speed = float(line("http", "Transfer rate").split()[0])
    assert one(reading, "ab.transfer_rate", "mean").value == pytest.approx(speed * 1024)
    assert one(reading, "ab.complete_requests", "value").value == 2000
    assert one(reading, "ab.failed_requests", "value").value == 0
    assert one(reading, "ab.non_2xx_responses", "value").value == 0
    assert one(reading, "ab.error_rate", "value").value == 0
    assert one(reading, "ab.ok_requests_per_second", "mean").value == rate.value
    assert {m.status for m in reading.measurements} == {Status.OK}


def test_the_table_of_connection_times_is_read_by_row() -> None:
    reading = ab.parse(step(2000), recorded("http"))
    for metric, label in (
        ("ab.connect_time", "Connect"),
        ("ab.processing_time", "Processing"),
        ("ab.waiting_time", "Waiting"),
    ):
        row = line("http", f"{label}:").split()
        for statistic, ms in zip(("min", "mean", "stddev", "p50", "max"), row, strict=True):
            assert one(reading, metric, statistic).value == pytest.approx(float(ms) / 1000)
            assert one(reading, metric, statistic).printed == ms
    row = line("http", "Total:").split()
    assert one(reading, "ab.latency", "mean").printed == row[1]
    assert one(reading, "ab.latency", "stddev").printed == row[2]


def test_percentiles_come_from_the_file_with_microseconds() -> None:
    reading = ab.parse(step(2000), recorded("http"))
    rows = dict(
        row.split(",") for row in (RAW / "http.percentiles.csv").read_text().splitlines()[1:]
    )
    for statistic, percent in (("p50", "50"), ("p99", "99"), ("min", "0"), ("max", "100")):
        measured = one(reading, "ab.latency", statistic)
        assert measured.printed == rows[percent]
        assert measured.value == pytest.approx(float(rows[percent]) / 1000)


def test_a_percentile_that_lies_behind_the_last_request_gives_way_to_the_printed() -> None:
    reading = ab.parse(step(40), recorded("few"))
    assert one(reading, "ab.latency", "p98").printed == "1.342"
    assert one(reading, "ab.latency", "p99").printed == "1"


def test_without_that_file_the_printed_list_serves() -> None:
    reading = ab.parse(step(200), recorded("https"))
    row = line("https", "Total:").split()
    assert one(reading, "ab.latency", "p50").printed == row[3]
    assert one(reading, "ab.latency", "min").printed == row[0]
    assert one(reading, "ab.latency", "p99").value is not None


def test_cpu_of_the_load_generator_and_of_the_server_is_a_share_of_one_cpu() -> None:
    reading = ab.parse(step(2000), recorded("http"))
    assert one(reading, "ab.client_cpu_usage", "mean").value == 0.5
    assert one(reading, "ab.server_cpu_usage", "mean").value == 1.5


def test_error_pages_are_suspect_and_not_ok_requests() -> None:
    reading = ab.parse(step(200), recorded("not-found"))
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}
    assert one(reading, "ab.non_2xx_responses", "value").value == 200
    assert one(reading, "ab.failed_requests", "value").value == 0
    assert one(reading, "ab.ok_requests_per_second", "mean").value == 0
    assert one(reading, "ab.error_rate", "value").value == 1


def test_a_server_that_closes_without_an_answer_is_no_success() -> None:
    with pytest.raises(SitegenError, match="without an answer"):
        ab.parse(step(200), recorded("closed"))


@pytest.mark.parametrize(("failed", "status"), [(20, Status.OK), (60, Status.SUSPECT)])
def test_many_failed_requests_make_the_rate_suspect(failed: int, status: Status) -> None:
    text = (RAW / "http.out").read_text()
    text = text.replace("Failed requests:        0", f"Failed requests:        {failed}")
    reading = ab.parse(step(2000), RawOutput(stdout=text.encode()))
    assert {m.status for m in reading.measurements} == {status}


def test_fewer_requests_than_asked_for_are_suspect() -> None:
    reading = ab.parse(step(5000), recorded("http"))
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("refused", 111, "Connection refused"),
        ("timeout", 119, "timeout specified has expired"),
        ("too-few", 22, "Cannot use concurrency level greater"),
        ("interrupted", 1, "code 1"),
    ],
)
def test_an_aborted_run_says_why(name: str, code: int, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        ab.parse(step(200), recorded(name, code))


def multi_step(processes: int = 3) -> Step:
    where = params(access="loopback", concurrency=10, processes=processes, requests=1000)
    return Step("multi-http", "multi", ("ab",), 60.0, where)


def test_many_processes_count_from_the_first_start_to_the_last_end_and_one_failed() -> None:
    reading = ab.parse(multi_step(), recorded("multi"))
    rows = [row.split("\t") for row in (RAW / "multi.processes.tsv").read_text().splitlines()[1:]]
    good = [row for row in rows if row[3] == "0"]
    span = max(float(row[2]) for row in good) - min(float(row[1]) for row in good)
    total = one(reading, "ab.requests_per_second", "total")
    assert total.value == pytest.approx(2000 / span)
    assert total.printed is None
    assert one(reading, "ab.complete_requests", "value").value == 2000
    # Of one ab, on average; the server's is of all its processes.
    assert one(reading, "ab.client_cpu_usage", "mean").value == pytest.approx(0.5 / 3)
    assert one(reading, "ab.server_cpu_usage", "mean").value == 1.5
    # One of the three failed.
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}


def test_latency_of_many_processes_comes_from_all_their_requests() -> None:
    reading = ab.parse(multi_step(), recorded("multi"))
    pairs = [row.split("\t") for row in (RAW / "multi.latency.tsv").read_text().splitlines()[1:]]
    every = sorted(int(ms) for ms, count in pairs for _ in range(int(count)))
    assert len(every) == 2000
    assert one(reading, "ab.latency", "p50").value == every[999] / 1000
    assert one(reading, "ab.latency", "p99").value == every[1979] / 1000
    assert one(reading, "ab.latency", "max").value == every[-1] / 1000
    assert one(reading, "ab.latency", "mean").value == pytest.approx(sum(every) / 2000 / 1000)
    points = [s for s in reading.samples if s.kind == "histogram"]
    assert sum(s.y for s in points) == 2000


def test_when_every_process_failed_nothing_is_reported() -> None:
    raw = recorded("multi")
    table = (RAW / "multi.processes.tsv").read_text().replace("\t0\n", "\t111\n")
    files = {**raw.files, "processes.tsv": table.encode()}
    with pytest.raises(SitegenError, match="no ab of 3 ended well"):
        ab.parse(multi_step(), RawOutput(stdout=raw.stdout, stderr=raw.stderr, files=files))


def test_request_files_are_reduced_without_loss() -> None:
    data = (RAW / "http.requests.tsv").read_bytes()
    counts = files.count_requests(data)
    times = [int(row.split("\t")[4]) for row in data.decode().splitlines()[1:]]
    assert sorted(counts.elements()) == sorted(times)
    assert files.read_counts(files.write_counts(counts)) == counts


@given(st.sampled_from(["http", "https", "not-found", "closed", "refused"]), st.data())
def test_damaged_reports_raise_only_expected_errors(name: str, data: st.DataObject) -> None:
    whole = (RAW / f"{name}.out").read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    tail = data.draw(st.integers(cut, len(whole)))
    raw = RawOutput(stdout=whole[:cut] + data.draw(st.binary(max_size=6)) + whole[tail:])
    try:
        ab.parse(step(200), raw)
    except SitegenError:
        return


@given(st.integers(0), st.integers(0), st.integers(0))
def test_damaged_files_of_many_processes_raise_only_expected_errors(
    text: int, table: int, counts: int
) -> None:
    raw = recorded("multi")
    raw = RawOutput(
        stdout=raw.stdout[: text % (len(raw.stdout) + 1)],
        files={
            "processes.tsv": raw.files["processes.tsv"][: table % 90],
            "latency.tsv": raw.files["latency.tsv"][: counts % 70],
        },
    )
    try:
        ab.parse(multi_step(), raw)
    except SitegenError:
        return


def test_the_standard_plan_has_the_cited_concurrencies_and_params() -> None:
    plan = ab.plan(TOOL, request())
    names = [step.name for step in plan.steps]
    for kind in ("http", "https", "https-keepalive"):
        assert [n for n in names if n.startswith(f"{kind}-c")] == [
            f"{kind}-c{c}" for c in (200, 500, 1000, 2000)
        ]
    steps = {step.name: step for step in plan.steps}
    about = {"access": "loopback", "requests": 5000}
    many = params(concurrency=2000, processes=1, scheme="https", **about)
    assert steps["https-c2000"].params == many
    assert dict(steps["https-keepalive-c200"].params)["keepalive"] == "true"
    assert "-k" in steps["https-keepalive-c200"].argv
    processes = params(concurrency=40, processes=51, scheme="http", **about)
    assert steps["multi-http"].params == processes
    assert steps["multi-http"].workload == "multi"
    assert steps["http-c200"].workload == "sweep"


def test_quick_never_asks_for_fewer_requests_than_connections() -> None:
    for each in ab.plan(TOOL, request(preset="quick")).steps:
        where = dict(each.params)
        assert int(where["requests"]) >= int(where["concurrency"])


@pytest.mark.parametrize(
    ("url", "scheme", "last"),
    [
        ("http://192.0.2.1", "http", "http://192.0.2.1/"),
        ("https://192.0.2.1:8443/a?b=1", "https", "https://192.0.2.1:8443/a?b=1"),
    ],
)
def test_an_address_of_ones_own_is_measured_without_a_server(
    url: str, scheme: str, last: str
) -> None:
    plan = ab.plan(TOOL, request({"url": url}))
    assert {step.argv[-1] for step in plan.steps} == {last}
    assert {dict(step.params)["scheme"] for step in plan.steps} == {scheme}
    assert {dict(step.params)["access"] for step in plan.steps} == {"direct"}
    assert not any(step.get("server") for step in plan.steps)
    assert [step.name for step in plan.prepare] == (
        ["check-certificate"] if scheme == "https" else []
    )
    # An address may name what must not be published: it is in no parameter.
    assert all("192.0.2.1" not in parameter.value for parameter in plan.parameters)


def test_an_unverified_certificate_is_measured_only_when_that_is_allowed() -> None:
    plan = ab.plan(
        TOOL, request({"url": "https://192.0.2.1/", "insecure": "yes", "access": "tproxy"})
    )
    assert plan.prepare == ()
    assert {dict(step.params)["access"] for step in plan.steps} == {"tproxy"}


@pytest.mark.parametrize(
    "settings",
    [
        *({"url": url} for url in ("ftp://192.0.2.1/", "http://", "http://a b/", "http://[::1/")),
        *({"url": "http://192.0.2.1:99999/"}, {"url": "http://192.0.2.1/", "access": "a b"}),
        *({"concurrency": "0"}, {"concurrency": "10;20"}, {"requests": "many"}),
        *({"processes": "-1"}, {"tls": "SSLv3"}),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SitegenError, match=r"--set ab\.\w+: "):
        ab.plan(TOOL, request(settings))


def test_too_few_open_files_fail_with_the_reason() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this process may open any number of files")
    [first, *_] = ab.plan(TOOL, request({"url": "http://192.0.2.1/"})).steps
    where = params(**{**dict(first.params), "concurrency": hard})
    greedy = Step("greedy", "sweep", first.argv, 10.0, where)
    raw = ab.run(greedy, Host())
    assert raw.exit_code == 1
    assert b"open files are needed" in raw.stderr
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    with pytest.raises(SitegenError, match="open files are needed"):
        ab.parse(greedy, raw)


def test_a_server_that_cannot_start_is_a_failed_step(tmp_path: Path) -> None:
    [first, *_] = ab.plan(TOOL, request(scratch=tmp_path)).steps
    context = {**dict(first.context), "server": "python", "server_path": "/bin/false"}
    broken = Step("x", "sweep", first.argv, 10.0, first.params, (), tuple(context.items()))
    raw = ab.run(broken, Host())
    assert raw.exit_code == 1
    with pytest.raises(SitegenError, match="the server ended at once"):
        ab.parse(broken, raw)


def test_what_another_server_answers_is_not_measured(tmp_path: Path) -> None:
    with socket.create_server((servers.LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        # It runs on, and does not listen: who answers on its port is somebody else.
        sleeper = tmp_path / "sleeper"
        sleeper.write_text("#!/bin/sh\nsleep 1\n")
        sleeper.chmod(0o755)
        target = ab_target.Target("python", str(sleeper), str(tmp_path), port, port, "TLSv1.3", 1)
        with (
            pytest.raises(SitegenError, match="the server ended at once"),
            ab_target.serving(target, Host()),
        ):
            pass


def test_the_server_of_our_own_answers_one_document_over_http(tmp_path: Path) -> None:
    import urllib.request

    http, https = servers.free_ports(2, "ab")
    target = ab_target.Target("python", sys.executable, str(tmp_path), http, https, "TLSv1.3", 1)
    with ab_target.serving(target, Host()) as server:
        with urllib.request.urlopen(f"http://{servers.LOOPBACK}:{http}/", timeout=10) as answer:
            assert answer.read() == ab_target.BODY
        assert servers.cpu_seconds(server) > 0
    assert not server.is_running()
