"""What a collector is: the protocol, and what it speaks in.

A collector is a module. It decides what to run (`plan`), runs one command at a time (`run`)
and reads what the command said (`parse`); `sitegen.collect.execute` does the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from sitegen.collect import settings
from sitegen.collect.host import Host, RawOutput
from sitegen.collect.settings import Form, Known, Settings
from sitegen.errors import SitegenError
from sitegen.model import (
    Doubt,
    Fact,
    Measurement,
    MetricDefinition,
    Parameter,
    Params,
    Sample,
    ToolIdentity,
)

Data = TypeVar("Data")
#: The run-level parameter in which a plan says what it cannot do here, and what would mend it.
LEFT_OUT = "left_out"
PRESETS = ("quick", "standard", "thorough")
REPETITIONS = {"quick": 1, "standard": 3, "thorough": 5}


class Refused(SitegenError):  # noqa: N818 - the run is refused; said so it reads as what it is
    """What was measured means nothing: the whole run is dropped and nothing of it archived.

    Raised by `run` or `parse` when a check fails that every number of the run stands on, such
    as a verifier that accepts a wrong proof. Any other error costs its step only.
    """


class Missing(Struct, frozen=True):
    """Why a benchmark cannot run here, and the command that would change that.

    ``unless`` names a setting that does without: then the benchmark runs all the same.
    """

    what: str
    install: str = ""
    unless: str = ""

    def __str__(self) -> str:
        """Return both in words."""
        return f"{self.what}; install it with: {self.install}" if self.install else self.what


class Request(Struct, frozen=True):
    """What the user asked of one collector.

    ``settings`` are the ``--set`` values of this collector without their prefix; `read` gives
    them as the collector's own form. ``scratch`` is an empty directory that belongs to the run
    and is removed after it; ``cache`` is a directory of the benchmark's own that outlives it,
    for what is costly to make and the same each time (installed provers, keys, models). It may
    not exist yet, and may be deleted between two runs.
    """

    preset: str
    repetitions: int
    settings: Mapping[str, str]
    cpus: int
    scratch: Path
    cache: Path
    free_bytes: int
    benchmark: str = ""

    def read(self, form: type[Form]) -> Form:
        """Return the settings as a filled-in form; raises SitegenError as `settings.read` does."""
        return settings.read(form, self.settings, f"{self.benchmark}." if self.benchmark else "")


class Step(Struct, frozen=True):
    """One command of a plan.

    ``name`` is unique in its plan and safe as a file name. ``expects`` are measurements
    without a value: what is recorded as failed when the command does not deliver, unless `parse`
    gives no row and says in a parameter LEFT_OUT, or one that begins with it and a dot, why.
    ``context`` carries what `run` and `parse` need and ``argv`` does not say. One that
    ``takes_turns`` has processes that wait for one another's CPU, so that pressure on the CPUs
    tells nothing of other programs. What a command says that runs ``once`` is the same in each
    repetition: it is in the first.
    """

    name: str
    workload: str
    argv: tuple[str, ...]
    timeout_s: float
    params: Params = ()
    expects: tuple[Measurement, ...] = ()
    context: tuple[tuple[str, str], ...] = ()
    takes_turns: bool = False
    once: bool = False

    def get(self, key: str, default: str = "") -> str:
        """Return one value of ``context``."""
        return dict(self.context).get(key, default)


class Plan(Struct, frozen=True):
    """What one collector will do: ``prepare`` once in order, then ``steps`` once a repetition.

    ``about_s`` estimates the time of one repetition, for the progress display, and
    ``about_bytes`` the disk that the plan takes at once, what it keeps in its cache with it.
    ``definitions`` say what the metrics are that sitegen does not know; the run carries them.
    """

    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()
    prepare: tuple[Step, ...] = ()
    about_s: float = 0.0
    about_bytes: float = 0.0
    definitions: tuple[MetricDefinition, ...] = ()


#: Runs that one import of files makes: each keeps a copy of them.
MOST_RUNS = 500


class Reading(Struct, frozen=True):
    """What was read of a tool's output: one run, less what only the archive adds.

    ``parameters`` are settings that the output tells (the version of a server, the digest of a
    program): of a collected run, where all steps agree they are the run's, else each workload's
    own. ``tool`` is what measured, where the output itself says it, of a collected run too.
    ``natives`` keeps the tool's own names beside ours: ("llm.tpot mean", "mean_tpot_ms").
    ``facts`` is what the output says of the machine. ``started_at`` is empty where nothing in
    the output dates it. ``notes`` are remarks, one sentence each. ``doubts`` become caveats: the
    kind, a sentence that says what was seen, and the workload that it is about (empty: all).
    ``benchmark`` is what was measured, where it is another than the reader's own.
    """

    measurements: tuple[Measurement, ...]
    samples: tuple[Sample, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    tool: ToolIdentity | None = None
    definitions: tuple[MetricDefinition, ...] = ()
    natives: tuple[tuple[str, str], ...] = ()
    facts: tuple[Fact, ...] = ()
    started_at: str = ""
    duration_s: float | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[tuple[Doubt, str, str], ...] = ()
    benchmark: str = ""


class _Form(Struct, Generic[Data], frozen=True):
    """A form of output that a collector can read, told by its content and never by a name.

    ``knows`` looks at the data and says whether it has this form; it never raises. ``read``
    returns the runs in it, values exact to what is printed and in base units; it raises
    SitegenError with the place that it stumbled on, and then nothing is imported. ``asks`` is
    the form of what the output itself does not say; its second argument is that form, filled in.
    Where ``text`` is said, no JSON document is looked at.
    """

    name: str
    title: str
    knows: Callable[[Data], bool]
    read: Callable[[Data, Any], tuple[Reading, ...]]
    asks: Known = Settings
    text: bool = False

    def runs(self, data: Data, texts: Mapping[str, str]) -> tuple[Reading, ...]:
        """Return the runs in ``data``; raises SitegenError for ``--set`` values it cannot take."""
        return self.read(data, settings.filled(self.asks, texts))


class Reader(_Form[bytes], frozen=True):
    """A form of one file's bytes."""


