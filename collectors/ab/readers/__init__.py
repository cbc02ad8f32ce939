"""What ab printed and wrote for other people: its report, and the files beside it."""

from __future__ import annotations

from collectors.ab.readers import alone, beside, text, together
from sitegen.collect import Bundle, Reader

READERS: tuple[Reader, ...] = (text.REPORT, alone.PERCENTILES, alone.REQUESTS)
BUNDLES: tuple[Bundle, ...] = (beside.BESIDE, together.TOGETHER)
