"""What never leaves the machine: identifiers are replaced before anything is written.

Two kinds of rule: what this machine is known to be called (names, addresses, serials, paths)
and what looks like an identifier or a secret wherever it stands. Values in between are kept,
so that a redacted output still parses to the same measurements.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import psutil

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_NAMES = r"(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|credential)"
_IS = r"[\"']?\s*[:=]\s*[\"']?(?!\[)"
_SCHEME = r"(?:(?:basic|bearer|token|apikey) )?+"
_VALUE = r"[^\s\"',;&]{4,}"
_VALUE_NAMED = rf"(?P<value>{_VALUE})"
#: Patterns by the placeholder that they leave. Order matters: the longest first.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "private-key",
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
        ),
    ),
    ("jwt", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    (
        "key",
        re.compile(
            r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{16,}"
            r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
        ),
    ),
    ("secret", re.compile(rf"(?i)authorization{_IS}{_SCHEME}(?P<value>[\w.~+/=-]{{4,}})")),
    ("secret", re.compile(r"(?i)(?<=bearer )(?P<value>[\w.~+/=-]{6,})")),
    ("secret", re.compile(rf"(?i)(?<!\w){_NAMES}{_IS}(?P<value>{_VALUE})")),
    # An option and its value as two words of a command line.
    ("secret", re.compile(rf"(?i)--(?:[\w-]*-)?{_NAMES}[ ]+[\"'\\]*(?!-){_VALUE_NAMED}")),
    # `HF_TOKEN=...` is a secret, `time_per_output_token: 0.05` a measurement.
    ("secret", re.compile(rf"(?i)(?<=_){_NAMES}{_IS}(?!-?[\d.]+(?![\w.]))(?P<value>{_VALUE})")),
    ("userinfo", re.compile(r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)")),
    ("uuid", re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")),
    ("mac", re.compile(r"(?i)(?<![0-9a-f:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])")),
    ("email", re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")),
    ("address", re.compile(rf"(?<![\d.])(?!127\.|0\.0\.0\.0)(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.])")),
    (
        "address",
        re.compile(
            r"(?i)(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
            r"|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5}(?![\w:])"
        ),
    ),
    ("home", re.compile(r"(?<![\w.])/(?:home|Users)/[^\s/:\"']+")),
)
#: Names that identify nobody, and would damage ordinary text if they were replaced.
_COMMON = frozenset(
    {"root", "nobody", "user", "admin", "ubuntu", "debian", "www-data", "daemon", "bin", "sys"}
    | {"localhost", "localdomain", "vm", "host", "local", "test", "guest", "linux", "server"}
    | {"node", "fio", "nginx", "amazon ec2"}
)
_ID_FILES = {
    "machine-id": ("/etc/machine-id", "/var/lib/dbus/machine-id"),
    "boot-id": ("/proc/sys/kernel/random/boot_id",),
    "serial": tuple(
        f"/sys/class/dmi/id/{name}"
        for name in (
            "product_serial",
            "product_uuid",
            "board_serial",
            "chassis_serial",
            "chassis_asset_tag",
        )
    ),
}
_MIN_LENGTH = 3


class Redactor:
    """Replaces identifiers and counts what it replaced, by kind."""

    def __init__(
        self,
        known: Mapping[str, Iterable[str]] | None = None,
        paths: Mapping[str, str] | None = None,
    ) -> None:
        """Take the machine's own identifiers by kind, and paths with what stands for them."""
        self._counts: Counter[str] = Counter()
        longest_first = sorted((paths or {}).items(), key=lambda pair: -len(pair[0]))
        self._paths = [
            (re.compile(rf"{re.escape(path)}(?!\w)"), stand_in)
            for path, stand_in in longest_first
            if len(path) > 1
        ]
        words: dict[str, str] = {}
        for kind, values in (known or {}).items():
            for value in values:
                if len(value) >= _MIN_LENGTH and value.lower() not in _COMMON:
                    words[value.lower()] = kind
        self._words = words
        alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        # `john` also in `john-laptop` and `/srv/data_john`, not in `johnson`.
        word = rf"(?i)(?<![^\W_])(?:{alternatives})(?![^\W_])"
        self._known = re.compile(word) if words else None

    def text(self, text: str) -> str:
        """Return ``text`` with ``[kind]`` in the place of every identifier."""
        for path, stand_in in self._paths:
            text, found = path.subn(stand_in, text)
            if found:
                self._counts["path"] += found
        if self._known is not None:
            text = self._known.sub(self._replace_known, text)
        for kind, pattern in _PATTERNS:
            text = pattern.sub(partial(self._replace, kind), text)
        return text

    def data(self, data: bytes) -> bytes:
        """Return ``data`` redacted; bytes that are no text stay as they are."""
        text = data.decode("utf-8", "surrogateescape")
        return self.text(text).encode("utf-8", "surrogateescape")

    def counts(self) -> dict[str, int]:
        """Return how many replacements were made so far, by kind."""
        return dict(self._counts)

    def _replace_known(self, match: re.Match[str]) -> str:
        kind = self._words[match.group().lower()]
        self._counts[kind] += 1
        return f"[{kind}]"

    def _replace(self, kind: str, match: re.Match[str]) -> str:
        self._counts[kind] += 1
        if "value" not in match.groupdict():
            return f"[{kind}]"
        start, end = match.start("value") - match.start(), match.end("value") - match.start()
        return f"{match[0][:start]}[{kind}]{match[0][end:]}"


def of_this_machine(
    *, workdir: Path, cache: Path | None = None, root: Path = Path("/")
) -> Redactor:
    """Return a redactor that knows this machine's names, addresses, serials and paths.

    A run's own folder reads `$WORK`, what a collector keeps between runs `$CACHE`: where
    somebody put them says nothing of the method.
    """
    names = {socket.gethostname(), socket.gethostname().split(".")[0], os.uname().nodename}
    users = {
        name for name in (os.environ.get(key) for key in ("USER", "LOGNAME", "SUDO_USER")) if name
    }
    users |= {entry.pw_name for entry in pwd.getpwall() if 1000 <= entry.pw_uid < 60000}  # noqa: PLR2004 - people's ids
    addresses, macs = set(), set()
    for interface in psutil.net_if_addrs().values():
        for address in interface:
            value = address.address.split("%")[0]
            if address.family == psutil.AF_LINK:
                macs.add(value)
            elif not value.startswith("127.") and value != "::1":
                addresses.add(value)
    macs.discard("00:00:00:00:00:00")
    known: dict[str, Iterable[str]] = {
        "host": names,
        "user": users,
        "address": addresses,
        "mac": macs,
    }
    for kind, files in _ID_FILES.items():
        # Firmware without a serial says so in words ("None", "Not Specified"): they are no serial.
        known[kind] = {text for name in files if any(map(str.isdigit, text := _read(root, name)))}
    folders = [(Path.home(), "~"), (Path.cwd(), "$PWD"), (workdir, "$WORK")]
    if cache is not None:
        folders.append((cache, "$CACHE"))
    paths = {
        str(place): stand_in
        for path, stand_in in folders
        for place in (path.absolute(), path.resolve())
    }
    return Redactor(known, paths)


def _read(root: Path, name: str) -> str:
    try:
        return (root / name.lstrip("/")).read_text("utf-8", "replace").strip()
    except OSError:
        return ""
