"""The JSON of zkevm-benchmark-workload: one object a case, with what came of it.

``proving`` and ``execution`` hold either ``success`` or ``crashed``; several files may be given
as one list or one after another. Which prover it was stands in the folder's name only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, TypeVar, cast

from collectors.zktls import durations
from collectors.zktls.readers import series
from collectors.zktls.readers.series import Proved, Quantity
from sitegen.collect import Reader, Reading
from sitegen.errors import SitegenError
from sitegen.model import Measurement, Parameter, Status, ToolIdentity, check_time, params

_ACTIONS = ("proving", "execution", "verification")
_MOST_CASES = 20_000
_MOST_REASON = 160
_SECOND = len("2026-01-31T12:00:00")

Case = Mapping[str, object]
_T = TypeVar("_T")


def knows(data: bytes) -> bool:
    """Say whether it begins as such an object or a list of them does."""
    head = series.head_of(data).lstrip()
    return (
        head[:1] in ("{", "[")
        and '"name"' in head
        and any(f'"{action}"' in head for action in _ACTIONS)
        and any(f'"{outcome}"' in head for outcome in ("success", "crashed"))
    )


def read(data: bytes, settings: Mapping[str, str]) -> tuple[Reading, ...]:
    """Return one run with every case; one that crashed is a failed row."""
    prover = series.answer(settings, "prover")
    rows: list[Measurement] = []
    notes: list[str] = []
    dates: list[str] = []
    gas: list[Parameter] = []
    seen: Counter[str] = Counter()
    for index, case in enumerate(_cases(data)):
        try:
            name = _name(case)
            found, doubts = _case(case, name, prover, settings, seen[name])
            seen[name] += 1
            rows += found
            notes += doubts
            dates += _dated(case)
            gas += _gas(case, name)
        except SitegenError as error:
            where = f"case {index + 1}" + (f", {error.where}" if error.where else "")
            raise SitegenError(error.what, where=where, fix=error.fix) from None
    return (
        Reading(
            tuple(rows),
            tool=ToolIdentity(prover, series.optional(settings, "prover_version")),
            parameters=tuple(dict.fromkeys(gas)),
            natives=(
                ("zktls.prove_time", "proving.success.proving_time_ms"),
                ("zktls.verify_time", "proving.success.verification_time_ms"),
                ("zktls.proof_size", "proving.success.proof_size"),
                ("zktls.execute_time", "execution.success.execution_duration"),
                ("zktls.cycles", "execution.success.total_num_cycles"),
            ),
            started_at=min(dates, default=""),
            notes=tuple(dict.fromkeys(notes)),
        ),
    )


def _cases(data: bytes) -> Iterator[Case]:
    """Yield the cases in one object, a list, or objects one after another."""
    text = series.text_of(data).strip()
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    place = count = 0
    while place < len(text):
        try:
            document, end = decoder.raw_decode(text, place)
        except RecursionError:
            raise SitegenError("it is nested too deeply") from None
        except ValueError as error:
            raise SitegenError(f"it is not JSON: {error}"[:200]) from None
        for each in document if isinstance(document, list) else [document]:
            count += 1
            if not isinstance(each, dict):
                raise SitegenError("it is not a JSON object", where=f"case {count}")
            if count > _MOST_CASES:
                raise SitegenError(f"it holds more than {_MOST_CASES} cases")
            yield each
        place = end
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1


def _case(
    case: Case, name: str, prover: str, settings: Mapping[str, str], repetition: int
) -> tuple[list[Measurement], list[str]]:
    mode = series.answer(settings, "proof_mode")
    proving, execution = _outcome(case, "proving"), _outcome(case, "execution")
    proven, executed = proving.get("success", {}), execution.get("success", {})
    cycles = _at("total_num_cycles", durations.count, executed)
    kind = series.cycle_kind(settings) if cycles else ""
    notes = []
    status = Status.OK
    if False in (proven.get("output_matched"), executed.get("output_matched")):
        # It proved something, and not what the case says.
        status = Status.SUSPECT
        notes.append(f"{name}: the output is not the expected one.")
    proved = Proved(
        name,
        prover,
        mode,
        series.SCOPES.get(mode, "total"),
        series.whole_answer(settings, "size"),
        series.whole_answer(settings, "threads"),
        execute=_time("execution_duration", durations.of_parts, executed),
        prove=_time("proving_time_ms", durations.of_milliseconds, proven),
        verify=_time("verification_time_ms", durations.of_milliseconds, proven),
        proof_size=_at("proof_size", durations.count, proven),
        user_cycles=cycles if kind == "user" else None,
        total_cycles=cycles if kind == "total" else None,
        status=status,
    )
    rows = proved.rows(repetition)
    for outcome, metric, scope in (
        (proving, "zktls.prove_time", proved.time_scope),
        (execution, "zktls.execute_time", None),
    ):
        if "crashed" in outcome:
            reason = str(outcome["crashed"].get("reason", ""))[:_MOST_REASON]
            reason = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
            notes.append(f"{name} crashed: {reason or 'no reason is given'}.")
            where = params(**dict(proved.where), time_scope=scope)
            rows.append(
                Measurement(name, metric, "value", "s", None, where, repetition, Status.FAILED)
            )
    return rows, notes


def _outcome(case: Case, action: str) -> Mapping[str, Mapping[str, object]]:
    found = case.get(action)
    if found is None:
        return {}
    fits = isinstance(found, dict) and len(found) == 1 and set(found) <= {"success", "crashed"}
    if not fits or not all(isinstance(each, dict) for each in cast("Case", found).values()):
        raise SitegenError("it is neither a success nor crashed", where=action)
    return cast("Mapping[str, Mapping[str, object]]", found)


def _name(case: Case) -> str:
    name = case.get("name")
    if not isinstance(name, str):
        raise SitegenError("the case has no name")
    return series.label(name)


def _at(key: str, parse: Callable[[object], _T], found: Mapping[str, object]) -> _T:
    try:
        return parse(found.get(key))
    except SitegenError as error:
        raise SitegenError(error.what, where=key) from None


def _time(
    key: str, parse: Callable[[object], float | None], found: Mapping[str, object]
) -> Quantity | None:
    value = _at(key, parse, found)
    if value is None:
        return None
    whole = found.get(key)
    return Quantity(value, f"{whole} ms" if isinstance(whole, int) else None)


def _dated(case: Case) -> list[str]:
    text = case.get("timestamp_completed")
    if not isinstance(text, str) or not text.endswith("Z"):
        return []
    try:
        return [check_time(f"{text[:_SECOND]}Z")]
    except SitegenError:
        return []


def _gas(case: Case, name: str) -> list[Parameter]:
    metadata = case.get("metadata")
    used = metadata.get("block_used_gas") if isinstance(metadata, dict) else None
    whole = isinstance(used, int) and not isinstance(used, bool)
    return [Parameter(f"block_used_gas.{name}", str(used))] if whole else []


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


READER = Reader(
    "zkevm-benchmark-workload",
    "zkevm-benchmark-workload JSON",
    knows,
    read,
    series.asks("prover", "prover_version", "proof_mode", "cycle_kind", "size", "threads"),
)
