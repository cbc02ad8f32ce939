"""What a pattern of `keys`, `names` and `ids` is, and the pieces that they share.

Every pattern takes time in proportion to the text, whatever the text: repetitions are bounded,
or begin only where a run of their characters begins, and do not give back what they took.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

Match = re.Match[str]


class Shape(NamedTuple):
    """One way to recognise something.

    ``triggers`` are in lower case, and so is what ``glimpse`` finds, which begins with a letter
    or sign of its own and so is quick; a text without any of them is not searched. What the groups
    ``value``, ``value2``, ... matched is replaced as ``kind``; what a group of another name
    matched, as the kind that it names; the whole where there is no such group. A group that
    begins with ``_`` only helps. ``keep`` tells what is innocent.
    """

    kind: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    keep: Callable[[Match], bool] | None
    groups: tuple[tuple[str, str], ...]
    glimpse: re.Pattern[str] | None
    #: The triggers without their digits: a summary of a text may have none.
    traces: tuple[str, ...]

    def may_be_in(self, lowered: str) -> bool:
        """Say whether a text in lower case is worth a search."""
        return any(trigger in lowered for trigger in self.triggers) and (
            self.glimpse is None or self.glimpse.search(lowered) is not None
        )

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield where in ``text`` something of this shape stands, and its kind."""
        for match in self.pattern.finditer(text):
            if self.keep is not None and self.keep(match):
                continue
            if not self.groups:
                yield *match.span(), self.kind
            for group, kind in self.groups:
                if match[group]:
                    yield *match.span(group), kind


def shape(
    kind: str,
    triggers: str,
    pattern: str,
    keep: Callable[[Match], bool] | None = None,
    glimpse: str = "",
) -> Shape:
    """Return a shape; ``triggers`` are words with spaces between, `+` is a space in one."""
    compiled = re.compile(pattern)
    names = ((name, name.rstrip("0123456789")) for name in compiled.groupindex)
    groups = tuple(
        (name, kind if bare == "value" else bare) for name, bare in names if name[0] != "_"
    )
    words = tuple(word.replace("+", " ") for word in triggers.split())
    traces = tuple(dict.fromkeys(without_digits(word) for word in words))
    seen = re.compile(glimpse) if glimpse else None
    return Shape(kind, words, compiled, keep, groups, seen, traces)


def without_digits(text: str) -> str:
    """Return ``text`` less its digits."""
    return (
        text.encode("utf-8", "surrogatepass")
        .translate(None, b"0123456789")
        .decode("utf-8", "surrogatepass")
    )


def summary(text: str) -> str:
    """Return the different lines of a text in lower case and without their digits.

    Small where the text repeats. What is not in it, with its digits taken off, is not in the
    text either.
    """
    lines: set[str] = set()
    for start in range(0, len(text), _PART):
        part = text[start : start + _PART + _OVERLAP].lower()
        lines.update(without_digits(part).split("\n"))
    return "\n".join(lines)


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
_LONGEST = 40
_PART = 1 << 20
#: Longer than any word that is looked for.
_OVERLAP = 1 << 13


def is_number(text: str) -> bool:
    """Say whether ``text`` is a number, perhaps with a unit: a measurement, no secret."""
    return len(text) <= _LONGEST and _NUMBER.fullmatch(text) is not None


def value(match: Match) -> str:
    """Return what would be replaced."""
    groups = match.groupdict()
    return next((v for k, v in groups.items() if v is not None and k[0] != "_"), match[0])


def no_digit(match: Match) -> bool:
    """Keep what has no digit: a word."""
    return not any(map(str.isdigit, value(match)))
