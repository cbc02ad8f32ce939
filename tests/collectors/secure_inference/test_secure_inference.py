"""The collector: its plan, what it reads, what it refuses; and all of it once for real."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from collectors import secure_inference
from collectors.llm import measures, server
from collectors.secure_inference import evidence, timings
from sitegen.collect import Host, Plan, RawOutput, Reading, Refused, Request, Step
from sitegen.collect.execute import Collected, execute
from sitegen.collect.installed import make_plan
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Fingerprint, Measurement, Status, ToolIdentity
from sitegen.redact import Redactor

RAW = Path(__file__).parents[2] / "raw" / "secure-inference"
TOOL = ToolIdentity("llama.cpp server (xllamacpp)", "2026.10.1")
NONE: Mapping[str, str] = {}


def request(
    preset: str = "standard", scratch: Path = Path("/nowhere"), settings: Mapping[str, str] = NONE
) -> Request:
    return Request(preset, 3, settings, 2, scratch, scratch / "cache", 1 << 40)


def plan(preset: str = "standard", settings: Mapping[str, str] = NONE) -> Plan:
    return make_plan(secure_inference, TOOL, request(preset, settings=settings))


def step(name: str) -> Step:
    return next(each for each in plan().steps if each.name == name)


def output(name: str) -> RawOutput:
    return RawOutput(stdout=(RAW / f"{name}.out").read_bytes())


def read(name: str, output_name: str) -> Reading:
    return secure_inference.parse(step(name), output(output_name))


def one(reading: Reading, metric: str, statistic: str, **where: str) -> Measurement:
    [row] = [
        m
        for m in reading.measurements
        if (m.metric, m.statistic) == (f"secure-inference.{metric}", statistic)
        and where.items() <= dict(m.params).items()
    ]
    return row


def loads(name: str) -> list[measures.Load]:
    return [measures.read(each) for each in timings.read(output(name).stdout).loads]


def test_the_ladder_is_climbed_in_its_order_and_steps_differ_in_one_thing() -> None:
    rungs = [each for each in plan().steps if each.workload == "ladder"]
    fresh = [each for each in rungs if each.name.endswith("-fresh")]
    about = [dict(each.params) for each in fresh]
    assert [each.pop("step") for each in about] == ["native", "hop", "tls", "attested", "isolated"]
    assert all(each == about[0] for each in about)
    commands = [list(each.argv) for each in fresh]
    for argv in commands:
        argv[argv.index("--step") + 1] = ""
    assert all(argv == commands[0] for argv in commands)
    kept = [dict(each.params)["step"] for each in rungs if each.name.endswith("-reuse")]
    assert kept == ["hop", "tls"]


def test_a_shared_prefix_is_served_with_one_cache_with_many_and_with_none() -> None:
    steps = [each for each in plan().steps if each.workload == "shared-prefix"]
    cached = {dict(each.params)["step"]: "--cache" in each.argv for each in steps}
    assert cached == {"shared-cache": True, "isolated": True, "uncached": False}
    for each in steps:
        assert each.argv[each.argv.index("--prompt") + 1] == "shared"
        assert dict(each.params)["requests_per_user"] == "5"
        assert dict(each.params)["input_tokens"] == "512"


def test_what_must_match_is_declared() -> None:
    parameters = {each.name: each for each in plan().parameters}
    assert parameters["evidence"].value == "constructed, proves nothing"
    assert parameters["evidence"].comparability == Comparability.MUST_MATCH
    assert parameters["users"].comparability == Comparability.MUST_MATCH
    assert parameters["weights"].value == "random"


def test_a_machine_without_a_tee_has_no_quote_step_and_says_so() -> None:
    if evidence.available(Host().root):
        pytest.skip("this machine has a TEE")
    assert "quote" not in [each.name for each in plan().steps]
    [text] = [each.value for each in plan().parameters if each.name == "quote_generation"]
    assert text == "not measured: no TEE here"


@pytest.mark.parametrize(
    "settings",
    [
        *({"model": "7b"}, {"users": "0"}, {"users": "many"}, {"requests": "9" * 30}),
        *({"input_tokens": "-1"}, {"output_tokens": "1"}, {"concurrency": "1.5"}, {"threads": ""}),
        {"evidence": "/nowhere/at/all"},
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SitegenError, match="--set secure-inference"):
        plan(settings=settings)


def test_evidence_of_ones_own_is_verified_and_not_bound(tmp_path: Path) -> None:
    planned = plan(settings={"evidence": str(tmp_path)})
    texts = {each.name: each.value for each in planned.parameters}
    assert texts["evidence"] == "given"
    assert texts["evidence_binding"] == "not checked"
    steps = {each.name: each for each in planned.steps}
    assert "--unbound" in steps["sessions"].argv
    assert "--unbound" in steps["attested-fresh"].argv
    assert planned.prepare[0].argv[-2:] == ("--evidence", str(tmp_path))


def test_latency_is_of_the_requests_of_all_users() -> None:
    reading = read("attested-fresh", "attested")
    requests = [each for load in loads("attested") for each in load.requests]
    assert len(requests) == 6
    e2e = [each.last_token_s - each.sent_s for each in requests]  # type: ignore[operator]
    assert one(reading, "e2e_latency", "mean").value == pytest.approx(sum(e2e) / 6)
    assert one(reading, "e2e_latency", "max").value == pytest.approx(max(e2e))
    assert dict(one(reading, "ttft", "mean").params)["step"] == "attested"
    assert {row.metric.split(".")[0] for row in reading.measurements} == {"secure-inference"}


def test_samples_of_the_users_follow_one_another() -> None:
    reading = read("attested-fresh", "attested")
    points = [each for each in reading.samples if each.metric == "secure-inference.e2e_latency"]
    assert len(points) == 6
    assert [each.x for each in points] == sorted(each.x for each in points)
    first = loads("attested")[0].end
    assert first is not None
    assert points[3].x > first.wall_s


def test_time_outside_the_model_is_latency_less_the_servers_own() -> None:
    reading = read("attested-fresh", "attested")
    record = json.loads(timings.read(output("attested").stdout).loads[0].splitlines()[1])
    first = loads("attested")[0].requests[0]
    own = record["server"]["prompt_s"] + record["server"]["predicted_s"]
    expected = record["last_token_s"] - record["sent_s"] - own
    assert timings.outside_model_s(first) == pytest.approx(expected)
    assert one(reading, "outside_model_time", "mean").value is not None
    assert timings.outside_model_s(msgspec.structs.replace(first, server=None)) is None


def test_a_session_and_a_context_are_timed_once_a_user() -> None:
    reading = read("isolated-fresh", "isolated")
    for part in ("create", "destroy"):
        row = one(reading, "context_time", "mean", part=part)
        assert (row.value or 0) > 0
        assert dict(row.params)["context"] == "process"
    assert one(reading, "attestation_time", "mean", part="session").unit == "s"
    attested = read("attested-fresh", "attested")
    assert not [m for m in attested.measurements if m.metric.endswith("context_time")]


def test_a_shared_prefix_says_latency_only() -> None:
    reading = read("prefix-isolated", "isolated")
    metrics = {row.metric.split(".")[1] for row in reading.measurements}
    assert metrics == {"e2e_latency", "ttft", "outside_model_time"}


@pytest.mark.parametrize(
    ("name", "workload", "metric", "statistic", "unit", "about"),
    [
        ("handshake", "session", "handshake_time", "p95", "s", {"mode": "full"}),
        ("handshake", "session", "handshake_time", "mean", "s", {"mode": "resumed"}),
        ("verify", "evidence", "attestation_time", "p50", "s", {"part": "verify"}),
        ("throughput", "channel", "channel_throughput", "mean", "B/s", {"channel": "tls"}),
        ("hash", "weights", "hash_speed", "mean", "B/s", {"hash": "sha256"}),
        ("hash", "weights", "measure_time", "mean", "s", {"hash": "sm3"}),
    ],
)
def test_parts_are_read_with_their_series(  # noqa: PLR0913 - a row has as many sides
    name: str, workload: str, metric: str, statistic: str, unit: str, about: dict[str, str]
) -> None:
    reading = read(name, name)
    row = one(reading, metric, statistic, **about)
    assert (row.workload, row.unit) == (workload, unit)
    assert row.value
    keys = [(m.metric, m.statistic, m.params) for m in reading.measurements]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "control"),
    [
        *(("verify", "flipped-report-data-bit"), ("verify", "wrong-root")),
        ("sessions", "another-tls-key"),
    ],
)
def test_a_control_that_was_accepted_drops_the_run(name: str, control: str) -> None:
    text = output(name).stdout.decode()
    assert f'"name":"{control}","refused":true' in text
    changed = text.replace(f'"{control}","refused":true', f'"{control}","refused":false')
    with pytest.raises(Refused, match=control):
        secure_inference.parse(step(name), RawOutput(stdout=changed.encode()))


def test_a_verification_without_its_controls_is_not_read() -> None:
    report = timings.read(output("verify").stdout)
    lines = [timings.start("verify"), *report.values]
    with pytest.raises(SitegenError, match="controls are missing"):
        secure_inference.parse(step("verify"), RawOutput(stdout=timings.whole(lines).encode()))


def test_a_refused_command_drops_the_run_and_a_failed_one_its_step() -> None:
    data = b"attestation: the evidence is another endpoint's: it names another TLS key\n"
    with pytest.raises(Refused, match="another TLS key"):
        secure_inference.parse(step("attested-fresh"), RawOutput(stderr=data, exit_code=3))
    with pytest.raises(SitegenError, match="no right") as caught:
        secure_inference.parse(step("verify"), RawOutput(stderr=b"no right\n", exit_code=1))
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("count", [-1, 1])
def test_failed_requests_make_a_step_suspect_or_failed_with_the_reason(count: int) -> None:
    text = output("attested").stdout.decode()
    broken = text.replace(r"\"status\":\"ok\"", r"\"status\":\"disconnect\"", count)
    assert broken != text
    raw = RawOutput(stdout=broken.encode())
    if count < 0:
        with pytest.raises(SitegenError, match="no request was answered: disconnect"):
            secure_inference.parse(step("attested-fresh"), raw)
        return
    reading = secure_inference.parse(step("attested-fresh"), raw)
    served_rows = [m for m in reading.measurements if "attestation" not in m.metric]
    assert {m.status for m in served_rows} == {Status.SUSPECT}


def test_a_load_that_is_cut_off_is_suspect() -> None:
    report = timings.read(output("attested").stdout)
    cut = (each[: each.index(b'{"record":"end"')].decode() for each in report.loads)
    lines = [timings.start("step"), *map(timings.Load, cut)]
    raw = RawOutput(stdout=timings.whole(lines).encode())
    reading = secure_inference.parse(step("attested-fresh"), raw)
    assert {m.status for m in reading.measurements} == {Status.SUSPECT}


@given(st.sampled_from(["attested", "verify"]), st.data())
def test_damaged_output_raises_only_expected_errors(name: str, data: st.DataObject) -> None:
    whole = output(name).stdout
    cut = data.draw(st.integers(0, len(whole)))
    tail = data.draw(st.integers(cut, len(whole)))
    raw = RawOutput(stdout=whole[:cut] + data.draw(st.binary(max_size=6)) + whole[tail:])
    rung = "verify" if name == "verify" else "attested-fresh"
    with contextlib.suppress(SitegenError):
        secure_inference.parse(step(rung), raw)


needs_tools = pytest.mark.skipif(bool(server.missing()), reason="the embedded extra is missing")


def collect(
    scratch: Path, settings: Mapping[str, str], names: tuple[str, ...] = ()
) -> tuple[Collected, Plan]:
    quick = structs.replace(request("quick", scratch, settings), repetitions=1)
    plan = make_plan(secure_inference, TOOL, quick)
    if names:
        plan = structs.replace(plan, steps=tuple(each for each in plan.steps if each.name in names))
    got = execute(
        secure_inference,
        TOOL,
        plan,
        quick,
        host=Host(),
        environment="here",
        session="s",
        machine=Fingerprint(),
        redactor=Redactor(),
        seed=1,
    )
    assert got is not None
    return got, plan


@pytest.mark.tools
@needs_tools
def test_the_whole_ladder_is_measured_with_real_servers(tmp_path: Path) -> None:
    settings = {"model": "tiny", "requests": "2", "output_tokens": "8"}
    got, plan = collect(tmp_path, settings)
    assert got.run.complete
    errors = {s.name: [got.raw[each] for each in s.raw] for s in got.run.steps if s.exit_code}
    assert errors == {}
    rows = {(m.workload, m.metric, m.statistic, m.params) for m in got.run.measurements}
    assert len(rows) == len(got.run.measurements)
    for each in plan.steps:
        assert {(m.workload, m.metric, m.statistic, m.params) for m in each.expects} <= rows
    assert {m.status for m in got.run.measurements} <= {Status.OK, Status.SUSPECT}
    values = [m.value for m in got.run.measurements]
    assert all(value is not None and value >= 0 for value in values)
    [about] = [dict(s.values) for s in got.run.steps if s.name == "isolated-fresh"]
    assert about["contexts"] == "2"
    assert about["server"].startswith("xllamacpp ")
    raw = b"".join(got.raw.values())
    assert b"PRIVATE KEY" not in raw
    assert b"BEGIN CERTIFICATE" not in raw
    # Cached tokens: with one cache the second user finds the prefix, alone nobody's else.
    cached = {
        name: [
            r.cached_tokens
            for printed in timings.read(got.raw[f"prefix-{name}-0.out"]).loads
            for r in measures.read(printed).requests
        ]
        for name in ("shared-cache", "isolated", "uncached")
    }
    prefix = 200
    assert [(each or 0) > prefix for each in cached["shared-cache"]] == [False, *[True] * 5]
    assert [(each or 0) > prefix for each in cached["isolated"]] == [False, True, True] * 2
    assert not any(cached["uncached"])


@pytest.mark.tools
@needs_tools
def test_evidence_of_ones_own_goes_the_whole_way_or_ends_the_collection(tmp_path: Path) -> None:
    own, scratch = tmp_path / "own", tmp_path / "scratch"
    scratch.mkdir()
    constructed = evidence.construct(bytes(64), datetime.now(UTC))
    constructed.write(own)
    settings = {"model": "tiny", "requests": "1", "evidence": str(own)}
    got, _ = collect(scratch, settings, ("attested-fresh", "verify", "sessions"))
    names = {m.metric for m in got.run.measurements if m.status != Status.FAILED}
    assert names >= {"secure-inference.attestation_time", "secure-inference.e2e_latency"}
    structs.replace(constructed, at=constructed.at + 10**8).write(own)
    with pytest.raises(SitegenError, match="the quote is refused"):
        collect(scratch, settings, ("verify",))


@pytest.mark.tools
@needs_tools
def test_an_endpoint_with_another_key_drops_the_run(tmp_path: Path) -> None:
    """Swapping the evidence under a running collection ends it with nothing archived."""
    other = evidence.construct(evidence.report_data(b"k" * 32), datetime.now(UTC))
    quick = structs.replace(request("quick", tmp_path, {"model": "tiny"}), repetitions=1)
    plan = make_plan(secure_inference, TOOL, quick)
    host = Host()
    [prepare] = plan.prepare
    assert secure_inference.run(prepare, host).exit_code == 0
    other.write(tmp_path)
    rung = next(each for each in plan.steps if each.name == "attested-fresh")
    with pytest.raises(Refused, match="another TLS key"):
        secure_inference.parse(rung, secure_inference.run(rung, host))
