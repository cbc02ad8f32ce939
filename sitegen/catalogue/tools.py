"""TOOLS: the catalogue's modules, one a tool, in the order in which pages name them."""

from __future__ import annotations

from sitegen.catalogue import ab, fio, hardware, llm, secure_inference, sevenzip, zktls

TOOLS = (
    llm.TOOL,
    fio.TOOL,
    ab.TOOL,
    sevenzip.TOOL,
    zktls.TOOL,
    hardware.TOOL,
    secure_inference.TOOL,
)
