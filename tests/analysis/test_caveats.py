from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from msgspec import structs
from msgspec.structs import replace

from sitegen.analysis import caveats
from sitegen.analysis.caveats import Caveat
from sitegen.catalogue.fio import LINK_RATE
from sitegen.catalogue.rules import RULES, limits_of
from sitegen.catalogue.tool import Counts, Figure
from sitegen.model import (
    Doubt,
    Fact,
    Fingerprint,
    Parameter,
    Provenance,
    Run,
    StepConditions,
    StepRecord,
    TeeVerdict,
    run_id,
)


def ids(found: list[Caveat]) -> list[str]:
    return [caveat.rule.id for caveat in found]


def a_run(*, preset: str = "standard", complete: bool = True, tee: str = "none") -> Run:
    return Run(
        run_id("2025", "fio", b""), "fio", "here", Provenance.COLLECTED, "2025", 1.0, (),
        preset=preset, complete=complete, fingerprint=Fingerprint((), TeeVerdict(tee)),
    )  # fmt: skip


def step(*values: tuple[str, str], **conditions: float) -> StepConditions:
    told = tuple(conditions.items())
    return StepRecord("w", "w", 0, (), "", 1.0, 0, None, told, values).seen


def figure(  # noqa: PLR0913 - what a figure is
    metric: str,
    statistic: str,
    pairs: Mapping[str, str],
    value: float,
    beside: Mapping[str, float],
    runs: Sequence[Run] = (),
) -> list[Caveat]:
    limits = [limits_of(run) for run in runs]
    return caveats.of_figure(Figure(metric, statistic, pairs, value, beside, limits))


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_a_mark_and_a_definition_in_sentences(name: str) -> None:
    rule = RULES[name]
    assert rule.id == name
    assert re.fullmatch("[a-z]+(-[a-z]+)*", name)
    assert 0 < len(rule.short) <= 30
    assert rule.definition.endswith(".")
    assert caveats.caveat(name).sentence == rule.definition
    assert caveats.caveat(name, "What it saw.").sentence == "What it saw."


@pytest.mark.parametrize("kind", Doubt)
def test_what_a_reader_doubts_is_a_caveat_of_its_workload_or_of_all(kind: Doubt) -> None:
    told = (kind.parameter("What it saw.", "one"), kind.parameter("What else."))
    run = replace(a_run(), parameters=told)
    assert [c.sentence for c in caveats.of_reading(run)] == ["one: What it saw.", "What else."]
    assert [c.sentence for c in caveats.of_reading(run, "one")] == ["What it saw.", "What else."]
    assert [c.sentence for c in caveats.of_reading(run, "two")] == ["What else."]
    assert ids(caveats.of_reading(run)) == [kind, kind]


def test_a_doubt_of_a_newer_version_is_shown_all_the_same() -> None:
    run = replace(a_run(), parameters=(Parameter("doubt.unheard-of", "What it saw."),))
    assert caveats.of_reading(run) == [Caveat(RULES["suspect"], "What it saw.")]


def test_a_quick_and_an_interrupted_run_say_so() -> None:
    assert ids(caveats.of_run(a_run(preset="quick"), "")) == ["quick"]
    assert ids(caveats.of_run(a_run(complete=False), "")) == ["incomplete"]
    assert caveats.of_run(a_run(), "none") == []


@pytest.mark.parametrize(
    ("declared", "seen", "contradicted"),
    [
        ("tdx", "none", True),
        ("none", "tdx", True),
        ("tdx", "contradictory", True),
        ("tdx", "tdx", False),
        ("tdx", "unknown", False),
        ("", "tdx", False),
        ("unstated", "none", False),
    ],
)
def test_a_label_that_the_machines_own_signals_contradict_is_named(
    declared: str, seen: str, *, contradicted: bool
) -> None:
    found = caveats.of_run(a_run(tee=seen), declared)
    assert ids(found) == (["label"] if contradicted else [])
    if found:
        assert declared in found[0].sentence
        assert seen in found[0].sentence


