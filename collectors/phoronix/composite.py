"""The Phoronix Test Suite's result file, ``composite.xml``: one of its systems as a run.

A result says itself what it is: its test profile, its program's version, its options, the scale
of its values and which direction is better. So its metrics are defined by the file.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from collectors.phoronix import scales, systems
from sitegen.collect import MOST_RUNS, Reader, Reading, Recorder, Settings, described, markup
from sitegen.errors import SitegenError
from sitegen.model import (
    MACHINE_IN_FILE,
    Comparability,
    Doubt,
    MetricDefinition,
    Parameter,
    Params,
    ToolIdentity,
    params,
)

_ROOT, _SIGNS = b"<PhoronixTestSuite", (b"<Result>", b"<Data>")
_WHICH = "the one of several systems in the file whose results are read, or all: a run for each"
_ALL = "all"
_LONGEST_NAME = 200


class Asks(Settings, frozen=True):
    """What a file of several systems does not say: of which the label of --env is."""

    system: Annotated[str, described(_WHICH, max_length=_LONGEST_NAME)] | None = None


#: Formats whose values are no numbers of one quantity.
_BARS = frozenset({"", "BAR_GRAPH"})
#: What the suite notes of setting a test up, as results of the test.
_SET_UP = "test install "
_BETTER = {"HIB": "higher", "LIB": "lower"}
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?")
_VERSION = re.compile(r"v?(\d[\w.+-]{0,60})$")
_PROFILE_VERSION = re.compile(r"-\d{1,4}\.\d{1,4}\.\d{1,4}$")
_UNUSABLE = re.compile(r"[^a-z0-9.]+")
_MOST_RESULTS, _MOST_LISTED = 5_000, 12
#: Units that do not say what is counted: the scale does.
_COUNTS = frozenset({"1/s", "ratio"})
_LONGEST_LABEL, _LONGEST_VALUE = 64, 400
#: Of a value's digits, and of those of its repetitions, half of the last one may be rounded.
_SLACK = 1e-9


def knows(data: bytes) -> bool:
    """Tell whether ``data`` is a result file of the suite, in whatever encoding."""
    narrow = data.replace(b"\0", b"") if b"\0" in data[:100] else data
    return _ROOT in narrow[:4096] and all(sign in narrow for sign in _SIGNS)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return the run of the one system in ``data``, or of those of several that were asked for.

    Raises SitegenError, which names the systems, for a file of several where none is asked for.
    """
    asked = asks.system and " ".join(asks.system.split())
    file = _File(markup.document(data))
    chosen = _chosen(file.names, asked)
    if len(chosen) > MOST_RUNS:
        message = f"holds {len(chosen):,} systems, and {MOST_RUNS} at most are read at once"
        raise SitegenError(message, fix="read them one by one: --set system=NAME")
    return tuple(_Run(file, name).reading() for name in chosen)


def _name(element: markup.Element) -> str:
    return markup.text(element, "Identifier")[:_LONGEST_NAME]


def _chosen(names: Sequence[str], asked: str | None) -> Sequence[str]:
    """Return the systems whose results are read; raises SitegenError as `read` does."""
    listed = ", ".join(repr(name) for name in names[:_MOST_LISTED])
    more = len(names) - _MOST_LISTED
    listed += f" and {more} more" if more > 0 else ""
    if not names:
        raise SitegenError("holds no result")
    if asked == _ALL and _ALL not in names:
        return names
    if asked is not None and asked not in names:
        message = f"there is no system {asked[:40]!r} in the file"
        raise SitegenError(message, where="--set system", fix=f"it has {listed}")
    if asked is None and len(names) > 1:
        message = f"holds results of {len(names)} systems: {listed}"
        fix = "add --set system=NAME with the --env that it is, or system=all where all are one"
        raise SitegenError(message, fix=fix)
    return (names[0] if asked is None else asked,)


