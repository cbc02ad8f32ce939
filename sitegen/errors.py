"""Failures that a user can cause or mend, said in one line, and how counts and lists are said."""

from collections.abc import Sequence

#: How a command that was interrupted exits, as shells say it: 128 and the number of SIGINT.
INTERRUPTED = 130
_MOST = 800  # characters: what a user typed may be of any length


def many(count: int, noun: str, plural: str = "") -> str:
    """Return "1 run", "3 runs", "1,200 series"."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def few(texts: Sequence[str], most: int = 3) -> str:
    """Return "a, b, c and 4 more"."""
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return f"{', '.join(texts[:most])}{more}"


class SitegenError(Exception):
    """An expected failure: what failed, where, and what to do about it.

    The command line prints it as one line and exits with ``exit_code``.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        """Keep the three parts; ``where`` and ``fix`` may be empty."""
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        """Return ``where: what; fix`` without the parts that are empty."""
        place = f"{self.where}: " if self.where else ""
        remedy = f"; {self.fix}" if self.fix else ""
        text = f"{place}{self.what}{remedy}".replace("\n", " ")
        return text if len(text) <= _MOST else f"{text[:_MOST]} ..."


class No(SitegenError):  # noqa: N818 - says what came of it
    """The answer is "no": a regression, a claim that differs."""

    exit_code = 1


class Unjudged(SitegenError):  # noqa: N818 - says what came of it
    """A limit was given, and nothing that it could be held against."""

    exit_code = 3
