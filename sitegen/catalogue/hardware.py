"""What hardware it is: memory bandwidth, GPUs, datasheets and prices: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue.tool import (
    Family,
    ForTheMoney,
    H,
    Headline,
    L,
    Metric,
    N,
    Panel,
    Scale,
    SeriesParameter,
    Tool,
)

TOOL = Tool(
    metrics=(
        Metric("hardware.cpus", "CPUs", "count", N, "CPUs that the machine lets a program use.", scale=Scale.EXACT, source="the operating system"),
        Metric("hardware.memory_capacity", "Memory capacity", "B", N, "Memory of the device; detected, what the kernel manages.", source="the operating system; datasheet", shown_in="GB"),
        Metric("hardware.disk_capacity", "Disk capacity", "B", N, "Size of the file system that a run works on.", source="the operating system", shown_in="GB"),
        Metric("hardware.gpu_memory", "GPU memory", "B", N, "Memory of a GPU.", source="NVML", shown_in="GB"),
        Metric("hardware.memory_bandwidth", "Memory bandwidth", "B/s", H,
               "A datasheet's peak; or, measured, the bytes that a kernel's instructions read and write, divided by the time. Lines that are fetched only to be overwritten are not counted.", source="likwid-bench; datasheet", shown_in="GB/s"),
        Metric("hardware.int8_compute", "INT8 compute", "op/s", H,
               "Peak 8-bit integer operations a second, as the publication gives them.", source="datasheet", shown_in="Top/s"),
        Metric("hardware.price", "Price", "USD/h", L, "Price of an hour, as the publication gives it.", source="as printed"),
    ),
    family=Family(
        "hardware",
        "Hardware",
        "What hardware is it, and what does it cost?",
        headlines=(
            Headline("hardware.memory_bandwidth", "value", (("kernel", "copy"), ("threads", "*")), title="Memory bandwidth, copy", loses="memory bandwidth"),
        ),
        panels=(
            Panel("hardware.memory_capacity", "value", (("source", ""),), title="Memory capacity"),
            Panel("hardware.memory_bandwidth", "value", (("kernel", ""),), title="Memory bandwidth"),
            Panel("hardware.int8_compute", "value", title="INT8 compute"),
            Panel("hardware.price", "value", title="Price"),
            Panel("hardware.memory_bandwidth", "value", (("kernel", "*"), ("threads", "*")), title="Memory bandwidth, measured", axis="threads", axis_title="threads", split=("kernel",)),
        ),
        axis_title="threads",
        contrasts=(
            ForTheMoney("For the money, by datasheet", "hardware.price", ("hardware.int8_compute", "hardware.memory_bandwidth", "hardware.memory_capacity")),
        ),
    ),
    parameters=(
        SeriesParameter("kernel", words="{}"),
        SeriesParameter("source", hidden=True),
    ),
)  # fmt: skip
