"""What a column of a table about proofs is, by its name: whose time or size, in which unit.

Scripts that time a prover name their columns as they please; the words are few. ``Prove Time
(s)``, ``core_prove_ms`` and ``exec_ms_median`` are a role, the mode or stage that it is of, a
statistic and a unit, in whatever order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: Columns of stages, in their order; these are verbs, where the modes are adjectives.
STAGES = ("core", "compress", "compressed", "shrink", "wrap", "groth16", "plonk")
TIMES = ("execute_time", "prove_time", "verify_time", "total_time")
#: Unit in a name -> unit as `quantities.duration` knows it. "min" is the least, and no minute.
TIME_UNITS: Mapping[str, str] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("mins", "minutes"), "m"),
    "us": "us",
    "ns": "ns",
    "h": "h",
}
#: Not kB and MB, which some mean as 1024 and others as 1000: such a size is not known.
BYTES: Mapping[str, int] = {
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
HERTZ: Mapping[str, int] = {"hz": 1, "khz": 1000, "mhz": 10**6}
_UNITS = {*TIME_UNITS, *BYTES, *HERTZ, "kb", "mb", "gb", "count", "pct", "percent", "usd"}
_STATISTICS = {
    "min": "min",
    "max": "max",
    "p50": "p50",
    "median": "p50",
    **dict.fromkeys(("mean", "avg", "average"), "mean"),
}
_PREFIX = re.compile(r"(core|compressed|compress|shrink|wrap|groth16|plonk)(?:_|$)(.*)")
#: Role -> what its columns are called without mode, statistic and unit.
_NAMES = {
    "prove_time": "prove proving prove_time proving_time prover_time proof_time prove_duration "
    "proving_duration proof_generation_time proof_gen_time",
    "verify_time": "verify verify_time verification_time verifier_time verify_duration",
    "execute_time": "execute exec execute_time execution_time exec_time execution_duration "
    "total_execution_time",
    "total_time": "total_time e2e e2e_time end_to_end_time",
    "proof_size": "proof proof_size",
    "cycles": "cycles total_cycles cycle_count num_cycles number_cycles user_cycles "
    "total_instruction_count instruction_count",
    "gas": "prover_gas sp1_gas total_sp1_gas",
    "speed": "speed prove_speed proving_speed throughput",
    "mode": "mode proof_mode proof_type proof_kind prove_mode",
    "program": "program benchmark bench test test_case case name statement guest workload "
    "primitive",
    "prover": "prover zkvm vm prover_name backend sp1_prover",
    "version": "version sp1_version prover_version",
    "status": "status success verified ok valid",
    "date": "timestamp date started_at datetime",
    "commit": "commit git_commit",
    "again": "run run_id rep repetition trial sample row index id",
}
_ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}
_MEASURED = re.compile(
    r"(?:^|_)(?:cycles|per|mem|memory|rss|time|duration|speed|rate|cost|price|energy|usage|shards?"
    r"|segments?|syscalls?|throughput|instruction_count|count)(?:_|$)"
)
_PART = re.compile(r"_(?:cycles|instruction_count)$")


class Column(NamedTuple):
    """A column: its name and the words of it, its role, whose it is, its statistic and unit.

    One that is not known, or that stands there twice, has no role.
    """

    name: str
    words: str
    role: str = ""
    of: str = ""
    statistic: str = "value"
    unit: str = ""

    @property
    def measured(self) -> bool:
        """Say whether it holds something measured, which tells no series from another."""
        return bool(self.role or self.unit or _MEASURED.search(self.words))

    @property
    def part(self) -> bool:
        """Say whether it counts a part of the cycles."""
        return not self.role and bool(_PART.search(self.words))


def columns(names: Iterable[str]) -> list[Column]:
    """Return what the columns of a table are, in their order."""
    known: list[Column] = []
    taken: set[tuple[str, ...]] = set()
    for name in names:
        column = _column(name)
        twice = bool(column.role) and column[2:] in taken
        known.append(Column(*column[:2], unit=column.unit) if twice else column)
        taken.add(column[2:])
    return known


def _column(name: str) -> Column:
    words = base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    of, statistic, unit = "", "value", ""
    if match := _PREFIX.fullmatch(base):
        of, base = match[1], match[2]
    for _ in range(2):
        rest, _, last = base.rpartition("_")
        if last in _UNITS and not unit and (rest or of):
            base, unit = rest, last
        elif last in _STATISTICS and statistic == "value" and rest:
            base, statistic = rest, _STATISTICS[last]
    role = _ROLES.get(base, "")
    if of and base in ("", "time", "duration"):
        role = "prove_time"
    elif not of and words in HERTZ:
        role, unit = "speed", words
    if (of and role not in (*TIMES, "proof_size")) or not _fits(role, base, unit):
        return Column(name, words, unit=unit)
    return Column(name, words, role, of, statistic, unit)


def _fits(role: str, base: str, unit: str) -> bool:
    """Say whether figures of a role can have a unit."""
    if role in TIMES:
        return unit in ("", *TIME_UNITS)
    if role == "proof_size":
        return unit in BYTES or (not unit and base != "proof")
    return not unit or (role == "speed" and unit in HERTZ)