def test_a_role_that_the_machine_contradicts_is_named_and_a_hint_contradicts_nothing() -> None:
    guest = Fingerprint((Fact("virtualisation", "kvm", "x"),), TeeVerdict("none", (), "high"))
    run = replace(a_run(), fingerprint=guest)
    assert caveats.of_run(run, "none", "vm") == []
    [found] = caveats.of_run(run, "none", "metal")
    assert (found.rule.id, found.sentence) == (
        "label", "Declared as bare metal; the machine shows a hypervisor (kvm)."
    )  # fmt: skip
    hint = replace(run, fingerprint=structs.replace(guest, tee=TeeVerdict("sev-snp", (), "low")))
    assert caveats.of_run(hint, "tdx", "cpu-tee") == []


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"psi_cpu": 0.21}, "waiting for a CPU up to 21%"),
        ({"steal": 0.03}, "steal up to 3%"),
        ({"throttled": 0.5, "psi_io": 0.9}, "throttled up to 50%"),
    ],
)
def test_contention_during_a_step_is_named_with_how_much(
    conditions: dict[str, float], said: str
) -> None:
    [found] = caveats.applying("steps", [step(), step(**conditions)])
    assert found.rule.id == "contention"
    assert found.sentence == f"In 1 of 2 steps: {said}."


@pytest.mark.parametrize(
    "conditions", [{}, {"psi_cpu": 0.2, "steal": 0.02, "throttled": 0.01}, {"psi_io": 1.0}]
)
def test_a_quiet_machine_has_no_caveat(conditions: dict[str, float]) -> None:
    assert caveats.applying("steps", [step(**conditions)]) == []
    assert caveats.applying("steps", []) == []


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (Counts(1, 2, 5, Provenance.COLLECTED), {
            "failed": "1 of 5 repetitions failed.", "suspect": "2 of 5 repetitions are suspect."
        }),
        (Counts(0, 0, 5, Provenance.COLLECTED), {}),
        (Counts(0, 1, 1, Provenance.CITED), {"unit-doubtful": RULES["unit-doubtful"].definition}),
    ],
)  # fmt: skip
def test_failed_and_suspect_repetitions_are_counted_and_of_a_cited_figure_the_unit_is_doubted(
    counts: Counts, told: dict[str, str]
) -> None:
    assert {c.rule.id: c.sentence for c in caveats.applying("counts", counts)} == told


def test_a_device_that_moved_far_less_than_the_benchmark_shows_a_cache() -> None:
    def storage(**beside: float) -> list[Caveat]:
        return figure("fio.iops", "value", {}, 1.0, beside)

    [found] = storage(device=10.0, moved=100.0)
    assert found.rule.id == "page-cache"
    assert found.sentence == "The block device moved 10% of the bytes."
    assert storage(device=50.0, moved=100.0) == []
    assert storage(moved=100.0) == []
    assert storage(device=0.0, moved=0.0) == []


def test_runs_of_one_boot_and_runs_of_two_machines_are_told() -> None:
    def seen(cpu: str, boot: str) -> Run:
        return replace(a_run(), boot=boot, fingerprint=Fingerprint((Fact("cpu", cpu, "here"),)))

    assert ids(caveats.applying("runs", [seen("A", "1"), seen("A", "1")])) == ["one-boot"]
    assert ids(caveats.applying("runs", [seen("A", "1"), seen("A", "2")])) == []
    [found] = caveats.applying("runs", [seen("A", "1"), seen("B", "2")])
    assert (found.rule.id, found.sentence) == ("another-machine", "Seen: A; B.")
    assert caveats.applying("runs", [seen("A", "1")]) == []


def test_a_rate_that_never_settled_is_told() -> None:
    moving = step(("steady", "false"))
    settled = step(("steady", "true"))
    [found] = caveats.applying("steps", [moving, settled, settled])
    assert (found.rule.id, found.sentence) == ("not-steady", "In 1 of 3 steps.")
    assert caveats.applying("steps", [settled]) == []