class _Result(NamedTuple):
    """What one result is of."""

    profile: str
    title: str
    version: str
    options: str
    arguments: str
    scale: str
    better: str

    @classmethod
    def of(cls, result: markup.Element) -> _Result:
        """Return what a result says of itself."""
        tags = ("Identifier", "Title", "AppVersion", "Description", "Arguments", "Scale")
        profile, title, version, options, arguments, scale = (
            _cut(markup.text(result, tag)) for tag in tags
        )
        better = _BETTER.get(markup.text(result, "Proportion"), "none")
        title = title or profile or "untitled"
        return cls(profile, title, version, options, arguments, scale, better)

    @property
    def test(self) -> str:
        """The test with its namespace, unless it is the suite's own; without the version."""
        return _PROFILE_VERSION.sub("", self.profile.removeprefix("pts/")) or self.title

    @property
    def workload(self) -> str:
        """The test with its options, as a label."""
        return _label(f"{self.test} {self.options}", _LONGEST_LABEL) or "result"

    @property
    def metric(self) -> str:
        """The id of its metric: what one profile measures in one scale and direction."""
        profile = _label(self.profile.removeprefix("pts/") or self.title, 40) or "result"
        printed = _label(self.scale, 20) or "value"
        name = f"{self.profile}\n{self.title}\n{self.scale}\n{self.better}"
        return f"phoronix.{profile}.{printed}-{_digest(name)}"

    @property
    def params(self) -> Params:
        """What tells its series from others: unlike versions, options or arguments never meet."""
        return params(
            test_version=self.version or None,
            configuration=self.options or None,
            arguments=self.arguments or None,
        )

    @property
    def definition(self) -> MetricDefinition:
        """How its metric is defined."""
        unit = scales.scale_of(self.scale).unit
        by = f" by the test profile {self.profile}" if self.profile else ""
        printed = self.scale or "no unit"
        kept = "" if scales.is_known(self.scale) else ", and kept in it"
        return MetricDefinition(
            self.metric,
            f"{self.title}, {printed}" if unit in _COUNTS else self.title,
            unit,
            self.better,
            f"{self.title}{by} of the Phoronix Test Suite, as it is printed in {printed}{kept}. "
            "The program's version, its options and its arguments are parameters of each figure.",
        )


#: What a value is of, the id of its metric, and where it stands.
_Value = tuple[_Result, str, markup.Element]


class _File:
    """A result file, gone through once: its machines and their values, by the name of a system.

    Raises SitegenError for one of too many results.
    """

    def __init__(self, root: markup.Element) -> None:
        client = _VERSION.search(markup.text(root, "Generated/TestClient"))
        self.client = client[1] if client else ""
        self.left: Counter[str] = Counter()
        self.definitions: dict[str, MetricDefinition] = {}
        self.machines: defaultdict[str, list[markup.Element]] = defaultdict(list)
        self.values: defaultdict[str, list[_Value]] = defaultdict(list)
        results = root.findall("Result")
        if len(results) > _MOST_RESULTS:
            message = f"holds {len(results):,} results, and {_MOST_RESULTS:,} at most are read"
            raise SitegenError(message)
        for system in root.iterfind("System"):
            self.machines[_name(system)].append(system)
        for element in results:
            self._result(element)

    @property
    def names(self) -> Sequence[str]:
        """The names of the systems, those of values without a system too, each once."""
        return list(dict.fromkeys([*self.machines, *self.values]))

    def _result(self, element: markup.Element) -> None:
        result, form = _Result.of(element), markup.text(element, "DisplayFormat")
        reason = form[:40] if form not in _BARS else ""
        if not reason and result.arguments.startswith(_SET_UP):
            reason = "time and size of an installation"
        defined = result.definition
        if reason:
            self.left[reason] += 1
        else:
            self.definitions.setdefault(defined.id, defined)
        for entry in element.iterfind("Data/Entry"):
            values = self.values[_name(entry)]
            if not reason:
                values.append((result, defined.id, entry))


