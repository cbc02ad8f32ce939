"""The loops, compiled here once for all tests that run them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from collectors import tee_microcosts
from sitegen.collect import Host, Plan, Request
from sitegen.model import ToolIdentity


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    """Return the program and the quick plan that it was compiled for."""
    if shutil.which("cc") is None and os.environ.get("CI") != "true":
        pytest.skip("there is no C compiler")
    folder, host = tmp_path_factory.mktemp("loops"), Host()
    request = Request("quick", 1, {}, 2, folder, folder / "cache", 1 << 40, "tee-microcosts")
    tool = tee_microcosts.detect(host)
    assert isinstance(tool, ToolIdentity)
    assert tool.name == "loops by cc"
    plan = tee_microcosts.plan(tool, request)
    [step] = plan.prepare
    raw = tee_microcosts.run(step, host)
    assert (raw.exit_code, raw.stdout, raw.stderr) == (0, b"", b"")
    assert tee_microcosts.run(step, host).stdout == b"it is there already\n"
    return Path(step.get("program")), plan