class Bundle(_Form[Mapping[str, bytes]], frozen=True):
    """Several files that are one measurement: the processes of one load, a report and its logs.

    They come by name. Names tell the files apart and nothing else, but where one file itself
    names another, or where only the name that a tool gives a file says what it holds: one whose
    name has ``file_name``, given alone, is a bundle by itself. ``beside`` is the name of the file
    that says what another one in its folder is of: `import` reads the two together.
    """

    file_name: re.Pattern[str] | None = None
    beside: str = ""


class Collector(Protocol):
    """What a module offers that collects.

    One that reads others' outputs has ``READERS``, a tuple of `Reader`, or ``BUNDLES``, of
    `Bundle`, beside these, or ``BENCHMARK`` and these alone.
    """

    @property
    def BENCHMARK(self) -> str:  # noqa: N802 - a constant of the module
        """The benchmark's name, as in addresses and metric ids."""

    @property
    def SETTINGS(self) -> Known:  # noqa: N802 - a constant of the module
        """What ``--set`` may change: a form, or plain texts by name, each with a line of help."""

    def detect(self, host: Host) -> ToolIdentity | Missing:
        """Return the tool on this machine, or what is missing."""

    def plan(self, tool: ToolIdentity, request: Request) -> Plan:
        """Return the commands of one repetition. Pure: runs and writes nothing.

        Raises SitegenError for a setting that cannot be met.
        """

    def run(self, step: Step, host: Host) -> RawOutput:
        """Execute one step."""

    def parse(self, step: Step, raw: RawOutput) -> Reading:
        """Return what ``raw`` says. Pure: the same bytes give the same measurements.

        Raises SitegenError when the output is not what the tool documents.
        """
