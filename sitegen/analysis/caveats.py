"""Why a number is shaky: every rule with its id, its mark on the page and its definition.

Rules are applied when the archive is read, never stored. A rule's definition stands on the
methodology page; its short text stands beside the number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sitegen.fingerprint import contradiction
from sitegen.model import DOUBT, Comparability, Provenance, Run, StepConditions, StepRecord

#: Rates of PCIe 5.0 x4, the fastest link a single NVMe device has (PCI-SIG, 128b/130b coded).
LINK_RATE = 15.75e9
_PRESSURE, _STEAL, _THROTTLED = 0.2, 0.02, 0.01
_SATURATED = 0.9
#: Shares of a load client that answers at once: of a core, and of what it times.
_CLIENT_BUSY, _CLIENT_LAG = 0.7, 0.1
#: The load client's timer rounds up to a millisecond: that much is no lateness.
_TIMER_S = 0.001
_RATE_MISSED = 0.95
#: Share of the input tokens from which a prefix cache counts: every chat begins alike.
_CACHED = 0.1
#: Confidential-compute states of a GPU that protect anything; devtools and simulation do not.
_GPU_PROTECTED = frozenset({"on", "ppcie", "nvle"})
_BEYOND = 10
_BUFFERED = "The jobs went through the page cache of their own system (direct=0)."
_DEVICE_SHARE = 0.5
#: Efficiency at more threads above which the one-thread value is doubted.
SUPERLINEAR = 1.05


#: The metrics that a rule about another metric of the same workload needs, and their names.
BESIDE: Mapping[tuple[str, str], str] = {
    ("fio.device_bytes", "value"): "device",
    ("fio.io_bytes", "value"): "moved",
    ("ab.client_cpu_usage", "value"): "client_cpu",
    ("ab.client_cpu_usage", "mean"): "client_cpu",
    ("ab.complete_requests", "value"): "requests",
    ("ab.complete_requests", "total"): "requests",
    ("llm.requests", "value"): "requests",
    ("llm.error_rate", "value"): "errors",
    ("llm.client_lag", "p50"): "client_lag",
    ("llm.client_lag", "p99"): "client_lag_p99",
    ("llm.client_cpu_usage", "mean"): "client_cpu",
    ("llm.decode_time", "mean"): "decode",
    ("llm.offered_rate", "value"): "offered",
    ("llm.request_throughput", "value"): "achieved",
    ("llm.e2e_latency", "min"): "quickest",
    ("llm.cached_tokens", "value"): "cached",
    ("llm.input_tokens", "mean"): "input",
    ("llm.missing_usage", "value"): "uncounted",
    ("llm.tokens_per_chunk", "mean"): "tokens_per_chunk",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to doubt. ``doubts`` says whether the mark is drawn as doubtful."""

    id: str
    short: str
    definition: str
    doubts: bool = True


@dataclass(frozen=True, slots=True)
class Caveat:
    """A rule that applies here, and what it saw."""

    rule: Rule
    sentence: str


RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("single-figure", "n unknown",
             "The source prints one figure without a count or a spread; the interval is the rounding of its digits and nothing more.", doubts=False),
        Rule("one-run", "one run",
             "All values come from one run: its repetitions share a boot, a placement and a cache, so their spread says nothing about the next run.", doubts=False),
        Rule("one-boot", "one boot",
             "All runs come from one boot of the machine: what a boot decides (placement, memory layout) did not vary between them, so they differ less than runs of other days would.", doubts=False),
        Rule("quick", "quick",
             "Taken with the quick preset: seconds instead of minutes, small files, one repetition. It shows that the tool works, not what the machine can do, and it is never compared with other runs."),
        Rule("incomplete", "incomplete", "The collection was interrupted; only whole repetitions were kept."),
        Rule("withdrawn", "withdrawn",
             "Whoever took the run has withdrawn it, for the reason given. It keeps its address and enters no comparison."),
        Rule("page-cache", "page cache suspected",
             "A guest is faster than the machine it runs on, or the guest's block device moved far fewer bytes than the benchmark did: memory answered, not a disk."),
        Rule("link-rate", "faster than the link",
             "The bandwidth is above what a PCIe 5.0 x4 device can deliver (15.75 GB/s)."),
        Rule("cached-baseline", "baseline cached",
             "The figure on the other side of the comparison is suspected to come from a cache."),
        Rule("contention", "contention",
             "While the step ran, tasks waited for a CPU in more than 20 % of the time (PSI), the hypervisor took more than 2 % of it (steal), or the quota stopped the benchmark for more than 1 % (throttling)."),
        Rule("not-steady", "not steady",
             "Over five windows of its time the rate ranged over more than 20 % of its mean, or its trend moved more than 10 % of it: it had not settled (after SNIA PTS 2.0.2)."),
        Rule("suspect", "suspect",
             "Repetitions that the tool itself shows to be disturbed (for 7-Zip: CPU usage below what its threads should reach). They are shown, counted and kept out of every summary that has others."),
        Rule("failed", "failed", "Repetitions that failed. They are counted and never averaged."),
        Rule("inconsistent", "contradicts itself",
             "Two figures of the imported output contradict each other, such as a rate and the count and time that it follows from: one of them is wrong, or was changed."),
        Rule("misnamed", "misnamed",
             "The output's own name for the workload says something else than what ran, such as a job called random-read that writes. What ran counts."),
        Rule("cut-off", "cut off",
             "The imported output ends before its end. What is there was read; what stood after it is not measured."),
        Rule("interrupted", "interrupted",
             "The tool was stopped before it was done: its figures stand for the part that ran."),
        Rule("unequal-jobs", "jobs of unequal length",
             "The jobs or processes that measured together ran for different times: for a part of the time there was less load than the workload says."),
        Rule("rounded", "rounded",
             "Only rounded figures are left of the original output; the interval of their last digit is not shown.", doubts=False),
        Rule("failed-part", "a part failed",
             "A part of the imported output reports a failure: that part is left out of the figures."),
        Rule("unit-doubtful", "unit doubtful",
             "The figure is marked in its source data as stated in a unit that contradicts the rest of the publication."),
        Rule("not-the-same-proof", "not the same proof",
             "The proofs of the two sides differ in size by more than 1 %: another proof mode, another statement or another prover."),
        Rule("generator-saturated", "load generator saturated",
             "ApacheBench used 90 % of a CPU or more, or the LLM load client 70 %: the load generator was the limit, not the server."),
        Rule("client-late", "load client late",
             "A timer in the load client fired late by more than a tenth of the latency (of the decode time, for a time per token): the client's own delays are in it. Means and medians are held to the median lateness, tails to the 99 %."),
        Rule("requests-failed", "requests failed",
             "Some requests failed. They are counted, and left out of every latency: the figure is that of the requests that went well."),
        Rule("rate-missed", "rate not reached",
             "Fewer than 95 % of the requests were answered in the time in which they fell due and the quickest of them took: the server, or the client, did not keep up, and the queue grew for as long as the test ran."),
        Rule("cache-helped", "prompt cache",
             "The server took more than a tenth of the input tokens from its prefix cache: the time to first token is that of a shorter prompt."),
        Rule("tokens-uncounted", "tokens not counted",
             "For some answers the server gave no count of tokens; rates in tokens leave them out."),
        Rule("random-weights", "random weights",
             "The model has random weights, made on the spot: it costs what a model of its architecture and size costs and says nothing. It is never compared with a real one.", doubts=False),
        Rule("quota", "quota below threads",
             "The benchmark ran more threads than the CPU quota of its container allows at once: it was stopped again and again, and fewer threads might have been faster."),
        Rule("benchmark-key", "benchmark key",
             "The keys of the proof were made by one party on the spot: fair for a time, worthless for trust.", doubts=False),
        Rule("few-beyond", "few beyond",
             "Fewer than 10 requests lie beyond the percentile: it is one or two unlucky requests."),
        Rule("not-per-core", "not per core",
             "The benchmark ran fewer threads than the machine has cores: dividing by the cores says nothing about a core.", doubts=False),
        Rule("superlinear", "base doubtful",
             "Efficiency at more threads passes 105 % of this one-thread value: it is too low, or the tool works differently with one thread."),
        Rule("parameters-differ", "parameters differ",
             "The two sides, or the runs of one side, differ in a parameter that matters and does not forbid the comparison: the version of the tool, the run time.", doubts=False),
        Rule("another-machine", "another machine",
             "The runs of this environment saw different processors: its label stands for more than one machine."),
        Rule("label", "label contradicted",
             "The TEE or the kind of platform that the environment is declared to be is not the one that the machine's own signals show. Signals of low confidence contradict nothing."),
    )
}  # fmt: skip


