from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.llm import measures
from collectors.llm.measures import SLOS, Load, Objective, ServerTimings
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Status, params
from tests.collectors.llm.peer import Record, load_of

WHERE = params(model="m", concurrency=1)


def start(**more: object) -> Record:
    return {"record": "start", "schema": 1, "api": "openai-chat", **more}


def request(
    index: int = 0,
    *,
    sent: float = 0.0,
    ttft: float = 0.5,
    gaps: list[float] | None = None,
    **more: object,
) -> Record:
    gaps = [0.1, 0.1, 0.1] if gaps is None else gaps
    first = sent + ttft
    usual = {
        "record": "request",
        "phase": "measured",
        "index": index,
        "sent_s": sent,
        "first_token_s": first,
        "last_token_s": first + sum(gaps),
        "ended_s": first + sum(gaps),
        "events": len(gaps) + 1,
        "input_tokens": 16,
        "output_tokens": len(gaps) + 1,
        "token_source": "usage",
        "status": "ok",
        "stalls": 0,
        "gaps_s": gaps,
    }
    return {**usual, **more}


def failed(index: int, status: str = "timeout", **more: object) -> Record:
    stamps = {"first_token_s": None, "last_token_s": None, "ended_s": 9.0}
    counts = {"events": 0, "gaps_s": [], "output_tokens": None, "input_tokens": None}
    return {**request(index), **stamps, **counts, "status": status, **more}


def end(**more: object) -> Record:
    usual = {
        "record": "end",
        "wall_s": 2.0,
        "cpu_s": 0.5,
        "lag_p50_s": 0.0001,
        "lag_p99_s": 0.0005,
        "lag_max_s": 0.002,
        "chunks": 4,
        "interrupted": False,
    }
    return {**usual, **more}


def load(*requests: Record, **more: Any) -> Load:  # noqa: ANN401 - fields of a record
    first = {key: value for key, value in more.items() if key in start()}
    last = {key: value for key, value in more.items() if key in end()}
    return load_of([start(**first), *requests, end(**last)])


def rows(
    of: Load, slos: Mapping[str, Objective] | None = None
) -> dict[tuple[str, str], Measurement]:
    rows = measures.record(of, "serving", WHERE, slos).measurements
    named = {
        (row.metric.removeprefix("llm."), row.statistic): row for row in rows if row.params == WHERE
    }
    assert all(row.workload == "serving" for row in rows)
    assert all(row.value is not None and math.isfinite(row.value) for row in rows)
    return named


def value(of: Load, metric: str, statistic: str = "value") -> float | None:
    row = rows(of).get((metric, statistic))
    return None if row is None else row.value


def metrics(of: Load) -> set[str]:
    return {metric for metric, _ in rows(of)}


def test_times_are_those_of_the_definitions() -> None:
    one = load(request(sent=1.0, ttft=0.5, gaps=[0.1, 0.2, 0.3], output_tokens=7))
    assert value(one, "ttft", "mean") == pytest.approx(0.5)
    assert value(one, "e2e_latency", "mean") == pytest.approx(1.1)
    assert value(one, "decode_time", "mean") == pytest.approx(0.6)
    assert value(one, "tpot", "mean") == pytest.approx(0.6 / 6)
    assert value(one, "inter_chunk_latency", "mean") == pytest.approx(0.2)
    assert value(one, "decode_rate_per_request", "mean") == pytest.approx(7 / 0.6)
    assert value(one, "tokens_per_chunk", "mean") == pytest.approx(7 / 4)
    assert value(one, "output_token_throughput") == pytest.approx(7 / 1.1)
    assert value(one, "total_token_throughput") == pytest.approx(23 / 1.1)
    assert value(one, "request_throughput") == pytest.approx(1 / 1.1)


def test_a_single_token_has_no_time_per_token_and_never_0() -> None:
    one = load(request(gaps=[], output_tokens=1))
    assert not {"tpot", "decode_time", "inter_chunk_latency", "itl"} & metrics(one)
    assert value(one, "ttft", "mean") == 0.5
    both = load(request(0, gaps=[], output_tokens=1), request(1))
    assert value(both, "tpot", "mean") == pytest.approx(0.1)


