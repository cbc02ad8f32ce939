from __future__ import annotations

from typing import Annotated, Literal

import pytest
from msgspec import Meta

from sitegen.collect import Positive, Settings, Size, described
from sitegen.collect import settings as language
from sitegen.errors import SitegenError


class Form(Settings, frozen=True):
    threads: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=64)], ...], described("thread counts")
    ] = ()
    size: Annotated[Size, described("size of the file")] | None = None
    set: Annotated[Literal["both", "ours"], described("which workloads")] = "both"
    insecure: Annotated[bool, described("yes: whatever the certificate")] = False
    runtime_s: Annotated[float, described("measured seconds", gt=0, le=600)] | None = None
    rate: Positive | None = None


def test_what_a_user_types_becomes_what_its_field_says() -> None:
    found = language.read(
        Form, {"threads": "1, 2,8", "size": "4k", "insecure": "yes", "runtime_s": "2.5"}
    )
    assert found == Form((1, 2, 8), Size(4096), "both", insecure=True, runtime_s=2.5)
    assert language.read(Form, {}) == Form()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("threads", "0", "'0' is not a list with commas of which each is a whole number from 1"),
        ("threads", "1,two", "is not a list"),
        ("size", "big", "'big' is not a size, such as 4k"),
        ("set", "none", "'none' is not one of both, ours"),
        ("insecure", "maybe", "'maybe' is not yes or no"),
        ("runtime_s", "0", "'0' is not a number above 0, 600 at most"),
        ("runtime_s", "nan", "'nan' is not a number"),
        ("rate", "inf", "'inf' is not a number"),
        ("size", " ", "is empty"),
        ("set", "ours\x1b[1m", "holds a control character"),
        ("sise", "4k", "there is no setting 'sise'; it takes insecure, rate, runtime_s, set, size"),
    ],
)
def test_what_a_field_cannot_be_is_refused_by_name(name: str, text: str, message: str) -> None:
    with pytest.raises(SitegenError) as caught:
        language.read(Form, {"threads": "1", name: text}, "fio.")
    assert str(caught.value).startswith(f"--set fio.{name}: ")
    assert message in str(caught.value)


def test_each_setting_has_its_line_of_help() -> None:
    assert language.helps(Form)["size"] == "size of the file"
    assert language.helps({"plain": "a text"}) == {"plain": "a text"}


def test_plain_texts_by_name_are_a_form_too() -> None:
    assert language.filled({"url": "what it asks"}, {"url": "x"}) == {"url": "x"}
    with pytest.raises(SitegenError, match=r"--set ab\.urk: there is no setting 'urk'; it takes"):
        language.filled({"url": "what it asks"}, {"urk": "x"}, "ab.")


def test_what_a_user_says_fills_gaps_and_overrules_nothing() -> None:
    asks = Form(runtime_s=2.0)
    assert language.agreed("runtime_s", asks.runtime_s, None) == 2.0
    assert language.agreed("runtime_s", asks.runtime_s, 2.0) == 2.0
    assert language.agreed("runtime_s", Form().runtime_s, 3.0) == 3.0
    assert language.agreed("runtime_s", Form().runtime_s, None) is None
    with pytest.raises(SitegenError, match=r"--set runtime_s: the file says '3.0', not '2.0'"):
        language.agreed("runtime_s", asks.runtime_s, 3.0)
