from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.zktls.readers import recorded
from sitegen.collect import Refused

OK = (Path(__file__).parents[3] / "raw" / "zktls" / "contract" / "ok.jsonl").read_bytes()


def test_each_statement_is_a_workload_of_the_run() -> None:
    [found] = recorded.READER.runs(OK, {})
    assert {row.workload for row in found.measurements} == {"chacha20", "sha-256"}
    assert len(found.samples) == 5
    assert found.tool is not None
    assert (found.tool.name, found.tool.version) == ("example-stark", "0.3.0")


def test_each_session_is_a_run() -> None:
    assert len(recorded.READER.runs(OK + OK, {})) == 2


@pytest.mark.parametrize("field", ["accepted", "missing", "dev_mode"])
def test_controls_are_needed_as_in_a_live_run(field: str) -> None:
    records = [json.loads(line) for line in OK.splitlines()]
    if field == "missing":
        records.remove(next(r for r in records if r.get("kind") == "public-input"))
    else:
        next(r for r in records if field in r)[field] = True
    data = "\n".join(json.dumps(record) for record in records).encode()
    assert recorded.knows(data)
    with pytest.raises(Refused):
        recorded.READER.runs(data, {})
