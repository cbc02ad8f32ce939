"""Numbers as fio's text prints them, each with what its rounding may have taken away."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from sitegen.errors import SitegenError

_NUMBER = re.compile(
    r"(\d{1,18}(?:\.\d{1,9})?)\s{0,4}([kKMGTP]?)(i?)(B|bit|b|Byte)?(?:/s(?:ec)?)?", re.ASCII
)
_ZEROS = re.compile(r"\d{1,18}\.(0{1,9})[kKMGTP]")
_LEVELS = " KMGTP"
#: Figures that lost more than this share to rounding are told to be rounded.
ROUNDED = 0.0005


@dataclass(frozen=True, slots=True)
class Printed:
    """A number in its base unit, half of its last digit, and its text."""

    value: float
    half: float
    text: str

    @property
    def share(self) -> float:
        """Return how much of the value may be rounding."""
        return self.half / self.value if self.value else 0.0

    @property
    def rounded(self) -> bool:
        """Tell whether the rounding matters."""
        return self.share > ROUNDED

    @property
    def readings(self) -> tuple[Printed, ...]:
        """Return what the digits may mean: themselves, and one more where a carry may be lost.

        Fio long printed 11.98M as 11.0M: it rounded the decimals to 1.0 and dropped their 1.
        """
        match = _ZEROS.match(self.text)
        if not match:
            return (self,)
        return (self, replace(self, value=self.value + 2 * self.half * 10 ** len(match[1])))

    def holds(self, exact: float) -> bool:
        """Tell whether ``exact`` may have been printed so: rounded or cut."""
        return abs(exact - self.value) <= 2 * self.half + 0.002 * max(exact, self.value)


def number(text: str, where: str, *, kilo: int = 1000) -> Printed:
    """Return a number; ``k`` means ``kilo``, and ``Ki`` always 1024.

    fio 2 prints KB for 1024 bytes, fio 3 KiB for 1024 and kB for 1000. Raises SitegenError for
    what is no number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        raise SitegenError(f"{ascii(text)[:40]} is not a number of fio's", where=where)
    digits, prefix, binary, unit = match.groups()
    scale = float((1024 if binary else kilo) ** _LEVELS.index(prefix.upper() or " "))
    if unit in ("b", "bit"):
        scale /= 8
    places = len(digits.partition(".")[2])
    return Printed(float(digits) * scale, 0.5 * 10.0**-places * scale, text.strip())
