"""Which series a report belongs to: what was asked of ab, and nothing that a machine decides."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec.structs import replace

from collectors.ab.report import BODY, Report
from sitegen.collect import Count, Positive, Settings, described
from sitegen.collect.settings import agreed
from sitegen.errors import SitegenError
from sitegen.model import Params, params

#: A name such as loopback, direct or tproxy.
ACCESS = "^[a-z0-9][a-z0-9_-]{0,31}$"
_SPAN = "the limit given (-t), or from first start to last end"


class Asks(Settings, frozen=True):
    """What ab does not print, or the rest of a report does not say."""

    access: Annotated[str, described("way to the server, as tproxy", pattern=ACCESS)] | None = None
    concurrency: Annotated[Count, described("connections at once (-c)")] | None = None
    requests: Annotated[Count, described("requests that were asked for (-n)")] | None = None
    scheme: Annotated[Literal["http", "https"], described("as in the address")] | None = None
    keepalive: Annotated[bool, described("whether connections were kept (-k)")] | None = None
    processes: Annotated[int, described("ab that ran at once", ge=1, le=100_000)] | None = None
    duration_s: Annotated[Positive, described(_SPAN)] | None = None
    path: Annotated[str, described("of the document", pattern="^/.{0,1000}$")] | None = None


_SECRET_NAME = re.compile(
    r"(?i)token|key|secret|pass|pwd|auth|sig|sess|sid|jwt|code|cred|otp|nonce|user|mail|account"
)
#: Long and of mixed characters: made by a machine, for one machine or one user.
_SECRET_VALUE = re.compile(r"(?=[^/?&=]*\d)(?=[^/?&=]*[A-Za-z])[A-Za-z0-9_.~%+-]{20,}")
_ADDRESS = re.compile(r"[a-z]{2,10}://[^/]{1,300}")
_CUT = "..."
_LONGEST = 120
#: Below it any number of requests is one that somebody may ask for.
_FEW = 100
#: How far past a whole second a run may end that a time limit stopped.
_LATE_S = 0.02
_DEFAULT_OF_T = 50_000
_HTTPS_PORT = 443


def params_of(report: Report, asks: Asks, processes: int = 0) -> Params:
    """Return the parameters that tell the report's series, one of ``processes``, from others.

    Raises SitegenError when the concurrency is missing, or the user contradicts the report.
    """
    if not processes and asks.processes not in (None, 1):
        message = "one file is read as one process after another"
        fix = "give each process a file and import them with --together"
        raise SitegenError(message, where="--set processes", fix=fix)
    asks = told(report, asks)
    concurrency = agreed("concurrency", asks.concurrency, report.count("Concurrency Level"))
    if not concurrency:
        place, fix = report.at.rstrip(": "), "add `--set concurrency=N`"
        raise SitegenError("does not say its concurrency", where=place, fix=fix)
    return params(
        access=asks.access,
        concurrency=concurrency,
        keepalive=_keepalive(report, asks),
        method="POST" if BODY in report.numbers or _posts(report) else None,
        path=_path(report, asks),
        processes=processes or 1,
        requests=requests_of(report, asks),
        scheme=_scheme(report, asks),
    )


def told(report: Report, asks: Asks) -> Asks:
    """Return what the user said, and in its gaps what the command line above the report says."""
    command = report.command
    if not command or of_another(report):
        return asks
    scheme, _, address = command.get("url", "").partition("://")
    limit_s = _whole(command, "-t")
    gaps = {
        "concurrency": _whole(command, "-c"),
        "requests": _whole(command, "-n"),
        "duration_s": None if limit_s is None else float(limit_s),
        "keepalive": None if _kept(report) else "-k" in command,
        "scheme": scheme if scheme in ("http", "https") else None,
        "path": f"/{address.partition('/')[2]}"
        if address and "Document Path" not in report.words
        else None,
    }
    filled = {k: v for k, v in gaps.items() if v is not None and getattr(asks, k) is None}
    return replace(asks, **filled)


def of_another(report: Report) -> str:
    """Return what shows that the command line above a report is of another one, or nothing."""
    if not report.command:
        return ""
    at_once, count = _whole(report.command, "-c"), _whole(report.command, "-n")
    stated, complete = report.count("Concurrency Level"), report.complete
    if stated is not None and at_once not in (None, stated):
        return f"the command above says -c {at_once}, and it ran {stated} at once"
    if complete is not None and count is not None and complete > count:
        return f"the command above says -n {count}, and {complete} requests were completed"
    return ""


def _posts(report: Report) -> bool:
    return "-p" in report.command and not of_another(report)


def _whole(command: Mapping[str, str], option: str) -> int | None:
    text = command.get(option, "")
    return int(text) if re.fullmatch(r"[1-9]\d{0,8}", text, re.ASCII) else None


def requests_of(report: Report, asks: Asks) -> int | None:
    """Return how many requests were asked for; None where that cannot be known.

    A number that the time decided differs from machine to machine, and would part the series.
    """
    complete, asks = report.complete, told(report, asks)
    if asks.requests is not None:
        if complete is not None and complete > asks.requests:
            message = f"{complete} requests were completed, more than {asks.requests}"
            raise SitegenError(message, where="--set requests")
        return asks.requests
    by_time = asks.duration_s is not None or report.stopped or "window" in report.numbers
    if not complete or by_time or not asked_for(complete, report.value("Time taken for tests")):
        return None
    return complete


def asked_for(count: int, time_s: float | None) -> bool:
    """Say whether somebody will have asked for so many requests, and no time limit decided."""
    if count <= _FEW or count & (count - 1) == 0:
        return True
    if time_s is not None and time_s >= 1 and time_s % 1 <= _LATE_S:
        return count % 100 == 0 and count != _DEFAULT_OF_T
    return count % 10 == 0


def clean_path(path: str) -> str:
    """Return a path without what may be a secret or one machine's own; never a host."""
    route, mark, query = _ADDRESS.sub("", path.partition("#")[0]).partition("?")
    route = _SECRET_VALUE.sub(_CUT, route) or "/"
    pairs = [_clean_pair(*pair.partition("=")) for pair in query.split("&") if pair]
    text = f"{route}{mark}{'&'.join(pairs)}".rstrip("?")
    text = "".join(char if char.isprintable() else "?" for char in text)
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[:_LONGEST]}{_CUT}{digest}"


