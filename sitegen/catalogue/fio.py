"""Storage, as fio measures it: all that is said of it beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sitegen.catalogue import tool
from sitegen.model import AnyRun

#: Rates of PCIe 5.0 x4, the fastest link a single NVMe device has (PCI-SIG, 128b/130b coded).
LINK_RATE = 15.75e9
_LINK = f"{LINK_RATE / 1e9:g} GB/s (PCIe 5.0 x4)"
_DEVICE_SHARE = 0.5
_LARGE = 65536
_BUFFERED = "The jobs went through the page cache of their own system (direct=0)."


def _buffered(run: AnyRun, *_: str) -> str:
    pairs = {(p.name, p.value) for p in run.parameters}
    return _BUFFERED if run.benchmark == "fio" and ("direct", "0") in pairs else ""


def _from_memory(figure: tool.Figure) -> str:
    if figure.params.get("direct") == "0":
        return _BUFFERED
    device, moved = figure.beside.get("device"), figure.beside.get("moved")
    if device is None or not moved or device >= _DEVICE_SHARE * moved:
        return ""
    return f"The block device moved {device / moved:.0%} of the bytes."


def _outdoes_host(metric: str, factor: float, high: float, host: str) -> str:
    if not metric.startswith("fio.") or high >= 1:
        return ""
    return f"{1 / factor:.3g} times as good as on {host}, the machine it runs on."


def _faster_than_the_link(figure: tool.Figure) -> str:
    if figure.metric != "fio.bandwidth" or figure.value <= LINK_RATE:
        return ""
    return f"{figure.value / 1e9:.1f} GB/s is above {_LINK}."


def largest(sizes: str) -> int:
    """Return the largest of the sizes that a parameter's value names, in bytes; 0 for none."""
    return max(map(int, re.findall(r"(?<!\d)\d{1,18}(?![\d%])", sizes)), default=0)


def _leading(params: Mapping[str, str]) -> str:
    """Return what says most: the rate, the bytes from 64 KiB on, or latency when shallow."""
    if largest(params.get("block_size", "")) >= _LARGE:
        return "fio.bandwidth"
    return "fio.latency" if params.get("iodepth") in ("1", "4") else "fio.iops"


