"""METRICS: the one table of what may be said about a number.

Tables, axes, sorting, verdicts and the methodology page all read it. No unit and no
"higher is better" stands anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sitegen.model import MetricDefinition, Params, Run
from sitegen.quantity import DisplayUnit, unit_for


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
    tool prints, in that unit. ``margin`` is the effect, as a share, below which a difference
    is not called one. ``shown_in`` fixes the display unit where the field has a usual one;
    ``counts`` names what a rate counts (IOPS).
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

    def unit_for(self, values: Iterable[float | None]) -> DisplayUnit:
        """Return the unit that ``values`` of this metric are shown in, when together."""
        unit = unit_for(self.unit, values, self.shown_in)
        if self.counts:
            return DisplayUnit(unit.factor, unit.text.replace("/s", f" {self.counts}").lstrip())
        return unit


@dataclass(frozen=True, slots=True)
class Headline:
    """A series that verdicts are given for; ``params`` it must have, ``workload`` if named.

    ``loses`` completes "a TEE takes 40 % of ..."; the first headline of a family has one.
    """

    metric: str
    statistic: str
    title: str
    params: Params = ()
    workload: str = ""
    loses: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a benchmark's page: the series that it takes, and how it groups them.

    ``where`` are parameters that a series must have (a value of ``*``: any). Bars are grouped
    by the parameter ``group``. With ``axis`` the panel is a line chart over that parameter,
    one line an environment and further parameter. ``efficiency`` divides each value by the
    axis value times the value at the smallest.
    """

    title: str
    metric: str
    statistic: str = "value"
    where: Params = ()
    workload: str = ""
    group: str = ""
    axis: str = ""
    efficiency: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """How one benchmark is presented: its name, its question, headline series and charts."""

    benchmark: str
    title: str
    question: str
    headlines: tuple[Headline, ...] = ()
    panels: tuple[Panel, ...] = ()
    axis_title: str = ""


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
               scale=Scale.PROPORTION, source="computed from ApacheBench's counts"),
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
               "From the sending of a request to its first token.", source="vLLM benchmark"),
        Metric("llm.ttft_scheduled", "Time to first token, from schedule", "s", L,
               "From the time a request was due to its first token (open loop).", source="sitegen"),
        Metric("llm.tpot", "Time per output token", "s", L,
               "Decode time divided by output tokens after the first.", source="vLLM benchmark"),
        Metric("llm.itl", "Inter-token latency", "s", L,
               "Time between two tokens of one request.", source="vLLM benchmark"),
        Metric("llm.inter_chunk_latency", "Inter-chunk latency", "s", L,
               "Time between two chunks of one stream; a chunk may hold several tokens.", source="sitegen"),
        Metric("llm.decode_time", "Decode time a request", "s", L,
               "From the first token of a request to its last. Some publications print this as ITL.",
               source="as printed"),
        Metric("llm.e2e_latency", "Request latency", "s", L,
               "From the sending of a request to its last token.", source="vLLM benchmark"),
        Metric("llm.load_time", "Model load time", "s", L, "Time to load the weights.", source="Ollama"),
        Metric("llm.decode_rate_per_request", "Decode rate a request", "tokens/s", H,
               "Output tokens of one request divided by its decode time. Some publications print this as TPS.",
               source="as printed"),
        Metric("llm.output_token_throughput", "Output tokens a second", "tokens/s", H,
               "Output tokens of all requests divided by the time of the test.", source="vLLM benchmark"),
        Metric("llm.total_token_throughput", "Tokens a second", "tokens/s", H,
               "Input and output tokens of all requests divided by the time of the test.", source="vLLM benchmark"),
        Metric("llm.eval_rate", "Evaluation rate", "tokens/s", H,
               "Output tokens divided by the time that the model spent on them, as the server counts.",
               source="Ollama, `eval rate`"),
        Metric("llm.prompt_eval_rate", "Prompt evaluation rate", "tokens/s", H,
               "Input tokens divided by the time that the model spent on them.", source="Ollama, `prompt eval rate`"),
        Metric("llm.request_throughput", "Requests a second", "1/s", H,
               "Completed requests divided by the time of the test.", source="vLLM benchmark", shown_in="/s", counts="requests/s"),
        Metric("llm.goodput", "Requests a second within the objective", "1/s", H,
               "Requests that met the latency objective, divided by the time of the test.", source="vLLM benchmark"),
        Metric("llm.error_rate", "Error rate", "ratio", L,
               "Failed requests divided by all requests.", scale=Scale.PROPORTION, source="sitegen"),
        Metric("zktls.witness_time", "Witness time", "s", L, "Time to compute the witness.", source="sitegen"),
        Metric("zktls.prove_time", "Proving time", "s", L,
               "Time to make the proof, set-up not included.", source="as printed"),
        Metric("zktls.verify_time", "Verification time", "s", L, "Time to check the proof.", source="sitegen"),
        Metric("zktls.total_time", "Total time", "s", L,
               "Time from the input to the finished proof.", source="as printed"),
        Metric("zktls.setup_time", "Set-up time", "s", L, "Time of the one-off set-up.", source="sitegen"),
        Metric("zktls.proof_size", "Proof size", "B", L,
               "Bytes of the proof. Two proofs of very different size are not the same proof.",
               scale=Scale.EXACT, source="as printed", shown_in="B"),
        Metric("zktls.proving_speed", "Proving speed", "Hz", H,
               "Cycles of the proven program divided by proving time.", source="as printed", shown_in="kHz"),
        Metric("zktls.proven_throughput", "Proven throughput", "B/s", H,
               "Bytes of the proven statement divided by proving time.", source="sitegen"),
        Metric("zktls.hash_speed", "Hash speed", "B/s", H, "Bytes hashed a second, as printed.", source="as printed", shown_in="MB/s"),
        Metric("zktls.memory_bandwidth_utilisation", "Memory bandwidth, relative", "ratio", N,
               "Hash speed relative to the CPU baseline, as printed; not a measured bandwidth.",
               scale=Scale.DIFFERENCE, source="as printed"),
        Metric("zktls.peak_memory", "Peak memory", "B", L, "Largest resident size of the prover.", source="sitegen"),
        Metric("hardware.memory_capacity", "Memory capacity", "B", H, "Memory of the device.", source="datasheet", shown_in="GB"),
        Metric("hardware.memory_bandwidth", "Memory bandwidth", "B/s", H,
               "Bandwidth of the device's memory: a datasheet's peak, or measured.", source="datasheet", shown_in="GB/s"),
        Metric("hardware.int8_compute", "INT8 compute", "op/s", H,
               "Peak 8-bit integer operations a second, as the publication gives them.", source="datasheet", shown_in="Top/s"),
        Metric("hardware.price", "Price", "USD/h", L, "Price of an hour, as the publication gives it.", source="as printed"),
        Metric("secure-inference.e2e_latency", "Request latency", "s", L, "From request to answer.", source="sitegen"),
        Metric("secure-inference.attestation_time", "Attestation time", "s", L, "Time to attest the server.", source="sitegen"),
        Metric("secure-inference.handshake_time", "Handshake time", "s", L, "Time to set up the channel.", source="sitegen"),
        Metric("secure-inference.measure_time", "Measurement time", "s", L, "Time to measure the model.", source="sitegen"),
    )
}  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    family.benchmark: family
    for family in (
        Family("llm", "LLM serving", "What does a TEE cost an LLM server?", (
            Headline("llm.decode_rate_per_request", "mean", "Decode rate a request", loses="an LLM's decode rate"),
            Headline("llm.ttft", "mean", "Time to first token"),
            Headline("llm.eval_rate", "mean", "Evaluation rate"),
        ), (
            Panel("Decode rate a request", "llm.decode_rate_per_request", "mean", group="model"),
            Panel("Requests a second", "llm.request_throughput", group="model"),
            Panel("Time to first token", "llm.ttft", "mean", group="model"),
            Panel("Decode time a request", "llm.decode_time", "mean", group="model"),
            Panel("Evaluation rate", "llm.eval_rate", "mean", group="model"),
        )),
        Family("fio", "Storage", "What does a TEE cost storage?", (
            Headline("fio.iops", "value", "Random read, 4 KiB", (("direction", "read"),), "read_iops", "random reads"),
            Headline("fio.iops", "value", "Random write, 4 KiB", (("direction", "write"),), "write_iops"),
            Headline("fio.bandwidth", "value", "Sequential read, 1 MiB", (("direction", "read"),), "read_seq"),
        ), (
            Panel("Random, 4 KiB", "fio.iops", where=(("block_size", "4096"), ("iodepth", "64"), ("pattern", "rand")), group="direction"),
            Panel("Mixed 75/25, 4 KiB", "fio.iops", where=(("block_size", "4096"), ("pattern", "randrw")), group="direction"),
            Panel("Random, 4 KiB, depth 4", "fio.latency", "mean", (("block_size", "4096"), ("iodepth", "4"), ("pattern", "rand")), group="direction"),
            Panel("Random, 128 KiB", "fio.bandwidth", where=(("block_size", "131072"), ("pattern", "rand")), group="direction"),
            Panel("Sequential, 1 MiB, 4 jobs", "fio.bandwidth", where=(("block_size", "1048576"), ("numjobs", "4"), ("pattern", "seq")), group="direction"),
        )),
        Family("ab", "Web server", "What does a TEE cost a web server?", (
            Headline("ab.requests_per_second", "mean", "Requests a second", (("concurrency", "1000"),), "sweep", "a web server's requests"),
        ), (
            Panel("Requests a second, by gateway", "ab.requests_per_second", "mean", (("access", "tproxy"),), "sweep", axis="concurrency"),
            Panel("99 % of requests, by gateway", "ab.latency", "p99", (("access", "tproxy"),), "sweep", axis="concurrency"),
            Panel("Requests a second, on loopback", "ab.requests_per_second", "mean", (("access", "loopback"),), "sweep", axis="concurrency"),
            Panel("99 % of requests, on loopback", "ab.latency", "p99", (("access", "loopback"),), "sweep", axis="concurrency"),
            Panel("Connect time, on loopback", "ab.connect_time", "mean", (("access", "loopback"),), "sweep", axis="concurrency"),
            Panel("Direct and through the proxy", "ab.requests_per_second", "mean", workload="tproxy-overhead", group="access"),
            Panel("Latency, direct and through the proxy", "ab.latency", "mean", workload="tproxy-overhead", group="access"),
            Panel("Many processes at once", "ab.requests_per_second", "total", workload="multi", group="log_level"),
            Panel("CPU of the server, many processes", "ab.server_cpu_usage", "mean", workload="multi", group="log_level"),
        ), "concurrent connections"),
        Family("7z", "CPU", "What does a TEE cost the processor?", (
            Headline("7z.rating", "value", "Total rating", (("operation", "total"), ("threads", "*")), loses="a CPU's 7-Zip rating"),
        ), (
            Panel("Total rating", "7z.rating", where=(("operation", "total"),), axis="threads"),
            Panel("Compression speed", "7z.speed", "mean", (("operation", "compress"),), axis="threads"),
            Panel("Decompression speed", "7z.speed", "mean", (("operation", "decompress"),), axis="threads"),
            Panel("Scaling efficiency, total rating", "7z.rating", where=(("operation", "total"),), axis="threads", efficiency=True),
            Panel("Scaling efficiency, compression", "7z.speed", "mean", (("operation", "compress"),), axis="threads", efficiency=True),
            Panel("Scaling efficiency, decompression", "7z.speed", "mean", (("operation", "decompress"),), axis="threads", efficiency=True),
            Panel("Compression rating, 8 threads", "7z.rating", where=(("cores", "*"), ("operation", "compress"), ("threads", "8")), group="threads"),
        ), "threads"),
        Family("zktls", "zkTLS", "What does a TEE cost a prover?", (
            Headline("zktls.total_time", "value", "Total time", loses="a prover's time"),
        ), (
            Panel("Total time", "zktls.total_time"),
            Panel("Proving time", "zktls.prove_time"),
            Panel("Proof size", "zktls.proof_size"),
            Panel("Hash speed", "zktls.hash_speed"),
            Panel("Proving speed", "zktls.proving_speed"),
        )),
        Family("hardware", "Hardware", "What hardware is it, and what does it cost?", (), (
            Panel("Memory capacity", "hardware.memory_capacity"),
            Panel("Memory bandwidth", "hardware.memory_bandwidth"),
            Panel("INT8 compute", "hardware.int8_compute"),
            Panel("Price", "hardware.price"),
        )),
        Family("secure-inference", "Secure inference", "What does a secure channel cost inference?", (
            Headline("secure-inference.e2e_latency", "mean", "Request latency", loses="a request's latency"),
        )),
    )
}  # fmt: skip


