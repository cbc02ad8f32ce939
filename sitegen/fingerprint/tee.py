"""Which TEE the machine is in: the verdict on all signals, and what contradicts a label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sitegen.config import Environment, implied
from sitegen.fingerprint import gpu, platform
from sitegen.fingerprint.places import PRESENT, UNREADABLE, Machine
from sitegen.fingerprint.signals import Sighting
from sitegen.model import Fact, Fingerprint, Signal, TeeVerdict

_SEV = ("sev", "sev-es", "sev-snp")
_SEEN_NOTHING = ("", "none", "unknown", "contradictory")
#: TEEs that show in the kernel log and nowhere else: their absence elsewhere proves nothing.
_LOG_ONLY = frozenset({"sev", "sev-es", "csv"})
#: TEEs that hold a program, not the machine: sitegen mostly runs outside.
ENCLAVES = frozenset({"sgx", "nitro"})
_WITNESSES = 2


def verdict(machine: Machine, sightings: Sequence[Sighting]) -> TeeVerdict:
    """Return which TEE the machine's own signals show, why, and how sure that is.

    Every signal can be faked by root or by the host: only a quote is proof.
    """
    sure = [one for one in sightings if one.kind and not one.hint]
    speaking = sure or [one for one in sightings if one.kind]
    kinds = {one.kind for one in speaking}
    kinds -= set([level for level in _SEV if level in kinds][:-1])  # a level includes the lower
    kind, confidence = min(kinds, default="none"), ""
    reasons = [one.reason for one in speaking]
    extra = list(_remarks(machine, sightings))
    if sure and len(kinds) > 1:
        kind, reasons = "contradictory", [f"{one.kind}: {one.reason}" for one in sure]
    elif sure:
        origins = {one.origin for one in sure}
        several = "provider" in origins or len(origins) >= _WITNESSES
        confidence = "high" if several else "medium"
    elif speaking:
        kind, confidence = (kind, "low") if len(kinds) == 1 else ("unknown", "")
        reasons.append("only a hint: other TEEs give it too")
    elif not machine.cpu():
        kind, reasons = "unknown", ["the processor is not shown"]
    else:
        reasons = ["no signal of a guest or an enclave of any known TEE"]
        reasons += _capable(machine, sightings)
        confidence, why = _sure_of_none(machine)
        extra += [why] if why else []
    signals = tuple(Signal(one.source, one.saw, one.means) for one in sightings)
    return TeeVerdict(kind, tuple(dict.fromkeys(reasons + extra)), confidence, signals)


def facts(machine: Machine, kind: str, sightings: Sequence[Sighting]) -> Iterator[Fact]:
    """Yield what the machine could host, and what lies between it and the processor."""
    able = _able(sightings)
    if "hypervisor" in machine.flags() or kind not in _SEEN_NOTHING:
        # A guest is shown what its host can do; what holds a program, it can hold itself.
        able &= ENCLAVES if kind == "none" else set()
    source = "/dev, /sys/module, CPU flags, kernel log"
    yield Fact("tee_host", ", ".join(sorted(able)) or None, source)
    source = "kernel log, /sys/devices/system/cpu/sev/vmpl"
    yield Fact("paravisor", _paravisor(machine), source)


def doubted(label: str, declared: Environment | None, machine: Fingerprint) -> str:
    """Return in a sentence what the machine shows against what its label stands for, or nothing.

    That is its declaration; without one, what the words of the label sound like.
    """
    if declared and (declared.tee or declared.role):
        return contradiction(declared.tee, declared.role or "", machine)
    return claim_contradicted(label, machine)


def contradiction(tee: str, role: str, machine: Fingerprint) -> str:
    """Return in a sentence what the machine shows against its declaration, or nothing.

    What is not sure contradicts nothing; neither does a TEE that could not have shown itself.
    """
    if tee == "gpu-cc":
        word = machine.get("gpu_confidential_compute")
        return f"Declared as gpu-cc; the GPU's driver says {word}." if word in gpu.OPEN else ""
    return _against_tee(tee, role, machine) or _against_role(role, machine)


def claim_contradicted(label: str, machine: Fingerprint) -> str:
    """Return in a sentence what the machine shows against the words of its label, or nothing."""
    role, kind = implied(label)
    if kind not in ("unstated", "sev"):
        sentence = contradiction("" if kind == "none" else kind, role or "", machine)
        return sentence.replace("Declared as", f"{label} sounds like", 1)
    tee = machine.tee.kind
    fits = tee in _SEV if kind == "sev" else tee not in _SEEN_NOTHING
    # Plain SEV shows in the kernel log alone.
    hidden = (kind == "sev" and machine.tee.confidence == "medium") or (
        machine.get("gpu_confidential_compute") in gpu.CONFIDENTIAL
    )
    fits = fits or (tee == "none" and hidden)
    return _otherwise(f"{label} sounds like a TEE", machine, fits=fits)


def _against_tee(declared: str, role: str, machine: Fingerprint) -> str:
    tee = machine.tee.kind
    if declared in ("", "unstated"):
        claim = {"metal": "bare metal", "vm": "a plain VM"}.get(role, "")
        fits = not claim or tee in _SEEN_NOTHING
    else:
        claim, hosted = declared, (machine.get("tee_host") or "").split(", ")
        in_log_only = claim in _LOG_ONLY and machine.tee.confidence == "medium"
        hidden = in_log_only or claim in ENCLAVES & {*hosted}
        fits = tee == claim or (tee == "none" and hidden)
    return _otherwise(f"Declared as {claim}", machine, fits=fits)


def _otherwise(claim: str, machine: Fingerprint, *, fits: bool) -> str:
    kind = machine.tee.kind
    sure = kind != "unknown" and machine.tee.confidence != "low"
    return f"{claim}; the machine's own signals say {kind}." if sure and not fits else ""


def _against_role(role: str, machine: Fingerprint) -> str:
    virtual = machine.get("virtualisation")
    if role == "metal" and virtual not in (None, "none"):
        return f"Declared as bare metal; the machine shows a hypervisor ({virtual})."
    if role == "vm" and virtual == "none" and machine.get("platform") != "enclave":
        return "Declared as a plain VM; the machine shows no hypervisor."
    return ""


def _able(sightings: Sequence[Sighting]) -> set[str]:
    """Return the TEEs of which the machine looks like a host."""
    return {one.able for one in sightings} - {""}


def _remarks(machine: Machine, sightings: Sequence[Sighting]) -> Iterator[str]:
    if platform.dstack(machine) == "simulator":
        yield "a dstack simulator answers here: what it attests proves nothing"
    words = {word for one in sightings for word in one.saw.split()}
    if named := max(words & {"CSV2", "CSV3"}, default=""):
        yield f"the kernel names {named}"


def _capable(machine: Machine, sightings: Sequence[Sighting]) -> Iterator[str]:
    flags, able = machine.flags(), _able(sightings)
    if flags & {"sev", "sev_es", "sev_snp"}:
        if "hypervisor" in flags:
            yield "sev CPU flags alone are a capability of the processor, not a guest"
        else:
            yield "sev CPU flags without a hypervisor: the host of SEV guests, not one"
    if "tdx_host_platform" in flags:
        yield "the CPU flag tdx_host_platform: the host of TDX guests, not one"
    if "sgx" in able:
        yield "SGX devices or flags on a host: it can make enclaves, this is not inside one"
    if "nitro" in able:
        yield "/dev/nitro_enclaves: the parent of Nitro enclaves, not one"


def _sure_of_none(machine: Machine) -> tuple[str, str]:
    """Return how sure it is that there is no TEE, and why it is no surer."""
    if any(machine.look(path) == UNREADABLE for path in ("/dev", "/sys/devices")):
        return "low", "/dev or /sys cannot be read"
    if (platform.container(machine) or "").endswith("gVisor"):
        return "low", "gVisor shows its own kernel, not the machine's"
    if machine.look("/dev/attestation/attestation_type") == PRESENT:
        return "low", "Gramine shows its own files, not the machine's"
    virtual, vendor = platform.virtualisation(machine), machine.vendor()
    hyper_v = platform.is_hyper_v(machine)
    bare = virtual == "none" or (virtual is None and vendor != "")
    # A TDX guest shows its CPU flag to everybody, but not under a paravisor.
    if bare or machine.log.whole or (vendor == "GenuineIntel" and not hyper_v):
        return "high", ""
    if hyper_v:
        return "low", "a paravisor of Hyper-V's can hide a TEE, and the kernel log cannot be read"
    return "medium", "plain SEV and SEV-ES show in the kernel log alone, which cannot be read here"


def _paravisor(machine: Machine) -> str | None:
    text = machine.log.text
    group = re.search(r"Isolation Config: Group A 0x([0-9a-f]{1,8})", text)
    if (group and int(group[1], 16) & 1) or re.search(r"SEV: Status: ?vTom", text, re.IGNORECASE):
        return "of Hyper-V"
    level = machine.text("/sys/devices/system/cpu/sev/vmpl")
    return f"an SVSM (the guest runs at VMPL {level})" if level in ("1", "2", "3") else None