def test_gaps_are_called_itl_only_where_every_event_is_one_token() -> None:
    assert value(load(request(0), request(1)), "itl", "mean") == pytest.approx(0.1)
    assert "itl" not in metrics(load(request(0), request(1, output_tokens=5)))
    assert "itl" not in metrics(load(request(0), request(1, output_tokens=None)))


def test_gaps_are_pooled_over_requests_and_not_averaged_by_request() -> None:
    both = load(request(0, gaps=[0.4]), request(1, gaps=[0.1] * 9))
    assert value(both, "inter_chunk_latency", "mean") == pytest.approx(1.3 / 10)
    assert value(both, "inter_chunk_latency", "p50") == pytest.approx(0.1)
    assert value(both, "decode_time", "mean") == pytest.approx(1.3 / 2)


def test_without_a_token_count_nothing_is_counted_in_tokens() -> None:
    one = load(request(output_tokens=None, input_tokens=None, token_source=None))
    names = {"tpot", "itl", "output_token_throughput", "total_token_throughput", "tokens_per_chunk"}
    names |= {"output_tokens", "input_tokens", "decode_rate_per_request", "goodput"}
    assert not names & metrics(one)
    assert not [
        row for row in measures.record(one, "w", (), SLOS).measurements if "goodput" in row.metric
    ]
    assert value(one, "missing_usage") == 1
    assert value(one, "inter_chunk_latency", "mean") == pytest.approx(0.1)


def test_only_good_requests_have_latencies_and_all_count_as_errors() -> None:
    of = load(
        request(0, ttft=0.5),
        failed(1),
        failed(2, "http"),
        failed(3, "zero-tokens"),
        failed(4, "http"),
    )
    assert value(of, "requests") == 5
    assert value(of, "failed_requests") == 4
    assert value(of, "error_rate") == 0.8
    assert value(of, "ttft", "mean") == 0.5
    by_reason = {
        dict(row.params)["reason"]: row.value
        for row in measures.record(of, "w", WHERE).measurements
        if row.metric == "llm.failed_requests" and row.params != WHERE
    }
    assert by_reason == {"timeout": 1, "http": 2, "zero-tokens": 1}


def test_where_all_failed_there_is_no_rate_and_no_latency() -> None:
    for of in (load(failed(0), failed(1)), load()):
        counted = {"requests", "failed_requests", "error_rate"}
        client = {"client_lag", "client_cpu_usage", "client_cpu_per_chunk"}
        assert metrics(of) <= counted | client
        assert measures.record(of, "w", WHERE).samples == []
    assert value(load(failed(0)), "error_rate") == 1
    assert value(load(), "error_rate") is None
    assert value(load(), "requests") == 0


def test_what_we_broke_off_is_neither_good_nor_failed() -> None:
    of = load(request(0), failed(1, "cancelled"))
    assert (value(of, "requests"), value(of, "error_rate")) == (1, 0)


def test_a_failure_that_drags_on_does_not_stretch_the_window() -> None:
    of = load(request(0, sent=1.0), failed(1, sent_s=1.5, ended_s=600.0))
    assert of.window_s == pytest.approx(0.8)
    assert value(of, "drain_time") == pytest.approx(598.5)


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (1, set()),
        (2, {"p50", "stddev"}),
        (10, {"p50", "p90", "stddev"}),
        (20, {"p50", "p90", "p95", "stddev"}),
        (100, {"p50", "p90", "p95", "p99", "stddev"}),
    ],
)
def test_a_percentile_needs_values_beyond_it(count: int, names: set[str]) -> None:
    of = load(*(request(index, ttft=0.1 + index / 1000) for index in range(count)))
    keys = {statistic for metric, statistic in rows(of) if metric == "ttft"}
    assert keys == {"mean", "min", "max"} | names


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_percentiles_interpolate_linearly(values: list[float]) -> None:
    ordered = sorted(values)
    expected = statistics.quantiles(ordered, n=100, method="inclusive")
    for percent in (1, 50, 90, 95, 99):
        assert measures.percentile(ordered, percent) == pytest.approx(expected[percent - 1])
    assert measures.percentile(ordered, 100) == ordered[-1]
    assert measures.percentile([3.0], 99) == 3.0