def family(benchmark: str) -> Family:
    """Return how ``benchmark`` is presented; one that sitegen does not know gets its name."""
    return FAMILIES.get(benchmark) or Family(benchmark, benchmark, f"What does {benchmark} show?")


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


def headline_of(
    benchmark: str, workload: str, metric_id: str, statistic: str, params: Params
) -> Headline | None:
    """Return the headline that this series belongs to, or None."""
    have = dict(params)
    for headline in family(benchmark).headlines:
        if (
            headline.metric == metric_id
            and headline.statistic == statistic
            and headline.workload in ("", workload)
            and matches(have, headline.params)
        ):
            return headline
    return None


def matches(have: Mapping[str, str], wanted: Params) -> bool:
    """Say whether a series has all wanted parameters; ``*`` takes any value that is there."""
    return all(key in have if value == "*" else have.get(key) == value for key, value in wanted)


def efficiency_axis(benchmark: str) -> str:
    """Return the parameter that a benchmark's scaling efficiency is over, or nothing."""
    return next((panel.axis for panel in family(benchmark).panels if panel.efficiency), "")


def unit_problem(run: Run) -> str:
    """Return which metric of ``run`` is stated in another unit than its base unit, or nothing."""
    for name, unit in sorted({(row.metric, row.unit) for row in run.measurements}):
        known = METRICS.get(name)
        if known is not None and unit != known.unit:
            return f"{name} is stated in {unit or 'no unit'}, its base unit is {known.unit}"
    return ""
