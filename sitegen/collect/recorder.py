"""The one accumulator of what a run is made of: rows, samples, settings, doubts and notes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field, structs

from sitegen.catalogue.metrics import METRICS
from sitegen.collect import histogram
from sitegen.collect.protocol import Reading
from sitegen.errors import SitegenError
from sitegen.model import (
    STATISTICS,
    Comparability,
    Doubt,
    Fact,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Sample,
    Status,
    ToolIdentity,
)

_TOLD, _LONGEST = 3, 600


class Recorder(Struct):
    """Collects what is found of one run while its outputs are read; `reading` closes it.

    ``definitions`` are those of metrics that the tool has and sitegen has not, all of them before
    the first row; the run carries the ones it uses. ``natives`` are the tool's own names, by
    metric or by metric and statistic.
    """

    tool: ToolIdentity | None = None
    definitions: Iterable[MetricDefinition] = ()
    natives: Mapping[str, str] = field(default_factory=dict)
    started_at: str = ""
    duration_s: float | None = None
    measurements: list[Measurement] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    _notes: dict[str, None] = field(default_factory=dict)
    _doubts: dict[tuple[Doubt, str], dict[str, None]] = field(default_factory=dict)
    _settings: dict[str, dict[str, set[Parameter]]] = field(default_factory=dict)
    times: Counter[tuple[object, ...]] = field(default_factory=Counter)
    _units: dict[str, str] = field(default_factory=dict)

    def series(
        self,
        workload: str,
        pairs: Params = (),
        *,
        status: str = Status.OK,
        repetition: int | None = None,
    ) -> Series:
        """Return a writer of one workload's series with these parameters.

        Without a ``repetition`` a series that is added again counts as its next one.
        """
        return Series(self, workload, pairs, status, repetition, len(self.measurements))

    def parameter(
        self, name: str, value: object, comparability: Comparability = Comparability.MUST_MATCH
    ) -> None:
        """Keep one setting of the run; None is left out."""
        if value is not None:
            self.parameters[name] = Parameter(name, str(value), comparability)

    def said(self, name: str, value: str | None, workload: str) -> None:
        """Keep a setting that an output tells: where all agree the run's, else the workload's."""
        if value:
            self.tells(Parameter(name, value, Comparability.CAVEAT), workload)

    def tells(self, parameter: Parameter, workload: str) -> None:
        """Keep a setting as `said` does, with its comparability."""
        self._settings.setdefault(parameter.name, defaultdict(set))[workload].add(parameter)

    def fact(self, name: str, value: str | None, source: str) -> None:
        """Keep what the output says of the machine; nothing and None are left out."""
        if value:
            self.facts.append(Fact(name, value, source))

    def note(self, sentence: str) -> None:
        """Add a remark, once."""
        self._notes[sentence] = None

    def doubt(self, kind: Doubt, sentence: str, workload: str = "") -> None:
        """Add a doubt about one workload, or about all of them, each sentence once."""
        self._doubts.setdefault((kind, workload), {})[sentence] = None

    def reading(self) -> Reading:
        """Return all of it; raises SitegenError when nothing was measured."""
        if not self.measurements:
            raise SitegenError("there is no measurement in it")
        used = {row.metric for row in self.measurements}
        used |= {f"{row.metric} {row.statistic}" for row in self.measurements}
        names = {name: native for name, native in self.natives.items() if name in used}
        return Reading(
            measurements=tuple(self.measurements),
            samples=tuple(self.samples),
            parameters=(*self.parameters.values(), *self.output_settings()),
            tool=self.tool,
            definitions=tuple(each for each in self.definitions if each.id in used),
            natives=tuple((names | self._names).items()),
            facts=tuple(self.facts),
            started_at=self.started_at,
            duration_s=self.duration_s,
            notes=tuple(few(self._notes, 2 * _TOLD)),
            doubts=tuple(self.doubts()),
        )

    def doubts(self) -> Iterator[tuple[Doubt, str, str]]:
        """Yield what is doubted: the kind, what was seen, and the workload that it is about."""
        for (kind, about), sentences in self._doubts.items():
            yield kind, "; ".join(few(sentences))[:_LONGEST], about

    def unit_of(self, metric: str) -> str:
        """Return the base unit of a metric, sitegen's or the tool's own; raises SitegenError."""
        if metric not in METRICS and not self._units:
            # A file may define thousands: they are looked through once.
            self._units = {each.id: each.unit for each in self.definitions}
        unit = METRICS[metric].unit if metric in METRICS else self._units.get(metric)
        if unit is not None:
            return unit
        fix = "add it to the tool's module of the catalogue, or to the recorder's definitions"
        raise SitegenError(f"the metric {metric!r} is not defined", fix=fix)

    def put(self, row: Measurement, native: str = "") -> None:
        """Add one row, and the tool's own name of it."""
        self.measurements.append(row)
        if native:
            self._names.setdefault(f"{row.metric} {row.statistic}", native)

    def output_settings(self) -> Iterator[Parameter]:
        """Yield the settings that outputs have."""
        for name, by_workload in sorted(self._settings.items()):
            everywhere = set().union(*by_workload.values())
            groups = {name: everywhere}
            if len(everywhere) > 1:
                groups = {f"{name}.{workload}": one for workload, one in by_workload.items()}
            for key, values in groups.items():
                text = ", ".join(sorted({each.value for each in values}))[:400]
                yield structs.replace(min(values, key=str), name=key, value=text)


