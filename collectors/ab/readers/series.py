"""Which series a report belongs to: what was asked of ab, and nothing that a machine decides."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from collectors.ab.report import Report
from collectors.asked import agreed
from sitegen.errors import SitegenError
from sitegen.model import Params, params

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


def params_of(report: Report, answers: Mapping[str, str], processes: str = "1") -> Params:
    """Return the parameters that tell the report's series from others.

    Raises SitegenError when the concurrency is missing, or the user contradicts the report.
    """
    workers = report.count("workers")
    return params(
        access=answers.get("access"),
        concurrency=_concurrency(report, answers),
        keepalive=_keepalive(report, answers),
        method=report.words.get("method", "POST") if "body_sent" in report.numbers else None,
        path=_path(report, answers),
        processes=processes,
        rampup_ms=report.count("rampup_ms") or None,
        requests=requests_of(report, answers),
        scheme=_scheme(report, answers),
        workers=workers if workers and workers > 1 else None,
    )


def _concurrency(report: Report, answers: Mapping[str, str]) -> int:
    concurrency = int(agreed(answers, "concurrency", report.numbers.get("concurrency")) or 0)
    if concurrency == 0:
        raise SitegenError(
            "does not say its concurrency",
            where=f"line {report.line}",
            fix="add `--set concurrency=N`",
        )
    return concurrency


def requests_of(report: Report, answers: Mapping[str, str]) -> int | None:
    """Return how many requests were asked for; None where that cannot be told.

    A number that the time decided differs from machine to machine, and would part the series.
    """
    complete = report.count("complete")
    if "requests" in answers:
        asked = int(answers["requests"])
        if complete is not None and complete > asked:
            raise SitegenError(
                f"{complete} requests were completed, more than {asked}", where="--set requests"
            )
        return asked
    if (stated := report.count("requests")) is not None:
        return stated or None
    by_time = "duration_s" in answers or "window" in report.numbers or report.stopped
    if not complete or by_time or not asked_for(complete, report.value("time_taken")):
        return None
    return complete


def asked_for(count: int, time_s: float | None) -> bool:
    """Say whether somebody will have asked for so many requests, and no time limit decided."""
    if count <= _FEW or count & (count - 1) == 0:
        return True
    if time_s is not None and time_s >= 1 and time_s % 1 <= _LATE_S:
        return count % 100 == 0 and count != _DEFAULT_OF_T
    return count % 10 == 0


def _keepalive(report: Report, answers: Mapping[str, str]) -> str | None:
    stated = "true" if "keepalive" in report.numbers else None
    if stated is None and {"failed", "total_transferred"} <= report.numbers.keys():
        stated = "false"  # the line would stand between these two
    # As the collector has it: said only where it is so.
    return "true" if agreed(answers, "keepalive", stated) == "true" else None


def _scheme(report: Report, answers: Mapping[str, str]) -> str | None:
    if "tls" in report.words or "tls_key_exchange" in report.words:
        return agreed(answers, "scheme", "https")
    if "scheme" in answers:
        return answers["scheme"]
    if report.count("port") == 443:  # noqa: PLR2004 - https by convention
        return "https"
    # Where the head is missing, so would be the line that tells.
    return "http" if "port" in report.numbers else None


def _path(report: Report, answers: Mapping[str, str]) -> str | None:
    stated = report.words.get("path")
    shown = None if not stated else clean_path(stated)
    said = clean_path(answers["path"]) if "path" in answers else None
    path = agreed({} if said is None else {"path": said}, "path", shown)
    return None if path in (None, "/") else path


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
