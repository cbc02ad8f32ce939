"""FAMILIES: how each benchmark is presented, and which of its series verdicts are given for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sitegen.model import Params


@dataclass(frozen=True, slots=True)
class Headline:
    """A series that verdicts are given for; ``params`` it must have, ``workload`` if named.

    ``loses`` completes "a TEE takes 40 % of ...": the first headline with one and with figures
    that may be quoted speaks for its family.
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
    one line an environment and further parameter; ``axis_title`` words it. ``efficiency``
    divides each value by the axis value times the value at the smallest. Series that differ in
    a parameter of ``split`` never share a chart.
    """

    title: str
    metric: str
    statistic: str = "value"
    where: Params = ()
    workload: str = ""
    group: str = ""
    axis: str = ""
    axis_title: str = ""
    efficiency: bool = False
    split: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OverheadBy:
    """What the TEE costs over a parameter: one line an environment that has a baseline.

    A value of ``axis`` is a number, or ends in one with its unit (``Llama-3.1-8B``).
    """

    title: str
    metric: str
    statistic: str
    axis: str
    axis_title: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps of protection on one machine, each against the one before it.

    ``steps`` are the values of the parameter ``axis`` in their order, with their names.
    """

    title: str
    metric: str
    statistic: str
    workload: str
    axis: str
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SessionShare:
    """What is paid once a session, as a share of the requests of that session.

    ``once`` are the parts: a title, a metric, its statistic and the parameters it must have.
    ``request`` is the series of one request's latency without any of them.
    """

    title: str
    once: tuple[tuple[str, str, str, Params], ...]
    request: tuple[str, str, Params]
    counts: tuple[int, ...] = (1, 10, 100, 1000)


@dataclass(frozen=True, slots=True)
class ForTheMoney:
    """What a datasheet promises for its price, against the first environment that has both.

    Of nominal figures: a ratio of two datasheets is no ratio of two measurements.
    """

    title: str
    price: str
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AxisCost:
    """What one value of a parameter costs against another, all else being equal.

    ``values`` are the baseline's and the side's; the pairs are those of one run.
    """

    title: str
    metric: str
    statistic: str
    axis: str
    values: tuple[str, str]


Contrast = OverheadBy | Ladder | SessionShare | ForTheMoney | AxisCost


@dataclass(frozen=True, slots=True)
class Family:
    """How one benchmark is presented: its name and question, headlines, charts and contrasts.

    ``distributions`` are the (metric, workload) whose samples are drawn, the first and the last
    of their series; None draws all that there are. ``background`` are parameters that a row
    does not repeat where all of its workload have the same.
    """

    benchmark: str
    title: str
    question: str
    headlines: tuple[Headline, ...] = ()
    panels: tuple[Panel, ...] = ()
    axis_title: str = ""
    contrasts: tuple[Contrast, ...] = ()
    distributions: tuple[tuple[str, str], ...] | None = None
    background: frozenset[str] = frozenset()


#: Series that no load parameter divides: one figure a model.
_ONE_LOAD: Params = (("concurrency", ""), ("rate", ""), ("threads", ""))
_CLOSED: Params = (("concurrency", "*"), ("rate", ""))
_OPEN: Params = (("rate", "*"),)
_ONE_SIZE: Params = (("size", ""),)
_SIZES: Params = (("size", "*"),)
#: Two proofs that differ in one of these are not the same proof: they never share an axis.
_PROOF = ("statement", "prover", "proof_system", "proof_mode")

#: Steps of protection on one machine, in their order.
_LADDER = (
    ("native", "plain HTTP"),
    ("hop", "a relay in front"),
    ("tls", "TLS 1.3 in that relay"),
    ("attested", "attestation at session start"),
    ("isolated", "a server for each user"),
)

