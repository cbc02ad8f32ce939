"""What a table may say of a tool: the schema of a TOML file that declares one.

Nothing in it is code: commands are lists of arguments, figures are found by paths and regular
expressions, and expressions hold arithmetic on what was found (`sitegen.collect.declared`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from sitegen.catalogue import tool
from sitegen.model import Comparability, Doubt

_NAME = "^[a-z][a-z0-9_]{0,39}$"
Name = Annotated[str, Meta(pattern=_NAME, description="a word of small letters")]
Text = Annotated[str, Meta(min_length=1, max_length=2000, description="a text in quotes")]
Texts = Annotated[tuple[Text, ...], Meta(max_length=200, description="a list of texts")]
#: The words of a command; one may be empty.
Line = Annotated[
    tuple[Annotated[str, Meta(max_length=2000, description="a text in quotes")], ...],
    Meta(min_length=1, max_length=200, description="a list of texts, and not empty"),
]
#: A file in the folder of a command, or of a server.
FileName = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="the plain name of a file"),
]
#: Lists as long as one another: what stands once in a table for each of their values, in the place
#: of ``<name>``.
Over = Annotated[dict[Name, Texts], Meta(description="lists that are as long as one another")]
Words = Annotated[dict[Name, str], Meta(description="a table of texts")]
#: A regular expression for a text, the path of a value in anything else.
Place = Annotated[str, Meta(min_length=1, max_length=500, description="a path or an expression")]
Formula = Annotated[
    str, Meta(min_length=1, max_length=500, description="an expression of the fields")
]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="seconds, at most a day")]
Scalar = int | float | str
Value = Annotated[Scalar | tuple[Scalar, ...], Meta(description="a number, a text or a list")]
Form = Literal["text", "json", "jsonl", "csv", "xml"]


class Program(Struct, frozen=True, forbid_unknown_fields=True):
    """A program: the names that it may have, or places with ``*``, and what installs it.

    ``version`` is the command that tells its version, ``--version`` without it, and ``version_is``
    what it is in what that prints.
    """

    find: Annotated[Texts, Meta(min_length=1, description="a list of names, and not empty")]
    install: str = ""
    version: Texts = ()
    version_is: str = r"(\d+(?:\.\d+)+\S*)"


class Setting(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``--set`` may change: its line of help, and its value, of all presets or of each.

    It stands in commands as ``{name}``. The run keeps it, with what a difference in it means.
    """

    help: Text
    value: Value | None = None
    quick: Value | None = None
    standard: Value | None = None
    thorough: Value | None = None
    comparability: Comparability = Comparability.CAVEAT

    def at(self, preset: str) -> Scalar | tuple[Scalar, ...] | None:
        """Return the value with a preset; None where the user has to say one."""
        own: Scalar | tuple[Scalar, ...] | None = getattr(self, preset)
        return self.value if own is None else own

    @property
    def is_list(self) -> bool:
        """Whether it has several values, each of which is run."""
        return any(isinstance(self.at(one), tuple) for one in ("quick", "standard", "thorough"))


class Metric(Struct, frozen=True, forbid_unknown_fields=True):
    """A number that the tool gives; ``at`` is where its output has it, as `Field` says.

    ``beside`` is what rules about other metrics call it, by its statistic: ``client_cpu`` is what a
    load generator used of a CPU.
    """

    unit: Text
    better: tool.Better
    definition: Text
    title: str = ""
    source: str = ""
    at: str = ""
    printed_in: str = ""
    statistic: str = "value"
    scale: tool.Scale = tool.Scale.RATIO
    resolution: float | None = None
    margin: float = 0.02
    shown_in: str = ""
    counts: str = ""
    of: str = ""
    beside: dict[str, str] = {}


class ParameterWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What the values of a parameter are, and how a page words them."""

    kind: tool.Kind = tool.Kind.TEXT
    words: str = ""
    several: str = ""
    values: dict[str, str] = {}
    hidden: bool = False


class Pattern(Struct, frozen=True, forbid_unknown_fields=True):
    """Which series are meant, by the metric's name without the benchmark's."""

    metric: Text
    statistic: str = ""
    params: Words = {}
    workload: str = ""


class Headline(Pattern, frozen=True):
    """Series that get a verdict, and what a sentence says that they lose."""

    title: str = ""
    loses: str = ""
    whole: bool = False


class Panel(Pattern, frozen=True):
    """A chart of the page."""

    title: str = ""
    group: str = ""
    axis: str = ""
    axis_title: str = ""
    efficiency: bool = False
    split: Texts = ()


class Generator(Struct, frozen=True, forbid_unknown_fields=True):
    """From which share of a CPU on the load generator is the limit, and what it is called."""

    at: Annotated[float, Meta(gt=0, le=1000, description="a share of one CPU")]
    name: Text


class Field(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that the output has, and where.

    ``at`` is a regular expression whose group ``value``, or only group, is it; in anything but text
    a path, and ``part`` the regular expression of what is it in the text found there. Without
    ``at`` the field is the group so called of what found the record. ``unit`` is that in which it
    is printed, or a group ``unit`` has it, and ``units`` says what the tool's own words for units
    mean. ``words`` replace words of the tool; one that is made empty is as if it were not there.
    One that is ``optional`` may be missing. Of several that are found the first is taken, the last,
    or all: ``take`` says what they come to.
    """

    at: Annotated[str, Meta(max_length=500, description="a path or an expression")] = ""
    unit: str = ""
    units: dict[str, str] = {}
    words: dict[str, str] = {}
    optional: bool = False
    part: str = ""
    take: Literal["first", "last", "count", "sum", "mean", "min", "max"] = "first"


