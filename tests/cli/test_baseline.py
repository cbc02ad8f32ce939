from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen import config
from sitegen.cli import baseline
from sitegen.config import Environment
from sitegen.errors import SitegenError
from sitegen.model import Fact, Fingerprint, TeeVerdict
from tests import site_checks as check

KNOWN = {
    "cvm": Environment("cvm", "cpu-tee", "tdx"),
    "metal": Environment("metal", "metal", "none"),
    "plain": Environment("plain", "vm", "none"),
    "other": Environment("other"),
    "v1.2": Environment("v1.2"),
    "host-a": Environment("host-a", "metal", "none"),
}
WRITTEN = """\
# A report.
[site]
title = "T"  # the name

[environments.cvm]
role = "cpu-tee"   # keep me
# before
baselines = { vm = "plain" }  # old
note = "x"

[environments.metal]
role = "metal"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sitegen.toml"


def declared(file: Path, label: str) -> dict[str, str]:
    return dict(config.load(file).environment(label).baselines)


@pytest.mark.parametrize(
    ("pair", "written"),
    [
        ("cvm=metal,plain", {"metal": "metal", "vm": "plain"}),
        ("cvm=other", {"other": "other"}),  # without a role, under its label
        ("v1.2=plain,metal", {"vm": "plain", "metal": "metal"}),
        ("cvm=host-a,metal", {"metal": "host-a", "metal-baseline": "metal"}),  # of one role
    ],
)
def test_each_baseline_goes_under_its_role_in_the_order_given(
    file: Path, pair: str, written: dict[str, str]
) -> None:
    line = baseline.baseline(file, pair, KNOWN)
    label = pair.partition("=")[0]
    assert list(declared(file, label).items()) == list(written.items())
    table = f'"{label}"' if "." in label else label
    assert line.startswith(f"[environments.{table}] baselines = {{ ")


def test_everything_else_stays_as_it_stands(file: Path) -> None:
    file.write_text(WRITTEN)
    baseline.baseline(file, "cvm=metal", KNOWN)
    assert file.read_text() == WRITTEN.replace(
        'baselines = { vm = "plain" }', 'baselines = { metal = "metal" }'
    )
    baseline.baseline(file, "metal=plain", KNOWN)
    assert declared(file, "metal") == {"vm": "plain"}
    assert "# keep me" in file.read_text()
    baseline.baseline(file, "plain=metal", KNOWN)
    assert declared(file, "plain") == {"metal": "metal"}
    assert declared(file, "cvm") == {"metal": "metal"}


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("cvm", "write it as cvm=metal"),
        ("cvm=", "write it as cvm=metal"),
        ("cvm=nobody", "no environment 'nobody'; known are cvm, host-a, metal"),
        ("cvm=cvm", "cannot be its own baseline"),
        ("../x=metal", "not a usable environment name"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    file: Path, pair: str, said: str
) -> None:
    file.write_text(WRITTEN)
    with pytest.raises(SitegenError) as raised:
        baseline.baseline(file, pair, KNOWN)
    assert said in str(raised.value)
    assert file.read_text() == WRITTEN


@pytest.mark.parametrize(
    "text",
    [
        '[environments]\ncvm = { role = "cpu-tee" }\n',
        '[environments.cvm]\nbaselines.metal = "plain"\n',
        '[environments.cvm.baselines]\nmetal = "plain"\n',
        'title = """\n[environments.cvm]\n"""\n',
        "not toml",
    ],
)
def test_a_form_that_cannot_be_changed_safely_is_left_alone(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(SitegenError):
        baseline.baseline(file, "cvm=metal", KNOWN)
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_a_file_without_a_last_line_end_stays_toml(file: Path) -> None:
    file.write_text('[environments.cvm]\nrole = "cpu-tee"')
    baseline.baseline(file, "cvm=metal", KNOWN)
    found = tomllib.loads(file.read_text())
    assert found["environments"]["cvm"] == {"role": "cpu-tee", "baselines": {"metal": "metal"}}


def test_line_ends_links_and_rights_stay_as_they_are(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_bytes(WRITTEN.replace("\n", "\r\n").encode())
    real.chmod(0o600)
    file.symlink_to(real)
    baseline.baseline(file, "cvm=metal", KNOWN)
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert b'baselines = { metal = "metal" }  # old\r\n' in real.read_bytes()
    assert real.read_bytes().count(b"\n") == real.read_bytes().count(b"\r\n")


def test_what_is_called_a_tee_and_shows_none_is_said_with_what_to_write(tmp_path: Path) -> None:
    plain = Fingerprint((Fact("virtualisation", "kvm", "cpuid"),), TeeVerdict("none"))
    runs = [
        replace(check.storage_run(place, label), fingerprint=plain)
        for place, label in enumerate(("cvm", "vm"))
    ]
    settings = check.report(tmp_path, *runs, toml="")
    written, note = baseline.declared(settings, ["cvm=vm"])
    assert written == '[environments.cvm] baselines = { vm = "vm" }'
    assert 'write `role = "cpu-tee"` under [environments.cvm] in sitegen.toml' in note
    assert "baselines" in settings.file.read_text()
