"""What hardware it is: memory bandwidth, GPUs, datasheets and prices: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool

TOOL = tool.Tool(
    metrics=(
        tool.Metric("hardware.cpus", "CPUs", "count", tool.N, "CPUs that the machine lets a program use.", scale=tool.Scale.EXACT, source="the operating system"),
        tool.Metric("hardware.memory_capacity", "Memory capacity", "B", tool.N, "Memory of the device; detected, what the kernel manages.", source="the operating system; datasheet", shown_in="GB"),
        tool.Metric("hardware.disk_capacity", "Disk capacity", "B", tool.N, "Size of the file system that a run works on.", source="the operating system", shown_in="GB"),
        tool.Metric("hardware.gpu_memory", "GPU memory", "B", tool.N, "Memory of a GPU.", source="NVML", shown_in="GB"),
        tool.Metric("hardware.memory_bandwidth", "Memory bandwidth", "B/s", tool.H, "A datasheet's peak; or, measured, the bytes that a kernel's instructions read and write, divided by the time. Lines that are fetched only to be overwritten are not counted.", source="likwid-bench; datasheet", shown_in="GB/s"),
        tool.Metric("hardware.int8_compute", "INT8 compute", "op/s", tool.H, "Peak 8-bit integer operations per second, as the publication gives them.", source="datasheet", shown_in="TOPS"),
        tool.Metric("hardware.price", "Price", "USD/h", tool.L, "Price of an hour, as the publication gives it; a month's is divided by 730 hours, and says so.", source="as printed"),
    ),
    family=tool.Family("hardware", "Hardware", "What hardware is it, and what does it cost?", area="Hardware",
        headlines=(
            tool.Headline("hardware.memory_bandwidth", "value", (("kernel", "copy"), ("threads", "*")), title="Memory bandwidth, copy", loses="memory bandwidth"),
        ),
        panels=(
            tool.Panel("hardware.memory_capacity", "value", (("source", ""),), title="Memory capacity"),
            tool.Panel("hardware.memory_bandwidth", "value", (("kernel", ""),), title="Memory bandwidth"),
            tool.Panel("hardware.int8_compute", "value", title="INT8 compute"),
            tool.Panel("hardware.price", "value", title="Price"),
            tool.Panel("hardware.memory_bandwidth", "value", (("kernel", "*"), ("threads", "*")), title="Memory bandwidth, measured", axis="threads", axis_title="threads", split=("kernel",)),
        ),
        axis_title="threads",
        contrasts=(
            tool.ForTheMoney("For the money, by datasheet", "hardware.price", ("hardware.int8_compute", "hardware.memory_bandwidth", "hardware.memory_capacity")),
        ),
    ),
    parameters=(
        tool.SeriesParameter("kernel", words="{}"),
        tool.SeriesParameter("source", hidden=True),
        tool.SeriesParameter("sku", words="{}"),
        tool.SeriesParameter("provider", words="{}"),
        tool.SeriesParameter("region", words="{}"),
        tool.SeriesParameter("vcpus", words="{} vCPU", several="{} vCPUs"),
        tool.SeriesParameter("billing", words="{}"),
        tool.SeriesParameter("billed", values={"month": "by the month"}),
        tool.SeriesParameter("per", values={"gpu": "for one GPU"}),
    ),
)  # fmt: skip
