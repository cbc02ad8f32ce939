"""run.json: everything about a run but its rows. Version 2.

A manifest is plain JSON. Reading upgrades it one version at a time; writing always writes the
newest. Unknown keys are an error of a newer version, never dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
import orjson
from msgspec import Meta, Struct

from sitegen.bounds import check_json
from sitegen.errors import SitegenError
from sitegen.model import (
    UNSTEADY,
    Fingerprint,
    MetricDefinition,
    Parameter,
    Provenance,
    Run,
    Source,
    StepRecord,
    ToolIdentity,
    check_benchmark,
    check_label,
    check_run_id,
    check_time,
)


def _upgrade_1_to_2(value: dict[str, Any]) -> dict[str, Any]:
    """Version 2 keeps each step's params and context, and the verdict's signals."""
    machine = value["fingerprint"]
    return {
        **value,
        "schema": 2,
        "steps": [{**step, "params": {}, "context": {}} for step in value["steps"]],
        "fingerprint": {**machine, "tee": {**machine["tee"], "confidence": "", "signals": []}},
    }


SCHEMA = 2
#: One pure function a step: the manifest of version N -> that of version N + 1.
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _upgrade_1_to_2}
_MAX_BYTES, _MAX_VALUES = 16_000_000, 500_000
_MAX_TEXT = 200_000
_MAX_NUMBER = 2**53  # beyond it a JSON number is not exact
Whole = Annotated[int, Meta(ge=-_MAX_NUMBER, le=_MAX_NUMBER)]
Real = Annotated[float, Meta(ge=-_MAX_NUMBER, le=_MAX_NUMBER)]


#: What is an object in a step of a manifest, and sorted pairs in a run.
_OBJECTS = ("conditions", "values", "params", "context")


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a run, as its manifest lists it."""

    name: str
    bytes: Whole
    sha256: str


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One executed command, as a manifest has it: a `StepRecord` with objects for its pairs."""

    name: str
    workload: str
    repetition: Whole
    argv: tuple[str, ...]
    started_at: str
    duration_s: Real
    exit_code: Whole
    cpu_s: Real | None
    conditions: dict[str, Real]
    values: dict[str, str]
    raw: tuple[str, ...]
    params: dict[str, str]
    context: dict[str, str]

    @classmethod
    def of(cls, step: StepRecord) -> Step:
        """Return a run's step as its manifest has it."""
        values = {name: getattr(step, name) for name in cls.__struct_fields__}
        return msgspec.convert({**values, **{name: dict(values[name]) for name in _OBJECTS}}, cls)

    @property
    def seen(self) -> dict[str, float]:
        """The conditions that comparisons ask for; a rate that had not settled is one of them."""
        unsteady = {UNSTEADY: 1.0} if self.values.get("steady") == "false" else {}
        return self.conditions | unsteady

    def record(self) -> StepRecord:
        """Return it as a run has it."""
        return StepRecord(
            self.name,
            self.workload,
            self.repetition,
            self.argv,
            self.started_at,
            self.duration_s,
            self.exit_code,
            self.cpu_s,
            _pairs(self.conditions),
            _pairs(self.values),
            self.raw,
            _pairs(self.params),
            _pairs(self.context),
        )


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """All of run.json, at the newest version."""

    schema: Whole
    id: str
    benchmark: str
    environment: str
    provenance: Provenance
    started_at: str
    duration_s: Real | None
    complete: bool
    preset: str
    session: str
    boot: str
    seed: Whole | None
    note: str
    supersedes: str
    derived_from: str
    tool: ToolIdentity | None
    source: Source | None
    parameters: tuple[Parameter, ...]
    definitions: tuple[MetricDefinition, ...]
    fingerprint: Fingerprint
    redactions: dict[str, Whole]
    steps: tuple[Step, ...]
    files: tuple[File, ...]

    def run(self) -> Run:
        """Return the run that it describes, without its rows."""
        shared = {name: getattr(self, name) for name in _SHARED}
        return Run(
            measurements=(),
            redactions=_pairs(self.redactions),
            steps=tuple(step.record() for step in self.steps),
            **shared,
        )


