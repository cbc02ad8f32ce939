from __future__ import annotations

import pytest

from sitegen.catalogue import formulas
from sitegen.errors import SitegenError


def test_the_first_that_was_found_stands_for_those_that_were_not() -> None:
    assert formulas.value("first(a, b * 2) + 1", {"a": 5.0, "b": 1.0}) == 6
    assert formulas.value("first(a, b * 2) + 1", {"b": 1.0}) == 3
    assert formulas.value("first(a / z, b)", {"a": 5.0, "z": 0.0, "b": 1.0}) == 1
    assert formulas.value("first(a, b)", {}) is None
    assert formulas.names("first(a, b * 2)") == {"a", "b"}


def test_nothing_but_known_functions_is_called() -> None:
    with pytest.raises(SitegenError, match="no expression may"):
        formulas.names("last(a, b)")