def test_in_an_open_loop_latency_counts_from_when_a_request_was_due() -> None:
    of = load(
        request(0, sent=0.0, scheduled_s=0.0),
        request(1, sent=2.0, scheduled_s=1.0),
    )
    assert value(of, "ttft", "max") == pytest.approx(0.5)
    assert value(of, "ttft_scheduled", "max") == pytest.approx(1.5)
    assert value(of, "e2e_latency_scheduled", "max") == pytest.approx(1.8)
    assert value(of, "offered_rate") == pytest.approx(1.0)
    closed = load(request(0))
    assert not {"ttft_scheduled", "e2e_latency_scheduled", "offered_rate"} & metrics(closed)


def goodput(of: Load, **slos: Objective) -> dict[str, float | None]:
    return {
        dict(row.params)["slo"]: row.value
        for row in measures.record(of, "w", WHERE, slos).measurements
        if row.metric == "llm.goodput"
    }


def test_goodput_counts_requests_that_meet_every_limit() -> None:
    of = load(
        request(0, ttft=0.1, gaps=[0.1] * 3),
        request(1, ttft=0.9, gaps=[0.1] * 3),
        request(2, ttft=0.1, gaps=[0.3] * 3),
        request(3, ttft=0.9, gaps=[0.3] * 3),
    )
    window = of.window_s
    assert window == pytest.approx(1.8)
    values = goodput(
        of,
        both=Objective(0.5, 0.2),
        first=Objective(0.5, 9),
        all=Objective(9, 9),
        none=Objective(0, 0),
    )
    assert values == {
        "both": pytest.approx(1 / 1.8),
        "first": pytest.approx(2 / 1.8),
        "all": pytest.approx(4 / 1.8),
        "none": 0,
    }


def test_goodput_in_an_open_loop_judges_from_the_schedule() -> None:
    late = load(request(0, sent=2.0, scheduled_s=1.0, ttft=0.1))
    assert goodput(late, slo=Objective(0.5, 9)) == {"slo": 0}


def test_limits_of_ones_own_stand_beside_known_ones() -> None:
    assert measures.objectives("mlperf-llama2-70b, 0.5/0.03") == {
        "mlperf-llama2-70b": Objective(2.0, 0.2),
        "ttft 0.5 s, tpot 0.03 s": Objective(0.5, 0.03),
    }


def test_eval_rate_is_reckoned_as_its_server_does() -> None:
    printed = ServerTimings(predicted_n=5, predicted_s=0.002967, predicted_rate=1348.16)
    assert measures.eval_rate(printed, "openai-chat") == 1348.16
    silent = ServerTimings(predicted_n=5, predicted_s=0.002967)
    assert measures.eval_rate(silent, "openai-chat") == pytest.approx(1348.16, rel=1e-4)
    assert measures.eval_rate(silent, "ollama") == pytest.approx(5 / 0.002967)
    for unknown in (
        ServerTimings(),
        ServerTimings(predicted_n=5),
        ServerTimings(0, 0.0, predicted_s=1),
    ):
        assert measures.eval_rate(unknown, "ollama") is None
    assert measures.eval_rate(ServerTimings(predicted_n=1, predicted_s=1.0), "openai-chat") is None


