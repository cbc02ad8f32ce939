"""The JSON Schemas in docs/ are those of the types that read what they describe."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sitegen.archive import manifest
from sitegen.catalogue import table
from sitegen.collect import installed

#: A size is a number of bytes.
_SIZE = {"type": "integer"}
DOCS = Path(__file__).parents[1] / "docs"


def of_collectors() -> dict[str, Any]:
    """Return the settings of every collector: what `collect --set` takes."""
    forms: dict[str, Any] = {}
    for name, point in installed.collectors().items():
        collector = installed.load_collector(point)
        if not installed.collects(collector):
            continue
        assert not isinstance(collector.SETTINGS, Mapping), name
        forms[name] = msgspec.json.schema(collector.SETTINGS, schema_hook=lambda _: _SIZE)
    return {"title": "What `sitegen collect --set` takes, by collector", "collectors": forms}


def of_tables() -> dict[str, Any]:
    """Return what a tool's table may say: a TOML file, or `[tools.<name>]` of `sitegen.toml`."""
    return {"title": "A tool as a table", **table.schema()}


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "run.schema.json": manifest.schema,
    "settings.schema.json": of_collectors,
    "tool.schema.json": of_tables,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_that_of_the_types(name: str) -> None:
    text = json.dumps(SCHEMAS[name](), indent=2, sort_keys=True) + "\n"
    if os.environ.get("SITEGEN_GOLDEN") == "write":
        (DOCS / name).write_text(text)
    assert (DOCS / name).read_text("utf-8") == text
