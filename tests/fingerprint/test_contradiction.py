from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.fingerprint.tee import claim_contradicted, contradiction
from sitegen.model import Fact, Fingerprint, TeeVerdict
from tests.machines.written import read

SIGNALS = "the machine's own signals say"


@pytest.mark.parametrize(
    ("tee", "role", "name", "told"),
    [
        ("tdx", "cpu-tee", "tdx-guest", ""),
        ("tdx", "cpu-tee", "plain-vm", "Declared as tdx; SAY none."),
        ("tdx", "cpu-tee", "snp-guest", "Declared as tdx; SAY sev-snp."),
        ("tdx", "", "contradictory", "Declared as tdx; SAY contradictory."),
        ("none", "vm", "tdx-guest", "Declared as none; SAY tdx."),
        ("", "vm", "tdx-guest", "Declared as a plain VM; SAY tdx."),
        ("", "metal", "sev-host", ""),
        ("none", "metal", "plain-vm",
         "Declared as bare metal; the machine shows a hypervisor (kvm)."),
        ("none", "vm", "bare-metal", "Declared as a plain VM; the machine shows no hypervisor."),
        ("none", "vm", "container", ""),
        # What is not sure contradicts nothing.
        ("sev-snp", "cpu-tee", "azure-hidden", ""),
        ("tdx", "cpu-tee", "azure-snp-vtom", ""),
        ("none", "vm", "azure-snp-vtom", ""),
        # Plain SEV shows in the kernel log alone, SNP to everybody.
        ("sev", "cpu-tee", "plain-amd-vm", ""),
        ("sev-es", "cpu-tee", "plain-amd-vm", ""),
        ("sev-snp", "cpu-tee", "plain-amd-vm", "Declared as sev-snp; SAY none."),
        # sitegen runs beside an enclave.
        ("sgx", "cpu-tee", "sgx-host", ""),
        ("nitro", "cpu-tee", "nitro-parent", ""),
        ("sgx", "cpu-tee", "bare-metal", "Declared as sgx; SAY none."),
        ("gpu-cc", "gpu-tee", "h100-cc-on", ""),
        ("gpu-cc", "gpu-tee", "h200-protected-pcie", ""),
        ("gpu-cc", "gpu-tee", "h100-devtools",
         "Declared as gpu-cc; the GPU's driver says devtools."),
        ("gpu-cc", "gpu-tee", "plain-vm", ""),
        ("unstated", "cpu-tee", "plain-vm", ""),
        ("", "", "plain-vm", ""),
    ],
)  # fmt: skip
def test_what_a_machine_shows_against_its_declaration_is_one_sentence(
    tee: str, role: str, name: str, told: str, tmp_path: Path
) -> None:
    assert contradiction(tee, role, read(name, tmp_path)) == told.replace("SAY", SIGNALS)


def test_a_run_without_a_machine_contradicts_nothing_and_one_without_confidence_does() -> None:
    for role in ("metal", "vm", "cpu-tee", "gpu-tee"):
        assert contradiction("tdx", role, Fingerprint()) == ""
    seen = Fingerprint((Fact("virtualisation", "kvm", "x"),), TeeVerdict("none"))
    assert contradiction("tdx", "", seen)


@pytest.mark.parametrize(
    ("label", "name", "told"),
    [
        ("h200-cvm", "plain-vm", "h200-cvm sounds like a TEE; SAY none."),
        ("h200-cvm", "tdx-guest", ""),
        ("h200-cvm", "azure-hidden", ""),
        ("lab-tdx", "plain-vm", "lab-tdx sounds like tdx; SAY none."),
        ("lab-sev", "snp-guest", ""),
        ("lab-sev", "plain-amd-vm", ""),
        ("lab-snp", "plain-amd-vm", "lab-snp sounds like sev-snp; SAY none."),
        ("lab-sev", "tdx-guest", "lab-sev sounds like a TEE; SAY tdx."),
        ("tdx-host", "tdx-host", ""),
        ("tdx-host", "tdx-guest", "tdx-host sounds like bare metal; SAY tdx."),
        ("dev-vm", "plain-vm", ""),
        ("dev-vm", "bare-metal", "dev-vm sounds like a plain VM; the machine shows no hypervisor."),
        ("laptop", "plain-vm", ""),
    ],
)  # fmt: skip
def test_a_label_that_sounds_like_something_else_is_told(
    label: str, name: str, told: str, tmp_path: Path
) -> None:
    assert claim_contradicted(label, read(name, tmp_path)) == told.replace("SAY", SIGNALS)
