"""yet-another-bench-script (YABS): what it prints is read as runs of what it ran.

Its storage figures are fio's and its network figures iperf3's; what no other module has is
Geekbench.
"""

from __future__ import annotations

from collectors.yabs.reader import READER

__all__ = ["BENCHMARK", "READERS"]

BENCHMARK = "geekbench"
READERS = (READER,)
