"""The JSON of zkevm-benchmark-workload: one object a case, with what came of it.

``proving`` and ``execution`` hold either ``success`` or ``crashed``; several cases may be given
as one list or one a line. Which prover it was stands in the folder's name only.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

from collectors.zktls.quantities import Quantity
from collectors.zktls.readers import proofs
from collectors.zktls.readers.proofs import Proved
from sitegen.collect import Reader, Reading, Recorder, decode
from sitegen.errors import SitegenError
from sitegen.model import Comparability, Status, ToolIdentity, check_time

_MOST_REASON = 160
_NATIVES = {
    "zktls.prove_time": "proving.success.proving_time_ms",
    "zktls.verify_time": "proving.success.verification_time_ms",
    "zktls.proof_size": "proving.success.proof_size",
    "zktls.execute_time": "execution.success.execution_duration",
    "zktls.cycles": "execution.success.total_num_cycles",
}
_Result = TypeVar("_Result")
_Whole = Annotated[int, Meta(ge=0, le=2**53)]
#: Kept as it is printed: a whole number has digits that a page can quote.
_Milliseconds = Annotated[int, Meta(ge=0, le=10**12)] | Annotated[float, Meta(ge=0, le=1e12)]


class Asks(proofs.Asks, frozen=True):
    """What a case does not say."""

    prover: proofs.Prover = ""
    cycle_kind: proofs.CycleKind | None = None


class _Duration(Struct, frozen=True, forbid_unknown_fields=True):
    """A duration as serde writes it."""

    secs: Annotated[int, Meta(ge=0, le=10**9)]
    nanos: Annotated[int, Meta(ge=0, lt=10**9)]


class _Proving(Struct, frozen=True):
    output_matched: bool | None = None
    proof_size: _Whole | None = None
    proving_time_ms: _Milliseconds | None = None
    verification_time_ms: _Milliseconds | None = None


class _Execution(Struct, frozen=True):
    output_matched: bool | None = None
    total_num_cycles: _Whole | None = None
    execution_duration: _Duration | None = None


class _Crash(Struct, frozen=True):
    reason: str = ""


class _Outcome(Struct, Generic[_Result], frozen=True, forbid_unknown_fields=True):
    success: _Result | None = None
    crashed: _Crash | None = None

    def __post_init__(self) -> None:
        if (self.success is None) == (self.crashed is None):
            raise ValueError("it is neither a success nor crashed")


class _Case(Struct, frozen=True):
    name: str
    timestamp_completed: str = ""
    metadata: Any = None
    proving: _Outcome[_Proving] | None = None
    execution: _Outcome[_Execution] | None = None


def knows(data: bytes) -> bool:
    """Say whether it begins as such an object or a list of them does."""
    head = proofs.head_of(data).lstrip()
    case = '"name"' in head and ('"proving"' in head or '"execution"' in head)
    return head[:1] in ("{", "[") and case and ('"success"' in head or '"crashed"' in head)


def read(data: bytes, asks: Asks) -> tuple[Reading, ...]:
    """Return one run with every case; one that crashed is a failed row."""
    tool = ToolIdentity(proofs.answer(asks, "prover"), asks.prover_version)
    recorder = Recorder(tool=tool, natives=_NATIVES)
    dates = []
    for number, case in enumerate(decode.documents(data, _Case), 1):
        with proofs.at(f"case {number}"):
            _record(recorder, case, proofs.label(case.name), asks)
        if case.timestamp_completed.endswith("Z"):
            with contextlib.suppress(SitegenError):
                dates.append(check_time(f"{case.timestamp_completed[:19]}Z"))
    recorder.started_at = min(dates, default="")
    return (recorder.reading(),)


def _record(recorder: Recorder, case: _Case, name: str, asks: Asks) -> None:
    """Write the rows of one case."""
    proven = (case.proving and case.proving.success) or _Proving()
    executed = (case.execution and case.execution.success) or _Execution()
    cycles = executed.total_num_cycles
    kind = proofs.answer(asks, "cycle_kind") if cycles else ""
    wrong = False in (proven.output_matched, executed.output_matched)
    if wrong:
        # It proved something, and not what the case says.
        recorder.note(f"{name}: the output is not the expected one.")
    proved = Proved(
        name,
        proofs.answer(asks, "prover"),
        proofs.answer(asks, "proof_mode"),
        asks.size,
        asks.threads,
        execute=_duration(executed.execution_duration),
        prove=_milliseconds(proven.proving_time_ms),
        verify=_milliseconds(proven.verification_time_ms),
        proof_size=proven.proof_size or None,
        cycles={kind: cycles},
        status=Status.SUSPECT if wrong else Status.OK,
    )
    proved.write(recorder)
    series = recorder.series(name, proved.about)
    cases = ((case.proving, "prove_time", proved.scope), (case.execution, "execute_time", ()))
    for outcome, metric, scope in cases:
        if outcome and outcome.crashed:
            series.failed(f"zktls.{metric}", about=scope)
            text = "".join(c if c.isprintable() else " " for c in outcome.crashed.reason)
            reason = " ".join(text[:_MOST_REASON].split()) or "no reason is given"
            recorder.note(f"{name} crashed: {reason}.")
    gas = case.metadata.get("block_used_gas") if isinstance(case.metadata, dict) else None
    if isinstance(gas, int) and not isinstance(gas, bool):
        recorder.parameter(f"block_used_gas.{name}", gas, Comparability.IGNORED)


def _milliseconds(value: float | None) -> Quantity | None:
    if not value:
        return None
    printed = f"{value} ms" if isinstance(value, int) else None
    return Quantity(float(Fraction(str(value)) / 1000), printed)


def _duration(value: _Duration | None) -> Quantity | None:
    if value is None or not (value.secs or value.nanos):
        return None
    return Quantity(float(value.secs + Fraction(value.nanos, 10**9)))


READER = Reader("zkevm-benchmark-workload", "zkevm-benchmark-workload JSON", knows, read, Asks)
