"""A report as it was when it was opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from msgspec import structs

from sitegen import config
from sitegen.archive import frames, library, quarantine
from sitegen.door import values
from sitegen.door.run import Run
from sitegen.door.values import Names
from sitegen.errors import SitegenError, many

if TYPE_CHECKING:
    import pandas as pd

    from sitegen.analysis.compare import Analysis
    from sitegen.archive import Damaged
    from sitegen.charts.spec import Chart
    from sitegen.model import AnyRun

_COUNTS = ("replicates_baseline", "replicates_side", "more_runs", "among")
_NUMBERS = (
    *("baseline", "side", "slowdown", "low", "high", "overhead"),
    *("difference", "difference_low", "difference_high"),
)


class Report:
    """A report as it was when it was opened. Reading from several threads is safe.

    It speaks the Arrow PyCapsule protocol as the table of all its measurements:
    `polars.DataFrame(report)`, `duckdb.from_arrow(report.arrow())`.
    """

    def __init__(self, settings: config.Config, held: library.Library) -> None:
        """Hold what was read; use `sitegen.open`."""
        self._config, self._held = settings, held
        self._made: tuple[Analysis, tuple[quarantine.SetAside, ...]] | None = None
        self._lock = threading.RLock()

    @property
    def title(self) -> str:
        """What the report is called."""
        return self._config.title

    @property
    def environments(self) -> tuple[str, ...]:
        """The labels of the platforms that have runs, in the order of the report's pages."""
        seen = {held.run.environment for held in self._held.runs.values()}
        declared = [label for label in self._config.environments if label in seen]
        return (*declared, *sorted(seen - {*declared}))

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The benchmarks that have runs."""
        return tuple(sorted({held.run.benchmark for held in self._held.runs.values()}))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The ids of the metrics that were measured."""
        return tuple(sorted({m for one in self._held.runs.values() for m, _ in one.run.units}))

    @property
    def damaged(self) -> tuple[Damaged, ...]:
        """The runs that are set aside, each with its `path` and the `reason`."""
        return (*self._held.damaged, *self._held.damages(self._analysed[1]))

    def measurements(
        self,
        *,
        environment: Names = (),
        benchmark: Names = (),
        metric: Names = (),
        run: Names = (),
        caveats: bool = True,
    ) -> pd.DataFrame:
        """Return all measurements, or those of the names that are given, one a row.

        Without ``caveats`` nothing has to be compared for it, which is much of the time of a large
        report. `frame.attrs` has the unit of each metric, and which direction is better.
        """
        values.pandas_here()
        found = frames.frame(self._table(environment, benchmark, metric, run, caveats=caveats))
        chosen = {str(name) for name in found["metric"].cat.categories}
        units = {m: unit for one in self._runs for m, unit in one.units if m in chosen}
        better = {name: str(self._metric(name).better) for name in units}
        found.attrs = {"units": dict(sorted(units.items())), "better": dict(sorted(better.items()))}
        return found

    def arrow(
        self,
        *,
        environment: Names = (),
        benchmark: Names = (),
        metric: Names = (),
        run: Names = (),
        caveats: bool = True,
    ) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the same as a `pyarrow.Table`; needs no pandas."""
        return frames.with_lists(self._table(environment, benchmark, metric, run, caveats=caveats))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def runs(self) -> pd.DataFrame:
        """Return the runs, one a row, the oldest first.

        ``selected`` says whether a run stands for its environment in comparisons, and ``left_out``
        why not.
        """
        pandas = values.pandas_here()
        analysis, _ = self._analysed
        chosen = {run.id for one in analysis.selections.values() for run in one.runs}
        left_out = {name: why for one in analysis.selections.values() for name, why in one.left_out}
        rows = [
            {
                "run_id": run.id,
                **{name: values[0] for name, values in values.of_runs([run]).items()},
                "started_at": values.moment(run),
                "duration_s": run.duration_s,
                "tool": run.tool.name if run.tool else None,
                "tool_version": run.tool.version if run.tool else None,
                "tee": run.fingerprint.tee.kind,
                "tee_confidence": run.fingerprint.tee.confidence or None,
                "measurements": len(run.table.values),
                "complete": run.complete,
                "selected": run.id in chosen,
                "left_out": left_out.get(run.id),
            }
            for run in self._runs
        ]
        found = pandas.DataFrame(rows, columns=list(rows[0]) if rows else ["run_id"])
        return values.typed(found, self.environments, numbers=("duration_s",))

    def run(self, name: str) -> Run:
        """Return one run by its id, or the end of it; raises SitegenError for a damaged one."""
        held = self._held.runs[self._run_id(name)]
        return Run(self._config, held, self.measurements)

    def samples(self, run: str) -> pd.DataFrame:
        """Return the raw series behind the measurements of a run: per second, per request, bins."""
        return self.run(run).samples()

    def compare(  # noqa: PLR0913 - those of the command
        self,
        baseline: str,
        side: str,
        *,
        all: bool = False,  # noqa: A002 - as the command has it
        metric: Names = (),
        axis: str = "",
        environment: str = "",
    ) -> pd.DataFrame:
        """Return ``side`` against ``baseline``, one series a row, the worst first.

        Both are environments, or runs by their ids' ends; with ``axis`` two values of a parameter.
        Headline series, unless `metric` names others or ``all`` are asked for. Columns are those of
        `sitegen compare --format json`. Raises SitegenError when the two have nothing in common.
        """
        pandas = values.pandas_here()
        from sitegen.analysis.pairing import Unpaired, as_json, pair, pair_values
        from sitegen.report import words

        metrics, runs = self._names(metric, "metric", self.metrics), self._whole_runs()
        if environment and not axis:
            fix = "name two environments instead"
            raise SitegenError("goes with axis", where="environment", fix=fix)
        benchmarks = {r.benchmark for r in runs if any(m in metrics for m, _ in r.units)}
        chosen = [run for run in runs if not metrics or run.benchmark in benchmarks]
        if axis:
            pairing = pair_values(chosen, self._config, axis, baseline, side, environment)
        else:
            pairing = pair(runs, self._config, baseline, side, benchmarks)
        wanted = [
            one
            for one in pairing.comparisons
            if all or (one.series.metric in metrics if metrics else one.headline)
        ]
        if not wanted:
            there = sorted({one.series.metric for one in pairing.comparisons})[: values.MOST_NAMED]
            raise Unpaired(
                "no series is so", fix=f"use all=True, or metric with one of {', '.join(there)}"
            )
        wanted.sort(key=lambda one: (bool(one.reason), -(one.factor or 0.0), one.series))
        rows = [{"series": words.title(one.series)} | values.flat(as_json(one)) for one in wanted]
        names = dict.fromkeys(name for row in rows for name in row)
        found = pandas.DataFrame(rows, columns=sorted(names, key=values.is_param))
        found.attrs = {"baseline": pairing.baseline, "side": pairing.side}
        return values.typed(found, numbers=_NUMBERS, counts=_COUNTS)

    def figures(self, benchmark: str) -> pd.DataFrame:
        """Return the charts of a benchmark's page: the ``name`` and title that `figure` takes."""
        pandas = values.pandas_here()
        charts = self._charts(benchmark, (), ())
        columns = {
            "name": [chart.id for chart in charts],
            "title": [chart.title for chart in charts],
            "about": [chart.subtitle for chart in charts],
        }
        found: pd.DataFrame = pandas.DataFrame(columns)
        return found

    def figure(
        self, benchmark: str, name: str = "", *, metric: Names = (), environments: Names = ()
    ) -> Any:  # noqa: ANN401 - plotly has no types
        """Return a chart of a benchmark's page as a `plotly.graph_objects.Figure`.

        ``name`` is that of `figures`, a part of its title that no other has, or a metric;
        ``metric`` and ``environments`` say what it is to show. Raises SitegenError that names the
        charts there are where more than one is meant.
        """
        if name in self.metrics:
            name, metric = "", name
        charts = self._charts(benchmark, metric, environments)
        asked = name.casefold()
        exact = [one for one in charts if asked and asked in (one.id, one.title.casefold())]
        meant = exact or [one for one in charts if asked in f"{one.id} {one.title}".casefold()]
        if len(meant) != 1:
            number = f"{len(meant)} charts are" if meant else "no chart is"
            there = ", ".join(one.id for one in (meant or charts)[: values.MOST_NAMED])
            raise SitegenError(f"{number} called {name[:80]!r}", where=benchmark, fix=f"of {there}")
        from sitegen.charts import plotly

        try:
            return plotly.graph(meant[0])
        except ModuleNotFoundError as error:
            raise values.absent(error) from error

    def claims(self) -> pd.DataFrame:
        """Return the claims of the report recomputed, one a row, as `sitegen claims` does."""
        pandas = values.pandas_here()
        from sitegen.analysis import claims

        analysis, aside = self._analysed
        damaged = bool(self._held.damaged or aside)
        declared = claims.load_all(self._config.claims)
        checked, _ = claims.check_all(declared, analysis, damaged=damaged)
        rows = [values.flat(claims.as_json(one)) for one in checked]
        found = pandas.DataFrame(rows, columns=list(claims.COLUMNS))
        return values.typed(found, numbers=("value", "low", "high"), categories=("verdict", "kind"))

    def __repr__(self) -> str:
        return f"<sitegen report {self.title!r}: {self._count()}>"

    def _repr_html_(self) -> str:
        parts = [f"<b>{escape(self.title)}</b><br>{escape(self._count())}"]
        parts += [f"environments: {escape(', '.join(self.environments))}"]
        parts += [f"benchmarks: {escape(', '.join(self.benchmarks))}"]
        if self._held.damaged:
            parts.append(f"set aside: {len(self._held.damaged)}")
        return "<br>".join(parts)

    def _count(self) -> str:
        return f"{many(len(self._held.runs), 'run')}, {self._config.archive_place}"

    @property
    def _runs(self) -> list[AnyRun]:
        return [held.run for held in self._held.runs.values()]

    @property
    def _analysed(self) -> tuple[Analysis, tuple[quarantine.SetAside, ...]]:
        """All that is compared, and the runs on which that failed; made once."""
        from sitegen.analysis.compare import analyse

        def make(runs: Sequence[AnyRun], _: object = ()) -> Analysis:
            return analyse(runs, self._config)

        with self._lock:
            if self._made is None:
                self._made = quarantine.without_failing(self._runs, make, make)
            return self._made

    def _whole_runs(self) -> list[AnyRun]:
        gone = {one.run.id for one in self._analysed[1]}
        return [run for run in self._runs if run.id not in gone]

    def _metric(self, name: str) -> Any:  # noqa: ANN401 - of the catalogue, loaded when asked
        from sitegen.catalogue.metrics import metric

        return metric(name, (d for run in self._runs for d in run.definitions if d.id == name))

    def _table(
        self, environment: Names, benchmark: Names, metric: Names, run: Names, *, caveats: bool
    ) -> Any:  # noqa: ANN401 - pyarrow has no types
        aliases = self._config.aliases
        asked = [aliases.get(name, name) for name in values.several(environment)]
        labels = self._names(asked, "environment", self.environments)
        benchmarks = self._names(benchmark, "benchmark", self.benchmarks)
        metrics = self._names(metric, "metric", self.metrics)
        ids = [self._run_id(name) for name in values.several(run)]
        marks: Callable[[str], Sequence[str | None]] | None = None
        runs = self._runs
        if caveats:
            from sitegen.analysis.export import Marks

            of, runs = Marks(self._analysed[0]), self._whole_runs()
            marks = lambda name: of.of(self._held.runs[name].run)  # noqa: E731
        runs = [
            run
            for run in runs
            if (not labels or run.environment in labels)
            and (not benchmarks or run.benchmark in benchmarks)
            and (not ids or run.id in ids)
        ]
        words = {name: self._metric(name) for name in self.metrics}
        facts = frames.Facts(
            runs=[run.id for run in runs],
            of_runs=values.of_runs(runs),
            started_at=[values.moment(run) for run in runs],
            of_metrics={
                "better": {name: str(one.better) for name, one in words.items()},
                "metric_title": {name: one.title for name, one in words.items()},
            },
            order={"environment": self.environments},
            marks=marks,
        )
        with self._lock:  # what is read first is kept
            rows = self._held.rows.arrow()
        return frames.measurements(rows, facts, metrics)

    def _charts(self, benchmark: str, metric: Names, environments: Names) -> tuple[Chart, ...]:
        from sitegen.report import panels

        self._names(benchmark, "benchmark", self.benchmarks)
        metrics = self._names(metric, "metric", self.metrics)
        labels = self._names(environments, "environment", self.environments)
        analysis = self._analysed[0]
        cells = tuple(
            cell
            for cell in analysis.of(benchmark)
            if (not metrics or cell.series.metric in metrics)
            and (not labels or cell.environment in labels)
        )
        return panels.panels(structs.replace(analysis, _by_benchmark={benchmark: cells}), benchmark)

    @staticmethod
    def _names(given: Names, kind: str, there: Sequence[str]) -> list[str]:
        """Return names as a list; raises SitegenError for one that is not there."""
        names = values.several(given)
        for name in names:
            if name not in there:
                known = (
                    f"there are {', '.join(there[: values.MOST_NAMED])}"
                    if there
                    else "there is none"
                )
                raise SitegenError(f"no {kind} {str(name)[:80]!r}", fix=known)
        return names

    def _run_id(self, name: str) -> str:
        if name in self._held.runs:
            return name
        ends = [run_id for run_id in self._held.runs if run_id.endswith(f"-{name}")]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise SitegenError(f"{len(ends)} runs end with {name[:80]!r}", fix="give the whole id")
        for one in self._held.damaged:
            if one.path.endswith((f"/{name}", f"-{name}")):
                raise SitegenError(f"is damaged: {one.reason}", where=one.path)
        raise SitegenError(f"no run {name[:80]!r}", fix="`report.runs()` has them")
