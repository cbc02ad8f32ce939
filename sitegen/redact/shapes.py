"""All shapes: what looks like an identifier or a secret, wherever it stands."""

from __future__ import annotations

from sitegen.redact import ids, keys, names

SHAPES = (*keys.SHAPES, *names.SHAPES, *ids.SHAPES)