@pytest.mark.parametrize(
    ("series", "value", "beside", "rules"),
    [
        ("fio.bandwidth value", LINK_RATE * 1.01, {}, ["link-rate"]),
        ("fio.bandwidth value", LINK_RATE, {}, []),
        ("fio.iops value", 1e12, {}, []),
        # Ten requests must lie beyond a percentile.
        ("ab.latency p99", 1.0, {"requests": 999}, ["few-beyond"]),
        ("ab.latency p99", 1.0, {"requests": 1100}, []),
        ("ab.latency p99.9", 1.0, {"requests": 5000}, ["few-beyond"]),
        ("ab.latency p50", 1.0, {"requests": 30}, []),
        ("ab.latency mean", 1.0, {"requests": 1}, []),
        ("ab.latency p99", 1.0, {}, []),
        ("ab.requests_per_second mean", 1.0, {"client_cpu": 0.95}, ["generator-saturated"]),
        ("ab.requests_per_second mean", 1.0, {"client_cpu": 0.89}, []),
    ],
)
def test_a_figure_is_doubted_for_what_stands_beside_it(
    series: str, value: float, beside: dict[str, float], rules: list[str]
) -> None:
    metric, statistic = series.split()
    assert ids(figure(metric, statistic, {}, value, beside)) == rules


# LLM serving

BESIDE = {
    "requests": 200.0, "decode": 1.0, "client_lag": 0.001, "client_lag_p99": 0.006,
    "client_cpu": 0.2,
}  # fmt: skip
#: 8 requests fall due in 3.5 s, and each takes 0.6 s: 8 / 4.1 a second is all there can be.
SHORT = {"requests": 8.0, "offered": 2.0, "quickest": 0.6}
SPOILT = [
    ({"errors": 0.305}, "requests-failed"),
    ({"client_cpu": 0.71}, "generator-saturated"),
    ({"offered": 4.0, "achieved": 3.7}, "rate-missed"),
    ({"uncounted": 3.0}, "tokens-uncounted"),
]


@pytest.mark.parametrize(
    ("series", "value", "beside", "rules"),
    [
        *((f"{name} mean", 1.0, {}, []) for name in ("ttft", "tpot", "goodput")),
        *(("ttft mean", 1.0, beside, [rule]) for beside, rule in SPOILT),
        *(("output_token_throughput value", 1.0, beside, [rule]) for beside, rule in SPOILT),
        *(("requests value", 1.0, beside, []) for beside, _ in SPOILT),
        *(("error_rate value", 1.0, beside, []) for beside, _ in SPOILT),
        ("ttft mean", 1.0, {**SHORT, "achieved": 8 / 4.1}, []),
        ("ttft mean", 1.0, {**SHORT, "achieved": 8 / 5.0}, ["rate-missed"]),
        # A late client: a tenth of the figure, and the millisecond that the timer rounds up to.
        ("ttft mean", 1.0, {"client_lag": 0.102}, ["client-late"]),
        ("ttft mean", 1.0, {"client_lag": 0.1}, []),
        ("output_token_throughput value", 1.0, {"client_lag": 0.102}, []),
        # Tails are held to the tail of the lateness.
        ("ttft mean", 1.0, {"client_lag_p99": 0.102}, []),
        ("ttft p95", 1.0, {"client_lag_p99": 0.102}, ["client-late"]),
        # A late stamp moves the decoding, not each token.
        ("tpot mean", 0.02, {"client_lag": 0.01}, []),
        ("inter_chunk_latency mean", 0.02, {"client_lag": 0.01}, ["client-late"]),
        # A prompt cache stands beside the first token only; five tokens of every chat are no help.
        ("ttft mean", 1.0, {"cached": 12800.0, "input": 128.0}, ["cache-helped"]),
        ("tpot mean", 1.0, {"cached": 12800.0, "input": 128.0}, []),
        ("ttft mean", 1.0, {"cached": 1000.0, "input": 128.0}, []),
        ("ttft p95", 1.0, {}, []),
        ("ttft p99", 1.0, {}, ["few-beyond"]),
        ("ttft p95", 1.0, {"errors": 0.5}, ["requests-failed", "few-beyond"]),
    ],
)
def test_a_load_is_doubted_for_what_stands_beside_it(
    series: str, value: float, beside: dict[str, float], rules: list[str]
) -> None:
    metric, statistic = series.split()
    assert ids(figure(f"llm.{metric}", statistic, {}, value, {**BESIDE, **beside})) == rules


