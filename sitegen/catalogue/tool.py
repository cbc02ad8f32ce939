"""The words in which the catalogue speaks of a tool: metrics, headlines, charts, rules.

One module a tool says all that is known of it beforehand, in these; nobody else repeats it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from sitegen.catalogue.units import DisplayUnit, unit_for
from sitegen.model import Doubt, Params, Provenance, Series

if TYPE_CHECKING:
    from sitegen.model import AnyRun, StepConditions


class Better(StrEnum):
    """Which direction is better; ``none`` gets no verdict."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


#: A number above 0: two of them have a ratio.
_NUMBER = re.compile(r"(?=.*[1-9])[0-9]{1,18}(?:\.[0-9]{1,18})?")
H, L, N = Better.HIGHER, Better.LOWER, Better.NONE


class Scale(StrEnum):
    """How two values of a metric are compared."""

    RATIO = "ratio"  # divided, on logarithms
    DIFFERENCE = "difference"  # subtracted: it can be zero or negative
    PROPORTION = "proportion"  # of a count
    EXACT = "exact"  # the same bytes every time


class Metric(Struct, frozen=True):
    """Everything that anyone may say about a number of this kind.

    ``unit`` is the base unit of stored values. ``resolution`` is the smallest step that the
    tool prints, in that unit. ``margin`` is the effect below which a difference is not called
    one: a share of the baseline, or for a proportion an amount of it. ``shown_in`` fixes the
    display unit where the field has a usual one; ``counts`` names what a rate counts (IOPS),
    ``of`` the metric that counts what a proportion is of. ``beside`` are statistics that rules ask
    for beside other metrics of the same workload, each with the name that they know it by.
    """

    id: str
    title: str
    unit: str
    better: Better
    definition: str
    scale: Scale = Scale.RATIO
    resolution: float | None = None
    margin: float = 0.02
    source: str = ""
    shown_in: str = ""
    counts: str = ""
    of: str = ""
    beside: Params = ()

    def unit_for(self, values: Iterable[float | None]) -> DisplayUnit:
        """Return the unit that ``values`` of this metric are shown in, when together."""
        return unit_for(self.unit, values, self.shown_in, self.counts)


class SeriesPattern(Struct, frozen=True):
    """Which series are meant: those of a metric and statistic, with parameters, of a workload.

    A parameter's ``*`` takes any value that is there; nothing wants the parameter absent. A
    statistic or workload that is not named may be any.
    """

    metric: str
    statistic: str = ""
    params: Params = ()
    workload: str = ""

    def matches(self, series: Series) -> bool:
        """Say whether a series is one of those that are meant."""
        return (
            self.metric == series.metric
            and self.statistic in ("", series.statistic)
            and self.workload in ("", series.workload)
            and has(dict(series.params), self.params)
        )


def has(params: Mapping[str, str], pattern: Params) -> bool:
    """Say whether parameters are as `SeriesPattern` wants them."""
    return all(
        key in params if value == "*" else params.get(key, "") == value for key, value in pattern
    )


class Headline(SeriesPattern, frozen=True):
    """Series that readers ask for; of several the smallest ``first`` gets a word, or the largest.

    ``loses`` is what a sentence says the TEE costs: "TDX costs random reads 40 %". The title of a
    ``whole`` one says all that its series' parameters say.
    """

    title: str = ""
    loses: str = ""
    whole: bool = False
    first: Literal["smallest", "largest"] = "smallest"

    def miss(self, series: Series) -> Miss | None:
        """Return the one number in which a series is not as the headline asks.

        None where it is as asked, and where anything but one number is not.
        """
        params = dict(series.params)
        missed = [
            Miss(key, asked, params.get(key, ""))
            for key, asked in self.params
            if not has(params, ((key, asked),))
        ]
        if len(missed) != 1 or not all(map(_NUMBER.fullmatch, missed[0][1:])):
            return None
        return missed[0] if self.at(missed[0]).matches(series) else None

    def at(self, miss: Miss) -> Headline:
        """Return the headline as it would ask for what it missed."""
        params = tuple((k, miss.has if k == miss.key else v) for k, v in self.params)
        return replace(self, params=params)


class Miss(NamedTuple):
    """A parameter, the value that a headline asks of it, and the value that there is."""

    key: str
    asked: str
    has: str

    @property
    def distance(self) -> tuple[float, float]:
        """How far the two are apart, by their ratio; of two alike the larger value is nearer."""
        asked, has = float(self.asked), float(self.has)
        return round(abs(math.log(has / asked)), 9), -has


