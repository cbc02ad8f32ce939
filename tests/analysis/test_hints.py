"""What a build says of platforms that nothing is measured against: only what can be mended."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sitegen.analysis.selection import hints
from sitegen.config import Config, Environment
from sitegen.model import TeeVerdict
from tests import site_checks as check

HOST, VM = Environment("host", "metal", "none"), Environment("vm", "vm", "none")
CVM = Environment("cvm", "cpu-tee", "tdx")
ASKED = "nothing says what {} are measured against"


@pytest.mark.parametrize(
    ("measured", "declared", "asks"),
    [
        # A clone of a report whose own platform is declared, and the machine that it is tried on.
        (("local", "vm"), (VM,), False),
        (("host", "vm"), (HOST, VM), False),
        (("local", "other"), (), True),
        (("cvm", "host", "vm"), (HOST, VM, CVM), True),
        (("cvm", "host", "vm"), (), True),
        (("cvm", "vm"), (), False),  # the only one without a TEE is the baseline
    ],
)
def test_platforms_without_a_baseline_are_asked_about_where_it_matters(
    measured: tuple[str, ...],
    declared: tuple[Environment, ...],
    asks: bool,  # noqa: FBT001 - a column of the table
) -> None:
    runs = [check.storage_run(n, label) for n, label in enumerate(measured)]
    runs = [
        replace(run, fingerprint=replace(run.fingerprint, tee=TeeVerdict("none", (), "high")))
        if run.environment != "cvm"
        else run
        for run in runs
    ]
    config = Config(check.ROOT, environments={one.label: one for one in declared})
    said = [line for line in hints(runs, config) if "measured against" in line]
    assert bool(said) is asks
    if said:
        assert said[0].startswith(ASKED.format(", ".join(measured)))
