# ruff: noqa: E501 - a table: one thing a line
"""No text takes longer than its length allows: what repeats is where patterns lose their way."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from sitegen.redact import Redactor, redactor
from tests.redact.corpus import KNOWN, SHAPED

#: Beginnings of patterns, and what their repetitions would have to try again and again.
UNITS = (
    "a", "a.", "a-", "a_", "a:", "aa:", "aa-", "aaaa.", "0000:", "::", "1.", "1.1.1.1", "a@", "@a.b",
    "user@host:", "a@b:~ ", "://", "://a:", "://a@", "eyJ", "eyJ-", "eyJaaaaaaaa.", "sk-", "AKIA",
    "sk-aaaaaaaaaaaaaaaa-", "token=", "token='", 'token="', "token: ", " ", "\n", "\\", "\\n", "secret",
    "\\u0061", "%41", "%25", "%C3", "\x1b[0m", "\x1b[", "\x1b]", "&#47;", "\0", "/home/", "C:\\Users\\a",
    "\\\\a\\b", "\\\\a", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "-", "uuid=", "serial: ", "api",
    "00000000-0000-", "account-", "authorization: basic ", "cookie: a", "--a-token ", "ssh -a ",
    "Linux a 1.1 ", "CN=a.", "projects/a", "kubepods/", "docker-", "arn:aws:", "a.local", "a.svc.",
    "bearer ", "-u a:", "-rw-r--r-- 1 a ", "Jan 11 11:11:11 a a[1", "nvme-a_", "i-", "é", "\U0001f600",
    "token=\x1b[0m", "\\\\u002f", "bench-node-", "\ud83d", "_proxy=", "?sig=a", "node guid", "a = ",
)  # fmt: skip
LENGTH = 100_000


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_that_repeats_is_read_in_time(unit: str) -> None:
    text = unit * (LENGTH // len(unit))
    began = time.process_time()
    Redactor(KNOWN).text(text)
    # It takes a twentieth; what is quadratic takes a quarter of a minute.
    assert time.process_time() - began < 2


@pytest.mark.parametrize("offset", range(0, 120, 10))
def test_nothing_slips_through_where_a_long_text_is_cut(
    offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redactor, "_WINDOW", 2_000)
    for text, secret in SHAPED.values():
        long = "x" * (1_999 - offset) + "\n" + text + "\n" + "y z " * 500
        assert secret.lower() not in Redactor(KNOWN).text(long).lower()


def test_a_secret_longer_than_any_part_goes_whole() -> None:
    long = "Ab1" * 100_000
    assert Redactor().text(f"token={long} x\nAuthorization: Bearer {long}\n") == (
        "token=[secret] x\nAuthorization: Bearer [secret]\n"
    )


def test_a_text_of_nothing_but_names_takes_no_more_room_than_its_length_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redactor, "_WINDOW", 8_000)
    text = "janedoe " * 15_000
    tracemalloc.start()
    clean = Redactor(KNOWN).text(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clean == "[user] " * 15_000
    assert most < 15 * len(text)