def _clean_pair(name: str, equals: str, value: str) -> str:
    if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value):
        value = _CUT
    return f"{_SECRET_VALUE.sub(_CUT, name)}{equals}{value if equals else ''}"


def _keepalive(report: Report, asks: Asks) -> str | None:
    answer = None if asks.keepalive is None else "yes" if asks.keepalive else "no"
    # As the collector has it: stated only where it is so.
    return "true" if agreed("keepalive", answer, _kept(report)) == "yes" else None


def _kept(report: Report) -> str | None:
    if "Keep-Alive requests" in report.numbers:
        return "yes"
    # The line would stand between these two.
    return "no" if {"Failed requests", "Total transferred"} <= report.numbers.keys() else None


def _scheme(report: Report, asks: Asks) -> str | None:
    if {"SSL/TLS Protocol", "Server Temp Key"} & report.words.keys():
        return agreed("scheme", asks.scheme, "https")
    # Where the head is missing, so would be the line that tells.
    by_port = "https" if report.count("Server Port") == _HTTPS_PORT else "http"
    return asks.scheme or (by_port if "Server Port" in report.numbers else None)


def _path(report: Report, asks: Asks) -> str | None:
    stated, answer = (
        text and clean_path(text) for text in (report.words.get("Document Path"), asks.path)
    )
    path = agreed("path", answer, stated or None)
    return None if path == "/" else path