def caveat(rule_id: str, sentence: str = "") -> Caveat:
    """Return the rule's caveat; without a sentence of its own, the definition stands."""
    rule = RULES[rule_id]
    return Caveat(rule, sentence or rule.definition)


def of_run(run: Run, declared_tee: str, declared_role: str = "") -> list[Caveat]:
    """Return the caveats that hold for every number of a run.

    The declaration is that of the run's environment.
    """
    found = []
    if run.withdrawn:
        found.append(caveat("withdrawn", run.withdrawn))
    if run.preset == "quick":
        found.append(caveat("quick"))
    if not run.complete:
        found.append(caveat("incomplete"))
    if run.benchmark == "fio" and ("direct", "0") in {(p.name, p.value) for p in run.parameters}:
        found.append(caveat("page-cache", _BUFFERED))
    if against := _against(run, declared_tee, declared_role):
        found.append(caveat("label", against))
    return found


def _against(run: Run, declared_tee: str, declared_role: str) -> str:
    """Return what the run's machine shows against its declaration, or nothing."""
    # NVML says it of a GPU, in a run of the hardware collector; the CPU's signals do not.
    told = next((p.value for p in run.parameters if p.name == "gpu_cc"), None)
    if declared_tee != "gpu-cc" or told is None:
        return contradiction(declared_tee, declared_role, run.fingerprint)
    if told in _GPU_PROTECTED or told == "unknown":
        return ""
    return f"Declared as {declared_tee}; the machine's own signals say {told}."


def of_reading(run: Run, workload: str | None = None) -> list[Caveat]:
    """Return what the reader of an imported output doubted: of all of it, or of one workload.

    Without a workload all of it is told, and each sentence says which workload it is about.
    """
    found = []
    for parameter in run.parameters:
        if not parameter.name.startswith(DOUBT):
            continue
        kind, _, about = parameter.name.removeprefix(DOUBT).partition(".")
        if workload is not None and about not in ("", workload):
            continue
        told = f"{about}: {parameter.value}" if about and workload is None else parameter.value
        # A newer sitegen may doubt for reasons that this one has no rule for.
        found.append(caveat(kind if kind in RULES else "suspect", told))
    return found


def of_steps(steps: Iterable[StepConditions | StepRecord]) -> list[Caveat]:
    """Return what the steps behind a figure say: the machine was busy, the rate never settled."""
    worst: dict[str, float] = {}
    count = disturbed = unsteady = 0
    for step in steps:
        shares = dict(step.conditions)
        over = {
            name: shares[name]
            for name, limit in (
                ("psi_cpu", _PRESSURE),
                ("steal", _STEAL),
                ("throttled", _THROTTLED),
            )
            if shares.get(name, 0.0) > limit
        }
        count += 1
        unsteady += step.unsteady
        disturbed += bool(over)
        for name, share in over.items():
            worst[name] = max(worst.get(name, 0.0), share)
    found = []
    if unsteady:
        found.append(caveat("not-steady", f"In {unsteady} of {count} steps."))
    if not worst:
        return found
    words = {"psi_cpu": "waiting for a CPU", "steal": "steal", "throttled": "throttled"}
    parts = ", ".join(f"{words[name]} up to {share:.0%}" for name, share in sorted(worst.items()))
    return [*found, caveat("contention", f"In {disturbed} of {count} steps: {parts}.")]


def of_runs(runs: Sequence[Run]) -> list[Caveat]:
    """Return the caveats about runs that stand for one environment together."""
    processors = sorted({cpu for run in runs if (cpu := run.fingerprint.get("cpu"))})
    found = []
    if len(processors) > 1:
        found.append(caveat("another-machine", f"Seen: {'; '.join(processors)}."))
    boots = {run.boot for run in runs}
    if len(runs) > 1 and len(boots) == 1 and boots != {""}:
        found.append(caveat("one-boot"))
    differing = sorted(
        {
            name
            for run in runs[1:]
            for name, value in _remarkable(run).items()
            if _remarkable(runs[0]).get(name) != value
        }
    )
    if differing:
        found.append(caveat("parameters-differ", f"Between runs: {', '.join(differing)}."))
    return found


