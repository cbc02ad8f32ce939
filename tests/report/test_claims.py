"""What the page of claims says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.analysis import claims as checking
from sitegen.analysis.compare import Analysis
from sitegen.model import Source
from sitegen.report import claims

FILE = """
[[claim]]
id = "penalty"
source = "phala-2025"
where = "VIII"
statement = "loss of the total rating at one thread"
printed = "45"
unit = "%"
kind = "value"
expression = '1 - value("7z.rating", "tee-cvm", operation="total", threads="1") / value("7z.rating", "bare-metal", operation="total", threads="1")'
[claim.fits_if]
"it is a joke" = '0.45'

[[claim]]
id = "share"
source = "phala-2025"
where = "VIII"
statement = "total rating at 32 threads, of bare metal"
printed = "73.2"
unit = "%"
kind = "value"
expression = 'value("7z.rating", "tee-cvm", operation="total", threads="32") / value("7z.rating", "bare-metal", operation="total", threads="32")'

[[claim]]
id = "fast"
source = "readme"
statement = "<b>it is fast</b>"
kind = "statement"
"""  # noqa: E501 - an expression is one line


@pytest.fixture
def page(published: Analysis, tmp_path: Path) -> claims.ClaimsPage:
    path = tmp_path / "claims.toml"
    path.write_text(FILE)
    found = [checking.check(claim, published) for claim in checking.load(path)]
    return claims.page(published, found)


def test_the_headline_counts_what_became_of_the_claims(page: claims.ClaimsPage) -> None:
    assert page.headline == (
        "Of 3 published claims, 1 follows from its own printed figures, 1 differs from them"
        " and 1 has no printed figure to follow from."
    )
    assert page.lede.startswith("1 claim that does not follow as worded does in another reading")


def test_what_differs_stands_first_with_what_it_comes_to(page: claims.ClaimsPage) -> None:
    (_, counts, (first, second)), (_, _, [unsupported]) = page.groups
    assert counts == (("reproduced", 1), ("differs", 1))
    assert (first.claim.id, first.verdict, first.printed) == ("penalty", "differs", "45 %")
    assert first.computed == "38.31 %"
    assert first.fits_if == ("it is a joke",)
    assert len(first.inputs) == 2
    assert (second.verdict, second.computed) == ("reproduced", "73.24 %")
    assert unsupported.verdict == "unsupported"


def test_a_publication_is_named_with_its_edition(page: claims.ClaimsPage) -> None:
    (report, *_), (readme, *_) = page.groups
    assert report.title
    assert report.edition
    assert readme == Source("readme")