TOOL = tool.Tool(
    metrics=(
        tool.Metric("fio.iops", "IOPS", "1/s", tool.H, "I/O operations completed, divided by the run time of the job; for several jobs, the sum of their operations divided by the longest run time.", source="fio documentation, JSON output, `iops`", counts="IOPS"),
        tool.Metric("fio.bandwidth", "Bandwidth", "B/s", tool.H, "Bytes moved, divided by the run time; the bytes that the benchmark asked for, not those that reached a device.", source="fio documentation, JSON output, `bw_bytes`", shown_in="MiB/s"),
        tool.Metric("fio.latency", "Latency", "s", tool.L, "Time from the submission of an operation to its completion, at the queue depth of the workload.", source="fio documentation, `lat`"),
        tool.Metric("fio.completion_latency", "Completion latency", "s", tool.L, "Time from when the kernel has taken an operation to its completion.", source="fio documentation, `clat`"),
        tool.Metric("fio.submission_latency", "Submission latency", "s", tool.L, "Time that it takes to hand an operation to the kernel.", source="fio documentation, `slat`"),
        tool.Metric("fio.sync_latency", "Sync latency", "s", tool.L, "Time that one fsync or fdatasync takes: what durable storage costs a writer.", source="fio documentation, `sync`"),
        tool.Metric("fio.io_bytes", "Bytes moved", "B", tool.N, "Bytes that the benchmark read or wrote during the job.", source="fio documentation, `io_bytes`", beside=(("value", "moved"),)),
        tool.Metric("fio.cpu_usage", "CPU used by fio", "ratio", tool.N, "User and system time of the fio jobs, divided by their run time; above 1 for several jobs.", scale=tool.Scale.DIFFERENCE, source="fio documentation, `usr_cpu`, `sys_cpu`"),
        tool.Metric("fio.device_bytes", "Bytes at the block device", "B", tool.N, "What the guest's block device reports to have moved during the job. Far less than the job's bytes means that a cache answered.", source="Linux block layer statistics, as fio reports them", beside=(("value", "device"),)),
    ),
    family=tool.Family("fio", "Storage", "What does a TEE cost in storage?", area="Storage",
        headlines=(
            tool.Headline("fio.iops", "value", (("direction", "read"),), "read_iops", title="Random read, 4 KiB", loses="random reads", whole=True),
            tool.Headline("fio.iops", "value", (("direction", "write"),), "write_iops", title="Random write, 4 KiB", loses="random writes", whole=True),
            tool.Headline("fio.bandwidth", "value", (("direction", "read"),), "read_seq", title="Sequential read, 1 MiB", loses="sequential reads", whole=True),
            tool.Headline("fio.bandwidth", "value", (("direction", "write"),), "write_seq", title="Sequential write, 1 MiB", loses="sequential writes", whole=True),
            tool.Headline("fio.latency", "p99", (("direction", "read"),), "randread-4k-qd1", title="Random read at depth 1, p99", loses="the p99 of single reads", whole=True),
            tool.Headline("fio.sync_latency", "p99", (), "logwrite-4k-fdatasync", title="fdatasync after each write, p99", loses="the p99 of fdatasync", whole=True),
            tool.Headline("fio.iops", "value", (("engine", "*"),), title="IOPS", loses="I/O operations"),
            tool.Headline("fio.bandwidth", "value", (("engine", "*"),), title="Bandwidth"),
            tool.Headline("fio.completion_latency", "p99", (("engine", "*"),), title="Completion latency, p99"),
        ),
        panels=(
            tool.Panel("fio.iops", "value", (("block_size", "4096"), ("iodepth", "64"), ("pattern", "rand")), title="Random, 4 KiB", group="direction"),
            tool.Panel("fio.iops", "value", (("block_size", "4096"), ("pattern", "randrw"), ("read_share", "0.75")), title="Mixed 75/25, 4 KiB", group="direction"),
            tool.Panel("fio.latency", "mean", (("block_size", "4096"), ("iodepth", "4"), ("pattern", "rand")), title="Random, 4 KiB, depth 4", group="direction"),
            tool.Panel("fio.bandwidth", "value", (("block_size", "131072"), ("pattern", "rand")), title="Random, 128 KiB", group="direction"),
            tool.Panel("fio.bandwidth", "value", (("block_size", "1048576"), ("numjobs", "4"), ("pattern", "seq")), title="Sequential, 1 MiB, 4 jobs", group="direction"),
        ),
        columns=(("fio.iops", ("",)), ("fio.bandwidth", ("",)), ("fio.latency", ("", "p50", "p99", "p99.9"))),
        suspect="The device moved far fewer bytes than the job, its parts did not load the machine for equally long, or fio found a limit in its way.",
        wholes={"fio.completion_latency": "fio.latency"},
        counted="operations",
        leads=_leading,
    ),
    parameters=(
        tool.SeriesParameter("pattern", values={"rand": "random", "seq": "sequential", "randrw": "mixed", "rw": "mixed sequential"}),
        tool.SeriesParameter("direction", words="{}"),
        tool.SeriesParameter("block_size", tool.Kind.SIZE, "{}"),
        tool.SeriesParameter("iodepth", tool.Kind.COUNT, "depth {}"),
        tool.SeriesParameter("numjobs", tool.Kind.COUNT, "{} job", "{} jobs"),
        tool.SeriesParameter("clients", tool.Kind.COUNT, "{} client", "{} clients"),
        tool.SeriesParameter("read_share", tool.Kind.SHARE, "{} % reads"),
        tool.SeriesParameter("direct", values={"1": "direct", "0": "through the page cache"}),
        tool.SeriesParameter("fsync", values={"1": "fsync after each write"}),
        tool.SeriesParameter("fdatasync", values={"1": "fdatasync after each write"}),
        tool.SeriesParameter("job", words="job {}"),
        tool.SeriesParameter("job_name", words="called {}"),
        tool.SeriesParameter("at_once", tool.Kind.COUNT, words="{} jobs at once"),
        tool.SeriesParameter("grouped", words="{} added up"),
        tool.SeriesParameter("device", words="on {}"),
        tool.SeriesParameter("rate_limit", words="limited to {}"),
        tool.SeriesParameter("iops_limit", words="at most {} IOPS"),
    ),
    rules=(
        tool.Rule("page-cache", "page cache suspected", run=_buffered, figure=_from_memory, outdone=_outdoes_host, as_baseline="cached-baseline", definition="A guest is faster than the machine it runs on, or the guest's block device moved far fewer bytes than the benchmark did: memory answered, not a disk."),
        tool.Rule("link-rate", "faster than the link", figure=_faster_than_the_link, as_baseline="cached-baseline", definition=f"The bandwidth is above what a device can deliver: {_LINK}."),
        tool.Rule("cached-baseline", "baseline cached", definition="The figure on the other side of the comparison is suspected to come from a cache."),
    ),
)  # fmt: skip