def of_pair(side: Run, baseline: Run) -> list[Caveat]:
    """Return the caveat about parameters in which the two sides of a comparison differ."""
    ours, theirs = _remarkable(side), _remarkable(baseline)
    parts = [
        f"{name} {ours.get(name, 'absent')} against {theirs.get(name, 'absent')}"
        for name in sorted(set(ours) | set(theirs))
        if ours.get(name) != theirs.get(name)
    ]
    unknown = _unknown(side, baseline)
    parts += [f"not known of the imported side: {', '.join(unknown)}"] if unknown else []
    return [caveat("parameters-differ", f"{'; '.join(parts)}.")] if parts else []


def _unknown(side: Run, baseline: Run) -> list[str]:
    """Return the parameters that must match and that only one of the two sides tells."""
    names = [
        {p.name for p in run.parameters if p.comparability == Comparability.MUST_MATCH}
        for run in (side, baseline)
    ]
    return sorted(names[0] ^ names[1])


def _remarkable(run: Run) -> dict[str, str]:
    return {p.name: p.value for p in run.parameters if p.comparability == Comparability.CAVEAT}


def of_cell(
    metric: str,
    statistic: str,
    params: Mapping[str, str],
    value: float,
    beside: Mapping[str, float],
) -> list[Caveat]:
    """Return what the traps of each tool say about one figure.

    ``beside`` holds the values of the same workload that `BESIDE` names.
    """
    tool = metric.partition(".")[0]
    if tool == "llm":
        return _of_serving(metric, statistic, params, value, beside)
    if tool == "zktls" and params.get("proof_system") == "groth16":
        return [caveat("benchmark-key")]
    if tool == "fio":
        buffered = [caveat("page-cache", _BUFFERED)] if params.get("direct") == "0" else []
        return [*buffered, *_of_storage(metric, value, beside)]
    if tool == "ab":
        return _of_requests(metric, statistic, beside)
    if metric == "7z.rating" and "cores" in params:
        threads = params.get("threads", "?")
        told = f"{threads} threads ran on {params['cores']} cores: a share of them was idle."
        return [caveat("not-per-core", told)]
    return []


def of_quota(params: Mapping[str, str], runs: Iterable[Run]) -> list[Caveat]:
    """Return the caveat about threads that a container's CPU quota does not allow at once."""
    over = [found for run in runs if (found := over_quota(params, run))]
    return [caveat("quota", f"{over[0]}.")] if over else []


def over_quota(params: Mapping[str, str], run: Run) -> str:
    """Return how a run's threads exceed its CPU quota, in words, or nothing.

    Both stand with the run where its series do not say them: a server's log does.
    """
    told = {p.name: p.value for p in run.parameters}
    threads = params.get("threads") or told.get("threads", "")
    quota = run.fingerprint.get("cpu_quota") or told.get("cpu_quota", "")
    if not threads.isdecimal() or not re.fullmatch(r"\d+(?:\.\d+)?", quota):
        return ""
    if float(quota) >= int(threads):
        return ""
    return f"{threads} threads under a CPU quota of {float(quota):g}"


def of_counts(
    failed: int, suspect: int, total: int, provenance: Provenance, counted: str = "repetition"
) -> list[Caveat]:
    """Return the caveats about repetitions (or values of a run) that failed or are suspect."""
    found = []
    if failed:
        found.append(caveat("failed", f"{failed} of {_many(total, counted)} failed."))
    if suspect and provenance == Provenance.CITED:
        found.append(caveat("unit-doubtful"))
    elif suspect:
        found.append(
            caveat(
                "suspect",
                f"{suspect} of {_many(total, counted)} {'is' if suspect == 1 else 'are'} suspect.",
            )
        )
    return found


