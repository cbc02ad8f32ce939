from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from sitegen.analysis import contrasts
from sitegen.analysis.compare import Analysis, analyse
from sitegen.catalogue.tool import ForTheMoney, Ladder, OverheadBy, SeriesPattern, SessionShare
from sitegen.config import Config, Environment, Price
from sitegen.model import Measurement, Provenance, Run, Status, params, run_id

PRICE = Price(3.6, "2026-11-01")
CONFIG = Config(
    Path(),
    environments={
        "plain": Environment("plain", "vm", "none"),
        "cvm": Environment("cvm", "cpu-tee", "tdx", baselines={"vm": "plain"}),
    },
)
LADDER = Ladder(
    "The ladder",
    SeriesPattern("secure-inference.e2e_latency", "mean", (), "ladder"),
    "step",
    (("native", "plain HTTP"), ("tls", "TLS"), ("attested", "attestation")),
)
HANDSHAKE, ATTESTATION = "secure-inference.handshake_time", "secure-inference.attestation_time"
SHARE = SessionShare(
    "Once a session",
    (
        ("handshake", SeriesPattern(HANDSHAKE, "mean", (("mode", "full"),))),
        ("quote", SeriesPattern(ATTESTATION, "mean", (("part", "quote"),))),
        ("verification", SeriesPattern(ATTESTATION, "mean", (("part", "verify"),))),
    ),
    SeriesPattern(LADDER.series.metric, "mean", (("step", "native"),)),
)


def a_run(*rows: Measurement, environment: str = "plain", day: str = "2026-11-01") -> Run:
    benchmark = rows[0].metric.partition(".")[0]
    content = f"{environment}{day}{rows}".encode()
    return Run(
        run_id(day, benchmark, content), benchmark, environment, Provenance.COLLECTED, day, 1.0,
        rows, preset="standard",
    )  # fmt: skip


def steps(day: str = "2026-11-01", **values: tuple[float | None, ...]) -> Run:
    rows = [
        Measurement(
            "ladder", LADDER.series.metric, "mean", "s", value, params(step=step), number,
            Status.OK if value is not None else Status.FAILED,
        )
        for step, repetitions in values.items()
        for number, value in enumerate(repetitions)
    ]  # fmt: skip
    return a_run(*rows, day=day)


def of(*runs: Run, config: Config = CONFIG) -> Analysis:
    return analyse(runs, config)


def priced(**prices: Price) -> Config:
    return replace(
        CONFIG,
        environments={
            label: replace(declared, price=prices.get(label))
            for label, declared in CONFIG.environments.items()
        },
    )


# The ladder


def climb_of(*runs: Run) -> contrasts.Climb:
    [climb] = contrasts.climbs(of(*runs), "secure-inference", LADDER)
    return climb


def test_each_step_is_the_difference_to_the_step_before_paired_by_repetition() -> None:
    climb = climb_of(steps(native=(1.0, 2.0, 3.0), tls=(1.1, 2.1, 3.1), attested=(1.1, 2.1, 3.1)))
    tls, attested = climb.differences
    # The repetitions differ by 2 s and every pair by 0.1 s: pairing removes what they share.
    assert tls.value == pytest.approx(0.1)
    assert tls.interval is not None
    assert (tls.interval.low, tls.interval.high) == pytest.approx((0.1, 0.1))
    assert attested.value == pytest.approx(0)
    assert (tls.pairs, tls.within, climb.absent) == (3, True, ())


def test_the_interval_is_students_t_over_the_pairs() -> None:
    interval = climb_of(steps(native=(1, 1, 1), tls=(2, 3, 4))).differences[0].interval
    assert interval is not None
    # mean 2, standard deviation 1, t(0.975, 2) = 4.302652...
    half = 4.30265272974946 / math.sqrt(3)
    assert (interval.low, interval.high) == pytest.approx((2 - half, 2 + half))


def test_with_several_runs_the_run_is_the_unit() -> None:
    runs = [steps(f"2026-11-0{d}", native=(1, 1), tls=(1 + d, 1 + d)) for d in (1, 2, 3)]
    climb = climb_of(*runs)
    [tls] = climb.differences
    assert tls.value == pytest.approx(2)
    assert (tls.pairs, tls.within) == (3, False)
    assert climb.absent == ("attestation",)


@pytest.mark.parametrize(
    ("native", "tls"),
    [
        ((1, 2, 3), (None, 2.5, 3.5)),
        ((1, None, 3), (None, 2.1, 3.1)),  # the second of one would meet the third of the other
    ],
)
def test_a_step_that_failed_once_is_not_paired_with_the_wrong_repetition(
    native: tuple[float | None, ...], tls: tuple[float | None, ...]
) -> None:
    [difference] = climb_of(steps(native=native, tls=tls)).differences
    assert (difference.value, difference.pairs) == (None, 0)


def test_a_ladder_needs_two_steps_and_begins_with_the_first_that_there_is() -> None:
    assert contrasts.climbs(of(steps(native=(1,))), "secure-inference", LADDER) == ()
    climb = climb_of(steps(tls=(1,), attested=(2,)))
    assert climb.first_title == "TLS"
    assert climb.absent == ("plain HTTP",)


