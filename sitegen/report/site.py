"""What all pages share, and the pages about the report itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.analysis.compare import Analysis
from sitegen.archive import Damaged
from sitegen.catalogue.families import FAMILIES, family
from sitegen.catalogue.metrics import METRICS, Metric
from sitegen.catalogue.rules import RULES
from sitegen.catalogue.tool import Rule
from sitegen.model import AnyRun
from sitegen.report import overview
from sitegen.report.overview import LatestRun
from sitegen.report.trials import Trial, trials

PER_PAGE = 250


@dataclass(frozen=True, slots=True)
class Site:
    """What every page says: the report's title and its navigation."""

    title: str
    base_url: str
    nav: tuple[tuple[str, str], ...]
    version: str


@dataclass(frozen=True, slots=True)
class MethodologyPage:
    """Definitions: metrics by benchmark, every caveat rule, and what simulation shows."""

    metrics: tuple[tuple[str, str, tuple[Metric, ...]], ...]
    rules: tuple[Rule, ...]
    window_days: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class DataFile:
    """One download: what it holds, in which forms, with their sizes in bytes."""

    title: str
    stem: str
    rows: int
    sizes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DataPage:
    """The downloads, the columns and what was set aside."""

    files: tuple[DataFile, ...]
    columns: tuple[tuple[str, str], ...]
    damaged: tuple[Damaged, ...]
    runs: int


@dataclass(frozen=True, slots=True)
class RunsPage:
    """One page of the list of all runs."""

    number: int
    pages: int
    runs: tuple[LatestRun, ...]
    total: int


def navigation(
    runs: Sequence[AnyRun], *, reports: bool = False, claims: bool = False
) -> tuple[tuple[str, str], ...]:
    """Return the (path, title) pairs of the navigation."""
    present = {run.benchmark for run in runs}
    known = [name for name in FAMILIES if name in present]
    return (
        ("", "Overview"),
        *((f"{name}/", family(name).title) for name in (*known, *sorted(present - set(FAMILIES)))),
        ("compare/", "Compare"),
        *((("reports/", "Reports"),) if reports else ()),
        *((("claims/", "Claims"),) if claims else ()),
        ("methodology/", "Methodology"),
        ("data/", "Data"),
    )


def methodology(analysis: Analysis) -> MethodologyPage:
    """Return the definitions of every metric that sitegen knows or that a run brought."""
    groups: dict[str, list[Metric]] = {}
    for metric in METRICS.values():
        groups.setdefault(metric.id.split(".")[0], []).append(metric)
    seen = {series.metric for series, _ in analysis.cells}
    for metric_id in sorted(seen | set(analysis.definitions)):
        if metric_id not in METRICS:
            groups.setdefault(metric_id.split(".")[0], []).append(analysis.metric(metric_id))
    return MethodologyPage(
        tuple((name, family(name).title, tuple(found)) for name, found in groups.items()),
        tuple(RULES.values()),
        analysis.config.window_days,
        trials(),
    )


def run_lists(analysis: Analysis, runs: Sequence[AnyRun]) -> list[RunsPage]:
    """Return the pages that list all runs, newest first."""
    newest = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
    pages = max(-(-len(newest) // PER_PAGE), 1)
    return [
        RunsPage(
            number + 1,
            pages,
            tuple(
                overview.latest_run(analysis, run)
                for run in newest[number * PER_PAGE : (number + 1) * PER_PAGE]
            ),
            len(newest),
        )
        for number in range(pages)
    ]