def series_key(row: Measurement) -> tuple[object, ...]:
    """Return what tells a row from the others of its repetition."""
    return (row.workload, row.metric, row.statistic, row.params)


class Series(Struct, frozen=True):
    """Writes the rows and samples of one workload with one set of parameters."""

    recorder: Recorder
    workload: str
    params: Params
    status: str = Status.OK
    number: int | None = None
    #: How many rows there were before it: its own come after those.
    before: int = 0

    def add(  # noqa: PLR0913 - one row has as many sides
        self,
        metric: str,
        statistic: str,
        value: float | None,
        printed: str | None = None,
        *,
        native: str = "",
        status: str = "",
        about: Params = (),
    ) -> None:
        """Add one value in its base unit; None is left out, and so is an unknown statistic.

        ``about`` are further parameters, of this row alone. Raises SitegenError for a value that
        is not finite.
        """
        if value is None or statistic not in STATISTICS:
            return
        if not math.isfinite(value):
            raise SitegenError(f"{metric} is {value}", where=self.workload)
        status = status or self.status
        row = Measurement(self.workload, metric, statistic, "", value, (), 0, status, printed)
        self._put(row, about, native)

    def failed(self, metric: str, statistic: str = "value", about: Params = ()) -> None:
        """Add a row that was to be measured and was not."""
        row = Measurement(self.workload, metric, statistic, "", None, (), 0, Status.FAILED)
        self._put(row, about)

    def _put(self, row: Measurement, about: Params, native: str = "") -> None:
        pairs = tuple(sorted({**dict(self.params), **dict(about)}.items()))
        row = row._replace(unit=self.recorder.unit_of(row.metric), params=pairs)
        number = self.number
        if number is None:
            number = self.recorder.times[series_key(row)]
            self.recorder.times[series_key(row)] += 1
        self.recorder.put(row._replace(repetition=number), native)

    def spread(
        self, metric: str, values: Mapping[str, float], *, native: str = "", status: str = ""
    ) -> None:
        """Add several statistics of one metric, by their names."""
        for statistic, value in values.items():
            self.add(metric, statistic, value, native=native, status=status)

    def histogram(self, metric: str, counts: Mapping[int, int], step: float) -> None:
        """Add how many were how large as samples, in few bins; values are in units of ``step``."""
        cells = ((value * step, float(times)) for value, times in histogram.coarse(counts))
        self.points("histogram", metric, cells)

    def points(self, kind: str, metric: str, pairs: Iterable[tuple[float, float]]) -> None:
        """Add samples over time, of ``kind`` time or request: seconds since the start, value."""
        self.recorder.samples += [
            Sample(self.workload, self.number or 0, kind, metric, x, y, self.params)
            for x, y in pairs
        ]


def few(sentences: Iterable[str], most: int = _TOLD) -> list[str]:
    """Return the first of several sentences, and how many more there are."""
    texts = list(sentences)
    more = len(texts) - most
    return [*texts[:most], f"and {more} more"] if more > 0 else texts