class Panel(SeriesPattern, frozen=True):
    """One chart of a benchmark's page: the series that it takes, and how it groups them.

    Bars are grouped by the parameter ``group``. With ``axis`` the panel is a line chart over that
    parameter, one line an environment and further parameter; ``axis_title`` words it.
    ``efficiency`` divides each value by the axis value times the value at the smallest. Series
    that differ in a parameter of ``split`` never share a chart.
    """

    title: str = ""
    group: str = ""
    axis: str = ""
    axis_title: str = ""
    efficiency: bool = False
    split: tuple[str, ...] = ()


class OverheadBy(Struct, frozen=True):
    """What the TEE costs over a parameter: one line an environment that has a baseline.

    A value of ``axis`` is a number, or ends in one with its unit (``Llama-3.1-8B``).
    """

    title: str
    series: SeriesPattern
    axis: str
    axis_title: str


class Ladder(Struct, frozen=True):
    """Steps of protection on one machine, each against the one before it.

    ``steps`` are the values of the parameter ``axis`` in their order, with their names.
    """

    title: str
    series: SeriesPattern
    axis: str
    steps: tuple[tuple[str, str], ...]


class SessionShare(Struct, frozen=True):
    """What is paid once a session, as a share of the requests of that session.

    ``once`` are the parts, each with its title. ``request`` is the series of one request's
    latency without any of them.
    """

    title: str
    once: tuple[tuple[str, SeriesPattern], ...]
    request: SeriesPattern
    counts: tuple[int, ...] = (1, 10, 100, 1000)


class ForTheMoney(Struct, frozen=True):
    """What a datasheet promises for its price, against the first environment that has both.

    Of nominal figures: a ratio of two datasheets is no ratio of two measurements.
    """

    title: str
    price: str
    metrics: tuple[str, ...]


class AxisCost(Struct, frozen=True):
    """What one value of a parameter costs against another, all else being equal.

    ``values`` are the baseline's and the side's; the pairs are those of one run.
    """

    title: str
    series: SeriesPattern
    axis: str
    values: tuple[str, str]


class Frontier(Struct, frozen=True):
    """What a machine gives all users against what it gives each, load by load.

    ``total`` is of all, and told per accelerator where there are any; ``each`` is of one user;
    ``axis`` is the parameter that says how many there are.
    """

    title: str
    total: SeriesPattern
    each: SeriesPattern
    axis: str
    each_title: str


class PerOperation(Struct, frozen=True):
    """What the machine counted while an operation of another benchmark ran, beside what one costs.

    ``unit`` is the series of one micro-cost, called ``unit_title``. ``operations`` are the rates of
    others, by benchmark; ``counts`` are conditions of their steps, each a rate of the whole machine,
    with what it counts, and those of ``first`` are shown before the others. Series of one step that
    differ in the parameter ``parts`` ran at once, and their rates are added; of others nobody knows
    which of them was counted.
    """

    title: str
    unit: SeriesPattern
    unit_title: str
    operations: tuple[tuple[str, SeriesPattern], ...]
    counts: tuple[tuple[str, str], ...]
    first: tuple[str, ...]
    parts: str = "direction"


Contrast = OverheadBy | Ladder | SessionShare | ForTheMoney | AxisCost | Frontier | PerOperation


class Generator(NamedTuple):
    """From which share of a CPU on a load generator is the limit, and what it is called."""

    at: float
    name: str


class Family(Struct, frozen=True):
    """How one benchmark is presented: its name and question, headlines, charts and contrasts.

    Benchmarks of one ``area`` stand side by side, and are never compared with one another.

    ``distributions`` are the series whose samples are drawn, the first and the last of each;
    None draws all that there are; of a metric and the whole that it is part of (``wholes``) one is
    enough. ``counted`` is what they are samples of. ``leads`` names the metric that says most of
    series with these parameters. ``background`` are parameters that a row does not repeat where all
    of its workload have the same. ``columns`` are the metrics that a run's page sets beside each
    other, each with its statistics ("" for the one that stands for it); more are found by rule.
    ``suspect`` is why a value is marked, where no caveat says it. What is not ``collected`` is only
    read: nothing here can measure it.
    """

    benchmark: str
    title: str
    question: str
    headlines: tuple[Headline, ...] = ()
    panels: tuple[Panel, ...] = ()
    axis_title: str = ""
    contrasts: tuple[Contrast, ...] = ()
    distributions: tuple[tuple[str, str], ...] | None = None
    wholes: Mapping[str, str] = field(default_factory=dict)
    counted: str = "requests"
    leads: Callable[[Mapping[str, str]], str] | None = None
    background: frozenset[str] = frozenset()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    suspect: str = ""
    area: str = ""
    generator: Generator | None = None
    collected: bool = True