@pytest.mark.parametrize(
    ("metric", "pairs", "rules"),
    [
        ("zktls.prove_time", {"prover": "groth16py"}, ["benchmark-key"]),
        ("zktls.prove_time", {"prover": "sp1", "proof_system": "groth16"}, []),
        ("llm.tpot", {"weights": "random"}, ["random-weights"]),
        ("llm.tpot", {"weights": "real"}, []),
    ],
)
def test_keys_of_one_party_and_random_weights_are_said_and_no_reason_to_doubt(
    metric: str, pairs: dict[str, str], rules: list[str]
) -> None:
    found = figure(metric, "mean", pairs, 1.0, BESIDE)
    assert ids(found) == rules
    assert not any(one.rule.doubts for one in found)


@pytest.mark.parametrize(
    ("quota", "threads", "rules"),
    [("1", "12", ["quota"]), ("1.5", "2", ["quota"]), ("12", "12", []), ("none", "12", []),
     (None, "12", []), ("1", "", []), ("max", "12", []), ("1", "all", [])],
)  # fmt: skip
def test_threads_above_the_quota_are_told(
    quota: str | None, threads: str, rules: list[str]
) -> None:
    run = replace(a_run(), fingerprint=Fingerprint((Fact("cpu_quota", quota, "cgroup cpu.max"),)))
    assert ids(figure("7z.rating", "value", {"threads": threads}, 1.0, {}, [run])) == rules


@pytest.mark.parametrize(
    ("state", "rules"),
    [*((state, []) for state in ("on", "ppcie", "nvle", None)),
     *((state, ["label"]) for state in ("off", "devtools", "simulated"))],
)  # fmt: skip
def test_a_gpu_tee_is_believed_by_its_own_state(state: str | None, rules: list[str]) -> None:
    told = () if state is None else (Parameter("gpu_cc", state),)
    run = replace(a_run(tee="tdx"), parameters=told)
    assert ids(caveats.of_run(run, "gpu-cc")) == rules
    # Of any other run its driver says it.
    seen = Fingerprint((Fact("gpu_confidential_compute", state, "x"),), TeeVerdict("tdx"))
    assert ids(caveats.of_run(replace(a_run(), fingerprint=seen), "gpu-cc")) == rules


def test_a_server_log_may_say_threads_and_quota_itself() -> None:
    run = replace(a_run(), parameters=(Parameter("threads", "12"), Parameter("cpu_quota", "1")))
    [found] = figure("7z.rating", "value", {}, 1.0, {}, [run])
    assert found.sentence == "12 threads under a CPU quota of 1."


def test_jobs_that_went_through_the_page_cache_say_so() -> None:
    run = replace(a_run(), parameters=(Parameter("direct", "0"),))
    [found] = caveats.of_run(run, "none")
    assert found.rule.id == "page-cache"
    assert "direct=0" in found.sentence
    assert caveats.of_run(replace(run, parameters=(Parameter("direct", "1"),)), "none") == []
    assert ids(figure("fio.iops", "value", {"direct": "0"}, 1.0, {})) == ["page-cache"]
    assert figure("fio.iops", "value", {"direct": "1"}, 1.0, {}) == []
