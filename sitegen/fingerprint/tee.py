"""Which TEE the machine is in: the verdict on all signals, and what contradicts a label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sitegen.config import Environment, implied
from sitegen.fingerprint import gpu, platform
from sitegen.fingerprint.places import PRESENT, UNREADABLE, Log, Machine
from sitegen.fingerprint.signals import Seen
from sitegen.model import Fact, Fingerprint, TeeVerdict

_SEV = ("sev", "sev-es", "sev-snp")
_SEEN_NOTHING = ("", "none", "unknown", "contradictory")
#: TEEs that show in the kernel log and nowhere else: their absence elsewhere proves nothing.
_LOG_ONLY = frozenset({"sev", "sev-es", "csv"})
#: TEEs that hold a program, not the machine: sitegen mostly runs outside.
ENCLAVES = frozenset({"sgx", "nitro"})
_ALWAYS_THERE = ("/dev", "/sys/devices")
_WITNESSES = 2


def verdict(machine: Machine, log: Log | None, seen: Sequence[Seen]) -> TeeVerdict:
    """Return which TEE the machine's own signals show, why, and how sure that is.

    Every signal can be faked by root or by the host: only a quote is proof.
    """
    told = tuple(one.signal for one in seen)
    sure = [one for one in seen if one.kind and not one.hint]
    hints = [one for one in seen if one.kind and one.hint]
    kinds = _kinds(sure or hints)
    extra = tuple(_remarks(machine, seen))
    if len(kinds) > 1 and sure:
        reasons = tuple(f"{one.kind}: {one.reason}" for one in sure)
        return TeeVerdict("contradictory", reasons + extra, "", told)
    if sure:
        return TeeVerdict(kinds[0], _reasons(sure) + extra, _confidence(sure), told)
    if hints:
        kind = kinds[0] if len(kinds) == 1 else "unknown"
        why = "only a hint: other TEEs give it too"
        confidence = "low" if kind != "unknown" else ""
        return TeeVerdict(kind, (*_reasons(hints), why, *extra), confidence, told)
    if not machine.cpuinfo():
        return TeeVerdict("unknown", ("the processor is not shown", *extra), "", told)
    return _none(machine, log, seen, extra)


def facts(
    machine: Machine, log: Log | None, found: TeeVerdict, seen: Sequence[Seen]
) -> Iterator[Fact]:
    """Yield what the machine could host, and what lies between it and the processor."""
    able = {one.reason for one in seen if one.origin == "host"}
    if "hypervisor" in machine.flags() or found.kind not in _SEEN_NOTHING:
        # A guest is shown what its host can do; what holds a program, it can hold itself.
        able &= ENCLAVES if found.kind == "none" else set()
    yield Fact(
        "tee_host", ", ".join(sorted(able)) or None, "/dev, /sys/module, CPU flags, kernel log"
    )
    yield Fact(
        "paravisor", _paravisor(machine, log), "kernel log, /sys/devices/system/cpu/sev/vmpl"
    )


def doubted(label: str, declared: Environment | None, machine: Fingerprint) -> str:
    """Return in a sentence what the machine shows against what its label stands for, or nothing.

    That is its declaration; without one, what the words of the label sound like.
    """
    if declared and (declared.tee or declared.role):
        return contradiction(declared.tee, declared.role or "", machine)
    return claim_contradicted(label, machine)


def contradiction(declared_tee: str, declared_role: str, seen: Fingerprint) -> str:
    """Return in a sentence what the machine shows against its declaration, or nothing.

    What is not sure contradicts nothing; neither does a TEE that could not have shown itself.
    """
    if declared_tee == "gpu-cc":
        word = seen.get("gpu_confidential_compute")
        return f"Declared as gpu-cc; the GPU's driver says {word}." if word in gpu.OPEN else ""
    return _against_tee(declared_tee, declared_role, seen) or _against_role(declared_role, seen)


def claim_contradicted(label: str, seen: Fingerprint) -> str:
    """Return in a sentence what the machine shows against the words of its label, or nothing."""
    role, kind = implied(label)
    verdict = seen.tee
    if kind in ("unstated", "sev"):
        found = verdict.kind
        if found == "unknown" or verdict.confidence == "low":
            return ""
        if found in _SEV if kind == "sev" else found not in _SEEN_NOTHING:
            return ""
        if kind == "sev" and found == "none" and verdict.confidence == "medium":
            return ""  # plain SEV shows in the kernel log alone
        if found == "none" and seen.get("gpu_confidential_compute") in gpu.CONFIDENTIAL:
            return ""
        return f"{label} sounds like a TEE; the machine's own signals say {found}."
    told = contradiction("" if kind == "none" else kind, role or "", seen)
    return told.replace("Declared as", f"{label} sounds like", 1)


def _against_tee(declared: str, role: str, seen: Fingerprint) -> str:
    found, sure = seen.tee.kind, seen.tee.confidence
    if found == "unknown" or sure == "low":
        return ""
    if declared in ("", "unstated"):
        if role in ("metal", "vm") and found not in _SEEN_NOTHING:
            what = "bare metal" if role == "metal" else "a plain VM"
            return f"Declared as {what}; the machine's own signals say {found}."
        return ""
    hidden = found == "none" and (
        (declared in _LOG_ONLY and sure == "medium")
        or (declared in ENCLAVES and declared in (seen.get("tee_host") or "").split(", "))
    )
    if found == declared or hidden:
        return ""
    return f"Declared as {declared}; the machine's own signals say {found}."


def _against_role(role: str, seen: Fingerprint) -> str:
    virtual = seen.get("virtualisation")
    if role == "metal" and virtual not in (None, "none"):
        return f"Declared as bare metal; the machine shows a hypervisor ({virtual})."
    if role == "vm" and virtual == "none" and seen.get("platform") != "enclave":
        return "Declared as a plain VM; the machine shows no hypervisor."
    return ""


def _kinds(seen: Sequence[Seen]) -> list[str]:
    """Return the kinds that are spoken for; SEV's levels include one another."""
    kinds = {one.kind for one in seen}
    levels = [kind for kind in _SEV if kind in kinds]
    return sorted(kinds - set(levels[:-1]))


