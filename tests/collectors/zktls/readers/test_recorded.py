from __future__ import annotations

from pathlib import Path

import pytest

from collectors.zktls import readers
from sitegen.collect import Refused

OK = (Path(__file__).parents[3] / "raw" / "zktls" / "contract" / "ok.jsonl").read_bytes()


def test_each_session_is_a_run_and_each_statement_a_workload() -> None:
    [found] = readers.CONTRACT.runs(OK, {})
    assert {row.workload for row in found.measurements} == {"chacha20", "sha-256"}
    assert len(found.samples) == 5
    assert found.tool is not None
    assert (found.tool.name, found.tool.version) == ("example-stark", "0.3.0")
    assert len(readers.CONTRACT.runs(OK + OK, {})) == 2


@pytest.mark.parametrize("field", ["accepted", "dev_mode"])
def test_controls_are_needed_as_in_a_live_run(field: str) -> None:
    data = OK.replace(f'"{field}":false'.encode(), f'"{field}":true'.encode(), 1)
    assert readers.CONTRACT.knows(data)
    with pytest.raises(Refused):
        readers.CONTRACT.runs(data, {})
