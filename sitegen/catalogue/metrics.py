"""METRICS: the one table of what may be said about a number.

Tables, axes, sorting, verdicts and the methodology page all read it. No unit and no
"higher is better" stands anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sitegen.catalogue.units import DisplayUnit, unit_for
from sitegen.model import MetricDefinition, Run


class Better(StrEnum):
    """Which direction is better; ``none`` gets no verdict."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"


class Scale(StrEnum):
    """How two values of a metric are compared."""

    RATIO = "ratio"  # divided, on logarithms
    DIFFERENCE = "difference"  # subtracted: it can be zero or negative
    PROPORTION = "proportion"  # of a count
    EXACT = "exact"  # the same bytes every time


@dataclass(frozen=True, slots=True)
class Metric:
    """Everything that anyone may say about a number of this kind.

    ``unit`` is the base unit of stored values. ``resolution`` is the smallest step that the
    tool prints, in that unit. ``margin`` is the effect below which a difference is not called
    one: a share of the baseline, or for a proportion an amount of it. ``shown_in`` fixes the
    display unit where the field has a usual one; ``counts`` names what a rate counts (IOPS),
    ``of`` the metric that counts what a proportion is of.
    """

    id: str
    title: str
    unit: str
    better: Better
    definition: str
    scale: Scale = Scale.RATIO
    resolution: float | None = None
    margin: float = 0.02
    source: str = ""
    shown_in: str = ""
    counts: str = ""
    of: str = ""

    def unit_for(self, values: Iterable[float | None]) -> DisplayUnit:
        """Return the unit that ``values`` of this metric are shown in, when together."""
        unit = unit_for(self.unit, values, self.shown_in)
        if self.counts:
            return DisplayUnit(unit.factor, unit.text.replace("/s", f" {self.counts}").lstrip())
        return unit


H, L, N = Better.HIGHER, Better.LOWER, Better.NONE