# Once a session


def test_what_is_paid_once_is_a_share_of_all_requests_of_the_session() -> None:
    rows = (
        Measurement("ladder", LADDER.series.metric, "mean", "s", 1.0, params(step="native")),
        Measurement("c", HANDSHAKE, "mean", "s", 0.05, params(mode="full")),
        Measurement("a", ATTESTATION, "mean", "s", 0.15, params(part="verify")),
    )
    [(*_, shares, absent)] = contrasts.session_shares(of(a_run(*rows)), "secure-inference", SHARE)
    # The note's own example: 200 ms at 1 s a request is 20 % of one and 0.2 % of a hundred.
    assert dict(shares) == pytest.approx({1: 0.2, 10: 0.02, 100: 0.002, 1000: 0.0002})
    assert absent == ["quote"]


def test_without_a_request_or_a_part_there_is_no_share() -> None:
    assert contrasts.session_shares(of(steps(native=(1,))), "secure-inference", SHARE) == []
    assert contrasts.session_shares(of(steps(tls=(1,))), "secure-inference", SHARE) == []


# Over a parameter


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64.0),
        ("0.5", 0.5),
        ("Llama-3.1-8B", 8e9),
        ("Phi3-14B-128k", 14e9),
        ("random-llama-15m", 15e6),
        ("DeepSeek-R1-1.5B", 1.5e9),
        ("inf", None),
        ("nan", None),
        ("gpt", None),
        ("", None),
    ],
)
def test_an_axis_takes_numbers_and_names_that_end_in_a_size(text: str, value: float | None) -> None:
    assert contrasts.axis_value(text) == value


@given(st.text())
def test_any_text_has_a_finite_place_or_none(text: str) -> None:
    value = contrasts.axis_value(text)
    assert value is None or math.isfinite(value)


def test_the_published_overhead_falls_with_the_size_of_the_model(published: Analysis) -> None:
    wanted = OverheadBy(
        "t", SeriesPattern("llm.decode_rate_per_request", "mean"), "model", "parameters"
    )
    found = contrasts.overheads(published, "llm", wanted)
    h200 = found["h200-tee-on", "h200-tee-off"]
    assert [at for _, at, _ in h200] == ["8B", "14B", "70B"]
    shares = [comparison.share for _, _, comparison in h200]
    assert shares == pytest.approx([0.0884, 0.0623, 0.0239], abs=2e-4)
    # What may not be compared has no overhead to draw.
    rate = OverheadBy("t", SeriesPattern("llm.eval_rate", "mean"), "model", "parameters")
    assert ("xeon6530-tdx", "xeon6530-cpu") not in contrasts.overheads(published, "llm", rate)


# Money


def served(environment: str, value: float) -> Run:
    row = Measurement("closed", "llm.output_token_throughput", "value", "tokens/s", value)
    return a_run(row, environment=environment)


def test_a_rate_costs_the_price_divided_by_it_and_a_time_the_price_times_it() -> None:
    tokens = served("plain", 500.0)
    proof = a_run(Measurement("w", "zktls.total_time", "mean", "s", 10.0))
    analysis = of(tokens, proof, config=priced(plain=PRICE))
    # 3.6 USD an hour is 0.001 USD a second.
    [(_, unit, _, amount, *_)] = contrasts.unit_costs(analysis, "llm")
    assert unit == "a million output tokens"
    assert amount == pytest.approx(2.0)
    [(_, unit, _, amount, *_)] = contrasts.unit_costs(analysis, "zktls")
    assert unit == "a proof"
    assert amount == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("prices", "relative"),
    [
        # Four fifths of the speed at twice the price.
        (
            {"plain": PRICE, "cvm": structs.replace(PRICE, per_hour=7.2)},
            ("plain", (pytest.approx(0.4), None)),
        ),
        ({"cvm": PRICE}, None),
        ({"plain": structs.replace(PRICE, currency="EUR"), "cvm": PRICE}, None),
    ],
)
def test_performance_for_the_money_is_relative_to_a_baseline_with_a_price_in_one_currency(
    prices: dict[str, Price], relative: object
) -> None:
    analysis = of(served("plain", 500.0), served("cvm", 400.0), config=priced(**prices))
    costs = {cell.environment: cost for cell, *_, cost in contrasts.unit_costs(analysis, "llm")}
    assert costs.keys() == prices.keys()
    assert costs["cvm"] == relative


def test_the_published_cost_performance_follows_from_its_datasheet_figures(
    published: Analysis,
) -> None:
    wanted = ForTheMoney("t", "hardware.price", ("hardware.int8_compute",))
    ratios = contrasts.for_the_money(published, "hardware", wanted)
    assert list(ratios) == ["h200-nvl", "aws-g6-l4"]  # the first is the baseline
    (base, _), (ratio, interval) = (own["hardware.int8_compute"] for own in ratios.values())
    assert base == 1
    # (485 / 0.805) / (3341 / 2.5); the publication prints 0.45.
    assert ratio == pytest.approx(0.45082, abs=1e-5)
    assert interval is not None
    assert interval.low < ratio < interval.high