def test_prompt_rate_is_left_out_where_a_cache_helped() -> None:
    timings = {"prompt_n": 100, "prompt_s": 0.5}
    server = ServerTimings(prompt_n=100, prompt_s=0.5)
    assert measures.prompt_eval_rate(server, None) == 200
    assert measures.prompt_eval_rate(server, 0) == 200
    assert measures.prompt_eval_rate(server, 90) is None
    assert measures.prompt_eval_rate(ServerTimings(prompt_n=100), 0) is None
    fresh = request(0, server=timings)
    assert value(load(fresh), "prompt_eval_rate", "mean") == 200
    helped = load(fresh, request(1, server=timings, cached_tokens=90))
    assert "prompt_eval_rate" not in metrics(helped)
    assert value(helped, "cached_tokens") == 90
    assert value(load(fresh), "cached_tokens") is None


def test_cold_start_is_of_the_first_request_and_of_no_other() -> None:
    cold = request(0, phase="warmup", sent=-9.0, ttft=5.0, server={"load_s": 4.0, "predicted_n": 4})
    warm = request(0, ttft=0.1, server={"load_s": 0.01})
    of = load(cold, warm, api="ollama")
    assert value(of, "cold_ttft") == pytest.approx(5.0)
    assert value(of, "load_time") == 4.0
    assert value(of, "ttft", "max") == pytest.approx(0.1)
    assert value(of, "requests") == 1
    assert value(load(warm), "cold_ttft") is None


def suspects(of: Load) -> set[tuple[str, str]]:
    return {key for key, row in rows(of).items() if row.status == Status.SUSPECT}


def test_a_busy_client_makes_rates_and_latencies_suspect() -> None:
    assert suspects(load(request(0), cpu_s=1.3)) == set()
    of = load(request(0), cpu_s=1.5)
    assert "busy for 75%" in measures.doubts(of)[0]
    assert ("ttft", "mean") in suspects(of)
    assert ("output_token_throughput", "value") in suspects(of)
    assert ("error_rate", "value") not in suspects(of)


def test_a_client_that_lags_makes_what_it_could_have_moved_suspect() -> None:
    # 15 ms at the worst: over a tenth of a gap of 100 ms, not of 500 ms or of a whole answer.
    late = suspects(load(request(0), lag_p99_s=0.015, lag_max_s=0.015))
    assert ("inter_chunk_latency", "max") in late
    assert not {metric for metric, _ in late} - {"inter_chunk_latency", "itl"}
    assert not {("inter_chunk_latency", each) for each in ("mean", "min", "p50")} & late
    usual = suspects(load(request(0), lag_p50_s=0.015, lag_p99_s=0.06, lag_max_s=0.06))
    assert {("inter_chunk_latency", "mean"), ("ttft", "max")} <= usual
    assert ("inter_chunk_latency", "min") in usual
    assert not {("ttft", "mean"), ("tpot", "mean")} & usual


def held_up(index: int = 0, ttft: float = 0.5) -> Record:
    """Return a request whose first token was read 0.4 s late, at most, and the next with it."""
    return request(index, ttft=ttft, gaps=[0.0, 0.1, 0.1], late_s=[[0, 0.4], [1, 0.4]])


def test_what_the_client_read_late_makes_suspect_what_that_moves() -> None:
    late = suspects(load(held_up()))
    assert {("ttft", "mean"), ("tpot", "mean"), ("decode_rate_per_request", "max")} <= late
    assert {("e2e_latency", "mean"), ("output_token_throughput", "value")} & late == set()
    assert {("error_rate", "value"), ("output_tokens", "mean")} & late == set()
    [one] = load(held_up()).ok
    early = one.earliest
    assert early.ttft_s == pytest.approx(0.1)
    assert early.gaps_s == pytest.approx((0.0, 0.5, 0.1))
    assert (early.e2e_s, early.events) == (one.e2e_s, one.events)


def test_a_few_late_reads_move_tails_and_no_means() -> None:
    good = [request(index, ttft=0.5 + index / 1e6) for index in range(19)]
    late = suspects(load(*good, held_up(19)))
    assert ("ttft", "min") in late
    assert not {("ttft", "mean"), ("ttft", "p50")} & late
    many = suspects(load(*good[:10], *(held_up(index) for index in range(10, 19))))
    assert ("ttft", "mean") in many


