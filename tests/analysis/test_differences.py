"""Pairs of machines and of times: what is refused, what is doubted beside the word, what passes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from msgspec.structs import replace

from sitegen.analysis.compare import Comparison, analyse
from sitegen.analysis.differences import nearest
from sitegen.analysis.stats import Word
from sitegen.config import Config, Environment
from sitegen.errors import SitegenError
from sitegen.model import (
    Comparability,
    Fact,
    Fingerprint,
    Measurement,
    Parameter,
    Run,
    Series,
    TeeVerdict,
    ToolIdentity,
    run_id,
)
from tests import site_checks as check

VM = Environment("vm", "vm", "none")
METAL = Environment("metal", "metal", "none")
CVM = Environment("cvm", "cpu-tee", "tdx", baselines={"vm": "vm"})
ON_METAL = replace(CVM, baselines={"metal": "metal"})
GPU_TEE = replace(CVM, role="gpu-tee")
#: What every machine here shows, but for what a case changes.
SEEN = {
    "cpu": "Xeon 8480+", "cpus": "8", "sockets": "1", "memory": "31.2 GiB", "gpu": "H200, 141 GB",
    "gpus": "1", "gpu_confidential_compute": "on", "kernel": "Linux 6.8",
}  # fmt: skip


def taken(
    environment: str,
    count: int = 3,
    *,
    day: str = "2026-03-01",
    facts: Mapping[str, str] = MappingProxyType({}),
) -> list[Run]:
    """Return runs of one environment, each of a boot of its own, on a machine that shows facts."""
    side, seen = environment == "cvm", {**SEEN, **facts}
    machine = Fingerprint(
        tuple(Fact(name, value, "") for name, value in seen.items()),
        TeeVerdict("tdx" if side else "none", (), "high"),
    )
    runs = []
    for n in range(count):
        run = check.storage_run((3 * n) % 7, environment, factor=1.0 if side else 0.5)
        at = f"{day}T{2 * n + side:02}:00:00Z"
        name = f"{environment}{n}"
        runs.append(
            replace(
                run, id=run_id(at, "fio", name.encode()), started_at=at, boot=name, session=name,
                fingerprint=machine,
            )
        )  # fmt: skip
    return runs


def lead(runs: list[Run], *environments: Environment, apart_days: int = 30) -> Comparison:
    """Return the first headline of the TEE against its baseline."""
    declared = {one.label: one for one in environments or (VM, CVM)}
    found = analyse(runs, Config(Path(), environments=declared, apart_days=apart_days)).comparisons
    return next(
        one for one in found if one.series.workload == "read_iops" and one.side.environment == "cvm"
    )


# The same machine


def test_one_machine_gets_a_word_and_no_doubt() -> None:
    found = lead([*taken("vm"), *taken("cvm")])
    assert (found.word, found.verdict, found.named) == (Word.SLOWER, "slower", [])


@pytest.mark.parametrize(
    ("fact", "value", "reason"),
    [
        ("cpu", "EPYC 9654", "processor is EPYC 9654 here and Xeon 8480+ there"),
        ("cpus", "2", "CPUs is 2 here and 8 there"),
        ("sockets", "2", "sockets is 2 here and 1 there"),
        ("memory", "15.5 GiB", "memory is 15.5 GiB here and 31.2 GiB there"),
        ("gpu", "L4, 23 GB", "GPU is L4, 23 GB here and H200, 141 GB there"),
        ("gpus", "8", "GPUs is 8 here and 1 there"),
    ],
)
def test_a_tee_is_not_compared_with_another_machine_unless_that_is_meant(
    fact: str, value: str, reason: str
) -> None:
    runs = [*taken("vm"), *taken("cvm", facts={fact: value})]
    found = lead(runs)
    assert (found.verdict, found.reason) == ("not comparable", reason)
    meant = lead(runs, VM, replace(CVM, allow_differences=(fact,)))
    assert meant.verdict == "slower"
    [named] = meant.named
    assert named.endswith("(as declared)")


def test_a_guest_that_is_told_a_little_less_memory_is_the_same_machine() -> None:
    assert lead([*taken("vm"), *taken("cvm", facts={"memory": "30.4 GiB"})]).named == []


@pytest.mark.parametrize(
    "fact",
    [
        "kernel", "gpu_driver", "mitigations", "governor", "no_turbo", "smt", "numa_nodes",
        "hypervisor", "instance_type", "disk", "file_system",
    ],
)  # fmt: skip
def test_another_set_up_is_a_doubt_that_the_row_names(fact: str) -> None:
    found = lead([*taken("vm", facts={fact: "one"}), *taken("cvm", facts={fact: "another"})])
    assert found.verdict == "slower"
    [named] = found.named
    assert named.startswith("Not the same: ")


def test_a_guest_may_be_a_part_of_its_host_but_not_with_more_threads_than_it_has() -> None:
    part = {"cpus": "2", "memory": "4.0 GiB", "sockets": "1"}
    runs = [*taken("metal", facts={"sockets": "2"}), *taken("cvm", facts=part)]
    found = lead(runs, METAL, ON_METAL)
    assert found.verdict == "slower"
    assert found.named == ["Not the same: CPUs, sockets and memory"]

    def at(run: Run, threads: str) -> Run:
        rows = (
            row._replace(params=(*row.params, ("threads", threads))) for row in run.measurements
        )
        return replace(run, measurements=tuple(rows))

    assert lead([at(run, "2") for run in runs], METAL, ON_METAL).verdict == "slower"
    crowded = lead([at(run, "4") for run in runs], METAL, ON_METAL)
    assert crowded.reason == "4 threads, and one side has 2 CPUs"


def test_a_difference_that_is_no_fact_is_refused_with_the_list() -> None:
    with pytest.raises(SitegenError, match=r"'colour', which .* known are cpu, cpus"):
        lead([*taken("vm"), *taken("cvm")], VM, replace(CVM, allow_differences=("colour",)))


def test_what_nobody_recorded_is_said() -> None:
    bare = [replace(run, fingerprint=Fingerprint()) for run in taken("vm")]
    assert lead([*bare, *taken("cvm")]).named == ["The machine is not recorded"]


# The TEE


@pytest.mark.parametrize("state", ["off", "devtools", "simulated", "unknown"])
def test_a_gpu_tee_whose_gpu_does_not_show_it_gets_no_verdict(state: str) -> None:
    found = lead(
        [*taken("vm"), *taken("cvm", facts={"gpu_confidential_compute": state})], VM, GPU_TEE
    )
    assert found.word == Word.NOT_COMPARABLE
    assert found.reason.startswith("Declared as a GPU TEE; of its confidential computing")
    assert found.reason.endswith(f"says {state}")


@pytest.mark.parametrize("state", ["on", "ppcie", "nvle"])
def test_a_gpu_tee_whose_gpu_shows_it_gets_one(state: str) -> None:
    found = lead(
        [*taken("vm"), *taken("cvm", facts={"gpu_confidential_compute": state})], VM, GPU_TEE
    )
    assert found.verdict == "slower"


def test_a_cpu_tee_whose_machine_shows_another_gets_no_verdict() -> None:
    other = [
        replace(run, fingerprint=replace(run.fingerprint, tee=TeeVerdict("none", (), "high")))
        for run in taken("cvm")
    ]
    found = lead([*taken("vm"), *other])
    assert found.word == Word.NOT_COMPARABLE
    assert "Declared as tdx" in found.reason


# Time


def test_one_side_after_the_other_is_a_doubt_and_so_are_months_between_them() -> None:
    after = [*taken("vm"), *taken("cvm", day="2026-03-02")]
    assert lead(after).named == ["One side was taken after the other"]
    assert lead([*taken("vm"), *taken("cvm", day="2026-05-01")]).named == ["Taken 61 days apart"]
    assert lead([*taken("vm"), *taken("cvm", day="2026-05-01")], VM, CVM, apart_days=90).named == [
        "One side was taken after the other"
    ]
    assert lead([*taken("vm", 1), *taken("cvm", 1, day="2026-05-01")]).named == [
        "Taken 61 days apart"
    ]


def test_values_that_rise_from_boot_to_boot_are_doubtful() -> None:
    rising = [
        replace(
            run,
            measurements=tuple(
                row._replace(value=(row.value or 0) * (1 + n / 100)) for row in run.measurements
            ),
        )
        for n, run in enumerate(taken("cvm", 6))
    ]
    found = lead([*taken("vm", 5), *rising])
    assert found.verdict == "doubtful: moves with time"
    assert not found.decided


# What stands for a side


def test_the_largest_group_that_measured_alike_stands_and_not_the_newest_run() -> None:
    def version(run: Run, text: str) -> Run:
        return replace(run, parameters=(Parameter("version", text, Comparability.MUST_MATCH),))

    runs = taken("cvm", 6)
    mixed = [*(version(run, "3.36") for run in runs[:5]), version(runs[5], "3.37")]
    chosen = analyse(mixed, Config(Path())).selections["fio", "cvm"]
    assert [run.id for run in chosen.runs] == [run.id for run in runs[:5]]
    assert chosen.left_out == ((runs[5].id, "other parameters: version 3.37, not 3.36"),)


# The same work


def served(environment: str, **amounts: float) -> Run:
    """Return a run of a server that answered as many requests of such lengths."""
    does = {"requests": 100.0, "input_tokens": 1000.0, "output_tokens": 200.0} | amounts
    rows = [
        ("llm.requests", "value", "count", does["requests"]),
        ("llm.input_tokens", "mean", "count", does["input_tokens"]),
        ("llm.output_tokens", "mean", "count", does["output_tokens"]),
        ("llm.request_throughput", "value", "1/s", does.get("rate", 2.0)),
        ("llm.e2e_latency", "mean", "s", 4.0),
        ("llm.ttft", "mean", "s", 0.1),
        ("llm.tpot", "mean", "s", 0.02),
    ]
    run = check.storage_run(0, environment)
    measured = (Measurement("closed", name, stat, unit, value) for name, stat, unit, value in rows)
    return replace(
        run, id=run.id.replace("fio", "llm"), benchmark="llm", measurements=tuple(measured)
    )


@pytest.mark.parametrize(
    ("amounts", "doubted", "mark"),
    [
        ({}, "", ""),
        ({"output_tokens": 208.0}, "", ""),
        ({"output_tokens": 100.0}, "e2e_latency request_throughput", "answers of unequal length"),
        (
            {"input_tokens": 250.0},
            "e2e_latency request_throughput ttft",
            "prompts of unequal length",
        ),
        ({"requests": 1000.0}, "e2e_latency request_throughput tpot ttft", "loads of unequal size"),
        # Of a given time a slower server answers fewer.
        ({"requests": 80.0, "rate": 1.6}, "", ""),
    ],
)
def test_sides_that_did_not_do_the_same_are_doubtful_in_what_depends_on_it(
    amounts: dict[str, float], doubted: str, mark: str
) -> None:
    config = Config(Path(), environments={"vm": VM, "cvm": CVM})
    found = analyse([served("vm"), served("cvm", **amounts)], config).comparisons
    marks = {
        one.series.metric.removeprefix("llm."): c.rule.short
        for one in found
        for c in one.caveats
        if c.rule.amounts
    }
    assert marks == dict.fromkeys(doubted.split(), mark)


def test_another_version_of_the_tool_is_another_way_to_measure() -> None:
    newer = ToolIdentity("fio", "3.36")
    runs = taken("cvm", 4)
    mixed = [*runs[:3], replace(runs[3], tool=newer)]
    chosen = analyse(mixed, Config(Path())).selections["fio", "cvm"]
    assert chosen.left_out == ((runs[3].id, "other parameters: tool fio 3.36, not fio 3.33"),)
    found = lead([*taken("vm"), *(replace(run, tool=newer) for run in taken("cvm"))])
    assert (found.verdict, found.named) == ("slower", ["Not the same: tool"])


def test_what_parts_thousands_of_series_is_found_at_once() -> None:
    ours, theirs = (
        [
            Series("fio", f"{side}{number}", "fio.iops", "value", (("lap", str(number)),))
            for number in range(3000)
        ]
        for side in ("a", "b")
    )
    begun = time.process_time()
    [found] = nearest(ours, theirs)
    assert (found.name, found.side[:6], found.baseline[:6]) == ("workload", "a0, a1", "b0, b1")
    assert time.process_time() - begun < 2  # seconds of CPU; all pairs of them take 13
