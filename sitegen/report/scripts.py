"""Data for the scripts of pages: classic ones, for pages on a disk may load nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from msgspec import to_builtins


def script(value: Any) -> bytes:  # noqa: ANN401 - anything that JSON can say
    """Return a classic script that hands ``value`` over."""
    return b"(self.sitegenData ||= []).push(" + orjson.dumps(value, default=to_builtins) + b");\n"


def versioned(name: str, data: bytes) -> str:
    """Return an address with a version: no browser mixes what it has with a page that is newer."""
    return f"{name}?v={hashlib.sha256(data).hexdigest()[:8]}"
