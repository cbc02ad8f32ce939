"""What the sections of derived quantities say, on the published figures and a small ladder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.analysis.compare import Analysis, analyse
from sitegen.charts.spec import BarChart, LineChart
from sitegen.config import Config, Environment, Price
from sitegen.model import Measurement, Provenance, Run, params, run_id
from sitegen.report import derived
from sitegen.report.sections import Section, TextTable


def sections(analysis: Analysis, benchmark: str) -> dict[str, Section]:
    return {section.id: section for section in derived.sections(analysis, benchmark)}


def text(table: TextTable) -> list[list[str]]:
    return [[" | ".join(filter(None, (c.text, c.small))) for c in row] for row in table.rows]


def rows(benchmark: str, *found: tuple[str, str, str, tuple[float, ...], dict[str, str]]) -> Run:
    measurements = tuple(
        Measurement(workload, metric, "mean", unit, value, params(**where), number)
        for workload, metric, unit, values, where in found
        for number, value in enumerate(values)
    )
    return Run(
        run_id("2026", benchmark, b""), benchmark, "vm", Provenance.COLLECTED, "2026-11-01", 1.0,
        measurements, preset="standard",
    )  # fmt: skip


@pytest.fixture
def ladder() -> Analysis:
    e2e, shared = "secure-inference.e2e_latency", {"connections": "fresh"}
    values = {"native": (0.20, 0.22, 0.24), "tls": (0.21, 0.23, 0.256), "attested": (0.2, 0.2, 0.3)}
    run = rows(
        "secure-inference",
        *(("ladder", e2e, "s", v, {"step": step, **shared}) for step, v in values.items()),
        ("session", "secure-inference.handshake_time", "s", (0.002,), {"mode": "full"}),
        ("session", "secure-inference.attestation_time", "s", (0.02,), {"part": "session"}),
    )
    settings = Config(Path(), environments={"vm": Environment("vm", "vm", "none", "VM")})
    return analyse([run], settings)


def test_the_published_overheads_are_drawn_over_the_size_of_the_model(
    published: Analysis,
) -> None:
    [overhead] = [s for s in sections(published, "llm").values() if s.id == "overhead"]
    rate, first_token = overhead.charts[:2]
    assert isinstance(rate, LineChart)
    assert isinstance(first_token, LineChart)
    assert [line.label for line in rate.lines] == ["H100, TEE on", "H200, TEE on"]
    assert [point.text for point in rate.lines[1].points] == ["+8.8", "+6.2", "+2.4"]
    assert [tick for _, tick in rate.x_ticks] == ["8B", "14B", "70B"]
    assert [point.text for point in first_token.lines[0].points] == ["+19.0", "+17.9", "−0.4"]


def test_a_ladder_says_each_difference_its_interval_and_what_is_not_measured(
    ladder: Analysis,
) -> None:
    section = sections(ladder, "secure-inference")["ladder-1"]
    [table] = section.tables
    native, tls, attested = text(table)
    assert (native[0], native[3]) == ("plain HTTP", "219 ms")
    assert (tls[1], tls[3]) == ("+12.0 ms | +3.39 ms to +20.6 ms, 3 pairs", "231 ms")
    assert tls[2] == "+5.5 % | +1.5 to +9.4 %"
    assert attested[1].startswith("+1.33 ms | −")
    said = " ".join(section.sentences)
    assert "not measured here: a relay in front and a server for each user" in said
    assert "one run; its intervals come from the repetitions within it" in said
    [chart] = section.charts
    assert isinstance(chart, BarChart)
    assert [group.name for group in chart.groups] == [row[0] for row in text(table)]


def test_what_a_session_pays_once_is_a_curve_over_its_requests(ladder: Analysis) -> None:
    section = sections(ladder, "secure-inference")["session-3-section"]
    [chart] = section.charts
    assert isinstance(chart, LineChart)
    assert [point.x for point in chart.lines[0].points] == [1, 10, 100, 1000]
    assert [point.text for point in chart.lines[0].points] == ["10", "1.0", "0.10", "0.010"]
    assert chart.reference == 1
    assert "quote generation" in section.sentences[0]
    [table] = section.tables
    [row] = text(table)
    assert row[1] == "22.0 ms | handshake 2.00 ms, verification of the endpoint 20.0 ms"


def test_the_published_datasheets_are_divided_by_their_prices(published: Analysis) -> None:
    section = sections(published, "hardware")["for-the-money"]
    assert "datasheet" in section.title
    [table] = section.tables
    assert table.head == ("Environment", "INT8 compute", "Memory bandwidth", "Memory capacity")
    assert text(table)[1][1] == "0.451 | 0.441 to 0.461 by rounding"


def test_costs_stand_only_where_a_price_is_known_and_say_its_date() -> None:
    run = rows("llm", ("closed", "llm.output_token_throughput", "tokens/s", (500.0,), {}))
    price = Price(3.6, "2026-11-01", sku="c3-standard-4", billing="spot")
    priced, free = (Environment("vm", "vm", "none", price=given) for given in (price, None))
    found = sections(analyse([run], Config(Path(), environments={"vm": priced})), "llm")
    [row] = text(found["unit-costs"].tables[0])
    assert row[1:3] == ["2.00 USD a million output tokens", "no baseline with a price"]
    assert row[3:] == ["3.6 USD an hour | c3-standard-4, spot, 2026-11-01"]
    assert sections(analyse([run], Config(Path(), environments={"vm": free})), "llm") == {}


def test_a_benchmark_without_contrasts_has_no_such_section(published: Analysis) -> None:
    assert sections(published, "7z") == {}
