"""The compare page and Python, on every pair of sides of the rich report: one answer."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from sitegen.analysis import compare, series
from sitegen.analysis.compare import Cell
from sitegen.analysis.pairing import Unpaired, pair
from sitegen.report import compare_page, panels
from tests.browser.conftest import RichReport
from tests.browser.test_compare import assert_equal, series_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

#: What the page computes for every pair of its sides, as its own scripts say it.
_COMPUTED = """async (benchmark) => {
    const data = await fetched(offers.get(benchmark).sides);
    const sides = sidesOf(data, await fetched(offers.get(benchmark).runs));
    const series = seriesOf(data);
    const answers = (to, from) => series.map((one) => {
        const found = compared(one, to, from, data.rules);
        return found && [one.metric.id, one.place, found.word, found.reason,
            found.factor ?? null, found.interval?.low ?? null, found.interval?.high ?? null,
            found.detail];
    }).filter(Boolean);
    const titles = (to, from) => to.differ(from).map((place) => to.rows[place].slice(0, 2));
    return JSON.stringify(sides.flatMap((from) => sides.filter((to) => to !== from).map((to) =>
        [from.id, to.id, answers(to, from), titles(to, from)])));
}"""


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the cells of a side once, and not again for each side that it is held against."""
    kept: dict[tuple[object, ...], list[Cell]] = {}

    def cells_of(*of: Any) -> list[Cell]:  # noqa: ANN401 - as those of the analysis
        name, label, selection, *about = of
        key = (name, label, *about, *(run.id for run in selection.runs))
        if key not in kept:
            kept[key] = [*series.cells_of(*of)]
        return kept[key]

    monkeypatch.setattr(compare, "cells_of", cells_of)


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize(
    "benchmark", ["fio", "ab", "7z", "llm", "zktls", "hardware", "secure-inference"]
)
def test_every_pair_of_sides_has_one_answer(
    page: Page, rich_report: RichReport, benchmark: str
) -> None:
    runs = [run for run in rich_report.runs if run.benchmark == benchmark]
    shown = series_of(rich_report.analysis, runs, benchmark)
    page.goto(f"{rich_report.root}/compare/index.html", wait_until="load")
    computed = {
        (base, side): (answers, titles)
        for base, side, answers, titles in json.loads(page.evaluate(_COMPUTED, benchmark))
    }
    catalogue, sides = compare_page.environments(rich_report.analysis, benchmark)
    sides += compare_page.single_runs(catalogue, runs)
    ids = [each.id for each in sides]
    assert set(computed) == set(permutations(ids, 2))
    held, known = 0, set(shown)
    for (base, side), (answers, titles) in computed.items():
        try:
            pairing = pair(runs, rich_report.settings, base, side)
        except Unpaired:
            assert answers == []
            continue
        expected = [c for c in pairing.comparisons if c.series in known and _is_divided(c)]
        held += assert_equal(answers, expected, shown)
        assert titles == [[one.title, one.meaning] for one in pairing.differing], (base, side)
    assert held > len(ids)


def _is_divided(one: Any) -> bool:  # noqa: ANN401 - a comparison
    return one.metric.scale == "ratio" and one.series.statistic in panels.STATISTICS
