"""What a note may say: each figure from its run, and an error where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sitegen.analysis.compare import Analysis
from sitegen.errors import SitegenError
from sitegen.report import notes

Functions = dict[str, Callable[..., Any]]


@pytest.fixture(scope="module")
def fio(published: Analysis) -> Functions:
    return dict(notes.of_benchmark(published, "fio"))


def test_a_figure_is_a_link_to_its_run_in_the_digits_of_its_source(
    fio: Functions, published: Analysis
) -> None:
    quote = fio["value"]("fio.iops", "h200-host", workload="read_iops")
    [run] = published.selections["fio", "h200-host"].runs
    assert quote.value == 259_000
    assert str(quote).startswith("[259 k")
    # 259 k/s is printed to the last thousand: the link's title says what that leaves open.
    assert str(quote).endswith(f'](../runs/{run.id}/index.html "258 to 260 k/s, by rounding")')


def test_a_figure_is_told_in_another_unit_on_request(fio: Functions) -> None:
    fastest = fio["value"]("fio.bandwidth", "tdx-lab-vm", workload="read_bw")
    assert fastest.to("GB/s").endswith(" GB/s")
    assert float(fastest.to("GB/s", 6).split()[0]) == pytest.approx(fastest.value / 1e9, rel=1e-5)
    with pytest.raises(SitegenError, match="no unit 'furlong'"):
        fastest.to("furlong")


def test_arithmetic_on_figures_gives_plain_numbers(fio: Functions) -> None:
    host = fio["value"]("fio.iops", "h200-host", workload="read_iops")
    cvm = fio["value"]("fio.iops", "h200-cvm", workload="read_iops")
    assert host / cvm == pytest.approx(259 / 33)
    assert host - cvm == 226_000
    assert cvm / 1000 == 33
    assert fio["number"](host / cvm, 3) == "7.85"
    assert fio["percent"](0.1234) == "12.3\N{NO-BREAK SPACE}%"


def test_an_overhead_is_that_of_the_cost_table(fio: Functions, published: Analysis) -> None:
    [comparison] = [
        c
        for c in published.comparisons
        if c.side.environment == "h200-cvm" and c.series.workload == "read_iops"
    ]
    assert comparison.share == pytest.approx(1 - 33 / 259)
    said = fio["overhead"]("fio.iops", "h200-cvm", workload="read_iops")
    [run] = comparison.side.runs
    address = f"../runs/{run}/index.html"
    assert str(said) == f'[87.3\N{NO-BREAK SPACE}%]({address} "+87.0 to +87.5 %")'


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("value", "fio.iops", "nowhere"), "no figure is fio.iops in nowhere"),
        (("value", "fio.nothing", "h200-host"), "no figure is fio.nothing"),
        (("value", "fio.iops", "h200-host"), r"\d figures are fio\.iops in h200-host"),
        (("overhead", "fio.iops", "h200-host"), "no comparison of fio.iops in h200-host"),
    ],
)
def test_what_is_not_there_is_an_error(fio: Functions, call: tuple[str, ...], message: str) -> None:
    name, *arguments = call
    with pytest.raises(SitegenError, match=message):
        fio[name](*arguments)
