"""A processor, as Geekbench scores it: all that is said of it beforehand."""

from __future__ import annotations

from sitegen.catalogue import tool

TOOL = tool.Tool(
    metrics=(
        tool.Metric("geekbench.score", "Score", "count", tool.H, "Geekbench's own mean over its workloads, in points of its own scale. The scales of two versions have nothing in common.", source="Primate Labs, Geekbench"),
    ),
    family=tool.Family("geekbench", "CPU, Geekbench", "What does a TEE cost a processor, by Geekbench?",
        headlines=(
            tool.Headline("geekbench.score", "value", (("cores_used", "single"), ("version", "*")), title="Score", loses="a core's Geekbench score"),
            tool.Headline("geekbench.score", "value", (("cores_used", "multi"), ("version", "*")), title="Score", loses="all cores' Geekbench score"),
        ),
        panels=(
            tool.Panel("geekbench.score", "value", (("cores_used", "single"),), title="One core", split=("version",)),
            tool.Panel("geekbench.score", "value", (("cores_used", "multi"),), title="All cores", split=("version",)),
        ),
        area="CPU",
        collected=False,
    ),
    parameters=(
        tool.SeriesParameter("cores_used", values={"single": "one core", "multi": "all cores"}),
        tool.SeriesParameter("version", words="version {}"),
    ),
)  # fmt: skip
