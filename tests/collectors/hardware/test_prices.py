"""Prices in the tables of a README: what is one, of what, and what is left out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.hardware import prices
from collectors.zktls.readers import READERS
from sitegen.collect import Reading
from sitegen.errors import SitegenError
from sitegen.model import Doubt, Measurement, Status
from tests.collectors import damage

RAW = Path(__file__).parents[2] / "raw" / "hardware" / "prices"
README = (RAW / "readme.md").read_bytes()
MONTHLY = (RAW / "monthly.html").read_bytes()


def read(data: bytes | str, **settings: str) -> Reading:
    data = data.encode() if isinstance(data, str) else data
    assert prices.READER.knows(data)
    [reading] = prices.READER.runs(data, settings)
    damage.check(reading)
    return reading


def of(reading: Reading, metric: str = "price") -> dict[str, Measurement]:
    """Return the rows of a metric by what is rented, and how where it is said."""
    rows = {}
    for row in reading.measurements:
        if row.metric == f"hardware.{metric}":
            about = dict(row.params)
            name = " ".join([about["sku"], *([about["billing"]] if "billing" in about else [])])
            assert name not in rows
            rows[name] = row
    return rows


def table(heading: str, *cells: str, sku: str = "Instance Type") -> str:
    rows = "".join(f"| m{number}.large | {cell} |\n" for number, cell in enumerate(cells, 1))
    return f"| {sku} | {heading} |\n|---|---|\n{rows}"


def test_each_machine_has_the_price_of_an_hour_by_how_it_is_bought() -> None:
    rows = of(read(README))
    assert {name: (row.value, row.printed) for name, row in rows.items()} == {
        "g6.xlarge": (0.8, "0.80 USD/h"),
        "g6.xlarge spot": (0.32, "0.32 USD/h"),
        "g6.12xlarge": (4.6, "4.60 USD/h"),
        "c7i.2xlarge": (0.357, "0.357 USD/h"),
        "c7i.metal": (4.3, "3,139.00 USD/month"),
        "H200": (2.5, "2.50 USD/h"),
        "8×H100": (19.92, "19.92 USD/h"),
    }
    assert dict(rows["g6.12xlarge"].params) == {
        "sku": "g6.12xlarge",
        "gpu": "L4",
        "gpus": "4",
        "vcpus": "48",
        "region": "us-east-1",
    }
    assert dict(rows["8×H100"].params)["provider"] == "a cloud"
    assert {row.unit for row in rows.values()} == {"USD/h"}


def test_the_price_of_a_month_is_one_of_730_hours_and_stands_apart() -> None:
    reading = read(MONTHLY)
    rows = of(reading)
    assert [row.value for row in rows.values()] == [float(Fraction("14.60") / 730), 1.5]
    assert {dict(row.params)["billed"] for row in rows.values()} == {"month"}
    assert rows["large"].printed == "1,095.00 USD/month"
    assert "2 prices are stated for a month and divided by 730 hours." in reading.notes


def test_memory_is_that_of_the_machine_in_the_unit_that_is_printed() -> None:
    memory = of(read(README), "memory_capacity")
    assert (memory["g6.xlarge"].value, memory["g6.xlarge"].printed) == (16 * 1024**3, "16 GiB")
    assert "H200" not in memory  # the VRAM of a GPU is another thing
    memory = of(read(MONTHLY), "memory_capacity")
    assert (memory["large"].value, memory["large"].printed) == (16_500_000_000, "16.5 GB")
    without = MONTHLY.replace(b"Memory (GB)", b"Memory")
    assert not of(read(without), "memory_capacity")


def test_what_is_left_out_is_counted_with_its_reason() -> None:
    [month, others, left] = read(README).notes
    assert month == "1 price is stated for a month and divided by 730 hours."
    assert others == "2 tables are left out: no machine with a price in a currency."
    reasons = "not one price (2), in a row that names no machine (1), of several machines together"
    assert left == f"Prices that are left out: {reasons} (1)."
    [_, left] = read(MONTHLY).notes
    assert left == "Prices that are left out: in another currency than US dollars (1)."


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *(("$0.0116", 0.0116), ("0.0116", 0.0116), ("**$1,204.50**", 1204.5), ("$.5", 0.5)),
        *(("$0.34/hour", 0.34), ("0.34 USD", 0.34), ("USD 0.34", 0.34), ("US$0.34 / hr", 0.34)),
        *(("`$2`*", 2.0), ("[$2.49](https://example.org/a)", 2.49), ("$0.1 per hour", 0.1)),
    ],
)
def test_one_price_is_read_as_it_is_printed(cell: str, value: float) -> None:
    [row] = of(read(table("$/hr", cell))).values()
    assert row.value == value


@pytest.mark.parametrize(
    "cell",
    [
        *("$0.27-0.40", "$2.49 – $3.29", "~$1.20", "from $1", "$1+", "<$1", "up to $2", "$1 or $2"),
        *("Free", "varies", "$0", "~~$3~~ $2", "$4 (8 GPUs)", "$0.045/GB", "-$1", "$1e3", "$٣"),
        *("€2", "£2", "2 EUR", "A$2", "¥200", "$1,23", "$99999999", "$0.5/day", "$" + "9" * 400),
        *("nan", "inf", "", "-", "n/a", "$1/month"),
    ],
)
def test_what_is_not_one_price_in_dollars_for_an_hour_is_left_out(cell: str) -> None:
    assert set(of(read(table("$/hr", "$7", cell)))) == {"m1.large"}


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        *(("Price/Hour", True), ("Hourly Cost", True), ("On-Demand Price (USD/hr)", True)),
        *(("Cost/Hour*", True), ("Monthly Cost", True), ("Spot", True), ("USD/h", True)),
        *(("Price/GB-Month", False), ("Cost per 1M tokens", False), ("Total cost", False)),
        *(
            ("Daily cost", False),
            ("Cost per job", False),
            ("Savings", False),
            ("Price/vCPU", False),
        ),
        *(("Cost-Performance Ratio", False), ("Error rate", False), ("Notes", False)),
    ],
)
def test_a_column_of_prices_is_told_by_its_heading(heading: str, *, known: bool) -> None:
    assert prices.READER.knows(table(heading, "$1").encode()) is known


@pytest.mark.parametrize(
    "text",
    [
        table("$/hr", "$1", sku="Item"),
        table("$/hr", "$1", sku="Model").replace("m1.large", "a-model"),
        table("Price/Hour", "1.50"),
        "| Metric | H200 | L4 |\n|---|---|---|\n| Hourly Cost | $2.5 | $0.805 |\n",
        "| Module | Max (GB) |\n|---|---|\n| prover | 15 |\n",
        "A price of $1 | and a bar\n",
    ],
)
def test_a_table_without_machines_or_a_currency_is_none(text: str) -> None:
    assert not prices.READER.knows(text.encode())


def test_a_plain_word_names_a_machine_where_the_table_is_of_machines() -> None:
    assert of(read("| Host | Type | $/hr |\n|-|-|-|\n| a | t4g.micro | 0.0084 |\n"))["t4g.micro"]
    assert of(read("| Plan | vCPU | $/hr |\n|-|-|-|\n| B1 | 1 | 0.019 |\n"))["B1"]


def test_for_what_time_a_price_is_is_asked_where_it_is_not_said() -> None:
    text = table("On-Demand Price", "$0.48")
    with pytest.raises(SitegenError, match="for a time that is not said; add --set per=hour"):
        read(text)
    [row] = of(read(text, per="month")).values()
    assert row.value == float(Fraction("0.48") / 730)
    assert of(read(table("On-Demand Price", "$0.48/hr")))["m1.large on-demand"].value == 0.48


def test_whose_and_where_may_be_said_and_fills_gaps_only() -> None:
    [row] = of(read(table("$/hr", "$1"), provider="aws", region="us-east-1")).values()
    assert {("provider", "aws"), ("region", "us-east-1")} <= {*row.params}
    stated = of(read(README, region="eu-west-1"))
    assert dict(stated["g6.xlarge"].params)["region"] == "us-east-1"
    assert dict(stated["H200"].params)["region"] == "eu-west-1"


def test_a_month_that_is_no_month_of_its_hour_is_doubted() -> None:
    assert not read(README).doubts
    reading = read(README.replace(b"$584.00", b"$58.40"))
    [(kind, sentence, _)] = reading.doubts
    assert kind == Doubt.INCONSISTENT
    assert sentence == "g6.xlarge: 58.40 USD/month is not a month of 0.80 USD/h"
    assert of(reading)["g6.xlarge"].status == Status.SUSPECT


def test_a_month_beside_an_hour_is_of_the_same_offer() -> None:
    heads = "| [Instance Type](https://example.org/a) | Price (On-Demand) | Monthly (24/7) |"
    [row] = of(read(f"{heads}\n|-|-|-|\n| t2.micro | $0.0116/hour | $8.50 |\n")).values()
    assert (row.value, dict(row.params)["billing"]) == (0.0116, "on-demand")


def test_the_same_price_twice_is_one_and_two_prices_are_none() -> None:
    rows = of(read(table("$/hr", "$1", "$2") + "\n" + table("$/hr", "$1")))
    assert {name: (row.value, row.repetition) for name, row in rows.items()} == {
        "m1.large": (1.0, 0),
        "m2.large": (2.0, 0),
    }
    reading = read(table("$/hr", "$1", "$2") + "\n" + table("$/hr", "$1.50"))
    assert set(of(reading)) == {"m2.large"}
    assert reading.notes[0] == ("m1.large is left out: it has several prices, 1 USD/h, 1.50 USD/h.")


@pytest.mark.parametrize(
    ("other", "printed"),
    [("$2 | $730", "1 USD/h, 2 USD/h"), ("$1 | $740", "730 USD/month, 740 USD/month")],
)
def test_of_what_has_several_prices_no_other_price_is_taken(other: str, printed: str) -> None:
    heads = "| Instance Type | $/hr | $/month |\n|-|-|-|\n"
    rows = f"| m1.large | $1 | $730 |\n| m1.large | {other} |\n| m2.large | $3 | $2190 |\n"
    reading = read(heads + rows)
    assert {name: row.value for name, row in of(reading).items()} == {"m2.large": 3.0}
    assert reading.notes[0] == f"m1.large is left out: it has several prices, {printed}."


def test_other_currencies_alone_are_refused() -> None:
    with pytest.raises(SitegenError, match="in another currency than US dollars"):
        read(table("€/month", "4.51"))


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Prices as of 2026-03-15.", "2026-03-15T00:00:00Z"),
        ("Date checked: 2026-09-17", "2026-09-17T00:00:00Z"),
        ("Prices of January 2025", ""),
        ("Released 2026-03-15.", ""),
        ("Prices as of 2026-03-15, checked\nverified 2026-04-01", ""),
        ("Prices as of 2026-19-39", ""),
    ],
)
def test_a_run_is_dated_where_the_file_dates_its_prices(text: str, date: str) -> None:
    assert read(f"{text}\n\n{table('$/hr', '$1')}").started_at == date


def test_spanned_cells_and_rows_of_another_width_are_left_out() -> None:
    spanned = MONTHLY.replace(b"<td>small</td>", b"<td rowspan='2'>small</td>")
    with pytest.raises(SitegenError, match="in a table whose cells span others"):
        read(spanned)
    reading = read(table("$/hr", "$1", "$2 | more"))
    assert set(of(reading)) == {"m1.large"}
    remark = MONTHLY.replace(b"</tbody>", b"<tr><td colspan='4'>as of today</td></tr></tbody>")
    assert of(read(remark)) == of(read(MONTHLY))


@pytest.mark.parametrize("name", ["readme.md", "monthly.html"])
def test_damage_is_borne(name: str) -> None:
    reader = prices.READER
    damage.bear(reader.knows, lambda data: reader.runs(data, {}), (RAW / name).read_bytes())


@pytest.mark.parametrize("data", [README, MONTHLY])
def test_a_file_cut_anywhere_gives_no_price_that_it_does_not_have(data: bytes) -> None:
    whole = damage.values(prices.READER.runs(data, {})[0])
    for end in range(0, len(data), 3):
        try:
            [cut] = prices.READER.runs(data[:end], {})
        except SitegenError:
            continue
        for key, value in damage.values(cut).items():
            assert whole.get(key, value) == value


def test_a_row_that_the_file_ends_within_is_left_out_and_said() -> None:
    text = table("$/hr", "$1", "$19.92")
    reading = read(text[: text.rindex(".92")])
    assert set(of(reading)) == {"m1.large"}
    assert [kind for kind, _, _ in reading.doubts] == [Doubt.CUT_OFF]
    assert not read(text.removesuffix("\n")).doubts


@given(st.text(max_size=40))
def test_any_cell_is_a_price_or_none(cell: str) -> None:
    data = table("$/hr", "$7", cell.replace("|", " ").replace("\n", " ")).encode("utf-8", "replace")
    [reading] = prices.READER.runs(data, {})
    damage.check(reading)
    assert all(row.value and row.value > 0 for row in reading.measurements)


def test_no_other_reader_knows_a_table_of_prices() -> None:
    for data in (README, MONTHLY):
        assert not [reader.name for reader in READERS if reader.knows(data)]