class _Run:
    """The results of one system of a file, as they are recorded."""

    def __init__(self, file: _File, name: str) -> None:
        self.alike, self.values, self.left = file.machines[name], file.values[name], file.left
        stated = [markup.text(system, "TestClientVersion") for system in self.alike]
        version = next(filter(None, [*stated, file.client]), "")
        tool = ToolIdentity("Phoronix Test Suite", version[:60] or "unknown")
        self.recorder = Recorder(tool, tuple(file.definitions.values()))
        if len(file.names) > 1:
            self.recorder.parameter(MACHINE_IN_FILE, _digest(name), Comparability.IGNORED)

    def reading(self) -> Reading:
        """Return the run; raises SitegenError where no result of the system is read."""
        for result, metric, entry in self.values:
            self._take(result, metric, entry)
        left = ", ".join(f"{count} of {form}" for form, count in sorted(self.left.items()))
        recorder = self.recorder
        if not recorder.measurements:
            reason = f"; left out are {left}" if left else ""
            raise SitegenError(f"holds no result of this system that is a number{reason}")
        if left:
            recorder.note(f"Results that are no bars of numbers are left out: {left}.")
        recorder.facts += systems.facts(self.alike)
        recorder.started_at = systems.started_at(self.alike)
        version = recorder.tool.version if recorder.tool else None
        recorder.parameter("tool_version", version, Comparability.CAVEAT)
        if len(self.alike) > 1:
            message = f"{len(self.alike)} systems of the file have one name"
            recorder.doubt(Doubt.NOT_STATED, f"{message}: which of them a value is of is not said")
        for system in self.alike[:1]:
            software = systems.headings(markup.text(system, "Software"))
            more = systems.details(system)
            for key, value in (
                ("compiler", software.get("Compiler")),
                ("environment variables", more.get("environment-variables")),
            ):
                recorder.parameter(key, value and _cut(value), Comparability.CAVEAT)
        return recorder.reading()

    def _take(self, result: _Result, metric: str, entry: markup.Element) -> None:
        """Record one value: its repetitions where they are kept, else itself."""
        workload = result.workload
        series = self.recorder.series(workload, result.params)
        scale = scales.scale_of(result.scale)
        printed, raw = markup.text(entry, "Value"), markup.text(entry, "RawString")
        value = float(printed) if _NUMBER.fullmatch(printed) else None
        parts = raw.split(":") if raw else []
        if value is None:
            series.failed(metric)
            self.recorder.note("What has no number is recorded as failed.")
            return
        if not all(map(_NUMBER.fullmatch, parts)):
            parts, sentence = [], f"its repetitions are no numbers: {raw[:40]}"
            self.recorder.doubt(Doubt.INCONSISTENT, sentence, workload)
        elif sentence := _unlike(value, printed, parts):
            self.recorder.doubt(Doubt.INCONSISTENT, sentence, workload)
        for part in parts or [printed]:
            series.add(metric, "value", scale.value(part), part)
        for name, text in _built(systems.json_of(entry)).items():
            self.recorder.tells(Parameter(name, text, Comparability.CAVEAT), workload)


def _unlike(value: float, printed: str, parts: Sequence[str]) -> str:
    """Return in a sentence how a value is not the mean of its repetitions, or nothing."""
    if not parts:
        return ""
    numbers = [float(part) for part in parts]
    mean = sum(numbers) / len(numbers)
    rounding = _half(printed) + max(map(_half, parts))
    if abs(value - mean) <= rounding + _SLACK * abs(value):
        return ""
    extremes = {"the largest": max(numbers), "the smallest": min(numbers)}
    which = next((name for name, number in extremes.items() if number == value), "")
    said = f"which is {which} of them" if which else f"and is printed as {printed[:30]}"
    return f"the mean of its {len(parts)} repetitions is {mean:.6g}, {said}"


def _half(printed: str) -> float:
    """Return half of the last digit of a number."""
    digits, _, power = printed.lower().partition("e")
    return 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def _built(details: dict[str, object]) -> dict[str, str]:
    """Return how a test's program was compiled."""
    options = details.get("compiler-options")
    if not isinstance(options, dict):
        return {}
    words = (options.get("compiler"), options.get("compiler-options"))
    text = " ".join(word for word in words if isinstance(word, str))
    return {"compiled by": _cut(" ".join(text.split()))} if text.strip() else {}


def _label(text: str, longest: int) -> str:
    """Return a text as a label, cut to a length."""
    words = _UNUSABLE.sub("-", text.lower())
    return re.sub(r"\.{2,}", ".", words)[:longest].strip(".-").removesuffix(".html")


def _cut(text: str) -> str:
    """Return a text as a parameter; one that is too long ends in what tells it from others."""
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[: _LONGEST_VALUE - 20]}... {_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


READER = Reader(
    *("phoronix", "the result file of the Phoronix Test Suite (composite.xml)", knows, read, Asks)
)
