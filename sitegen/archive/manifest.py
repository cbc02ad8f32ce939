"""run.json: everything about a run but its rows. Version 2.

A manifest is plain JSON. Reading upgrades it one version at a time; writing always writes the
newest. Unknown keys are an error of a newer version, never dropped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson

from sitegen.bounds import check_json
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    MetricDefinition,
    Parameter,
    Provenance,
    Run,
    Signal,
    Source,
    StepRecord,
    TeeVerdict,
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
_MAX_TEXT, _MAX_TEXTS = 200_000, 1_000_000
_MAX_NUMBER = 2**53  # beyond it a JSON number is not exact
_ELSEWHERE = {"measurements", "samples", "conditions", "remarks"}
_KEYS = {field.name for field in fields(Run)} - _ELSEWHERE | {"schema", "files"}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a run, as its manifest lists it."""

    name: str
    bytes: int
    sha256: str


def dump(run: Run, files: tuple[File, ...]) -> bytes:
    """Return the manifest of ``run``, with sorted keys, as a line-broken JSON text."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "id": run.id,
        "benchmark": run.benchmark,
        "environment": run.environment,
        "provenance": run.provenance,
        "started_at": run.started_at,
        "duration_s": run.duration_s,
        "complete": run.complete,
        "preset": run.preset,
        "session": run.session,
        "boot": run.boot,
        "seed": run.seed,
        "note": run.note,
        "supersedes": run.supersedes,
        "derived_from": run.derived_from,
        "tool": run.tool,
        "source": run.source,
        "parameters": run.parameters,
        "definitions": run.definitions,
        "fingerprint": run.fingerprint,
        "redactions": dict(run.redactions),
        "steps": [
            {
                "name": step.name,
                "workload": step.workload,
                "repetition": step.repetition,
                "argv": step.argv,
                "started_at": step.started_at,
                "duration_s": step.duration_s,
                "exit_code": step.exit_code,
                "cpu_s": step.cpu_s,
                "conditions": dict(step.conditions),
                "values": dict(step.values),
                "raw": step.raw,
                "params": dict(step.params),
                "context": dict(step.context),
            }
            for step in run.steps
        ],
        "files": files,
    }
    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def parse(data: bytes) -> tuple[Run, tuple[File, ...]]:
    """Return the run without its rows, and its files.

    Raises SitegenError for anything that is not a whole manifest of a known version.
    """
    return build(upgrade(decode(data)))


def decode(data: bytes) -> dict[str, Any]:
    """Return the JSON object in ``data``; raises SitegenError when there is none."""
    if len(data) > _MAX_BYTES:
        raise SitegenError(f"run.json is larger than {_MAX_BYTES // 1_000_000} MB")
    try:
        check_json(data, _MAX_VALUES)
        value = orjson.loads(data)
    except SitegenError as error:
        raise SitegenError(f"run.json {error.what}") from error
    except orjson.JSONDecodeError as error:
        raise SitegenError(f"run.json is not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("schema"), int):
        raise SitegenError("run.json is not a manifest: it has no schema number")
    return value


def upgrade(value: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest at the newest version; raises SitegenError for a newer one."""
    while value["schema"] < SCHEMA:
        step = UPGRADES.get(value["schema"])
        if step is None:
            raise SitegenError(f"run.json has the unknown schema version {value['schema']}")
        try:
            value = step(value)
        except (KeyError, TypeError) as error:
            raise SitegenError(f"run.json is not whole: {type(error).__name__} {error}") from error
    if value["schema"] > SCHEMA:
        raise SitegenError(
            f"run.json has schema version {value['schema']}, newer than this sitegen's {SCHEMA}",
            fix="update sitegen",
        )
    return value


