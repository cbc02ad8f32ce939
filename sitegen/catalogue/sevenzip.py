"""A processor, as 7-Zip's benchmark measures it: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool


def _idle_cores(figure: tool.Figure) -> str:
    if figure.metric != "7z.rating" or "cores" not in figure.params:
        return ""
    threads = figure.params.get("threads", "?")
    return f"{threads} threads ran on {figure.params['cores']} cores: a share of them was idle."


TOOL = tool.Tool(
    metrics=(
        tool.Metric("7z.rating", "Rating", "MIPS", tool.H, "Modelled operations of the LZMA benchmark divided by wall time. Total is the mean of compression and decompression.", source="7-Zip, Bench.cpp"),
        tool.Metric("7z.rating_per_usage", "Rating per busy CPU", "MIPS", tool.H, "Modelled operations divided by CPU time. Only as good as the guest's CPU accounting.", source="7-Zip, `R/U`"),
        tool.Metric("7z.speed", "Speed", "B/s", tool.H, "Bytes of uncompressed data handled per second, for compression or for decompression.", source="7-Zip, `Speed`", shown_in="KiB/s"),
        tool.Metric("7z.cpu_usage", "CPU usage", "ratio", tool.N, "CPU time divided by wall time: 1 is one busy CPU. Less than the threads asked for means contention, or a phase that does not scale.", scale=tool.Scale.DIFFERENCE, source="7-Zip, `Usage`"),
        tool.Metric("7z.cpu_frequency", "CPU frequency", "Hz", tool.N, "Median of the frequencies that 7-Zip estimates with one thread before it starts.", source="7-Zip, `CPU Freq`"),
    ),
    family=tool.Family("7z", "CPU", "What does a TEE cost the processor?", area="CPU",
        headlines=(
            tool.Headline("7z.rating", "value", (("operation", "total"), ("threads", "*")), title="Total rating", loses="a CPU's 7-Zip rating"),
        ),
        panels=(
            tool.Panel("7z.rating", "value", (("operation", "total"),), title="Total rating", axis="threads"),
            tool.Panel("7z.speed", "mean", (("operation", "compress"),), title="Compression speed", axis="threads"),
            tool.Panel("7z.speed", "mean", (("operation", "decompress"),), title="Decompression speed", axis="threads"),
            tool.Panel("7z.rating", "value", (("operation", "total"),), title="Scaling efficiency, total rating", axis="threads", efficiency=True),
            tool.Panel("7z.speed", "mean", (("operation", "compress"),), title="Scaling efficiency, compression", axis="threads", efficiency=True),
            tool.Panel("7z.speed", "mean", (("operation", "decompress"),), title="Scaling efficiency, decompression", axis="threads", efficiency=True),
            tool.Panel("7z.rating", "value", (("cores", "*"), ("operation", "compress"), ("threads", "8")), title="Compression rating, 8 threads", group="threads"),
        ),
        columns=(("7z.rating", ("",)), ("7z.cpu_usage", ("",)), ("7z.rating_per_usage", ("",)), ("7z.speed", ("",))),
        suspect="Something else had the CPUs that the threads could have used, or 7-Zip ran another dictionary than was asked for.",
        axis_title="threads",
    ),
    parameters=(
        tool.SeriesParameter("operation", words="{}"),
        tool.SeriesParameter("dictionary", tool.Kind.SIZE, "dictionary {}"),
        tool.SeriesParameter("rows", words="rows {}"),
        tool.SeriesParameter("row", words="row {} alone"),
        tool.SeriesParameter("options", words="options {}"),
    ),
    rules=(
        tool.Rule("not-per-core", "not per core", doubts=False, figure=_idle_cores, definition="The benchmark ran fewer threads than the machine has cores: dividing by the cores says nothing about a core."),
    ),
)  # fmt: skip
