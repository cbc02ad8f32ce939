"""Any test, as the Phoronix Test Suite ran it: all that is said of it beforehand.

What a test measures its result file says, and each run carries that.
"""

from __future__ import annotations

from sitegen.catalogue import tool

TOOL = tool.Tool(
    metrics=(),
    family=tool.Family("phoronix", "Phoronix tests", "What does a TEE cost in tests of the Phoronix Test Suite?", area="Programs", collected=False),
    parameters=(
        tool.SeriesParameter("configuration", words="{}"),
        tool.SeriesParameter("test_version", words="version {}"),
        tool.SeriesParameter("arguments", hidden=True),
    ),
)  # fmt: skip
