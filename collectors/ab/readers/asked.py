"""What the user may say of a report because ab does not print it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sitegen.errors import SitegenError

ASKS: Mapping[str, str] = {
    "access": "how the server was reached, such as loopback, direct or tproxy",
    "concurrency": "connections at once (-c), where the file does not say it",
    "requests": "requests that were asked for (-n)",
    "scheme": "http or https, where the file does not say it",
    "keepalive": "true or false: connections were kept (-k), where the file does not say it",
    "processes": "how many ab ran at once",
    "duration_s": "seconds that it ran: the limit given (-t), or from first start to last end",
    "path": "path of the document, where the file does not say it",
}
_WHOLE = (re.compile(r"[1-9]\d{0,8}"), "is not a whole number above 0")
_FORMS = {
    "access": (re.compile(r"[a-z0-9][a-z0-9_-]{0,31}"), "is no name such as loopback or tproxy"),
    "concurrency": _WHOLE,
    "requests": _WHOLE,
    "processes": _WHOLE,
    "scheme": (re.compile("https?"), "is neither http nor https"),
    "keepalive": (re.compile("true|false"), "is neither true nor false"),
    "duration_s": (
        re.compile(r"(?=.*[1-9])\d{1,9}(?:\.\d{1,9})?"),
        "is not a number of seconds above 0",
    ),
    "path": (re.compile(r"/.{0,1000}"), "is not a path: it begins with /"),
}
_MAX_PROCESSES = 100_000


def given(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the user's ``--set`` values when each is usable; raises SitegenError otherwise."""
    found = {}
    for name, value in settings.items():
        text = value.strip()
        if problem := _problem(name, text):
            raise SitegenError(f"{value[:40]!r} {problem}", where=f"--set {name}")
        found[name] = text
    if int(found.get("processes", 1)) > _MAX_PROCESSES:
        raise SitegenError(f"more than {_MAX_PROCESSES} processes", where="--set processes")
    return found


def of_one(settings: Mapping[str, str]) -> dict[str, str]:
    """Return as `given`, for a file that is one process after another.

    Raises SitegenError also when the user speaks of several at once.
    """
    found = given(settings)
    if found.get("processes", "1") != "1":
        raise SitegenError(
            "one file is read as one process after another",
            where="--set processes",
            fix="give each process a file and import them with --together",
        )
    return found


def _problem(name: str, text: str) -> str:
    if name not in ASKS:
        return f"is not asked for here; it takes {', '.join(sorted(ASKS))}"
    form, problem = _FORMS[name]
    return "" if form.fullmatch(text) and text.isprintable() else problem