def _of_storage(metric: str, value: float, beside: Mapping[str, float]) -> list[Caveat]:
    found = []
    if metric == "fio.bandwidth" and value > LINK_RATE:
        told = f"{value / 1e9:.1f} GB/s is above 15.75 GB/s (PCIe 5.0 x4)."
        found.append(caveat("link-rate", told))
    device, moved = beside.get("device"), beside.get("moved")
    if device is not None and moved and device < _DEVICE_SHARE * moved:
        share = device / moved
        found.append(caveat("page-cache", f"The block device moved {share:.0%} of the bytes."))
    return found


def _of_requests(metric: str, statistic: str, beside: Mapping[str, float]) -> list[Caveat]:
    found = []
    requests, client_cpu = beside.get("requests"), beside.get("client_cpu")
    if metric == "ab.latency" and requests and statistic.startswith("p"):
        beyond = requests * (1 - float(statistic[1:]) / 100)
        if beyond < _BEYOND:
            told = f"{beyond:.0f} requests lie beyond {statistic}."
            found.append(caveat("few-beyond", told))
    rates = ("ab.requests_per_second", "ab.latency")
    if metric in rates and client_cpu is not None and client_cpu >= _SATURATED:
        found.append(caveat("generator-saturated", f"ab used {client_cpu:.0%} of a CPU."))
    return found


def _of_serving(
    metric: str,
    statistic: str,
    params: Mapping[str, str],
    value: float,
    beside: Mapping[str, float],
) -> list[Caveat]:
    name = metric.removeprefix("llm.")
    latency = name.startswith(("ttft", "tpot", "itl", "e2e", "decode_time", "inter_chunk"))
    rate = name.endswith(("throughput", "eval_rate", "goodput", "per_request"))
    found = []
    if latency or rate:
        found += _of_requests_sent(beside)
    if latency:
        found += _of_latency(name, statistic, value, beside)
    if params.get("weights") == "random":
        found.append(caveat("random-weights"))
    return found


def _of_requests_sent(beside: Mapping[str, float]) -> list[Caveat]:
    """Return what speaks against every rate and latency of a load on an LLM server."""
    found = []
    requests = beside.get("requests", 0)
    if errors := beside.get("errors"):
        found.append(caveat("requests-failed", f"{errors:.1%} of {requests:.0f} requests failed."))
    if (busy := beside.get("client_cpu", 0)) > _CLIENT_BUSY:
        found.append(caveat("generator-saturated", f"The client used {busy:.0%} of a CPU."))
    offered, achieved = beside.get("offered"), beside.get("achieved")
    if offered and achieved is not None and requests > 1:
        # Also a server that keeps up needs the time of the last answer.
        reachable = requests / ((requests - 1) / offered + beside.get("quickest", 0))
        if achieved < _RATE_MISSED * reachable:
            told = f"{achieved:.2f} of {reachable:.2f} requests a second."
            found.append(caveat("rate-missed", told))
    if uncounted := beside.get("uncounted"):
        found.append(caveat("tokens-uncounted", f"{uncounted:.0f} of {requests:.0f} answers."))
    return found


def _of_latency(
    name: str, statistic: str, value: float, beside: Mapping[str, float]
) -> list[Caveat]:
    found = []
    middle = statistic in ("mean", "p50")
    lag = beside.get("client_lag" if middle else "client_lag_p99", 0.0) - _TIMER_S
    # A late stamp moves the end of the whole decoding, not the time of each token.
    timed = beside.get("decode", value) if name == "tpot" else value
    if lag > _CLIENT_LAG * timed:
        told = f"Late by {lag * 1e3:.1f} ms, in {timed * 1e3:.3g} ms."
        found.append(caveat("client-late", told))
    requests = beside.get("requests", 0) * (1 - beside.get("errors", 0))
    sent = requests * beside.get("input", 0)
    if name.startswith("ttft") and sent and (share := beside.get("cached", 0) / sent) > _CACHED:
        found.append(caveat("cache-helped", f"{share:.0%} of the input tokens."))
    if requests and statistic.startswith("p9"):
        beyond = requests * (1 - float(statistic[1:]) / 100)
        if beyond < _BEYOND:
            found.append(caveat("few-beyond", f"{beyond:.0f} requests lie beyond {statistic}."))
    return found


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