#: What a run and its manifest have alike.
_SHARED = tuple(
    field
    for field in Manifest.__struct_fields__
    if field not in ("schema", "redactions", "steps", "files")
)
_DECODER = msgspec.json.Decoder(Manifest)
_SCHEMA_DECODER = msgspec.json.Decoder(dict[str, Any])


def dump(run: Run, files: tuple[File, ...]) -> bytes:
    """Return the manifest of ``run``, with sorted keys, as a line-broken JSON text."""
    manifest = Manifest(
        schema=SCHEMA,
        redactions=dict(run.redactions),
        steps=tuple(map(Step.of, run.steps)),
        files=files,
        **{name: getattr(run, name) for name in _SHARED},
    )
    plain = msgspec.to_builtins(manifest)
    return orjson.dumps(plain, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of run.json, of its newest version."""
    return msgspec.json.schema(Manifest)


def parse(data: bytes) -> Manifest:
    """Return the manifest in ``data``, checked.

    Raises SitegenError for anything that is not a whole manifest of a known version.
    """
    if len(data) > _MAX_BYTES:
        raise SitegenError(f"run.json is larger than {_MAX_BYTES // 1_000_000} MB")
    try:
        check_json(data, _MAX_VALUES)
    except SitegenError as error:
        raise SitegenError(f"run.json {error.what}") from error
    try:
        manifest = _DECODER.decode(data)
        if manifest.schema != SCHEMA:
            manifest = _upgraded(data)
    except msgspec.ValidationError:
        manifest = _upgraded(data)
    except msgspec.DecodeError as error:
        raise SitegenError(f"run.json is not JSON ({error})") from error
    return _checked(manifest, len(data))


def version(data: bytes) -> int:
    """Return the version of the manifest in ``data``; raises SitegenError when there is none."""
    return int(_plain(data)["schema"])


def _plain(data: bytes) -> dict[str, Any]:
    try:
        value = _SCHEMA_DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise SitegenError("run.json is not a manifest: it is no object") from error
    if not isinstance(value.get("schema"), int):
        raise SitegenError("run.json is not a manifest: it has no schema number")
    return value


def _upgraded(data: bytes) -> Manifest:
    """Return a manifest of an older version at the newest; raises SitegenError for a newer one."""
    value = _plain(data)
    if value["schema"] > SCHEMA:
        raise SitegenError(
            f"run.json has schema version {value['schema']}, newer than this sitegen's {SCHEMA}",
            fix="update sitegen",
        )
    try:
        while value["schema"] < SCHEMA:
            step = UPGRADES.get(value["schema"])
            if step is None:
                raise SitegenError(f"run.json has the unknown schema version {value['schema']}")
            value = step(value)
        return msgspec.convert(value, Manifest)
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        text = str(error).replace("`", "")
        raise SitegenError(f"run.json is not whole: {type(error).__name__} {text}") from error


def _checked(manifest: Manifest, size: int) -> Manifest:
    check_run_id(manifest.id)
    check_benchmark(manifest.benchmark)
    check_label(manifest.environment)
    check_time(manifest.started_at)
    if f"-{manifest.benchmark}-" not in manifest.id:
        raise SitegenError(f"run.json says that {manifest.id} is of {manifest.benchmark}")
    # No text is longer than the file that it stands in.
    if size > _MAX_TEXT and (longest := max(map(len, _texts(msgspec.to_builtins(manifest))))) > (
        _MAX_TEXT
    ):
        raise SitegenError(f"run.json is not whole: a text of {longest:,} characters")
    return manifest


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


_Value = TypeVar("_Value")


def _pairs(value: Mapping[str, _Value]) -> tuple[tuple[str, _Value], ...]:
    return tuple(sorted(value.items()))