def test_a_request_that_was_sent_late_is_not_the_servers() -> None:
    of = load(request(sent_late_s=0.2))
    assert of.earliest[0].ttft_s == pytest.approx(0.3)
    assert ("ttft", "mean") in suspects(of)
    damaged = load(request(scheduled_s=0.0, late_s=[[0, 9.0]])).earliest[0]
    assert damaged.ttft_s == 0
    of = load(request(sent=0.2, scheduled_s=0.0, ttft=0.2))
    assert ("ttft_scheduled", "mean") in suspects(of)
    assert ("ttft", "mean") not in suspects(of)


def test_a_closed_loop_that_is_read_late_sends_late() -> None:
    late = request(late_s=[[3, 0.3]])
    rates = {("request_throughput", "value"), ("output_token_throughput", "value")}
    assert rates <= suspects(load(late))
    assert not rates & suspects(load({**late, "scheduled_s": 0.0}))


def test_a_limit_that_only_a_late_client_missed_is_no_servers() -> None:
    of = load(held_up(ttft=1.2), request(1))
    rows = measures.record(of, "w", WHERE, {"s": Objective(1.0, 9.0), "m": Objective(9.0, 9.0)})
    goodput = {
        dict(row.params)["slo"]: row.status
        for row in rows.measurements
        if row.metric == "llm.goodput"
    }
    assert goodput == {"s": Status.SUSPECT, "m": Status.OK}


def test_events_that_were_read_together_have_no_time_between_them() -> None:
    together = request(gaps=[0.0, 0.0, 0.0, 0.08, 0.0, 0.0, 0.0])
    of = load(together)
    assert value(of, "tpot", "mean") == pytest.approx(0.08 / 7)
    assert "itl" not in metrics(of)  # not one came alone
    assert value(of, "inter_chunk_latency", "p50") is None
    assert value(of, "inter_chunk_latency", "min") == 0.08
    said = measures.remarks(of, None, "m")
    assert said == {
        "coalesced": "8 of 8 events with text came in one read with another:"
        " no time between tokens is known of them."
    }
    mixed = load(request(gaps=[0.02, 0.06, 0.0, 0.02, 0.02]))
    assert value(mixed, "itl", "max") == 0.02
    assert ("itl", "mean") in suspects(mixed)
    assert "2 of 6 events" in measures.remarks(mixed, None, "m")["coalesced"]
    # One in a hundred is how a socket is.
    usual = load(
        *(request(index, gaps=[0.02] * 20) for index in range(19)), request(19, gaps=[0.0])
    )
    assert ("itl", "mean") not in suspects(usual)
    assert measures.remarks(usual, None, "m") == {}


ASKED = params(output_tokens=16)
COUNTED = {"tpot", "decode_rate_per_request", "output_token_throughput", "total_token_throughput"}


@pytest.mark.parametrize(
    ("events", "count", "more", "why"),
    [
        (16, 16, {}, ""),
        (16, 15, {}, ""),  # an end of the text may be an event
        (16, 17, {}, ""),  # or a token
        (4, 16, {}, ""),  # several tokens an event
        (16, 5, {}, "16 events with text"),
        (16, 48, {}, "16 events with text, of 16 tokens asked for"),
        (16, 16, {"other_output_tokens": 48}, "48 by its other figures"),
        (16, 16, {"other_output_tokens": 17}, ""),
        (16, None, {}, ""),
        (48, 48, {}, ""),  # longer than asked for, and counted well
    ],
)
def test_counts_that_contradict_the_answer_are_said_and_suspect(
    events: int, count: int | None, more: dict[str, Any], why: str
) -> None:
    source = None if count is None else "usage"
    one = request(gaps=[0.1] * (events - 1), output_tokens=count, token_source=source, **more)
    of = load(one)
    said = measures.remarks(of, 16, "m").get("inconsistent", "")
    assert bool(said) is bool(why)
    rows = measures.record(of, "w", ASKED).measurements
    doubted = {row.metric.removeprefix("llm.") for row in rows if row.status == Status.SUSPECT}
    assert doubted & COUNTED == (COUNTED if why else set())
    assert "ttft" not in doubted
    if why:
        assert f"with {count} by usage and {why}." in said
        assert "The count by usage is what rates" in said


