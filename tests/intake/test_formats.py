"""docs/formats.md has every form that is read."""

from __future__ import annotations

import re

from sitegen.collect.installed import forms
from tests import site_checks as check

PAGE = (check.ROOT / "docs" / "formats.md").read_text("utf-8")


def test_every_form_stands_in_the_page_of_formats_and_no_other() -> None:
    rows = [
        line.split("|")[1]
        for line in PAGE.partition("## What was tried")[0].splitlines()
        if line.startswith("| `")
    ]
    told = [name for row in rows for name in re.findall(r"`([\w-]+)`", row)]
    assert sorted(told) == sorted(
        one.name for pairs in (forms().readers, forms().bundles) for _, one in pairs
    )
