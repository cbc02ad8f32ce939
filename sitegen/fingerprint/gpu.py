"""The GPUs, and whether what is on them is kept from the host, as nvidia-smi answers.

The words for the state are those of the hardware collector, which asks NVML itself: ``on``,
``off``, ``ppcie``, ``nvle``, ``devtools``, ``simulated``, ``unknown``. Nothing is ever set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import astuple

from sitegen.fingerprint.places import Machine
from sitegen.model import Fact

#: The states under which what is on the GPU is kept from the host.
CONFIDENTIAL = frozenset({"on", "ppcie", "nvle"})
#: The states of which the driver itself says that they keep nothing from anybody.
OPEN = frozenset({"off", "devtools", "simulated"})

BASIC = ("name", "memory.total", "driver_version")
_MORE = (
    ("gpu_firmware", "vbios_version"),
    ("gpu_mig", "mig.mode.current"),
    ("gpu_ecc", "ecc.mode.current"),
    ("gpu_power_limit", "power.limit"),
    ("gpu_link_generation", "pcie.link.gen.max"),
    ("gpu_link_width", "pcie.link.width.max"),
)
_ANSWER = re.compile(r"^\s*([A-Za-z][\w /-]{1,40}?)\s*:\s*(.{1,80}?)\s*$", re.MULTILINE)
_CPU_CAPS = re.compile(r"(?i)(TDX)|SEV[- ]?(SNP)|SEV")
_MOST = 20_000
_NOT_CAPABLE = "No CC capable devices found"


def query(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that asks for ``names`` of every GPU."""
    return ("nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader")


_CC = ("nvidia-smi", "conf-compute")
_ALL = (*BASIC, *(name for _, name in _MORE))
FULL = query(_ALL)
STATE = (*_CC, "-q")


class State(Struct, frozen=True):
    """The answers of nvidia-smi on confidential computing, in small letters; absent is None."""

    feature: str | None = None
    multi_gpu: str | None = None
    devtools: str | None = None
    environment: str | None = None
    cpu: str | None = None
    ready: str | None = None
    capable: bool = True

    @property
    def word(self) -> str:
        """What the answers mean: GPUs in Protected PCIe say "off" and are confidential."""
        if not self.capable:
            return "off"
        multi = self.multi_gpu or ""
        protected = "ppcie" if "pcie" in multi else "nvle" if "nvl" in multi else ""
        if self.feature is None and not protected:
            return "unknown"
        if self.devtools == "on":
            return "devtools"
        if self.feature != "on" and not protected:
            # Without the mode of several GPUs a disabled feature is not yet "off".
            return "off" if multi == "none" else "unknown"
        if (self.environment or "").startswith("sim"):
            return "simulated"
        return protected or ("unknown" if self.environment == "unavailable" else "on")


def facts(machine: Machine) -> Iterator[Fact]:
    """Yield what nvidia-smi says of the GPUs: alike ones are named once."""
    gpus = _rows(machine)
    source = "nvidia-smi --query-gpu"
    if not gpus:
        yield Fact("gpu", None, "nvidia-smi")
        return
    named = {f"{one['name']}, {one['memory.total']}" for one in gpus}
    yield Fact("gpu", "; ".join(sorted(named)), source)
    yield Fact("gpus", str(len(gpus)), source)
    yield Fact("gpu_driver", _alike(gpus, "driver_version"), source)
    for fact, name in _MORE:
        yield Fact(fact, _alike(gpus, name), source)
    found = state(machine)
    source = "nvidia-smi conf-compute"
    yield Fact("gpu_confidential_compute", found.word, source)
    names = ("state", "multi-GPU mode", "developer tools", "environment", "CPU")
    answers = zip(names, astuple(found), strict=False)
    told = "; ".join(f"{name} {value}" for name, value in answers if value)
    yield Fact("gpu_cc_answers", told or (None if found.capable else _NOT_CAPABLE), source)
    yield Fact("gpu_ready", found.ready, source)


def state(machine: Machine) -> State:
    """Return what nvidia-smi answers on confidential computing; it is asked and never told."""
    said = machine.said(*STATE)
    if _NOT_CAPABLE in said:
        return State(capable=False)
    answers = _answers(said)
    # Drivers before the query answer each question by itself, and know the feature's state only.
    feature = answers.get("cc state") or _answers(machine.said(*_CC, "-f")).get("cc status")
    if not answers and not feature:
        return State()
    return State(
        feature,
        answers.get("multi-gpu mode"),
        answers.get("devtools mode") or _only(machine.said(*_CC, "-d")),
        answers.get("cc environment") or _only(machine.said(*_CC, "-e")),
        answers.get("cpu cc capabilities"),
        answers.get("cc gpus ready state"),
    )


def cpu_kind(found: State) -> str:
    """Return the TEE that the driver sees its CPU in, or nothing."""
    match = _CPU_CAPS.search(found.cpu or "")
    if match is None:
        return ""
    return "tdx" if match[1] else "sev-snp" if match[2] else "sev"


def _rows(machine: Machine) -> list[dict[str, str]]:
    """Return the fields of each GPU; an error message has too few of them to be taken for one."""
    for names in (_ALL, BASIC):
        lines = machine.said(*query(names)).splitlines()
        rows = [[part.strip() for part in line.split(",")] for line in lines]
        if rows and all(len(row) == len(names) for row in rows):
            return [dict(zip(names, row, strict=True)) for row in rows]
    return []


def _alike(gpus: list[dict[str, str]], name: str) -> str | None:
    values = {one[name] for one in gpus if name in one}
    return "; ".join(sorted(values - {"[N/A]", "N/A", "[Not Supported]"})) or None


def _answers(said: str) -> dict[str, str]:
    return {name.lower(): value.lower() for name, value in _ANSWER.findall(said[:_MOST])}


def _only(said: str) -> str | None:
    """Return the value of an answer in one line, whatever its name: ``DevTools Mode: OFF``."""
    values = list(_answers(said).values())
    return values[0] if len(values) == 1 else None
