"""What a pattern of `keys`, `names` and `ids` is, and the pieces that they share.

Every pattern takes time in proportion to the text, whatever the text: repetitions are bounded,
or begin only where a run of their characters begins, and do not give back what they took.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

Match = re.Match[str]
Keep = Callable[[Match], bool]


class Row(NamedTuple):
    """What something is recognised by: see `Recogniser`."""

    pattern: str
    keep: Keep | None = None
    trace: str = ""


#: Rows by the kind of what they find and the words that it holds: `secret: bearer`.
Rows = Mapping[str, Row]


class Recogniser:
    """One way to recognise something, by a pattern that is compiled when it is needed.

    What it finds holds one of its words, and what ``trace`` matches, as an `outline` tells both:
    0 is any digit, and ^ in words the beginning of one. Of a kind that is written with = the name
    before a colon or equals sign holds such a word. What the groups ``value``, ``value2``, ...
    matched is replaced as this kind; what a group of another name matched, as the kind that it
    names; the whole where there is no such group. A group that begins with ``_`` only helps.
    ``keep`` tells what is innocent.
    """

    def __init__(self, head: str, row: Row) -> None:
        kind, _, words = head.partition(": ")
        self.kind, self.keyed = kind.rstrip("="), kind.endswith("=")
        self.words = tuple(words.replace("^", "\n").split(" "))
        self.source, self.keep, self.trace = row

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What is searched for."""
        return re.compile(self.source)

    @cached_property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """The groups that are replaced, each with its kind."""
        names = [name for name in self.pattern.groupindex if name[0] != "_"]
        return tuple((name, name.rstrip("23").replace("value", self.kind)) for name in names)

    def may_be_in(self, outlined: str) -> bool:
        """Say whether ``trace`` is in a text with this outline; its words are looked for before."""
        return not self.trace or re.search(self.trace, outlined, re.ASCII) is not None

    def find(self, text: str, lowered: str) -> Iterator[tuple[int, int, str]]:
        """Yield where in ``text``, also given in lower case, this stands, and its kind."""
        near = self.keyed and len(text) == len(lowered)
        for match in self._named(text, lowered) if near else self.pattern.finditer(text):
            if self.keep is not None and self.keep(match):
                continue
            if not self.groups:
                yield *match.span(), self.kind
            for group, kind in self.groups:
                if match[group]:
                    yield *match.span(group), kind

    def _named(self, text: str, lowered: str) -> Iterator[Match]:
        """Yield the matches, looked for where a word stands in a name and nowhere else."""
        after = 0
        for at in sorted(at for word in self.words for at in _in_names(lowered, word)):
            for start in _beginnings(lowered, at):
                match = self.pattern.match(text, start) if start >= after else None
                if match:
                    after = match.end()
                    yield match


#: Every digit reads 0, and what is in no name and parts values reads as a space.
_OUTLINED = bytes.maketrans(b"123456789,{}[]\x1c\x1d\x1e\x1f", b"0" * 9 + b" " * 9)
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
#: Letters that patterns in any case take for others.
_FOREIGN_LETTERS = (("\u0131", "i"), ("\u0307", ""), ("\u017f", "s"))
#: From a word in a name to its end.
_NAMED = re.compile(r"[\w .-]{1,80}+[\"']?\s{0,40}[:=]")
#: What a name may begin with before that word, and how long that is; in lower case.
_BEGINNING = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-\"'\u0131\u017f")
_LONGEST_BEGINNING = 40


def outline(lowered: str) -> str:
    """Return the different words of a text in lower case, with 0 for each digit, a line each.

    Small where a text repeats and where it is numbers: quicker to look through than the text.
    """
    words = b"\n".join(set(_outlined(lowered)))
    return f"\n{words.decode('latin-1')}\n"


def trace_of(text: str) -> str:
    """Return what is in the outline of every text that holds ``text``, in whatever case."""
    return max(_outlined(text.lower()), key=len, default=b"").decode("latin-1")


def _in_names(lowered: str, word: str) -> Iterator[int]:
    at = lowered.find(word)
    while at >= 0:
        if _NAMED.match(lowered, at):
            yield at
        at = lowered.find(word, at + 1)


def _beginnings(lowered: str, at: int) -> list[int]:
    """Return where a name may begin that holds what stands at ``at``: after no letter."""
    starts, first = [at], at
    while first > max(0, at - _LONGEST_BEGINNING) and lowered[first - 1] in _BEGINNING:
        first -= 1
        if not (first and "a" <= lowered[first - 1] <= "z"):
            starts.append(first)
    return starts[::-1]


def _outlined(lowered: str) -> list[bytes]:
    if not lowered.isascii():
        for letter, other in _FOREIGN_LETTERS:
            lowered = lowered.replace(letter, other)
        lowered = _FOREIGN_DIGIT.sub("0", " ".join(lowered.split()))
    return lowered.encode("utf-8", "surrogatepass").translate(_OUTLINED).split()


START = r"(?<![^\W_])"  # `token` also in `HF_TOKEN`, not in `mytoken`
#: Between a name and its value, in JSON, YAML, a shell, a header; never before a placeholder.
IS = r"[\"']?\s{0,8}(?:=>|:=|[:=])\s{0,8}(?!\[[a-z-]{2,20}\])"
QUOTED = r"\"(?P<value>(?:[^\"\\\r\n]|\\.)++)\"|'(?P<value2>(?:[^'\\\r\n]|\\.)++)'"
BARE = r"(?P<value3>[^\s\"',;&<>|\\()\[\]{}][^\s\"',;&<>|]{2,}+)"
VALUE = rf"(?:{QUOTED}|[\"']?{BARE})"
HEX = "[0-9a-fA-F]"

#: Values that are no name and no secret.
NOBODY = frozenset(
    {"none", "null", "nil", "true", "false", "yes", "no", "n/a", "na", "unset", "undefined"}
    | {"empty", "unknown", "default", "auto", "any", "all", "localhost", "not", "disabled"}
    | {"enabled", "required", "optional", "eof"}
)
_NUMBER = re.compile(
    r"[-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?"
    r"(?:%|x|[nuµm]?s(?:ec)?|min|h|[kmgt]?i?b(?:/s)?|k|m|g)?",
    re.IGNORECASE,
)
_LONGEST_NUMBER = 40


def is_number(text: str) -> bool:
    """Say whether ``text`` is a number, perhaps with a unit: a measurement, no secret."""
    return len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def value(match: Match) -> str:
    """Return what would be replaced."""
    groups = match.groupdict()
    return next((v for k, v in groups.items() if v is not None and k[0] != "_"), match[0])


def no_digit(match: Match) -> bool:
    """Keep what has no digit: a word."""
    return not any(map(str.isdigit, value(match)))
