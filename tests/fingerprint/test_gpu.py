from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from collectors.hardware import gpu as hardware
from sitegen.collect.decode import convert
from sitegen.fingerprint import gpu
from sitegen.fingerprint.places import Machine
from tests.machines import written
from tests.machines.written import read


@pytest.mark.parametrize(
    ("name", "word", "ready"),
    [
        ("h100-cc-on", "on", "ready"),
        ("h100-cc-off", "off", "not ready"),
        ("h200-protected-pcie", "ppcie", "ready"),
        ("b200-nvle", "nvle", "not ready"),
        ("h100-devtools", "devtools", "ready"),
        ("h100-simulation", "simulated", "ready"),
        ("azure-h100", "on", "ready"),
        ("tdx-gpu-guest", "on", None),
        ("v100", "off", None),
        ("gpu-broken", None, None),
        ("plain-vm", None, None),
    ],
)
def test_the_state_of_a_gpu_is_one_word(
    name: str, word: str | None, ready: str | None, tmp_path: Path
) -> None:
    found = read(name, tmp_path)
    assert found.get("gpu_confidential_compute") == word
    assert found.get("gpu_ready") == ready


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("h200-protected-pcie", {
            "gpu": "NVIDIA H200, 143771 MiB", "gpus": "8", "gpu_driver": "580.95.05",
            "gpu_mig": "Disabled", "gpu_link_generation": "5", "gpu_firmware": "96.00.A5.00.01",
            "gpu_cc_answers": "state off; multi-GPU mode protected pcie; developer tools off;"
                              " environment production; CPU intel tdx",
        }, id="those of one kind are named once and counted"),
        pytest.param("tdx-gpu-guest", {
            "gpu": "NVIDIA H200, 143771 MiB", "gpus": "2", "gpu_firmware": None,
        }, id="a driver that knows fewer fields is asked for those"),
        pytest.param("v100", {
            "gpu_cc_answers": "No CC capable devices found", "gpu_mig": None,
        }, id="a board that cannot says why"),
        pytest.param("gpu-broken", {"gpu": None}, id="an error of the driver is no GPU"),
    ],
)  # fmt: skip
def test_gpus_are_told_as_their_driver_says(
    name: str, shown: dict[str, str | None], tmp_path: Path
) -> None:
    found = read(name, tmp_path)
    assert {fact: found.get(fact) for fact in shown} == shown


@pytest.mark.parametrize(
    ("feature", "multi", "environment", "word"),
    [
        ("off", "", "", "unknown"),
        ("off", "none", "", "off"),
        ("on", "none", "unavailable", "unknown"),
    ],
)
def test_answers_that_leave_it_open_are_unknown(
    feature: str, multi: str, environment: str, word: str
) -> None:
    told = {"cc state": feature, "multi-gpu mode": multi, "cc environment": environment}
    assert gpu.word(told) == word
    assert gpu.word({}) == "unknown"


def test_the_words_are_those_of_the_hardware_collector() -> None:
    assert gpu.CONFIDENTIAL == hardware.CONFIDENTIAL
    modes = enumerate(("none", "protected pcie", "nvle"))
    environments, switch = ((1, "simulation"), (2, "production")), ((0, "off"), (1, "on"))
    names = ("cc environment", "cc state", "devtools mode", "multi-gpu mode")
    for chosen in product(environments, switch, switch, modes):
        environment, feature, devtools, mode = (number for number, _ in chosen)
        said = (word for _, word in chosen)
        told = {"environment": environment, "ccFeature": feature, "devToolsMode": devtools}
        record = convert(
            {"state": told, "settings": {**told, "multiGpuMode": mode}}, hardware.Record
        )
        assert gpu.word(dict(zip(names, said, strict=True))) == hardware.protection(record).word


def test_nothing_is_ever_set() -> None:
    asked: list[tuple[str, ...]] = []

    def command(argv: tuple[str, ...]) -> str | None:
        asked.append(argv)
        return written.command("h100-cc-off")(argv)

    list(gpu.facts(Machine(Path("/nowhere"), command)))
    words = {word.partition("=")[0] for argv in asked for word in argv}
    flags = {"--query-gpu", "--format", "-q", "-f", "-d", "-e"}
    assert words <= {"nvidia-smi", "conf-compute"} | flags
