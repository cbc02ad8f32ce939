from __future__ import annotations

from pathlib import Path

import pytest

from collectors.hardware import gpu as hardware
from sitegen import fingerprint
from sitegen.collect.decode import convert
from sitegen.fingerprint import gpu
from sitegen.fingerprint.places import Machine
from sitegen.model import Fingerprint
from sitegen.redact import Redactor
from tests.machines import written


def read(name: str, folder: Path) -> Fingerprint:
    return fingerprint.read(
        Path("/work"),
        Redactor(),
        root=written.lay_out(name, folder),
        command=written.command(name),
    )


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


def test_gpus_of_one_kind_are_named_once_and_counted(tmp_path: Path) -> None:
    found = read("h200-protected-pcie", tmp_path)
    assert found.get("gpu") == "NVIDIA H200, 143771 MiB"
    assert (found.get("gpus"), found.get("gpu_driver")) == ("8", "580.95.05")
    assert (found.get("gpu_mig"), found.get("gpu_link_generation")) == ("Disabled", "5")
    assert found.get("gpu_firmware") == "96.00.A5.00.01"
    assert found.get("gpu_cc_answers") == (
        "state off; multi-GPU mode protected pcie; developer tools off; environment production;"
        " CPU intel tdx"
    )


def test_a_driver_that_knows_fewer_fields_is_asked_for_those(tmp_path: Path) -> None:
    found = read("tdx-gpu-guest", tmp_path)
    assert (found.get("gpu"), found.get("gpus")) == ("NVIDIA H200, 143771 MiB", "2")
    assert found.get("gpu_firmware") is None


def test_a_board_that_cannot_is_off_and_says_why(tmp_path: Path) -> None:
    found = read("v100", tmp_path)
    assert found.get("gpu_cc_answers") == "No CC capable devices found"
    assert found.get("gpu_mig") is None


def test_an_error_of_the_driver_is_no_gpu(tmp_path: Path) -> None:
    assert read("gpu-broken", tmp_path).get("gpu") is None


def test_off_without_the_mode_of_several_gpus_is_not_yet_off() -> None:
    assert gpu.State(feature="off").word == "unknown"
    assert gpu.State(feature="off", multi_gpu="none").word == "off"
    assert gpu.State().word == "unknown"


def test_a_feature_that_is_on_where_it_cannot_be_is_unknown() -> None:
    assert gpu.State(feature="on", multi_gpu="none", environment="unavailable").word == "unknown"


def test_the_words_are_those_of_the_hardware_collector() -> None:
    assert gpu.CONFIDENTIAL == hardware.CONFIDENTIAL
    answers = {0: "off", 1: "on"}
    modes = {0: "none", 1: "protected pcie", 2: "nvle"}
    for environment, named in ((1, "simulation"), (2, "production")):
        for feature, said in answers.items():
            for devtools, tools in answers.items():
                for mode, called in modes.items():
                    told = {
                        "environment": environment,
                        "ccFeature": feature,
                        "devToolsMode": devtools,
                    }
                    settings = {**told, "multiGpuMode": mode}
                    record = convert({"state": told, "settings": settings}, hardware.Record)
                    ours = gpu.State(said, called, tools, named)
                    assert ours.word == hardware.verdict(record).word


def test_nothing_is_ever_set() -> None:
    asked: list[tuple[str, ...]] = []

    def command(argv: tuple[str, ...]) -> str | None:
        asked.append(argv)
        return written.command("h100-cc-off")(argv)

    list(gpu.facts(Machine(Path("/nowhere"), command)))
    words = {word.partition("=")[0] for argv in asked for word in argv}
    assert words <= {
        "nvidia-smi",
        "--query-gpu",
        "--format",
        "conf-compute",
        "-q",
        "-f",
        "-d",
        "-e",
    }