FAMILIES: Mapping[str, Family] = {
    family.benchmark: family
    for family in (
        Family("llm", "LLM serving", "What does a TEE cost an LLM server?", (
            Headline("llm.decode_rate_per_request", "mean", "Decode rate a request", loses="an LLM's decode rate"),
            Headline("llm.output_token_throughput", "value", "Output tokens a second", workload="closed", loses="an LLM server's token rate"),
            Headline("llm.ttft", "mean", "Time to first token"),
            Headline("llm.tpot", "mean", "Time per output token"),
            Headline("llm.eval_rate", "mean", "Evaluation rate"),
        ), (
            Panel("Decode rate a request", "llm.decode_rate_per_request", "mean", _ONE_LOAD, group="model"),
            Panel("Requests a second", "llm.request_throughput", "value", _ONE_LOAD, group="model"),
            Panel("Time to first token", "llm.ttft", "mean", _ONE_LOAD, group="model"),
            Panel("Decode time a request", "llm.decode_time", "mean", _ONE_LOAD, group="model"),
            Panel("Evaluation rate", "llm.eval_rate", "mean", _ONE_LOAD, group="model"),
            Panel("Output tokens a second, by load", "llm.output_token_throughput", "value", _CLOSED, axis="concurrency", axis_title="concurrent requests"),
            Panel("Time to first token, by load", "llm.ttft", "p50", _CLOSED, axis="concurrency", axis_title="concurrent requests"),
            Panel("Time per output token, by load", "llm.tpot", "p50", _CLOSED, axis="concurrency", axis_title="concurrent requests"),
            Panel("Request latency, by load", "llm.e2e_latency", "p50", _CLOSED, axis="concurrency", axis_title="concurrent requests"),
            Panel("Requests a second within the objective", "llm.goodput", "value", _OPEN, axis="rate", axis_title="requests due a second"),
            Panel("First token, from schedule", "llm.ttft_scheduled", "p50", _OPEN, axis="rate", axis_title="requests due a second"),
            Panel("First token, from schedule, 95 %", "llm.ttft_scheduled", "p95", _OPEN, axis="rate", axis_title="requests due a second"),
            Panel("Evaluation rate, by threads", "llm.eval_rate", "mean", (("threads", "*"),), "threads", axis="threads", axis_title="threads"),
            Panel("Scaling efficiency, evaluation rate", "llm.eval_rate", "mean", (("threads", "*"),), "threads", axis="threads", axis_title="threads", efficiency=True),
        ), contrasts=(
            OverheadBy("Decode rate, over the size of the model", "llm.decode_rate_per_request", "mean", "model", "parameters of the model"),
            OverheadBy("First token, over the size of the model", "llm.ttft", "mean", "model", "parameters of the model"),
            OverheadBy("Requests a second, over the size of the model", "llm.request_throughput", "value", "model", "parameters of the model"),
            OverheadBy("Evaluation rate, over the size of the model", "llm.eval_rate", "mean", "model", "parameters of the model"),
            OverheadBy("Output tokens a second, over concurrency", "llm.output_token_throughput", "value", "concurrency", "concurrent requests"),
            OverheadBy("First token, over input tokens", "llm.ttft", "mean", "input_tokens", "input tokens"),
            OverheadBy("Request latency, over output tokens", "llm.e2e_latency", "mean", "output_tokens", "output tokens"),
        ), distributions=(("llm.ttft", "closed"), ("llm.tpot", "closed"), ("llm.ttft_scheduled", "open")), background=frozenset({"engine", "weights", "input_tokens", "output_tokens"})),
        Family("fio", "Storage", "What does a TEE cost storage?", (
            Headline("fio.iops", "value", "Random read, 4 KiB", (("direction", "read"),), "read_iops", "random reads"),
            Headline("fio.iops", "value", "Random write, 4 KiB", (("direction", "write"),), "write_iops"),
            Headline("fio.bandwidth", "value", "Sequential read, 1 MiB", (("direction", "read"),), "read_seq"),
            # Jobs that came in from elsewhere say their engine, and are named as somebody liked.
            Headline("fio.iops", "value", "I/O operations a second", (("engine", "*"),), loses="I/O operations"),
            Headline("fio.bandwidth", "value", "Bandwidth", (("engine", "*"),)),
            Headline("fio.completion_latency", "p99", "Completion latency, 99 % within", (("engine", "*"),)),
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
        ), "concurrent connections", (
            AxisCost("What TLS costs", "ab.requests_per_second", "mean", "scheme", ("http", "https")),
        )),
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
            Headline("zktls.total_time", "mean", "Total time", loses="a prover's time"),
            Headline("zktls.prove_time", "mean", "Proving time"),
        ), (
            Panel("Total time", "zktls.total_time", "value", _ONE_SIZE, split=_PROOF),
            Panel("Proving time", "zktls.prove_time", "value", _ONE_SIZE, split=_PROOF),
            Panel("Proof size", "zktls.proof_size", "value", _ONE_SIZE, split=_PROOF),
            Panel("Hash speed", "zktls.hash_speed", "value", _ONE_SIZE, split=_PROOF),
            Panel("Proving speed", "zktls.proving_speed", "value", _ONE_SIZE, split=(*_PROOF, "time_scope", "cycle_kind")),
            Panel("Proving time, by size", "zktls.prove_time", "mean", _SIZES, axis="size", axis_title="bytes", split=_PROOF),
            Panel("Proven throughput, by size", "zktls.proven_throughput", "mean", _SIZES, axis="size", axis_title="bytes", split=_PROOF),
            Panel("Verification time, by size", "zktls.verify_time", "mean", _SIZES, axis="size", axis_title="bytes", split=_PROOF),
            Panel("Peak memory, by size", "zktls.peak_memory", "max", _SIZES, axis="size", axis_title="bytes", split=_PROOF),
            Panel("Hash speed, by size", "zktls.hash_speed", "mean", _SIZES, axis="size", axis_title="bytes", split=(*_PROOF, "hash")),
        ), "bytes", distributions=(), background=frozenset({"prover", "proof_system", "proof_mode", "threads", "time_scope"})),
        Family("hardware", "Hardware", "What hardware is it, and what does it cost?", (
            Headline("hardware.memory_bandwidth", "value", "Memory bandwidth, copy", (("kernel", "copy"), ("threads", "*")), loses="memory bandwidth"),
        ), (
            Panel("Memory capacity", "hardware.memory_capacity", where=(("source", ""),)),
            Panel("Memory bandwidth", "hardware.memory_bandwidth", where=(("kernel", ""),)),
            Panel("INT8 compute", "hardware.int8_compute"),
            Panel("Price", "hardware.price"),
            Panel("Memory bandwidth, measured", "hardware.memory_bandwidth", where=(("kernel", "*"), ("threads", "*")), axis="threads", axis_title="threads", split=("kernel",)),
        ), "threads", (
            ForTheMoney("For the money, by datasheet", "hardware.price", (
                "hardware.int8_compute", "hardware.memory_bandwidth", "hardware.memory_capacity",
            )),
        )),
        Family("secure-inference", "Secure inference", "What does a secure channel cost inference?", (
            Headline("secure-inference.e2e_latency", "mean", "Request latency", workload="ladder", loses="a request's latency"),
        ), (
            Panel("TLS handshake", "secure-inference.handshake_time", "mean", workload="session", group="mode"),
            Panel("Attestation, once a session", "secure-inference.attestation_time", "mean", workload="session", group="part"),
            Panel("Evidence alone", "secure-inference.attestation_time", "mean", workload="evidence", group="part"),
            Panel("Channel throughput", "secure-inference.channel_throughput", "mean", group="channel"),
            Panel("Hashing the weights", "secure-inference.hash_speed", "mean", group="hash"),
            Panel("A server of one's own", "secure-inference.context_time", "mean", workload="ladder", group="part"),
        ), contrasts=(
            Ladder("The ladder, outside the model", "secure-inference.outside_model_time", "mean", "ladder", "step", _LADDER),
            Ladder("The ladder, whole requests", "secure-inference.e2e_latency", "mean", "ladder", "step", _LADDER),
            Ladder("What isolation loses where users share a prompt", "secure-inference.e2e_latency", "mean", "shared-prefix", "step", (
                ("shared-cache", "one prefix cache for all"),
                ("isolated", "a prefix cache for each user"),
                ("uncached", "no prefix cache"),
            )),
            SessionShare("What a session pays once", (
                ("handshake", "secure-inference.handshake_time", "mean", (("mode", "full"),)),
                ("verification of the endpoint", "secure-inference.attestation_time", "mean", (("part", "session"), ("step", ""))),
                ("quote generation", "secure-inference.attestation_time", "mean", (("part", "quote"),)),
            ), ("secure-inference.e2e_latency", "mean", (("connections", "fresh"), ("step", "native")))),
        ), distributions=(), background=frozenset({"model", "threads", "concurrency", "input_tokens", "output_tokens", "requests_per_user"})),
    )
}  # fmt: skip


def family(benchmark: str) -> Family:
    """Return how ``benchmark`` is presented; one that sitegen does not know gets its name."""
    return FAMILIES.get(benchmark) or Family(benchmark, benchmark, f"What does {benchmark} show?")


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
    """Say whether a series has all wanted parameters.

    ``*`` takes any value that is there; nothing wants the parameter absent.
    """
    return all(key in have if value == "*" else have.get(key, "") == value for key, value in wanted)


def efficiency_axis(benchmark: str) -> str:
    """Return the parameter that a benchmark's scaling efficiency is over, or nothing."""
    return next((panel.axis for panel in family(benchmark).panels if panel.efficiency), "")
