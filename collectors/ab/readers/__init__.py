"""What ab printed and wrote for other people: its report, and the files beside it."""

from __future__ import annotations

from collectors.ab.readers import bundles, text

READERS = (text.REPORT, *bundles.READERS)
BUNDLES = bundles.BUNDLES
