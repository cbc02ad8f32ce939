from __future__ import annotations

from pathlib import Path

import pytest

from sitegen import fingerprint
from sitegen.fingerprint import facts
from sitegen.model import Fact, Fingerprint, Signal, TeeVerdict
from sitegen.redact import Redactor
from sitegen.report import machine
from sitegen.site import render
from tests.machines import written


def read(name: str, folder: Path) -> Fingerprint:
    root = written.lay_out(name, folder)
    return fingerprint.read(Path("/w"), Redactor(), root=root, command=written.command(name))


@pytest.mark.parametrize("name", ["h200-protected-pcie", "bare-metal", "container", "gvisor"])
def test_every_fact_that_is_read_has_a_group_and_words_and_none_is_left_out(
    name: str, tmp_path: Path
) -> None:
    seen = read(name, tmp_path).facts
    groups = machine.groups(seen)
    assert "Other" not in [group.title for group in groups]
    titles = [one.title for group in groups for one in group.shown]
    titles += [title for group in groups for title in group.hidden]
    assert sorted(titles) == sorted(facts.title(fact.name) for fact in seen)
    assert len(set(titles)) == len(titles)
    assert all(one.source for group in groups for one in group.shown)


def test_what_tells_most_stands_first_and_what_did_not_show_last() -> None:
    known = (
        Fact("boost", None, "b"), Fact("smt", "1", "s"), Fact("cpu", "EPYC", "c"),
        Fact("of_somebody_else", "x", "o"),
    )  # fmt: skip
    processor, other = machine.groups(known)
    assert (processor.title, processor.gist) == ("Processor", "EPYC")
    shown = [tuple(one) for one in processor.shown]
    assert shown == [("Processor", "EPYC", "c"), ("SMT", "on", "s")]
    assert processor.hidden == ("Boost",)
    assert other.shown[0].title == "Of somebody else"
    [nothing] = machine.groups((Fact("gpu", None, "nvidia-smi"),))
    assert nothing.gist == "not visible here"


def test_what_speaks_for_or_against_a_tee_stands_before_what_showed_nothing() -> None:
    signals = (
        Signal("/dev/nsm", "absent"), Signal("kernel log", "read whole"),
        Signal("CPU flag tdx_guest", "present", "tdx"), Signal("/dev/sev", "present", "none"),
    )  # fmt: skip
    found = machine.verdict(TeeVerdict("tdx", ("CPU flag tdx_guest",), "medium", signals))
    assert (found.kind, found.sure) == ("tdx", "medium confidence")
    assert [(one.title, one.source) for one in found.signals] == [
        ("CPU flag tdx_guest", "speaks for Intel TDX"),
        ("/dev/sev", "speaks against being inside a TEE"),
        ("kernel log", "says nothing by itself"),
        ("/dev/nsm", ""),
    ]
    assert machine.verdict(TeeVerdict("none")).sure == ""


def test_a_hostile_fact_is_text_on_the_page() -> None:
    evil = "<script>alert(1)</script>"
    groups = machine.groups((Fact(evil, evil, evil), Fact("boost", None, evil)))
    found = machine.verdict(TeeVerdict("tdx", (), "", (Signal(evil, evil, evil),)))
    page = str(render._machine(groups)) + str(render._signals(found.signals))  # noqa: SLF001
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 5
