from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.archive import Archive
from sitegen.catalogue.families import FAMILIES, family, matching_headline
from sitegen.catalogue.metrics import METRICS, Better, Metric, Scale, metric
from sitegen.catalogue.tool import has
from sitegen.catalogue.units import unit_for
from sitegen.collect import PRESETS, Request
from sitegen.collect.installed import collectors, collects, load_collector
from sitegen.model import (
    RESERVED,
    STATISTICS,
    MetricDefinition,
    Run,
    Series,
    ToolIdentity,
    check_benchmark,
)

ROOT = Path(__file__).parents[2]
BASE_UNITS = {
    "s", "B", "B/s", "1/s", "Hz", "tokens/s", "MIPS", "op/s", "ratio", "USD/h", "count",
}  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "name", [name for name, point in collectors().items() if collects(load_collector(point))]
)
def test_every_metric_that_a_collector_plans_is_defined_in_its_unit(
    name: str, preset: str, tmp_path: Path
) -> None:
    request = Request(preset, 3, {}, 4, tmp_path, tmp_path / "cache", 1 << 40)
    plan = load_collector(collectors()[name]).plan(
        ToolIdentity(name, "1.0", f"/usr/bin/{name}"), request
    )
    expected = {(m.metric, m.unit) for step in plan.steps for m in step.expects}
    assert expected
    known = {(found.id, found.unit) for found in METRICS.values()}
    assert expected <= known | {(own.id, own.unit) for own in plan.definitions}


def test_every_metric_of_the_repositorys_own_runs_is_in_the_table_in_its_unit() -> None:
    archive = Archive(ROOT / "archive")
    found = {
        (m.metric, m.unit, m.statistic)
        for entry in archive.scan()
        for m in archive.read(entry).measurements
    }
    assert {(name, METRICS[name].unit, statistic) for name, _, statistic in found} == found
    assert {statistic for _, _, statistic in found} <= STATISTICS


def test_every_published_metric_is_in_the_table(cited: list[Run]) -> None:
    assert {m.metric for run in cited for m in run.measurements} <= set(METRICS)


@pytest.mark.parametrize("found", METRICS.values(), ids=lambda found: found.id)
def test_a_metric_says_what_it_is_in_a_unit_that_pages_can_scale(found: Metric) -> None:
    assert found.unit in BASE_UNITS
    assert unit_for(found.unit, [1.0]).text or found.unit == "count"
    assert found.source
    assert found.title
    assert not found.title.endswith(".")
    assert found.definition.endswith(".")
    assert 0 < found.margin < 1
    assert found.resolution is None or found.resolution > 0
    assert found.scale in set(Scale)


def test_ids_begin_with_their_family_and_no_family_takes_a_page_of_the_site() -> None:
    assert {key.split(".")[0] for key in METRICS} <= set(FAMILIES)
    assert not set(FAMILIES) & RESERVED
    for name in FAMILIES:
        assert check_benchmark(name) == name


@pytest.mark.parametrize("name", FAMILIES)
def test_headlines_and_charts_show_metrics_that_are_known(name: str) -> None:
    shown = FAMILIES[name]
    for headline in shown.headlines:
        assert METRICS[headline.metric].better != Better.NONE
        assert headline.statistic in STATISTICS
        assert headline.metric.startswith(f"{name}.")
        params = tuple((key, "8" if value == "*" else value) for key, value in headline.params)
        workload = headline.workload or "any"
        series = Series(name, workload, headline.metric, headline.statistic, params)
        assert matching_headline(series) == headline
    for panel in shown.panels:
        assert panel.metric in METRICS
        assert panel.statistic in STATISTICS
        assert not (panel.group and panel.axis)
        assert panel.axis or not panel.efficiency
    titles = [panel.title for panel in shown.panels]
    assert len(titles) == len(set(titles))
    assert shown.question.endswith("?")
    assert not shown.headlines or shown.headlines[0].loses


def test_a_family_says_whether_its_own_module_measures_it() -> None:
    here = collectors()
    said = {name: shown.collected for name, shown in FAMILIES.items() if name in here}
    assert said == {name: collects(load_collector(here[name])) for name in said}


def test_what_nobody_defines_goes_by_its_name_and_a_runs_own_by_its_definition() -> None:
    assert family("own").title == "own"
    assert matching_headline(Series("own", "w", "own.x", "value", ())) is None
    own = MetricDefinition("own.x", "Apples", "apples", "higher", "How many.")
    assert metric("own.x", [own]).better == Better.HIGHER
    assert metric("own.x", [MetricDefinition("own.x", "A", "a", "sideways")]).better == Better.NONE
    assert metric("own.x").better == Better.NONE
    assert metric("fio.iops", [MetricDefinition("fio.iops", "Mine", "x", "lower")]).unit == "1/s"


def test_a_series_matches_when_it_has_all_wanted_parameters() -> None:
    have = {"threads": "8", "operation": "total"}
    assert has(have, (("threads", "*"),))
    assert has(have, (("threads", "8"), ("operation", "total")))
    assert not has(have, (("threads", "4"),))
    assert not has(have, (("cores", "*"),))