@pytest.mark.parametrize(
    ("counts", "doubtful"),
    [
        ((16,) * 20, False),
        ((16,) * 19 + (5,), False),
        ((5,), True),
        ((15,), True),
        ((20,), True),
        ((16, 5), True),
        ((8, 24), True),  # 16 in the mean
    ],
)
def test_answers_of_another_length_than_asked_for_are_said(
    counts: tuple[int, ...], *, doubtful: bool
) -> None:
    of = load(*(request(index, gaps=[0.1] * (each - 1)) for index, each in enumerate(counts)))
    assert value(of, "output_tokens", "mean") == pytest.approx(statistics.fmean(counts))
    said = measures.remarks(of, 16, "m").get("other-length", "")
    assert bool(said) is doubtful
    assert not doubtful or "16 tokens were" in said
    assert measures.remarks(of, None, "m") == {}


def test_a_model_that_answers_in_anothers_place_is_named_with_it() -> None:
    of = load(request(0), request(1, model="b"), request(2, model="a"))
    said = measures.remarks(of, None, "m")
    assert said == {"misnamed": "The model m was asked for, and a, b answered."}


def test_many_failures_make_the_rates_suspect() -> None:
    good = [request(index) for index in range(98)]
    assert not suspects(load(*good, failed(98), failed(99)))
    of = load(*good, failed(98), failed(99), failed(100))
    assert measures.doubts(of) == ("3 of 101 requests failed.",)
    assert ("request_throughput", "value") in suspects(of)
    assert ("error_rate", "value") not in suspects(of)


def test_an_interrupted_load_is_suspect_altogether() -> None:
    of = load(request(0), interrupted=True)
    assert suspects(of) == set(rows(of))
    assert of.notes == ("The load was interrupted.",)


def lines(*records: Record) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in records)


def test_an_output_that_is_cut_off_keeps_what_is_whole_and_says_so() -> None:
    whole = lines(start(), request(0), request(1), end())
    text = lines(start(), request(0))
    for length in range(len(text), len(whole) - 1):
        of = measures.read(whole[:length])
        assert of.end is None
        assert of.notes == ("The output of the load client ends before its end.",)
        assert len(of.requests) in {1, 2}
        assert ("ttft", "mean") in suspects(of)
    assert measures.read(whole[:-1]).notes == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no start record"),
        (lines(request(0)), "no start record"),
        (b"Traceback (most recent call last):\n", "line 1, column 1: the JSON breaks off"),
        (lines(start()) + b"oops\n" + lines(end()), "line 2, column 1: the JSON breaks off"),
        (lines(start()) + b"[]\n", "line 2: expected object"),
        (lines(start(schema=2)), "line 1 schema: invalid enum value 2"),
        (lines(start(), end(), request(0)), "not at its place"),
        (lines(start(), {"record": "more"}), "line 2 record: invalid value 'more'"),
        (lines(start(), request(0), request(0)), "there twice"),
        (lines(start(), request(0, status="fine")), "line 2 status: invalid enum value 'fine'"),
        (lines(start(), {**request(0), "token_source": "chunks"}), "line 2 token_source: "),
        (lines(start(), request(0, output_tokens=-1)), "line 2 output_tokens: expected int >= 0"),
        (lines(start(), request(0, sent_s=1e300)), "line 2 sent_s: expected float <= "),
        (lines(start(), request(0, sent_s=5.0)), "line 2: its times are not in order"),
        (lines(start(), request(0, first_token_s=None)), "line 2: a request that went well lacks"),
        (lines(start(), request(0, gaps_s=[0.1])), "line 2: gaps_s has 1 entries for 4 events"),
        (lines(start(), request(0, gaps_s=[0.1, -0.1, 0.1])), r"line 2 gaps_s\[1\]: expected"),
        (lines(start(), request(0, sent=1.0, scheduled_s=2.0)), "sent before it was due"),
        (lines(start(), request(0, late_s=[[4, 0.1]])), "late_s names an event beyond the 4"),
        (lines(start(), end(interrupted=0)), "line 2 interrupted: expected bool"),
        (lines(start(), request(0)).replace(b"0.5", b"NaN"), "line 2 first_token_s: expected"),
        (b'{"a":' * 100_000 + b"\n" + b"x\n", "line 1: the JSON is nested too deeply"),
    ],
)
def test_what_the_client_never_prints_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        measures.read(data)


