"""A run's page says in words what was replaced, how often, and what stands in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from sitegen.model import Fact, Fingerprint
from sitegen.redact import Redactor, machine
from sitegen.redact.redactor import SHAPES
from sitegen.report import run as run_page
from tests import site_checks as check
from tests.redact.corpus import HIDDEN, KNOWN, SHAPED

KINDS = {
    *(kind for shape in SHAPES for kind in (shape.kind, *(kind for _, kind in shape.groups))),
    *(*machine._FILES, *machine._VARIABLES),  # noqa: SLF001 - all that there is
    *("path", "private-key", "proxy", "secret", "container", "uuid"),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_words(kind: str) -> None:
    one, many = run_page._replaced(kind, 1), run_page._replaced(kind, 1_200)  # noqa: SLF001 - words
    assert one.startswith("1 ")
    assert many.startswith("1,200 ")
    assert one.endswith(f"([{kind}])" if kind != "path" else "($WORK, $CACHE, $SITEGEN, $PWD or ~)")
    # One of another version is shown as it is.
    assert run_page._replaced("<b>x", 2) == "2 <b>x"  # noqa: SLF001 - words


def test_what_is_replaced_has_a_known_kind() -> None:
    redactor = Redactor(KNOWN)
    for text in (*(t for t, _ in SHAPED.values()), *(str(d) for d, _ in HIDDEN.values())):
        redactor.text(text)
    assert set(redactor.counts()) <= KINDS


@pytest.mark.parametrize("facts", [(Fact("cpu", "X", "y"),), ()])
def test_the_page_says_what_was_replaced(tmp_path: Path, facts: tuple[Fact, ...]) -> None:
    counts = (("host", 2), ("path", 1))
    one = replace(check.storage_run(0), redactions=counts, fingerprint=Fingerprint(facts))
    check.built(tmp_path, one, toml=check.ALONE)
    page = (tmp_path / f"site/runs/{one.id}/index.html").read_text("utf-8")
    told = "2 host names ([host]) and 1 folder ($WORK, $CACHE, $SITEGEN, $PWD or ~)."
    assert page.count(f"Replaced before anything was written: {told}") == 1
