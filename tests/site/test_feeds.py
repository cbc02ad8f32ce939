"""Feeds and the pages that show the same changes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from msgspec.structs import replace

from sitegen.model import Fact, Fingerprint, Run
from sitegen.report.changes import Change
from sitegen.site import feeds
from tests import site_checks as check

ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "https://example.org/tee"
PUBLIC = check.TOML.replace("[site]\n", f'[site]\nbase_url = "{BASE}"\n')


def read(data: bytes) -> list[dict[str, str]]:
    """Return the entries of a feed, which must be well-formed."""
    entries = ET.fromstring(data).findall(f"{ATOM}entry")  # noqa: S314 - our own
    return [
        {
            child.tag.removeprefix(ATOM): child.text or child.attrib.get("href", "")
            for child in entry
        }
        for entry in entries
    ]


def change(number: int, title: str = "Kernel 6.8 → 6.11") -> Change:
    at = f"2026-03-{1 + number % 28:02}T00:00:00Z"
    return Change(at, "fio", f"fio/run-{number}/kernel", title, " (VM)", "run", ("Kernel: a → b",))


def test_an_entry_has_a_lasting_id_a_time_and_its_facts() -> None:
    [entry] = read(feeds.changes(BASE, "Report", [change(1)]))
    assert entry == {
        "id": "tag:example.org,2026-03-02:tee/changes/fio/run-1/kernel",
        "title": "Storage: Kernel 6.8 → 6.11",
        "updated": "2026-03-02T00:00:00Z",
        "link": f"{BASE}/fio/#history",
        "content": "Kernel 6.8 → 6.11 (VM). Kernel: a → b.",
    }


def test_a_feed_is_bounded_and_may_be_empty() -> None:
    assert len(read(feeds.changes(BASE, "Report", map(change, range(80))))) == 50
    assert read(feeds.changes(BASE, "Report", [])) == []


def test_hostile_text_stays_text() -> None:
    hostile = "<script>&amp;\"'</title>"
    [entry] = read(feeds.changes(BASE, hostile, [change(1, hostile)]))
    assert entry["title"] == f"Storage: {hostile}"


def renewed(run: Run, kernel: str) -> Run:
    facts = tuple(one for one in run.fingerprint.facts if one.name != "kernel")
    machine = Fingerprint((*facts, Fact("kernel", kernel, "")), run.fingerprint.tee)
    return replace(run, fingerprint=machine)


def test_a_new_kernel_is_in_the_feed_on_the_page_and_on_the_front_page(tmp_path: Path) -> None:
    runs = [
        renewed(check.storage_run(24 * n + side, label), "6.8.0" if n < 2 else "6.11.0")
        for n in range(4)
        for side, label in enumerate(("vm", "cvm"))
    ]
    check.built(tmp_path, *runs, toml=PUBLIC)
    site = tmp_path / "site"
    [entry] = read((site / "changes.xml").read_bytes())
    assert entry["content"].startswith("Kernel 6.8 → 6.11 (both sides). Kernel: 6.8.0 → 6.11.0")
    for page in ("index.html", "fio/index.html"):
        assert "Kernel 6.8 → 6.11" in (site / page).read_text()
    assert "kernel 6.8 → 6.11, both sides" in (site / "fio/index.html").read_text()
    assert "kernel 6.8 → 6.11, both sides" in (site / "fio/history.html").read_text()
    assert 'href="changes.xml"' in (site / "index.html").read_text()


def test_a_page_that_is_kept_keeps_its_changes_in_the_feed(tmp_path: Path) -> None:
    runs = [
        renewed(check.storage_run(24 * n, "vm"), "6.8.0" if n < 2 else "6.11.0") for n in range(4)
    ]
    check.built(tmp_path, *runs, check.cited_run("vm", 40_000.0, "40000"), toml=PUBLIC)
    kept = ("changes.xml", "fio/history.html")
    before = [(tmp_path / "site" / name).read_bytes() for name in kept]
    # A run of another benchmark leaves the page of this one as it is.
    check.built(tmp_path, check.cited_run("cvm", 36_000.0, "36000"), toml=PUBLIC)
    assert [(tmp_path / "site" / name).read_bytes() for name in kept] == before
