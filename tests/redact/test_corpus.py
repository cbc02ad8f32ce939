"""Each thing that must go goes, however it is written; each thing that must stay stays."""

from __future__ import annotations

import pytest

from sitegen.redact import Redactor
from tests.redact.corpus import HIDDEN, INNOCENT, KNOWN, SHAPED


def plain(data: bytes) -> str:
    """Return ``data`` as a reader of any encoding would see it, without what is invisible."""
    return data.decode("latin-1").replace("\0", "")


@pytest.mark.parametrize("name", SHAPED)
def test_what_looks_like_an_identifier_or_a_secret_goes_and_is_counted(name: str) -> None:
    text, secret = SHAPED[name]
    redactor = Redactor()
    clean = redactor.text(text)
    assert secret.lower() not in clean.lower()
    assert sum(redactor.counts().values()) >= 1
    assert Redactor().text(clean) == clean


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("around", ['"{}"', "x\n{}\ny", "({}) ", "a, {}, b", "<td>{}</td>"])
def test_it_goes_wherever_it_stands(name: str, around: str) -> None:
    text, secret = SHAPED[name]
    if around == '"{}"' and '"' in text:
        pytest.skip("quoted already")
    assert secret.lower() not in Redactor().text(around.format(text)).lower()


@pytest.mark.parametrize("name", SHAPED)
def test_it_goes_from_a_file_in_utf_16_and_the_rest_stays(name: str) -> None:
    text, secret = SHAPED[name]
    clean = Redactor().data(f"\ufeffread\n{text}\nas it is\n".encode("utf-16-le"))
    told = clean.decode("utf-16")
    assert secret.lower() not in told.lower()
    assert told.endswith("\nas it is\n")


@pytest.mark.parametrize("name", HIDDEN)
def test_a_disguise_hides_nothing(name: str) -> None:
    data, secret = HIDDEN[name]
    clean = Redactor(KNOWN).data(data)
    assert secret.lower() not in plain(clean).lower()
    assert Redactor(KNOWN).data(clean) == clean


@pytest.mark.parametrize("text", INNOCENT)
def test_what_identifies_nobody_stays(text: str) -> None:
    for whole in (text, f"x {text}\ny", f'"{text}"'):
        assert Redactor(KNOWN).text(whole) == whole
