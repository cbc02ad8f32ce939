"""The collector: its plan, what it reads, and runs against a real server."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from collectors import llm
from collectors.llm import measures, server, weights
from sitegen.analysis import caveats
from sitegen.archive import Archive
from sitegen.collect import Host, Missing, Plan, RawOutput, Reading, Request, Step, servers
from sitegen.collect.execute import Collected, execute
from sitegen.collect.installed import make_plan
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Fingerprint, Measurement, Status, ToolIdentity
from sitegen.redact import Redactor
from tests.collectors.llm.peer import (
    DONE,
    Answer,
    Peer,
    Server,
    chat,
    event,
    finish,
    usage,
    whole,
)

RAW = Path(__file__).parents[2] / "raw" / "llm" / "client"
TOOL = ToolIdentity("sitegen LLM client", "1", "/usr/lib/client.py")
ELSEWHERE = {"url": "https://inference.example:8443/team-7/v1", "model": "meta/Llama-3.1-8B"}
SMALL = {
    "model_size": "tiny",
    "concurrency": "1,2",
    "rates": "20",
    "threads": "1",
    "input_tokens": "16",
    "output_tokens": "200",
    "requests": "6",
}
NONE: Mapping[str, str] = {}
HERE = dict.fromkeys(ELSEWHERE, "unset")

needs_server = pytest.mark.skipif(bool(server.missing()), reason="the embedded extra is missing")


def request(
    preset: str = "standard",
    settings: Mapping[str, str] = NONE,
    *,
    scratch: Path = Path("/nowhere"),
    cpus: int = 2,
) -> Request:
    return Request(preset, 1, settings, cpus, scratch, scratch / "cache", 1 << 40, "llm")


def option(step: Step, name: str) -> str:
    return step.argv[step.argv.index(f"--{name}") + 1]


def parameters(plan: Plan) -> dict[str, tuple[str, Comparability]]:
    return {p.name: (p.value, p.comparability) for p in plan.parameters}


def output(name: str, exit_code: int = 0) -> RawOutput:
    stderr = RAW / f"{name}.err"
    return RawOutput(
        stdout=(RAW / f"{name}.out").read_bytes(),
        stderr=stderr.read_bytes() if stderr.exists() else b"",
        exit_code=exit_code,
        duration_s=2.0,
        values=(("load_s", "0.25"), ("server_cpu_s", "3.000"), ("server_peak_bytes", "4096")),
    )


def step_of(workload: str, *, started: bool = True) -> Step:
    context = (("slo", "2/0.1"), *((("started", "yes"),) if started else ()))
    return Step("x", workload, ("client",), 60.0, (("concurrency", "2"),), context=context)


def one(rows: tuple[Measurement, ...], metric: str, statistic: str = "value") -> Measurement:
    [match] = [
        row
        for row in rows
        if (row.metric, row.statistic) == (f"llm.{metric}", statistic)
        and "reason" not in dict(row.params)
    ]
    return match


# The plan.


@needs_server
def test_the_standard_plan_is_the_same_on_every_machine_but_for_all_its_cpus() -> None:
    def names(cpus: int) -> list[str]:
        return [step.name for step in llm.plan(TOOL, request(cpus=cpus)).steps]

    loads = ["closed-c1", "closed-c2", "closed-c4", "closed-c8", "closed-c16"]
    loads += ["open-r1", "open-r2", "open-r4"]
    assert names(1) == [*loads, "threads-1"]
    assert names(2) == [*loads, "threads-1", "threads-2"]
    assert names(6) == [*loads, "threads-1", "threads-2", "threads-4", "threads-6"]
    assert names(64)[-2:] == ["threads-8", "threads-64"]


@needs_server
def test_what_tells_series_apart_is_in_the_params() -> None:
    steps = {step.name: step for step in llm.plan(TOOL, request()).steps}
    common = {
        "model": "random-llama-15m",
        "engine": "llama.cpp",
        "weights": "random",
        "input_tokens": "128",
        "output_tokens": "64",
    }
    assert dict(steps["closed-c4"].params) == {**common, "concurrency": "4", "threads": "1"}
    assert dict(steps["open-r2"].params) == {**common, "rate": "2", "threads": "1"}
    assert dict(steps["threads-2"].params) == {**common, "concurrency": "1", "threads": "2"}
    assert [steps[name].workload for name in ("closed-c4", "open-r2", "threads-2")] == [
        "closed",
        "open",
        "threads",
    ]
    assert option(steps["open-r2"], "rate") == "2"
    assert "--concurrency" not in steps["open-r2"].argv
    assert option(steps["threads-2"], "concurrency") == "1"


@needs_server
def test_what_must_match_between_runs_is_said() -> None:
    values = parameters(llm.plan(TOOL, request()))
    must = {name: value for name, (value, kind) in values.items() if kind == "must match"}
    assert must == {
        "api": "openai-chat",
        "access": "loopback",
        "channel": "plain",
        "connection_policy": "fresh",
        "prompt": "unique",
        "quantisation": "F32",
        "weights": "random",
        "server_threads": "1",
        "slots": "8",
        "context_tokens": "512",
    }
    assert values["tool_version"] == ("1", Comparability.CAVEAT)
    assert values["server_version"][0].startswith("xllamacpp 2")
    assert values["model_parameters"] == (str(weights.parameters("15m")), Comparability.IGNORED)


@needs_server
def test_the_context_holds_prompt_and_answer_or_it_is_refused() -> None:
    plan = llm.plan(TOOL, request(settings={"input_tokens": "1000", "output_tokens": "200"}))
    assert parameters(plan)["context_tokens"][0] == "1536"
    with pytest.raises(SitegenError, match="need 5376 tokens and the model holds 4096"):
        llm.plan(TOOL, request(settings={"input_tokens": "4000", "output_tokens": "200"}))


@needs_server
def test_without_an_address_it_needs_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(
        SitegenError, match=r"xllamacpp is not installed; pip install 'sitegen-tee\["
    ):
        llm.plan(TOOL, request())
    assert llm.plan(TOOL, request(settings=ELSEWHERE)).steps


def test_an_address_gets_only_the_load_that_was_asked_for() -> None:
    plan = llm.plan(TOOL, request(settings=ELSEWHERE))
    assert {step.workload for step in plan.steps} == {"closed"}
    assert plan.prepare == ()
    plan = llm.plan(TOOL, request(settings={**ELSEWHERE, "rates": "0.5,2"}))
    assert [s.name for s in plan.steps if s.workload == "open"] == ["open-r0.5", "open-r2"]
    assert dict(plan.steps[0].params) == {
        "model": "meta/Llama-3.1-8B",
        "weights": "real",
        "input_tokens": "128",
        "output_tokens": "64",
        "concurrency": "1",
    }
    assert parameters(plan)["channel"][0] == "tls"
    assert parameters(plan)["access"][0] == "direct"


def test_the_host_of_an_address_is_in_nothing_that_is_archived() -> None:
    plan = llm.plan(TOOL, request(settings=ELSEWHERE))
    archived = [word for step in plan.steps for word in step.argv]
    archived += [text for step in plan.steps for pair in step.params for text in pair]
    archived += [parameter.value for parameter in plan.parameters]
    assert not [text for text in archived if "example" in text or "team-7" in text]
    assert {option(step, "url") for step in plan.steps} == {"https://[endpoint]"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_this_machine_needs_no_hiding(host: str) -> None:
    url = f"http://{host}:8000/v1"
    plan = llm.plan(TOOL, request(settings={"url": url, "model": "m"}))
    assert option(plan.steps[0], "url") == url
    assert parameters(plan)["access"][0] == "loopback"


def test_ollama_is_found_where_it_listens() -> None:
    plan = llm.plan(TOOL, request(settings={"api": "ollama", "model": "qwen3:0.6b"}))
    assert option(plan.steps[0], "url") == "http://127.0.0.1:11434"
    assert dict(plan.steps[0].params)["engine"] == "ollama"


def test_a_model_that_is_named_by_its_path_is_known_by_its_last_part() -> None:
    settings = {**ELSEWHERE, "model": "/srv/models/llama-8b"}
    step = llm.plan(TOOL, request(settings=settings)).steps[0]
    assert dict(step.params)["model"] == "llama-8b"
    settings |= {"name": "Llama 3.1 8B", "engine": "vllm", "engine_version": "0.9"}
    named = llm.plan(TOOL, request(settings=settings))
    assert dict(named.steps[0].params)["model"] == "Llama 3.1 8B"
    assert dict(named.steps[0].params)["engine"] == "vllm"
    assert parameters(named)["server_version"] == ("0.9", Comparability.CAVEAT)


def test_a_key_is_named_and_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_KEY", "sk-0123456789abcdef")
    plan = llm.plan(TOOL, request(settings={**ELSEWHERE, "key_env": "INFERENCE_KEY"}))
    assert option(plan.steps[0], "key-env") == "INFERENCE_KEY"
    assert "0123456789" not in repr(plan)
    with pytest.raises(SitegenError) as refused:
        llm.plan(TOOL, request(settings={**ELSEWHERE, "key_env": "hf_0123456789abcdef"}))
    assert "0123456789" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "ftp://inference.example"}, "llm.url: .* is not an http or https address"),
        ({"url": "http://user:pass@inference.example/"}, "credentials; put the key into an env"),
        ({"url": "http://inference.example/?key=abc"}, "credentials; .* --set llm.key_env="),
        ({"model": ""}, "llm.model: is empty"),
        ({"model": "=b"}, "llm.model: '=b' is not a text"),
        ({"api": "grpc"}, "llm.api: 'grpc' is not one of ollama, openai-chat"),
        ({"ca": "/nowhere/ca.pem"}, "llm.ca: there is no such file"),
        ({"model_size": "15m"}, "llm.model_size: the setting is of the server that is started"),
        ({"threads": "1"}, "llm.threads: the setting is of the server that is started"),
        ({"concurrency": "0"}, "llm.concurrency: '0' is not a list with commas of which each is"),
        ({"rates": "fast"}, "llm.rates: 'fast' is not a list with commas of which each is"),
        ({"slo": "fast"}, "llm.slo: 'fast' is no limit; write 2/0.1 or one of mlperf-"),
        ({**HERE, "model": "m"}, "llm.model: the setting is of a server at an address"),
        ({**HERE, "key_env": "HOME"}, "llm.key_env: "),
        ({**HERE, "model_size": "7b"}, "llm.model_size: '7b' is not one of 125m, 15m"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, str], message: str) -> None:
    texts = {name: value for name, value in {**ELSEWHERE, **settings}.items() if value != "unset"}
    with pytest.raises(SitegenError, match=message):
        make_plan(llm, TOOL, request(settings=texts))


def test_the_client_is_the_tool_and_needs_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = llm.detect(Host())
    assert isinstance(tool, ToolIdentity)
    assert len(tool.sha256) == 64
    assert "aiohttp" in tool.version

    def none(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", none)
    assert llm.detect(Host()) == Missing("aiohttp", "pip install 'sitegen-tee[llm]'")


# What it reads.


def test_what_is_known_of_a_started_server_stands_beside_what_the_client_saw() -> None:
    rows = llm.parse(step_of("closed"), output("closed")).measurements
    assert one(rows, "load_time").value == 0.25
    assert one(rows, "server_cpu_usage").value == 1.5
    assert one(rows, "peak_memory").value == 4096
    first = measures.read((RAW / "closed.out").read_bytes()).requests[0]
    assert one(rows, "cold_ttft").value == first.ttft_s
    assert one(rows, "requests").value == 6
    assert one(rows, "output_tokens", "mean").value == 8
    assert {row.params for row in rows if row.metric == "llm.goodput"} == {
        (("concurrency", "2"), ("slo", "ttft 2 s, tpot 0.1 s"))
    }


def test_the_first_request_to_a_given_server_is_not_called_cold() -> None:
    rows = llm.parse(step_of("closed", started=False), output("closed")).measurements
    assert not {"llm.cold_ttft", "llm.load_time", "llm.peak_memory"} & {r.metric for r in rows}


@needs_server
@pytest.mark.parametrize(("name", "workload"), [("closed", "closed"), ("open", "open")])
def test_what_is_promised_is_in_what_is_read(name: str, workload: str) -> None:
    plan = llm.plan(TOOL, request("quick"))
    step = next(step for step in plan.steps if step.workload == workload)
    keys = {
        (row.metric, row.statistic, row.unit) for row in llm.parse(step, output(name)).measurements
    }
    assert {(row.metric, row.statistic, row.unit) for row in step.expects} <= keys


def test_a_load_of_which_nothing_could_be_sent_says_why() -> None:
    with pytest.raises(SitegenError, match=r"x: ended with code 1: .*no request could be sent"):
        llm.parse(step_of("closed"), output("refused", exit_code=1))


def test_a_server_that_answers_nothing_well_says_why() -> None:
    raw = output("refused")
    data = raw.stdout.replace(b'"refused"', b'"http"').replace(b"Cannot connect", b"HTTP 401")
    with pytest.raises(SitegenError, match="x: no request went well, the first: http: HTTP 401 "):
        llm.parse(step_of("closed"), RawOutput(stdout=data))


def test_what_a_stopped_client_had_written_counts_with_doubt() -> None:
    lines = (RAW / "closed.out").read_bytes().splitlines(keepends=True)
    raw = RawOutput(stdout=b"".join(lines[:-1]) + lines[-1][:20], exit_code=-9)
    rows = llm.parse(step_of("closed"), raw).measurements
    assert one(rows, "requests").value == 6
    assert one(rows, "ttft", "mean").status == Status.SUSPECT


# What it says of servers that do otherwise.

Serve = Callable[[Answer], Server]


def taken_from(serve: Serve, script: Answer, tmp_path: Path, **settings: str) -> Collected:
    """Return the run of one closed loop against a script."""
    one = {"model": "m", "concurrency": "2", "requests": "4", "output_tokens": "3", **settings}
    url = serve(script).url
    return carried_out(request("quick", {"url": url, **one}, scratch=tmp_path))


def told(collected: Collected) -> dict[str, str]:
    """Return what a run is doubted for, by the rule."""
    return {one.rule.id: one.sentence for one in caveats.of_reading(collected.run)}


def test_a_run_says_what_its_server_did_otherwise(served: Serve, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(event({"model": "other", "choices": [{"delta": {"content": "a"}}]}))
        await asyncio.sleep(0.02)
        await peer.send(chat(content="b") + finish("stop") + usage(2) + DONE)
        await peer.end()

    run = taken_from(served, script, tmp_path)
    doubts = told(run)
    doubts.pop("client-late", "")  # of this machine, where it has other things to do
    assert doubts == {
        "other-length": "closed-c2: 4 of 4 answers are not as long as asked for: 3 tokens were, and"
        " 2 came in the mean.",
        "misnamed": "closed-c2: The model m was asked for, and other answered.",
    }
    said = {p.name: p.value for p in run.run.parameters}
    assert said["answering_model"] == "other"
    assert values(run, "output_tokens") == [2.0]
    folder = tmp_path / "archive"
    stored = Archive(folder)
    stored.write(run.run, run.raw)
    assert stored.read(stored.find(run.run.id)).parameters == run.run.parameters


def test_a_run_says_which_count_of_tokens_counts(served: Serve, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        for text in "abc":
            await peer.send(chat(content=text))
            await asyncio.sleep(0.02)
        await peer.send(finish() + usage(30) + DONE)
        await peer.end()

    run = taken_from(served, script, tmp_path)
    assert "30 by usage and 3 events with text, of 3 tokens" in told(run)["inconsistent"]
    [tpot] = [m for m in run.run.measurements if (m.metric, m.statistic) == ("llm.tpot", "mean")]
    assert tpot.status == Status.SUSPECT


def test_a_run_says_what_its_server_refused_to_be_asked(served: Serve, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        if "stream_options" in peer.asked:
            await peer.head("400 Bad", "application/json")
            await peer.send(b'{"error":{"message":"Unrecognized argument: stream_options"}}')
            await peer.end()
        else:
            await peer.say(whole("a", "b", "c").replace(usage(3), b""))

    run = taken_from(served, script, tmp_path)
    assert {p.name: p.value for p in run.run.parameters}["refused_fields"] == "stream_options"
    assert values(run, "error_rate") == [0.0]
    assert values(run, "missing_usage") == [4.0]
    assert values(run, "ttft")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        ("400 Bad", b'{"error":{"message":"Unrecognized: ignore_eos"}}', "Unrecognized: ignore"),
        (
            "422 No",
            b'{"detail":[{"loc":["body","min_tokens"],"msg":"extra"}]}',
            "min_tokens: extra",
        ),
        ("400 Bad", b"", "HTTP 400;"),
        ("500 Oops", b'{"message":"no argument min_tokens"}', "no argument min_tokens"),
    ],
)
def test_a_server_that_may_refuse_extensions_is_asked_without_them_by_a_setting(
    served: Serve, tmp_path: Path, status: str, body: bytes, said: str
) -> None:
    async def script(peer: Peer) -> None:
        refused = "ignore_eos" in peer.asked
        await peer.head(*((status, "application/json") if refused else ()))
        await peer.send(body if refused else whole("a", "b", "c"))
        await peer.end()

    one = {"url": served(script).url, "model": "m", "concurrency": "1", "requests": "2"}
    [step] = llm.plan(TOOL, request("quick", one, scratch=tmp_path)).steps
    with pytest.raises(SitegenError) as refused:
        llm.parse(step, llm.run(step, Host()))
    assert said in str(refused.value)
    assert "--set llm.extensions=no" in refused.value.fix
    plain = {**one, "extensions": "no"}
    [step] = llm.plan(TOOL, request("quick", plain, scratch=tmp_path)).steps
    assert values_of(llm.parse(step, llm.run(step, Host())), "error_rate") == [0.0]


def test_another_refusal_has_no_such_advice(served: Serve, tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.head("401 No", "application/json")
        await peer.send(b'{"error":"bad key"}')
        await peer.end()

    one = {"url": served(script).url, "model": "m", "concurrency": "1", "requests": "2"}
    [step] = llm.plan(TOOL, request("quick", one, scratch=tmp_path)).steps
    with pytest.raises(SitegenError, match="HTTP 401: bad key") as refused:
        llm.parse(step, llm.run(step, Host()))
    assert not refused.value.fix


# Runs.


def carried_out(request: Request) -> Collected:
    host = Host()
    tool = llm.detect(host)
    assert isinstance(tool, ToolIdentity)
    collected = execute(
        llm,
        tool,
        make_plan(llm, tool, request),
        request,
        host=host,
        environment="here",
        session="s",
        machine=Fingerprint(),
        redactor=Redactor(),
        seed=1,
    )
    assert collected is not None
    return collected


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def values(collected: Collected, metric: str) -> list[float | None]:
    return [m.value for m in collected.run.measurements if m.metric == f"llm.{metric}"]


def values_of(reading: Reading, metric: str) -> list[float | None]:
    return [m.value for m in reading.measurements if m.metric == f"llm.{metric}"]


@pytest.mark.tools
@needs_server
def test_a_server_is_started_measured_and_stopped(tmp_path: Path) -> None:
    quick = request("quick", SMALL, scratch=tmp_path)
    collected = carried_out(quick)
    run = collected.run
    steps = {step.name: step for step in run.steps}
    assert set(steps) == {"model", "closed-c1", "closed-c2", "open-r20", "threads-1"}
    assert not [m for m in run.measurements if m.status == Status.FAILED]
    assert set(values(collected, "error_rate")) == {0.0}
    assert set(values(collected, "requests")) == {6.0}
    # Two letters a word: as many tokens as were asked for, and one that begins the text.
    assert set(values(collected, "input_tokens")) == {17.0}
    assert set(values(collected, "output_tokens")) == {200.0}
    for metric in ("load_time", "cold_ttft", "peak_memory"):
        assert all(value and value > 0 for value in values(collected, metric)), metric
        assert len(values(collected, metric)) == 4
    assert {m.metric for m in run.measurements} >= {"llm.itl", "llm.offered_rate", "llm.eval_rate"}
    assert dict(steps["closed-c1"].values)["server_version"].startswith("xllamacpp 2")
    model = dict(steps["model"].values)
    assert (model["kept"], len(model["model_sha256"])) == ("no", 64)
    assert "http://[started-server]" in steps["closed-c1"].argv
    assert not [p for p in psutil.process_iter() if str(tmp_path) in " ".join(_command(p))]

    again = llm.plan(TOOL, quick)
    kept = llm.run(again.prepare[0], Host())
    assert (kept.get("kept"), kept.get("model_sha256")) == ("yes", model["model_sha256"])


@pytest.mark.tools
@needs_server
def test_a_server_at_an_address_is_measured_as_it_is(tmp_path: Path) -> None:
    model = tmp_path / "some-model.gguf"
    weights.write(model, "tiny")
    launch = server.Launch(str(model), slots=2, context=512, cache_prompt=True)
    with server.serving(launch, tmp_path, Host()) as running:
        settings = {
            "url": f"{running.url}/v1",
            "model": running.model,
            "concurrency": "2",
            "requests": "6",
            "input_tokens": "64",
            "output_tokens": "8",
        }
        unique = carried_out(request("quick", settings, scratch=tmp_path))
        shared = carried_out(request("quick", {**settings, "prompt": "shared"}, scratch=tmp_path))
    [fresh], [cached] = values(unique, "cached_tokens"), values(shared, "cached_tokens")
    # The token that begins every text and a few words that name the client's process.
    assert fresh is not None
    assert cached is not None
    assert fresh <= 6 * 8
    assert cached > 6 * 32
    assert values(unique, "error_rate") == [0.0]
    assert not values(unique, "peak_memory")


@pytest.mark.tools
def test_the_name_of_a_host_is_not_in_its_errors_either(tmp_path: Path) -> None:
    [port] = servers.free_ports(1, "llm")
    # It means this machine, and is none of the names that are known to.
    settings = {"url": f"http://0.0.0.0:{port}", "model": "m", "concurrency": "1", "requests": "2"}
    plan = llm.plan(TOOL, request("quick", settings, scratch=tmp_path))
    raw = llm.run(plan.steps[0], Host())
    assert raw.exit_code == 1
    assert b"endpoint" in raw.stderr
    assert b"0.0.0.0" not in raw.stderr + raw.stdout
    details = [json.loads(line).get("detail") for line in raw.stdout.splitlines()]
    assert [text for text in details if text and "Cannot connect to host endpoint:" in text]
    # A reader still takes what is left.
    assert measures.read(raw.stdout).measured


@pytest.mark.tools
@needs_server
def test_a_server_that_cannot_start_is_a_failed_step(tmp_path: Path) -> None:
    plan = llm.plan(TOOL, request("quick", SMALL, scratch=tmp_path))
    path = Path(plan.steps[0].get("model_path"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    raw = llm.run(plan.steps[0], Host())
    assert raw.exit_code == 1
    with pytest.raises(SitegenError, match="closed-c1: ended with code 1: llm: the server ended"):
        llm.parse(plan.steps[0], raw)


@pytest.mark.tools
@needs_server
def test_the_clients_clock_agrees_with_the_servers(tmp_path: Path) -> None:
    """Time per token by the client against what the server itself measured.

    Of the best of three: this machine may have other things to do.
    """
    settings = {
        "model_size": "60m",
        "concurrency": "1",
        "rates": "none",
        "threads": "1",
        "input_tokens": "8",
        "requests": "3",
    }
    plan = llm.plan(TOOL, request("quick", settings, scratch=tmp_path))
    assert llm.run(plan.prepare[0], Host()).exit_code == 0
    deviations = []
    for each in measures.read(llm.run(plan.steps[0], Host()).stdout).ok:
        assert each.server is not None
        assert each.server.predicted_s is not None
        assert each.server.predicted_n == each.output_tokens == 64
        assert each.tpot_s is not None
        deviations.append(abs(each.tpot_s / (each.server.predicted_s / 63) - 1))
    assert len(deviations) == 3
    assert min(deviations) < 0.02