def _confidence(sure: Sequence[Seen]) -> str:
    origins = {one.origin for one in sure}
    return "high" if "provider" in origins or len(origins) >= _WITNESSES else "medium"


def _reasons(seen: Sequence[Seen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.reason for one in seen))


def _remarks(machine: Machine, seen: Sequence[Seen]) -> Iterator[str]:
    if platform.dstack(machine) == "simulator":
        yield "a dstack simulator answers here: what it attests proves nothing"
    if any("CSV3" in one.signal.saw.split() for one in seen):
        yield "the kernel names CSV3"
    elif any("CSV2" in one.signal.saw.split() for one in seen):
        yield "the kernel names CSV2"


def _none(
    machine: Machine, log: Log | None, seen: Sequence[Seen], extra: tuple[str, ...]
) -> TeeVerdict:
    """Return the verdict that there is no TEE, as sure as the places where one would show."""
    reasons = ["no signal of a guest or an enclave of any known TEE", *_capable(machine, seen)]
    reasons += extra
    confidence, why = _sure_of_none(machine, log)
    reasons += [why] if why else []
    return TeeVerdict("none", tuple(reasons), confidence, tuple(one.signal for one in seen))


def _capable(machine: Machine, seen: Sequence[Seen]) -> Iterator[str]:
    flags = machine.flags()
    if flags & {"sev", "sev_es", "sev_snp"}:
        if "hypervisor" in flags:
            yield "sev CPU flags alone are a capability of the processor, not a guest"
        else:
            yield "sev CPU flags without a hypervisor: the host of SEV guests, not one"
    if "tdx_host_platform" in flags:
        yield "the CPU flag tdx_host_platform: the host of TDX guests, not one"
    if any(one.origin == "host" and one.reason == "sgx" for one in seen):
        yield "SGX devices or flags on a host: it can make enclaves, this is not inside one"
    if any(one.origin == "host" and one.reason == "nitro" for one in seen):
        yield "/dev/nitro_enclaves: the parent of Nitro enclaves, not one"


def _sure_of_none(machine: Machine, log: Log | None) -> tuple[str, str]:
    """Return how sure it is that there is no TEE, and why it is no surer."""
    if any(machine.look(path) == UNREADABLE for path in _ALWAYS_THERE):
        return "low", "/dev or /sys cannot be read"
    if (platform.container(machine, log) or "").endswith("gVisor"):
        return "low", "gVisor shows its own kernel, not the machine's"
    if machine.look("/dev/attestation/attestation_type") == PRESENT:
        return "low", "Gramine shows its own files, not the machine's"
    virtual = platform.virtualisation(machine)
    bare = virtual == "none" or (virtual is None and machine.vendor() != "")
    read = log is not None and log.whole
    # A TDX guest shows its CPU flag to everybody, but not under a paravisor.
    flagged = machine.vendor() == "GenuineIntel" and not platform.is_hyper_v(machine)
    if bare or read or flagged:
        return "high", ""
    if platform.is_hyper_v(machine):
        return "low", "a paravisor of Hyper-V's can hide a TEE, and the kernel log cannot be read"
    return "medium", "plain SEV and SEV-ES show in the kernel log alone, which cannot be read here"


def _paravisor(machine: Machine, log: Log | None) -> str | None:
    text = log.text if log else ""
    group = re.search(r"Isolation Config: Group A 0x([0-9a-f]{1,8})", text)
    if (group and int(group[1], 16) & 1) or re.search(r"SEV: Status: ?vTom", text, re.IGNORECASE):
        return "of Hyper-V"
    level = machine.text("/sys/devices/system/cpu/sev/vmpl")
    if level in ("1", "2", "3"):
        return f"an SVSM (the guest runs at VMPL {level})"
    return None