class Check(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of the figures, and what is said, and follows, where it does not.

    A check of what was not found is passed over. ``kind`` is the caveat that comes of it, where it
    is none of a contradiction or of a failure.
    """

    holds: Formula
    says: Text
    then: Literal["suspect", "failed", "doubt"] = "suspect"
    kind: Doubt | None = None


class Samples(Struct, frozen=True, forbid_unknown_fields=True):
    """The raw series behind a metric: a place for each point, and in it x and y.

    Points count where ``only`` is true, or all, and not where one of ``without`` is.
    """

    metric: Text
    each: Place
    y: Place
    x: Place = "#"
    only: str = ""
    without: Texts = ()
    unit: str = ""
    x_unit: str = "s"
    kind: Literal["time", "request"] = "time"


class Rows(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a table in a text, of which every cell is a result of its own.

    ``head`` begins the line that names the columns and ``column`` finds each name in its rest;
    ``row`` begins a row, and ``cell`` finds each figure in its rest. Their groups are fields.
    """

    head: Place
    column: Place
    row: Place
    cell: Place


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """A setting that the output tells, and what a difference in it means."""

    value: Text
    comparability: Comparability = Comparability.CAVEAT


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """A form of output: how it is known, and where it has what.

    ``where`` is stdout, stderr, both (one after the other) or a file that the tool wrote. ``knows``
    are texts that are all in it, ``lacks`` such that none of them is; one that knows none is not
    imported. ``each`` finds the results in it, ``rows`` the cells of tables in those, and ``only``
    says which count. Where they are all that stands in a mapping (``a.*``) a result's own name is
    ``record``, and that of the mapping ``record_of``. ``values`` gives an expression for each
    ``"metric statistic"``, ``params`` and ``workload`` are texts with ``{fields}``, as are
    other names of the workload in ``named``, each with when it has that, and ``entries`` places of
    mappings of which each entry is a parameter too, by what its name is begun with.
    ``asks`` is what the output does not say, ``beside`` names a document that lies beside it and
    says what it is of: its fields are found at ``$beside``. ``ends`` are texts without one of which
    it is not whole, ``same`` are fields that all its results have alike, and ``fails`` is that in
    which the tool says why a result is none. One ``like`` others has all of them that it does not
    say itself, but for how they are known; a ``part`` is there for those that are like it alone.
    """

    values: dict[str, Formula] = {}
    title: str = ""
    form: Form = "text"
    where: FileName = "stdout"
    knows: Texts = ()
    lacks: Texts = ()
    each: str = ""
    rows: tuple[Rows, ...] = ()
    only: str = ""
    fields: dict[Name, Place | Field] = {}
    workload: str = ""
    named: dict[Text, Formula] = {}
    params: Words = {}
    entries: dict[str, Place] = {}
    checks: tuple[Check, ...] = ()
    samples: tuple[Samples, ...] = ()
    settings: dict[str, Text | Kept] = {}
    facts: dict[str, Text] = {}
    asks: Words = {}
    beside: str = ""
    ends: Texts = ()
    same: Texts = ()
    fails: str = ""
    like: Texts = ()
    part: bool = False


class Workload(Struct, frozen=True, forbid_unknown_fields=True):
    """A command, once for every combination of the lists that ``each`` names.

    Without it those are meant that the command asks for. ``only`` says for which combinations,
    ``reads`` are the outputs that it has; all of them without it. Where an output has several
    results ``expects`` are the parameters of each, and ``gives`` their metrics, of those that the
    output may have: what is not delivered is recorded as failed.
    """

    command: Line
    name: str = ""
    each: Texts = ()
    only: str = ""
    params: Words = {}
    reads: Texts = ()
    expects: tuple[Words, ...] = ()
    gives: Texts = ()
    about_s: str = ""
    timeout_s: Seconds | None = None

    @property
    def asks(self) -> str:
        """All that has names in braces, in one text."""
        return " ".join((*self.command, self.name, *self.params.values()))


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """A server that is started on loopback for the length of a step, and stopped.

    ``files`` are written into its folder, and ``prepare`` and ``after`` run once a run: before its
    first start, and when it listens. ``address`` is the setting that names another one instead.
    It stays in the foreground. ``programs`` are those that it needs, ``names`` what its texts may have in braces besides, and
    ``tells`` what a run keeps of it and must be alike: not of one at an address.
    """

    command: Line
    programs: dict[Name, Program] = {}
    names: Words = {}
    tells: Words = {}
    files: dict[FileName, str] = {}
    prepare: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()
    ports: Annotated[int, Meta(ge=1, le=8, description="how many ports, 1 to 8")] = 1
    user: str = ""
    address: str = ""
    start_s: Seconds = 15.0


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is said of one tool.

    ``area`` is the subject that its page stands under, such as Network. ``background`` are parameters
    that a row does not repeat where all of its workload have the same, ``columns`` the metrics that
    a run's page sets beside each other, each with its statistics. ``counted`` is what its samples
    are of, ``suspect`` why a value is marked, and ``generator`` is said where a load generator may
    be the limit. ``method`` is its note where no Markdown file lies beside; ``command``, ``form``
    and ``knows`` are the short form of one workload and one output.

    A key or an item of a list with ``<name>`` stands for one with each value that ``over`` has
    under that name.
    """

    title: str = ""
    question: str = ""
    area: str = ""
    source: str = ""
    method: str = ""
    programs: dict[Name, Program] = {}
    settings: dict[Name, Setting] = {}
    metrics: dict[str, Metric] = {}
    parameters: dict[Name, ParameterWords] = {}
    headlines: tuple[Headline, ...] = ()
    panels: tuple[Panel, ...] = ()
    columns: dict[str, Line] = {}
    background: Texts = ()
    generator: Generator | None = None
    counted: str = "requests"
    suspect: str = ""
    command: Line = ()
    workloads: dict[str, Workload] = {}
    server: Server | str | None = None
    form: Form = "text"
    knows: Texts = ()
    outputs: dict[str, Output] = {}
    over: tuple[Over, ...] = ()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a table as it is written: a name may ask for those of ``over``."""
    text = json.dumps(msgspec.json.schema(Table))
    written = json.dumps(r"^(?=.*<|.{1,40}$)[a-z<][a-z0-9_<>]*$")
    whole: dict[str, Any] = json.loads(text.replace(json.dumps(_NAME), written))
    return whole