def build(value: Mapping[str, Any]) -> tuple[Run, tuple[File, ...]]:
    """Return the run and files that a manifest of the newest version describes."""
    if unknown := sorted(set(value) - _KEYS):
        raise SitegenError(f"run.json has the unknown key {unknown[0][:60]!r}")
    try:
        run = Run(
            id=check_run_id(value["id"]),
            benchmark=check_benchmark(value["benchmark"]),
            environment=check_label(value["environment"]),
            provenance=Provenance(value["provenance"]),
            started_at=check_time(value["started_at"]),
            duration_s=_number(value["duration_s"]),
            measurements=(),
            preset=_text(value["preset"]),
            session=_text(value["session"]),
            boot=_text(value["boot"]),
            seed=None if value["seed"] is None else _whole(value["seed"]),
            tool=None if value["tool"] is None else ToolIdentity(**_texts(value["tool"])),
            parameters=tuple(
                Parameter(_text(p["name"]), _text(p["value"]), Comparability(p["comparability"]))
                for p in value["parameters"]
            ),
            fingerprint=Fingerprint(
                tuple(
                    Fact(**_texts(fact, absent="value")) for fact in value["fingerprint"]["facts"]
                ),
                _verdict(value["fingerprint"]["tee"]),
            ),
            steps=tuple(_step(step) for step in value["steps"]),
            source=None if value["source"] is None else Source(**_texts(value["source"])),
            definitions=tuple(MetricDefinition(**_texts(d)) for d in value["definitions"]),
            note=_text(value["note"]),
            redactions=tuple(
                (kind, _whole(count)) for kind, count in sorted(value["redactions"].items())
            ),
            complete=_flag(value["complete"]),
            supersedes=_text(value["supersedes"]),
            derived_from=_text(value["derived_from"]),
        )
        files = tuple(
            File(_text(file["name"]), _whole(file["bytes"]), _text(file["sha256"]))
            for file in value["files"]
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SitegenError(f"run.json is not whole: {type(error).__name__} {error}") from error
    if f"-{run.benchmark}-" not in run.id:
        raise SitegenError(f"run.json says that {run.id} is of {run.benchmark}")
    return run, files


def _verdict(value: Mapping[str, Any]) -> TeeVerdict:
    return TeeVerdict(
        _text(value["kind"]),
        _strings(value["reasons"]),
        _text(value["confidence"]),
        tuple(Signal(**_texts(signal)) for signal in value["signals"]),
    )


_STEP_KEYS = frozenset(StepRecord.__dataclass_fields__)


def _step(value: Mapping[str, Any]) -> StepRecord:
    if unknown := set(value) - _STEP_KEYS:
        raise ValueError(f"unknown key {min(unknown)!r} in a step")
    conditions = value["conditions"]
    return StepRecord(
        _text(value["name"]),
        _text(value["workload"]),
        _whole(value["repetition"]),
        _strings(value["argv"]),
        _text(value["started_at"]),
        _real(value["duration_s"]),
        _whole(value["exit_code"]),
        _number(value["cpu_s"]),
        tuple([(name, _real(conditions[name])) for name in sorted(conditions)]),
        _pairs(value["values"]),
        _strings(value["raw"]),
        _pairs(value["params"]),
        _pairs(value["context"]),
    )


def _pairs(value: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the texts of ``value`` by their sorted names."""
    names = sorted(value)
    return tuple(zip(names, _strings([value[name] for name in names]), strict=True))


def _strings(values: list[str]) -> tuple[str, ...]:
    """Return ``values`` when they are texts; joining them finds one that is not, in C."""
    if not isinstance(values, list):
        raise TypeError("not a list of texts")
    if len("".join(values)) > _MAX_TEXTS:
        raise ValueError(f"texts of more than {_MAX_TEXTS:,} characters together")
    return tuple(values)


def _texts(value: Mapping[str, Any], absent: str = "") -> Mapping[str, Any]:
    """Return ``value`` when it holds texts only; the one called ``absent`` may be None."""
    for key, text in value.items():
        if not (key == absent and text is None):
            _text(text)
    return value


def _number(value: object) -> float | None:
    return None if value is None else _real(value)


def _real(value: object) -> float:
    """Return a number as a float; raises when it is none, or none that a page could show."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:40]!r} is not a number")
    if not abs(value) <= _MAX_NUMBER:
        raise ValueError(f"the number {value:g} is too large")
    return float(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{str(value)[:40]!r} is not a whole number")
    if abs(value) > _MAX_NUMBER:
        raise ValueError("a whole number is too large")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} is neither true nor false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not text")
    if len(value) > _MAX_TEXT:
        raise ValueError(f"a text of more than {_MAX_TEXT:,} characters")
    return value