METRICS: Mapping[str, Metric] = {
    metric.id: metric
    for metric in (
        Metric("fio.iops", "I/O operations a second", "1/s", H,
               "I/O operations completed, divided by the run time of the job; for several jobs, the sum of their operations divided by the longest run time.",
               source="fio documentation, JSON output, `iops`", counts="IOPS"),
        Metric("fio.bandwidth", "Bandwidth", "B/s", H,
               "Bytes moved, divided by the run time; the bytes that the benchmark asked for, not those that reached a device.",
               source="fio documentation, JSON output, `bw_bytes`", shown_in="MiB/s"),
        Metric("fio.latency", "Latency", "s", L,
               "Time from the submission of an operation to its completion, at the queue depth of the workload.",
               source="fio documentation, `lat`"),
        Metric("fio.completion_latency", "Completion latency", "s", L,
               "Time from when the kernel has taken an operation to its completion.",
               source="fio documentation, `clat`"),
        Metric("fio.submission_latency", "Submission latency", "s", L,
               "Time that it takes to hand an operation to the kernel.",
               source="fio documentation, `slat`"),
        Metric("fio.sync_latency", "Sync latency", "s", L,
               "Time that one fsync or fdatasync takes: what durable storage costs a writer.",
               source="fio documentation, `sync`"),
        Metric("fio.io_bytes", "Bytes moved", "B", N,
               "Bytes that the benchmark read or wrote during the job.", source="fio documentation, `io_bytes`"),
        Metric("fio.cpu_usage", "CPU used by fio", "ratio", N,
               "User and system time of the fio jobs, divided by their run time; above 1 for several jobs.",
               scale=Scale.DIFFERENCE, source="fio documentation, `usr_cpu`, `sys_cpu`"),
        Metric("fio.device_bytes", "Bytes at the block device", "B", N,
               "What the guest's block device reports to have moved during the job. Far less than the job's bytes means that a cache answered.",
               source="Linux block layer statistics, as fio reports them"),
        Metric("ab.requests_per_second", "Requests a second", "1/s", H,
               "Completed requests divided by the time of the test. Completed includes failed ones. For several processes: all completed requests divided by the time from the first start to the last end.",
               source="ApacheBench, `Requests per second`", shown_in="/s", counts="requests/s"),
        Metric("ab.ok_requests_per_second", "Successful requests a second", "1/s", H,
               "Completed requests that neither failed nor were answered outside 2xx, divided by the time of the test. Where a request can be both, the lower bound.",
               source="computed from ApacheBench's counts", shown_in="/s", counts="requests/s"),
        Metric("ab.latency", "Latency", "s", L,
               "Time from the start of the connection to the last byte, over all requests of a closed loop: a stalled server also stops the arrivals, so tails are optimistic.",
               resolution=0.001, source="ApacheBench, `Total` and percentiles"),
        Metric("ab.connect_time", "Connect time", "s", L,
               "Time to connect; with https this includes the TLS handshake.",
               resolution=0.001, source="ApacheBench, `Connect`"),
        Metric("ab.processing_time", "Processing time", "s", L,
               "Time from the end of the connection set-up to the last byte.",
               resolution=0.001, source="ApacheBench, `Processing`"),
        Metric("ab.waiting_time", "Waiting time", "s", L,
               "Time from the request to the first byte of the answer.",
               resolution=0.001, source="ApacheBench, `Waiting`"),
        Metric("ab.failed_requests", "Failed requests", "count", L,
               "Requests that ApacheBench counts as failed: connection, reading, length or exception.",
               scale=Scale.DIFFERENCE, source="ApacheBench, `Failed requests`"),
        Metric("ab.non_2xx_responses", "Answers outside 2xx", "count", L,
               "Answers with another status than 2xx. ApacheBench does not count them as failed.",
               scale=Scale.DIFFERENCE, source="ApacheBench, `Non-2xx responses`"),
        Metric("ab.complete_requests", "Completed requests", "count", N,
               "Requests that were answered or failed before the test ended.",
               scale=Scale.DIFFERENCE, source="ApacheBench, `Complete requests`"),
        Metric("ab.error_rate", "Error rate", "ratio", L,
               "Failed requests and answers outside 2xx, divided by completed requests.",
               scale=Scale.PROPORTION, margin=0.001, source="computed from ApacheBench's counts", of="ab.complete_requests"),
        Metric("ab.transfer_rate", "Transfer rate", "B/s", H,
               "Bytes received, headers included, divided by the time of the test.",
               source="ApacheBench, `Transfer rate`"),
        Metric("ab.client_cpu_usage", "CPU used by ab", "ratio", N,
               "CPU time of the load generator divided by the time of the test, for one process: near 1 means that the generator was the limit.",
               scale=Scale.DIFFERENCE, source="resource usage of the process"),
        Metric("ab.server_cpu_usage", "CPU used by the server", "ratio", N,
               "CPU time of the server's processes divided by the time of the test; for a cited figure, as its publication states it.",
               scale=Scale.DIFFERENCE, source="resource usage of the processes"),
        Metric("7z.rating", "Rating", "MIPS", H,
               "Modelled operations of the LZMA benchmark divided by wall time. Total is the mean of compression and decompression.",
               source="7-Zip, Bench.cpp"),
        Metric("7z.rating_per_usage", "Rating per busy CPU", "MIPS", H,
               "Modelled operations divided by CPU time. Only as good as the guest's CPU accounting.",
               source="7-Zip, `R/U`"),
        Metric("7z.speed", "Speed", "B/s", H,
               "Bytes of uncompressed data handled a second, for compression or for decompression.",
               source="7-Zip, `Speed`", shown_in="KiB/s"),
        Metric("7z.cpu_usage", "CPU usage", "ratio", N,
               "CPU time divided by wall time: 1 is one busy CPU. Less than the threads asked for means contention, or a phase that does not scale.",
               scale=Scale.DIFFERENCE, source="7-Zip, `Usage`"),
        Metric("7z.cpu_frequency", "CPU frequency", "Hz", N,
               "Median of the frequencies that 7-Zip estimates with one thread before it starts.",
               source="7-Zip, `CPU Freq`"),
        Metric("llm.ttft", "Time to first token", "s", L,
               "From the sending of a request to its first token: the first event with text, of the answer or of its reasoning.",
               source="vLLM benchmark, MLPerf"),
        Metric("llm.ttft_scheduled", "Time to first token, from schedule", "s", L,
               "From the time at which a request was due to its first token (open loop). A stalled server does not hide here: requests go on falling due.",
               source="MLPerf, Server scenario"),
        Metric("llm.tpot", "Time per output token", "s", L,
               "From the first token of a request to its last, divided by its output tokens less one. Without a second token there is none.",
               source="vLLM benchmark, MLPerf; guidellm and aiperf call it ITL"),
        Metric("llm.itl", "Inter-token latency", "s", L,
               "Time between two tokens of one request. Given only where each event of the stream held one token.", source="vLLM benchmark"),
        Metric("llm.inter_chunk_latency", "Inter-chunk latency", "s", L,
               "Time between two events with text of one stream, over all requests; an event may hold several tokens.", source="sitegen; vLLM calls it ITL"),
        Metric("llm.decode_time", "Decode time a request", "s", L,
               "From the first token of a request to its last. Some publications print this as ITL.",
               source="as printed"),
        Metric("llm.e2e_latency", "Request latency", "s", L,
               "From the sending of a request to its last token.", source="vLLM benchmark"),
        Metric("llm.e2e_latency_scheduled", "Request latency, from schedule", "s", L,
               "From the time at which a request was due to its last token (open loop).", source="MLPerf, Server scenario"),
        Metric("llm.load_time", "Model load time", "s", L, "Time from the start of the server until it can answer: the weights are read in it.", source="sitegen; Ollama, `load_duration`"),
        Metric("llm.cold_ttft", "First token after the start", "s", L,
               "Time to first token of the first request that a server answers. Kept apart: it holds what happens once.", source="sitegen"),
        Metric("llm.drain_time", "Drain time", "s", N,
               "From the last sending of a request to the end of the last answer.", source="sitegen"),
        Metric("llm.decode_rate_per_request", "Decode rate a request", "tokens/s", H,
               "Output tokens of one request divided by its decode time: n / (n − 1) of 1 / TPOT. Some publications print this as TPS.",
               source="as printed"),
        Metric("llm.output_token_throughput", "Output tokens a second", "tokens/s", H,
               "Output tokens of all requests divided by the time of the test.", source="vLLM benchmark"),
        Metric("llm.total_token_throughput", "Tokens a second", "tokens/s", H,
               "Input and output tokens of all requests divided by the time of the test.", source="vLLM benchmark"),
        Metric("llm.eval_rate", "Evaluation rate", "tokens/s", H,
               "Output tokens divided by the time that the model spent on them, as the server reckons: Ollama divides all n tokens by that time, llama.cpp n − 1. Compare at equal output length, within one engine.",
               source="Ollama, `eval rate`; llama.cpp, `timings`"),
        Metric("llm.prompt_eval_rate", "Prompt evaluation rate", "tokens/s", H,
               "Input tokens divided by the time that the model spent on them, where none came from a cache.", source="Ollama, `prompt eval rate`; llama.cpp, `timings`"),
        Metric("llm.request_throughput", "Requests a second", "1/s", H,
               "Requests answered well divided by the time of the test.", source="vLLM benchmark", shown_in="/s", counts="requests/s"),
        Metric("llm.goodput", "Requests a second within the objective", "1/s", H,
               "Requests that met every limit of the latency objective, divided by the time of the test.", source="vLLM benchmark; limits of MLPerf Inference", shown_in="/s", counts="requests/s"),
        Metric("llm.offered_rate", "Requests due a second", "1/s", N,
               "Requests that fell due, divided by the time in which they did (open loop).", source="sitegen", shown_in="/s", counts="requests/s"),
        Metric("llm.error_rate", "Error rate", "ratio", L,
               "Failed requests divided by all requests. An answer without a token is a failure.", scale=Scale.PROPORTION, margin=0.001, source="sitegen", of="llm.requests"),
        Metric("llm.requests", "Requests", "count", N, "Requests that were measured.", scale=Scale.DIFFERENCE, source="sitegen"),
        Metric("llm.failed_requests", "Failed requests", "count", L,
               "Requests that were refused, broken off, answered with an error, with a malformed stream, too late, or without a token.",
               scale=Scale.DIFFERENCE, source="sitegen"),
        Metric("llm.stalls", "Stalls", "count", L, "Gaps within a stream that are longer than the stall limit.", scale=Scale.DIFFERENCE, source="sitegen"),
        Metric("llm.missing_usage", "Answers without a token count", "count", N,
               "Answers for which the server gave no count of tokens: left out of everything that is counted in tokens.",
               scale=Scale.DIFFERENCE, source="sitegen"),
        Metric("llm.cached_tokens", "Input tokens from a cache", "count", N,
               "Input tokens that the server took from its prefix cache.", scale=Scale.DIFFERENCE, source="usage, `cached_tokens`"),
        Metric("llm.input_tokens", "Input tokens a request", "count", N, "As the server counts them.", scale=Scale.DIFFERENCE, source="usage"),
        Metric("llm.output_tokens", "Output tokens a request", "count", N, "As the server counts them.", scale=Scale.DIFFERENCE, source="usage"),
        Metric("llm.tokens_per_chunk", "Tokens a chunk", "ratio", N,
               "Output tokens divided by events with text. Only at 1 is a gap between events a time per token.", scale=Scale.DIFFERENCE, source="sitegen", shown_in="plain"),
        Metric("llm.client_lag", "Lag of the load client", "s", N,
               "How late a timer of 5 ms fired in the load client: what it may have added to each time.", source="sitegen"),
        Metric("llm.client_cpu_usage", "CPU used by the load client", "ratio", N,
               "CPU time of the load client divided by the time of the test.", scale=Scale.DIFFERENCE, source="resource usage of the process"),
        Metric("llm.client_cpu_per_chunk", "Client CPU a chunk", "s", N,
               "CPU time of the load client divided by the chunks that it read.", source="resource usage of the process"),
        Metric("llm.server_cpu_usage", "CPU used by the server", "ratio", N,
               "CPU time of the server divided by the time of the test.", scale=Scale.DIFFERENCE, source="resource usage of the process"),
        Metric("llm.peak_memory", "Peak memory of the server", "B", N, "Largest resident size of the server.", source="resource usage of the process"),
        Metric("zktls.execute_time", "Execution time", "s", L, "Time to run the program without proving it.", source="sitegen"),
        Metric("zktls.witness_time", "Witness time", "s", L, "Time to compute the witness.", source="sitegen"),
        Metric("zktls.prove_time", "Proving time", "s", L,
               "Time to make the proof; set-up, witness and warm-up not included.", source="sitegen; as printed"),
        Metric("zktls.verify_time", "Verification time", "s", L, "Time to check the proof.", source="sitegen"),
        Metric("zktls.total_time", "Total time", "s", L,
               "Time from the input to the finished proof: execution, witness and proof; set-up not included.", source="sitegen; as printed"),
        Metric("zktls.setup_time", "Set-up time", "s", N, "Time of the one-off key set-up. It is kept between runs and never part of a proof's time.", source="sitegen"),
        Metric("zktls.compile_time", "Compile time", "s", N, "Time to compile the circuit or the program, once.", source="sitegen"),
        Metric("zktls.witness_cpu_time", "CPU time of the witness", "s", L, "CPU time to compute the witness.", source="sitegen"),
        Metric("zktls.prove_cpu_time", "CPU time of proving", "s", L, "CPU time to make the proof, over all threads.", source="sitegen"),
        Metric("zktls.verify_cpu_time", "CPU time of verification", "s", L, "CPU time to check the proof.", source="sitegen"),
        Metric("zktls.online_time", "Online time", "s", L, "Time of the interactive protocol during the TLS session, at the bandwidth and latency of the workload.", source="TLSNotary, Primus"),
        Metric("zktls.offline_time", "Offline time", "s", L, "Time of the interactive protocol before the TLS session.", source="TLSNotary, Primus"),
        Metric("zktls.proof_size", "Proof size", "B", L,
               "Bytes of the proof, counted on the proof itself. Two proofs of very different size are not the same proof.",
               scale=Scale.EXACT, source="sitegen; as printed", shown_in="B"),
        Metric("zktls.bytes_sent", "Bytes sent", "B", L, "Bytes that the prover sent.", scale=Scale.EXACT, source="as the prover counts"),
        Metric("zktls.bytes_received", "Bytes received", "B", L, "Bytes that the prover received.", scale=Scale.EXACT, source="as the prover counts"),
        Metric("zktls.proving_speed", "Proving speed", "Hz", H,
               "Cycles of the proven program divided by the time that `time_scope` names. Cycles of two provers, or of two builds of a program, are not the same.", source="computed; as printed", shown_in="kHz"),
        Metric("zktls.cycles", "Cycles", "count", N, "Cycles of the proven program, as the prover counts them: `user`, or `total` with padding.", scale=Scale.EXACT, source="as the prover counts"),
        Metric("zktls.constraints", "Constraints", "count", N, "Constraints of the circuit.", scale=Scale.EXACT, source="as the compiler counts"),
        Metric("zktls.proven_throughput", "Proven throughput", "B/s", H,
               "Bytes of the proven statement divided by proving time. Not a hash speed.", source="sitegen", shown_in="decimal"),
        Metric("zktls.hash_speed", "Hash speed", "B/s", H, "Bytes hashed in the proof, divided by proving time; for a cited figure, as printed.", source="sitegen; as printed", shown_in="decimal"),
        Metric("zktls.memory_bandwidth_utilisation", "Memory bandwidth, relative", "ratio", N,
               "Hash speed relative to the CPU baseline, as printed; not a measured bandwidth.",
               scale=Scale.DIFFERENCE, source="as printed"),
        Metric("zktls.peak_memory", "Peak memory", "B", L, "Largest resident size of the prover.", source="resource usage of the process"),
        Metric("hardware.cpus", "CPUs", "count", N, "CPUs that the machine lets a program use.", scale=Scale.EXACT, source="the operating system"),
        Metric("hardware.memory_capacity", "Memory capacity", "B", N, "Memory of the device; detected, what the kernel manages.", source="the operating system; datasheet", shown_in="GB"),
        Metric("hardware.disk_capacity", "Disk capacity", "B", N, "Size of the file system that a run works on.", source="the operating system", shown_in="GB"),
        Metric("hardware.gpu_memory", "GPU memory", "B", N, "Memory of a GPU.", source="NVML", shown_in="GB"),
        Metric("hardware.memory_bandwidth", "Memory bandwidth", "B/s", H,
               "A datasheet's peak; or, measured, the bytes that a kernel's instructions read and write, divided by the time. Lines that are fetched only to be overwritten are not counted.", source="likwid-bench; datasheet", shown_in="GB/s"),
        Metric("hardware.int8_compute", "INT8 compute", "op/s", H,
               "Peak 8-bit integer operations a second, as the publication gives them.", source="datasheet", shown_in="Top/s"),
        Metric("hardware.price", "Price", "USD/h", L, "Price of an hour, as the publication gives it.", source="as printed"),
        Metric("secure-inference.e2e_latency", "Request latency", "s", L, "From the sending of a request to its last token, at each step of the ladder.", source="sitegen"),
        Metric("secure-inference.ttft", "Time to first token", "s", L, "From the sending of a request to its first token, at each step of the ladder.", source="sitegen"),
        Metric("secure-inference.outside_model_time", "Time outside the model", "s", L, "Request latency less the server's own time for prompt and answer: channel, relay, queue and client. It shows the steps apart where the model's own noise hides them.", source="sitegen; llama.cpp, `timings`"),
        Metric("secure-inference.handshake_time", "Handshake time", "s", L, "Time to set up the TLS channel, full or resumed, the TCP connection not included.", source="sitegen"),
        Metric("secure-inference.attestation_time", "Attestation time", "s", L, "Time of one part of attesting the endpoint, once a session.", source="sitegen"),
        Metric("secure-inference.context_time", "Context time", "s", L, "Time to make, or to remove, a context that belongs to one user alone.", source="sitegen"),
        Metric("secure-inference.measure_time", "Time to hash the weights", "s", L, "Time to hash the model's file at load.", source="sitegen"),
        Metric("secure-inference.hash_speed", "Hash speed", "B/s", H, "Bytes of the model's file divided by the time to hash them.", source="sitegen"),
        Metric("secure-inference.channel_throughput", "Channel throughput", "B/s", H, "Bytes moved through the channel divided by the time.", source="sitegen"),
    )
}  # fmt: skip


def metric(metric_id: str, definitions: Iterable[MetricDefinition] = ()) -> Metric:
    """Return the metric called ``metric_id``, from the table or from a run's own definitions.

    One that nobody defines has no direction, and so no verdict.
    """
    known = METRICS.get(metric_id)
    if known is not None:
        return known
    for own in definitions:
        if own.id == metric_id:
            better = Better(own.better) if own.better in set(Better) else Better.NONE
            return Metric(own.id, own.title, own.unit, better, own.definition)
    return Metric(metric_id, metric_id, "", Better.NONE, "Not defined by its collector.")


def unit_problem(run: Run) -> str:
    """Return which metric of ``run`` is stated in another unit than its base unit, or nothing."""
    for name, unit in sorted({(row.metric, row.unit) for row in run.measurements}):
        known = METRICS.get(name)
        if known is not None and unit != known.unit:
            return f"{name} is stated in {unit or 'no unit'}, its base unit is {known.unit}"
    return ""