@given(st.binary(max_size=60), st.integers(0, 10_000), st.integers(0, 40))
def test_a_damaged_output_is_read_or_refused(noise: bytes, at: int, length: int) -> None:
    data = bytearray(lines(start(), request(0), request(1), end()))
    place = at % len(data)
    data[place : place + length] = noise
    try:
        of = measures.read(bytes(data))
    except SitegenError:
        return
    measures.record(of, "w", WHERE, SLOS)


TIMES = st.integers(1, 5_000_000).map(lambda us: us / 1_000_000)


@st.composite
def loads(draw: Callable[..., Any]) -> list[Record]:
    count = draw(st.integers(1, 12))
    records: list[Record] = []
    for index in range(count):
        if draw(st.integers(0, 4)) == 0:
            records.append(failed(index))
            continue
        gaps = draw(st.lists(TIMES, max_size=5))
        more = draw(st.sampled_from([0, 1, 7]))
        records.append(
            request(
                index,
                sent=draw(TIMES),
                ttft=draw(TIMES),
                gaps=gaps,
                output_tokens=draw(st.sampled_from([None, len(gaps) + 1 + more])),
            )
        )
    return records


@given(loads(), st.randoms(use_true_random=False))
def test_the_order_of_requests_does_not_matter(requests: list[Record], random: Any) -> None:  # noqa: ANN401
    shuffled = list(requests)
    random.shuffle(shuffled)
    assert rows(load(*requests)) == rows(load(*shuffled))


@given(loads())
def test_laws_of_the_measures(requests: list[Record]) -> None:
    of = load(*requests)
    for each in of.ok:
        assert each.ttft_s is not None
        assert each.e2e_s is not None
        assert each.ttft_s <= each.e2e_s
        if each.tpot_s is not None:
            assert each.output_tokens is not None
            assert each.tpot_s > 0
            total = each.ttft_s + each.tpot_s * (each.output_tokens - 1)
            assert total == pytest.approx(each.e2e_s)
    by_key = rows(of)
    for (metric, statistic), row in by_key.items():
        if statistic != "mean" or (metric, "min") not in by_key:
            continue
        low, high = by_key[metric, "min"].value, by_key[metric, "max"].value
        assert low is not None
        assert high is not None
        assert row.value is not None
        assert low * (1 - 1e-9) <= row.value <= high * (1 + 1e-9)
    samples = measures.record(of, "w", WHERE).samples
    pooled = sum(len(each.gaps_s) for each in of.ok)
    assert sum(each.y for each in samples if each.kind == "histogram") == pooled
    ttft = [each for each in samples if each.metric == "llm.ttft"]
    assert len(ttft) == len(of.ok)
    assert {(each.x, each.y) for each in ttft} == {(each.sent_s, each.ttft_s) for each in of.ok}
    every, strict = Objective(math.inf, math.inf), Objective(1.0, 0.5)
    if all(each.output_tokens is not None for each in of.ok) and of.ok:
        rates = goodput(of, every=every, strict=strict)
        assert rates["every"] == by_key["request_throughput", "value"].value
        assert (rates["strict"] or 0) <= (rates["every"] or 0)
    total = (value(of, "failed_requests") or 0) + len(of.ok)
    assert value(of, "requests") == total == len(requests)
