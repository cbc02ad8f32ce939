"""METRICS: the one table of what may be said about a number, its unit and its direction among it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sitegen.catalogue.families import TOOLS
from sitegen.catalogue.tool import Better, Metric, Scale
from sitegen.model import MetricDefinition

__all__ = ["METRICS", "UNIT_COSTS", "Better", "Metric", "Scale", "metric", "unit_problem"]

METRICS: dict[str, Metric] = {metric.id: metric for tool in TOOLS for metric in tool.metrics}
#: What a price buys: the unit by metric and statistic, with how many of them are priced.
UNIT_COSTS: Mapping[tuple[str, str], tuple[str, float]] = {
    key: cost for tool in TOOLS for key, cost in tool.unit_costs.items()
}


def metric(metric_id: str, definitions: Iterable[MetricDefinition] = ()) -> Metric:
    """Return the metric called ``metric_id``, from the table or from a run's own definitions.

    One that nobody defines has no direction, and so no verdict.
    """
    entry = METRICS.get(metric_id)
    if entry is not None:
        return entry
    for row in definitions:
        if row.id == metric_id:
            better = Better(row.better) if row.better in set(Better) else Better.NONE
            return Metric(row.id, row.title, row.unit, better, row.definition)
    return Metric(metric_id, metric_id, "", Better.NONE, "Not defined by its collector.")


def beside(metric_id: str, statistic: str) -> str:
    """Return what rules about other metrics of its workload call this figure, or nothing."""
    entry = METRICS.get(metric_id)
    return dict(entry.beside).get(statistic, "") if entry else ""


def unit_problem(units: Iterable[tuple[str, str]]) -> str:
    """Return which metric of a run is stated in another unit than its base unit, or nothing."""
    for name, unit in units:
        entry = METRICS.get(name)
        if entry is not None and unit != entry.unit:
            return f"{name} is stated in {unit or 'no unit'}, its base unit is {entry.unit}"
    return ""