class Kind(StrEnum):
    """What the values of a series' parameter are."""

    SIZE = "size"  # bytes; also a range, one for each direction, or a share of what there is
    COUNT = "count"  # a whole number
    SHARE = "share"  # from 0 to 1
    TEXT = "text"


class SeriesParameter(Struct, frozen=True):
    """A parameter that tells one series from another: its kind, and how a page words it.

    ``words`` has ``{}`` for the value; without any the name stands before it. ``several`` words
    counts other than 1. ``values`` are values with words of their own; a ``hidden`` one is not
    worded at all.
    """

    key: str
    kind: Kind = Kind.TEXT
    words: str = ""
    several: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False


class Limits(NamedTuple):
    """How many threads a run states, and which CPU quota it had; nothing where it says neither."""

    threads: str
    quota: str


class Figure(NamedTuple):
    """One series in one environment: its value, and those ``beside`` it that its rules name.

    ``limits`` are those of its runs.
    """

    metric: str
    statistic: str
    params: Mapping[str, str]
    value: float
    beside: Mapping[str, float]
    limits: Sequence[Limits]


class Counts(NamedTuple):
    """How many of ``total`` repetitions (or values) failed, or are suspect."""

    failed: int
    suspect: int
    total: int
    provenance: Provenance
    counted: str = "repetition"


#: What a rule says of what it looks at: nothing, True (the definition stands), or a sentence.
Saying = str | bool | None


class Rule(Struct, frozen=True):
    """One reason to doubt: its mark, its definition, when it applies, and what it reads.

    What ``doubts`` is not to be quoted: the mark stands in the place of a word. What is ``named``
    stands beside the word. A run that a rule which ``sets_aside`` speaks of leaves the figures of
    the workload, while most runs are clean. The predicates look at a run and the TEE
    and role that its environment is declared to be (`run`), at the steps behind a figure (`steps`),
    at the runs of one environment together (`runs`), at one figure (`figure`) and what it is
    computed from (`summary`: cited or not, runs, repetitions), at counts of repetitions (`counts`),
    at a run of each side (`pair`), at what else their machines differ in (`setups`: facts, whether
    one is not recorded), at the days between two sides that do not overlap, and from which on they
    are far apart (`gap`), at how the values of a side move with time (`moves`: what, how), at what
    stands beside the figures of a metric on both sides (`amounts`: one that doubts says of the
    least and the most of each what it would say of any two), at the sizes of their proofs in bytes
    (`sizes`), at a figure that outdoes that of its host (`outdone`: metric, factor, high end of the
    interval, host) or one thread (`scaling`: threads, share of so many times it). ``kind`` is what
    a reader doubts by.
    ``reads`` are the conditions of steps that a predicate asks for: the index keeps those and no
    others. On the baseline of a comparison a rule speaks as ``as_baseline``; unless it is named, as
    itself.
    """

    id: str
    short: str
    definition: str
    doubts: bool = True
    named: bool = False
    sets_aside: bool = False
    run: Callable[[AnyRun, str, str], Saying] | None = None
    steps: Callable[[Sequence[StepConditions]], Saying] | None = None
    runs: Callable[[Sequence[AnyRun]], Saying] | None = None
    figure: Callable[[Figure], Saying] | None = None
    counts: Callable[[Counts], Saying] | None = None
    pair: Callable[[AnyRun, AnyRun], Saying] | None = None
    setups: Callable[[Sequence[str], bool], Saying] | None = None
    gap: Callable[[float, int], Saying] | None = None
    moves: Callable[[str, str], Saying] | None = None
    amounts: Callable[[str, Mapping[str, float], Mapping[str, float]], Saying] | None = None
    summary: Callable[[bool, int, int], Saying] | None = None
    sizes: Callable[[float, float], Saying] | None = None
    outdone: Callable[[str, float, float, str], Saying] | None = None
    scaling: Callable[[int, float], Saying] | None = None
    kind: Doubt | None = None
    reads: tuple[str, ...] = ()
    as_baseline: str = ""


class Tool(Struct, frozen=True):
    """All that is said of one tool: its metrics, how its page is made, its parameters and traps.

    ``unit_costs`` is what a price buys, by metric and statistic: its name and how many of it.
    """

    metrics: tuple[Metric, ...]
    family: Family
    parameters: tuple[SeriesParameter, ...] = ()
    rules: tuple[Rule, ...] = ()
    unit_costs: Mapping[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
