"""Provers of statements on TLS sessions: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool
from sitegen.model import Params

_ONE_SIZE: Params = (("size", ""),)
_SIZES: Params = (("size", "*"),)
#: Two proofs that differ in one of these are not the same proof: they never share an axis.
_PROOF = ("statement", "prover", "proof_system", "proof_mode")

#: The metric that tells two proofs apart, and what of a time or a speed its size does not have.
PROOF_SIZE = "zktls.proof_size"
NOT_OF_THE_PROOF = frozenset({"time_scope", "cycle_kind", "hash", "cached"})
_SAME_PROOF = 0.01


def _own_keys(figure: tool.Figure) -> bool:
    # Of this prover's keys it is known; others bring theirs from a ceremony of many.
    return figure.params.get("prover") == "groth16py"


def _other_proof(side: float, baseline: float) -> str:
    ratio = side / baseline
    if abs(ratio - 1) <= _SAME_PROOF:
        return ""
    return f"not the same proof: {ratio:.3g} times the size"


TOOL = tool.Tool(
    metrics=(
        tool.Metric("zktls.execute_time", "Execution time", "s", tool.L, "Time to run the program without proving it.", source="sitegen"),
        tool.Metric("zktls.witness_time", "Witness time", "s", tool.L, "Time to compute the witness.", source="sitegen"),
        tool.Metric("zktls.prove_time", "Proving time", "s", tool.L, "Time to make the proof; set-up, witness and warm-up not included.", source="sitegen; as printed"),
        tool.Metric("zktls.verify_time", "Verification time", "s", tool.L, "Time to check the proof.", source="sitegen"),
        tool.Metric("zktls.total_time", "Total time", "s", tool.L, "Time from the input to the finished proof: execution, witness and proof; set-up not included.", source="sitegen; as printed"),
        tool.Metric("zktls.setup_time", "Set-up time", "s", tool.N, "Time of the one-off key set-up. It is kept between runs and never part of a proof's time.", source="sitegen"),
        tool.Metric("zktls.compile_time", "Compile time", "s", tool.N, "Time to compile the circuit or the program, once.", source="sitegen"),
        tool.Metric("zktls.witness_cpu_time", "CPU time of the witness", "s", tool.L, "CPU time to compute the witness.", source="sitegen"),
        tool.Metric("zktls.prove_cpu_time", "CPU time of proving", "s", tool.L, "CPU time to make the proof, over all threads.", source="sitegen"),
        tool.Metric("zktls.verify_cpu_time", "CPU time of verification", "s", tool.L, "CPU time to check the proof.", source="sitegen"),
        tool.Metric("zktls.online_time", "Online time", "s", tool.L, "Time of the interactive protocol during the TLS session, at the bandwidth and latency of the workload.", source="TLSNotary, Primus"),
        tool.Metric("zktls.offline_time", "Offline time", "s", tool.L, "Time of the interactive protocol before the TLS session.", source="TLSNotary, Primus"),
        tool.Metric("zktls.proof_size", "Proof size", "B", tool.L, "Bytes of the proof, counted on the proof itself. Two proofs of very different size are not the same proof.", scale=tool.Scale.EXACT, source="sitegen; as printed", shown_in="B"),
        tool.Metric("zktls.bytes_sent", "Bytes sent", "B", tool.L, "Bytes that the prover sent.", scale=tool.Scale.EXACT, source="as the prover counts"),
        tool.Metric("zktls.bytes_received", "Bytes received", "B", tool.L, "Bytes that the prover received.", scale=tool.Scale.EXACT, source="as the prover counts"),
        tool.Metric("zktls.proving_speed", "Proving speed", "Hz", tool.H, "Cycles of the proven program divided by the time that `time_scope` names. Cycles of two provers, or of two builds of a program, are not the same.", source="computed; as printed", shown_in="kHz"),
        tool.Metric("zktls.cycles", "Cycles", "count", tool.N, "Cycles of the proven program, as the prover counts them: `user`, or `total` with padding.", scale=tool.Scale.EXACT, source="as the prover counts"),
        tool.Metric("zktls.constraints", "Constraints", "count", tool.N, "Constraints of the circuit.", scale=tool.Scale.EXACT, source="as the compiler counts"),
        tool.Metric("zktls.proven_throughput", "Proven throughput", "B/s", tool.H, "Bytes of the proven statement divided by proving time. Not a hash speed.", source="sitegen", shown_in="decimal"),
        tool.Metric("zktls.hash_speed", "Hash speed", "B/s", tool.H, "Bytes hashed in the proof, divided by proving time; for a cited figure, as printed.", source="sitegen; as printed", shown_in="decimal"),
        tool.Metric("zktls.memory_bandwidth_utilisation", "Memory bandwidth, relative", "ratio", tool.N, "Hash speed relative to the CPU baseline, as printed; not a measured bandwidth.", scale=tool.Scale.DIFFERENCE, source="as printed"),
        tool.Metric("zktls.peak_memory", "Peak memory", "B", tool.L, "Largest resident size of the prover.", source="resource usage of the process"),
    ),
    family=tool.Family("zktls", "zkTLS", "What does a TEE cost a prover?", area="Proofs",
        headlines=(
            tool.Headline("zktls.total_time", "value", title="Total time", loses="a prover's time"),
            tool.Headline("zktls.total_time", "mean", title="Total time", loses="a prover's time"),
            tool.Headline("zktls.prove_time", "mean", title="Proving time"),
        ),
        panels=(
            tool.Panel("zktls.total_time", "value", _ONE_SIZE, title="Total time", split=_PROOF),
            tool.Panel("zktls.prove_time", "value", _ONE_SIZE, title="Proving time", split=_PROOF),
            tool.Panel("zktls.proof_size", "value", _ONE_SIZE, title="Proof size", split=_PROOF),
            tool.Panel("zktls.hash_speed", "value", _ONE_SIZE, title="Hash speed", split=_PROOF),
            tool.Panel("zktls.proving_speed", "value", _ONE_SIZE, title="Proving speed", split=(*_PROOF, "time_scope", "cycle_kind")),
            tool.Panel("zktls.prove_time", "mean", _SIZES, title="Proving time, by size", axis="size", axis_title="bytes", split=_PROOF),
            tool.Panel("zktls.proven_throughput", "mean", _SIZES, title="Proven throughput, by size", axis="size", axis_title="bytes", split=_PROOF),
            tool.Panel("zktls.verify_time", "mean", _SIZES, title="Verification time, by size", axis="size", axis_title="bytes", split=_PROOF),
            tool.Panel("zktls.peak_memory", "max", _SIZES, title="Peak memory, by size", axis="size", axis_title="bytes", split=_PROOF),
            tool.Panel("zktls.hash_speed", "mean", _SIZES, title="Hash speed, by size", axis="size", axis_title="bytes", split=(*_PROOF, "hash")),
        ),
        axis_title="bytes",
        distributions=(),
        background=frozenset({"prover", "proof_system", "proof_mode", "threads", "time_scope"}),
    ),
    parameters=(
        tool.SeriesParameter("statement", values={"chacha20": "ChaCha20", "sha-256": "SHA-256", "rsa-2048-verify": "RSA-2048"}),
        tool.SeriesParameter("prover", values={"s-two": "S-two"}),
        tool.SeriesParameter("proof_system", values={"stark": "STARK", "groth16": "Groth16"}),
        tool.SeriesParameter("proof_mode", values={"stark": "STARK", "groth16": "Groth16"}),
        tool.SeriesParameter("time_scope", words="over the {} time"),
        tool.SeriesParameter("cycle_kind", words="{} cycles"),
        tool.SeriesParameter("hash", values={"sha256": "SHA-256", "sha-256": "SHA-256", "sm3": "SM3"}),
        tool.SeriesParameter("gpus", tool.Kind.COUNT, "{} GPU", "{} GPUs"),
        tool.SeriesParameter("stage", words="{}"),
        tool.SeriesParameter("provers", tool.Kind.COUNT, "{} prover", "{} provers"),
        tool.SeriesParameter("request_size", tool.Kind.SIZE),
        tool.SeriesParameter("response_size", tool.Kind.SIZE),
        tool.SeriesParameter("printed_as", hidden=True),
        tool.SeriesParameter("stated_bottleneck", hidden=True),
    ),
    rules=(
        tool.Rule("benchmark-key", "benchmark key", doubts=False, figure=_own_keys, definition="The keys of the proof were made by one party on the spot: fair for a time, worthless for trust."),
        tool.Rule("not-the-same-proof", "not the same proof", sizes=_other_proof, definition="The proofs of the two sides differ in size by more than 1 %: another proof mode, another statement or another prover."),
    ),
    unit_costs=dict.fromkeys((("zktls.total_time", "mean"), ("zktls.total_time", "value")), ("a proof", 1.0)),
)  # fmt: skip
