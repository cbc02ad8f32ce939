"""What must go goes, and what must stay stays byte for byte: the whole corpus."""

from __future__ import annotations

import re

import pytest

from sitegen.redact import Redactor
from tests.redact.corpus import HIDDEN, INNOCENT, KNOWN, SHAPED

STAND_IN = re.compile(r"\[[a-z-]{2,20}\]")


def plain(data: bytes) -> str:
    """Return ``data`` as a reader of any encoding would see it, without what is invisible."""
    return data.decode("latin-1").replace("\0", "")


@pytest.mark.parametrize("name", SHAPED)
def test_it_goes_wherever_it_stands_and_is_counted(name: str) -> None:
    text, secret = SHAPED[name]
    for around in ("{}", '"{}"', "x\n{}\ny", "({}) ", "a, {}, b", "<td>{}</td>"):
        if around == '"{}"' and '"' in text:
            continue
        redactor = Redactor()
        clean = redactor.text(around.format(text))
        assert secret.lower() not in clean.lower()
        assert sum(redactor.counts().values()) == len(STAND_IN.findall(clean))
        assert set(redactor.counts()) == {each[1:-1] for each in STAND_IN.findall(clean)} != set()
        assert Redactor().text(clean) == clean
    # And from a file in UTF-16, of which the rest stays.
    clean = Redactor().data(f"\ufeffread\n{text}\nas it is\n".encode("utf-16-le")).decode("utf-16")
    assert secret.lower() not in clean.lower()
    assert clean.endswith("\nas it is\n")


@pytest.mark.parametrize("name", HIDDEN)
def test_a_disguise_hides_nothing(name: str) -> None:
    data, secret = HIDDEN[name]
    clean = Redactor(KNOWN).data(data)
    assert secret.lower() not in plain(clean).lower()
    assert Redactor(KNOWN).data(clean) == clean


@pytest.mark.parametrize("text", INNOCENT)
def test_what_identifies_nobody_stays(text: str) -> None:
    for whole in (text, f"x {text}\ny", f'"{text}"'):
        assert Redactor(KNOWN, {"/srv/janes-work": "$PWD"}).text(whole) == whole


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("on bench-node-17 now", "on [host] now"),
        ("BENCH-NODE-17.dc.example", "[host]"),
        ("/mnt/bench-node-17-disk/data_janedoe", "/mnt/[host]-disk/data_[user]"),
        ("janedoes", "janedoes"),
        ("Serial: cz24130zzz", "Serial: [serial]"),
        ("/srv/janes-work/scratch-9/fio.data", "$WORK/fio.data"),
        ("/srv/janes-work/x --dir=/srv/janes-work", "$PWD/x --dir=$PWD"),
        ("/srv/janes-workshop", "/srv/janes-workshop"),
    ],
)
def test_what_the_machine_is_called_is_replaced_where_it_is_a_word(text: str, clean: str) -> None:
    paths = {"/srv/janes-work": "$PWD", "/srv/janes-work/scratch-9": "$WORK"}
    assert Redactor(KNOWN, paths).text(text) == clean


def test_names_are_counted_by_kind_and_those_that_identify_nobody_are_kept() -> None:
    redactor = Redactor(KNOWN)
    redactor.text("janedoe@bench-node-17: 203.0.113.7, 203.0.113.8")
    assert redactor.counts() == {"user": 1, "host": 1, "address": 2}
    redactor = Redactor({"user": ["root", "nobody", "ab"], "host": ["localhost", "vm"]})
    assert redactor.text("root@localhost ran ab in a vm") == "root@localhost ran ab in a vm"
