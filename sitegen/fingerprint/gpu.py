"""The GPUs, and whether what is on them is kept from the host, as nvidia-smi answers.

The words for the state are those of the hardware collector, which asks NVML itself: ``on``,
``off``, ``ppcie``, ``nvle``, ``devtools``, ``simulated``, ``unknown``. Nothing is ever set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sitegen.fingerprint.facts import FACTS
from sitegen.fingerprint.places import Machine
from sitegen.model import Fact

#: The states under which what is on the GPU is kept from the host.
CONFIDENTIAL = frozenset({"on", "ppcie", "nvle"})
#: The states of which the driver itself says that they keep nothing from anybody.
OPEN = frozenset({"off", "devtools", "simulated"})

_BASIC = ("name", "memory.total", "driver_version")
_MORE = {fact.name: fact.nvidia for fact in FACTS.values() if fact.nvidia}
_ANSWER = re.compile(r"^\s*([A-Za-z][\w /-]{1,40}?)\s*:\s*(.{1,80}?)\s*$", re.MULTILINE)
_CPU_CAPS = re.compile(r"(?i)(TDX)|SEV[- ]?(SNP)|SEV")
_MOST = 20_000
_NOT_CAPABLE = "No CC capable devices found"


def query(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command that asks for ``names`` of every GPU."""
    return ("nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader")


_CC = ("nvidia-smi", "conf-compute")
_ALL = tuple(dict.fromkeys((*_BASIC, *_MORE.values())))
FULL = query(_ALL)
STATE = (*_CC, "-q")


#: The driver's answers on confidential computing, and what they are called here.
_ANSWERS = {
    "cc state": "state", "multi-gpu mode": "multi-GPU mode", "devtools mode": "developer tools",
    "cc environment": "environment", "cpu cc capabilities": "CPU",
}  # fmt: skip


def word(answers: Mapping[str, str]) -> str:
    """Return what `answers` mean: GPUs in Protected PCIe say "off" and are confidential."""
    if _NOT_CAPABLE in answers:
        return "off"
    feature, multi = answers.get("cc state"), answers.get("multi-gpu mode", "")
    environment = answers.get("cc environment", "")
    protected = "ppcie" if "pcie" in multi else "nvle" if "nvl" in multi else ""
    if feature is None and not protected:
        return "unknown"
    if answers.get("devtools mode") == "on":
        return "devtools"
    if feature != "on" and not protected:
        # Without the mode of several GPUs a disabled feature is not yet "off".
        return "off" if multi == "none" else "unknown"
    if environment.startswith("sim"):
        return "simulated"
    return protected or ("unknown" if environment == "unavailable" else "on")


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
    for fact, name in _MORE.items():
        yield Fact(fact, _alike(gpus, name), source)
    state = answers(machine)
    source = "nvidia-smi conf-compute"
    yield Fact("gpu_confidential_compute", word(state), source)
    text = "; ".join(f"{name} {state[key]}" for key, name in _ANSWERS.items() if key in state)
    incapable = _NOT_CAPABLE if _NOT_CAPABLE in state else None
    yield Fact("gpu_cc_answers", text or incapable, source)
    yield Fact("gpu_ready", state.get("cc gpus ready state"), source)


def answers(machine: Machine) -> dict[str, str]:
    """Return what nvidia-smi answers on confidential computing; it is asked and never told.

    In small letters by the driver's own names; one that is not capable says that alone.
    """
    output = machine.output(*STATE)
    if _NOT_CAPABLE in output:
        return {_NOT_CAPABLE: ""}
    state = _answers(output)
    # Drivers before the query answer each question by itself, and know the feature's state only.
    feature = state.get("cc state") or _answers(machine.output(*_CC, "-f")).get("cc status")
    if not state and not feature:
        return {}
    single = {
        "cc state": feature,
        "devtools mode": state.get("devtools mode") or _only(machine.output(*_CC, "-d")),
        "cc environment": state.get("cc environment") or _only(machine.output(*_CC, "-e")),
    }
    return state | {name: value for name, value in single.items() if value}


def cpu_kind(output: str) -> str:
    """Return the TEE that the driver sees its CPU in, or nothing."""
    match = _CPU_CAPS.search(output)
    if match is None:
        return ""
    return "tdx" if match[1] else "sev-snp" if match[2] else "sev"


def _rows(machine: Machine) -> list[dict[str, str]]:
    """Return the fields of each GPU; an error message has too few of them to be taken for one."""
    for names in (_ALL, _BASIC):
        lines = machine.output(*query(names)).splitlines()
        rows = [[part.strip() for part in line.split(",")] for line in lines]
        if rows and all(len(row) == len(names) for row in rows):
            return [dict(zip(names, row, strict=True)) for row in rows]
    return []


def _alike(gpus: list[dict[str, str]], name: str) -> str | None:
    values = {one[name] for one in gpus if name in one}
    return "; ".join(sorted(values - {"[N/A]", "N/A", "[Not Supported]"})) or None


def _answers(output: str) -> dict[str, str]:
    return {name.lower(): value.lower() for name, value in _ANSWER.findall(output[:_MOST])}


def _only(output: str) -> str | None:
    """Return the value of an answer in one line, whatever its name: ``DevTools Mode: OFF``."""
    values = list(_answers(output).values())
    return values[0] if len(values) == 1 else None
