"""What ab printed and wrote for other people: its report, and the files beside it."""

from __future__ import annotations

from collectors.ab.readers import bundles, text
from sitegen.collect import Bundle, Reader

READERS: tuple[Reader, ...] = (text.REPORT, bundles.PERCENTILES_ALONE, bundles.REQUESTS_ALONE)
BUNDLES: tuple[Bundle, ...] = (bundles.BESIDE, bundles.TOGETHER)
