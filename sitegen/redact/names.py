"""Names of people and machines: in addresses, paths, prompts, and after the words for them."""

from __future__ import annotations

import re

from sitegen.redact.shape import IS, NOBODY, START, Match, Row, Rows, is_number, value

#: Where anybody may have got something from: documents, projects, models. No part of a machine.
_PUBLIC = frozenset(
    """
    7-zip.org amd.com anthropic.com apache.org arm.com arxiv.org debian.org docker.com
    doi.org fedoraproject.org geekbench.com github.com githubusercontent.com gitlab.com gnu.org
    golang.org google.com huggingface.co ietf.org intel.com json-schema.org kernel.dk kernel.org
    microsoft.com modelscope.cn mozilla.org nginx.org nvidia.com ollama.com openai.com
    openbenchmarking.org openssl.org phala.network python.org pytorch.org qemu.org
    readthedocs.io redhat.com risczero.com rust-lang.org sourceforge.net stackoverflow.com
    succinct.xyz ubuntu.com vllm.ai w3.org wikipedia.org zeustech.net
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


def _no_host(match: Match) -> bool:
    name = value(match).strip(".").lower()
    return (
        name in NOBODY
        or name.startswith(("127.", "localhost", "0.0.0.0"))  # noqa: S104 - told apart, not bound
        or name.isdecimal()
        or is_number(name)
    )


_LEVELS = frozenset(
    {"info", "warn", "warning", "error", "debug", "trace", "fatal", "critical", "notice", "version"}
)


def _no_log_host(match: Match) -> bool:
    return value(match).lower().strip(".:") in _LEVELS


_PEOPLE_OF_ALL = frozenset(
    {"root", "nobody", "shared", "public", "default", "all users", "default user", "user"}
    | {"www-data", "nginx", "daemon", "admin", "assistant", "system", "runner", "ubuntu", "disk"}
    | {"linuxbrew"}
)


def _no_person(match: Match) -> bool:
    name = value(match).lower().strip()
    words = name.split()
    return (
        name in _PEOPLE_OF_ALL
        or name in NOBODY
        or is_number(name)
        or (len(words) == 2 and all(w in _PEOPLE_OF_ALL for w in words))  # noqa: PLR2004 - user and group
    )


_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?"
_USER = r"(?P<user>[A-Za-z_][\w.-]{0,31}+)"
_AT = rf"{_USER}@(?P<host>[A-Za-z0-9][\w.-]{{0,252}}+)"
_PRIVATE = (
    r"internal|intranet|localdomain|local|lan|corp|home\.arpa|svc|azure\.com|windows\.net"
    r"|amazonaws\.com(?:\.cn)?|googleusercontent\.com"
)
_NAME = r"[A-Za-z_][\w.-]{0,31}+"

_MACHINE = "host|node|server|computer|machine|instance|dns|domain"
_SIDE = "(?:server|client|remote|peer|listen)_?(?:host|addr(?:ess)?)"

SHAPES: Rows = {
    "email: @": Row(
        r"(?<![\w.+-])[\w.+-]++@[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8}(?<![\d.])",
        None,
        r"\S@[^\s@]+\.",
    ),
    "home: /home/ /users/ /media/": Row(
        r"(?<![\w.])(?:(?:/(?:data|export|gpfs|lustre|mnt|net|nfs|remote|shared|usr|var))?"
        r"/(?:home|Users)|/(?:run/)?media)/(?P<_name>[^\s/:\"'\\,;)\]|&?#<>\[]{1,255}+)",
        lambda m: m["_name"].lower() in {"shared", "public", "linuxbrew"},
    ),
    r"home: \users /users \documents /documents": Row(
        r"(?i)\b[a-z]:[\\/]{1,4}(?:users|documents and settings)[\\/]{1,4}"
        r"(?P<value>[^\\/\s:\"'<>|*?\[]"
        r"(?:[^\\/:\"'<>|*?\r\n]{0,63}(?=[\\/])|[^\\/\s:\"'<>|*?,;]{0,63}))",
        _no_person,
        r"[a-z]:[\\/]{1,4}(?:users|documents)",
    ),
    "user: ~": Row(r"(?<![\w~./@-])~(?P<value>[a-z][\w-]{1,31}+)(?=/)", _no_person),
    "user=: user logname login owner": Row(
        r"(?:\b(?:SUDO_USER|LOGNAME|USERNAME|USER)="
        r"|\b(?i:user_?name|login(?:_?name)?|logname)[\"']?\s{0,8}[:=]\s{0,8}"
        r"|[\"'](?:user|owner)[\"']\s{0,4}:\s{0,4}(?=[\"']))[\"']?"
        r"(?P<value>[A-Za-z0-9_][\w.\\-]{0,64}+)(?![\w(])",
        _no_person,
    ),
    # Who ran the Phoronix Test Suite.
    "user: <user>": Row(
        r"(?i)<user>\s{0,8}(?P<value>[^<>\s\[][^<>\r\n]{0,63}?)\s{0,8}</user>", _no_person
    ),
    # The owner and group that `ls -l` prints.
    "user: rw-r rwx r-x rw-- r--": Row(
        r"(?<![\w-])[-dlbcps][rwxsStT-]{9}[.+@]? {1,4}\d{1,6} {1,8}"
        rf"(?P<value>{_NAME} {{1,12}}{_NAME})(?= {{1,12}}\d)",
        _no_person,
    ),
    # A prompt, and where somebody logs in.
    "user: @": Row(
        rf"(?<![\w.+-]){_AT}(?=:[~/]|[: ][^\s$#%>\]]{{0,100}}\]?[$#%>](?:\s|$))", None, r"\S@[0a-z]"
    ),
    "user: ssh scp sftp rsync mosh": Row(
        r"\b(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id)(?: -[\w-]{1,20}(?: \d{1,5})?){0,6} " + _AT,
        None,
        r"\S@[0a-z]",
    ),
    "host: ://": Row(
        rf"://(?:[^\s/@\"'<>\[\]]{{1,1024}}@|\[[a-z-]{{2,20}}\]@)?(?P<host>{_HOST})(?![\w@])",
        lambda m: _no_host(m) or ".".join(m["host"].lower().split(".")[-2:]) in _PUBLIC,
    ),
    r"host: \\": Row(
        r"(?<![\\\w.])\\\\(?P<host>[A-Za-z0-9][\w.-]{0,253}+\\[\w.$-]{1,80}+)(?=[\\\s\"',;)<]|$)"
    ),
    "host=: host node server computer machine instance dns domain fqdn": Row(
        rf"(?i){START}(?:(?:(?:{_MACHINE})[_ -]?|server[_ -]?host)name|fqdn|host[_-]?id){IS}[\"']?"
        r"(?P<host>[a-z0-9][\w.-]{0,252}+)(?![\w(])",
        _no_host,
    ),
    "host: host addr -server": Row(
        rf"(?i)(?:(?<![\w.])[\"']?(?:host|{_SIDE}){IS}|(?<![\w-])--?(?:host|server|hostname)[ =])"
        r"[\"']?(?P<host>[a-z0-9][\w.-]{0,252}+)(?=[\"',;\s:)\]}<]|/\s|$)",
        lambda m: _no_host(m) or not re.search(r"[\d.-]", m["host"]),
        rf"(?:host|{_SIDE})[\"']?[:=\n]|-(?:host|server|hostname)[=\n]",
    ),
    "host: .internal .intranet .local .lan .corp .home.arpa .amazonaws.com .azure.com .windows.net"
    " .googleusercontent.com .svc": Row(
        rf"(?i)(?<![\w.-])(?:[a-z0-9_][\w-]{{0,62}}+\.){{1,12}}?(?:{_PRIVATE})(?![\w-]|\.\w)",
        None,
        rf"\.(?:{_PRIVATE})(?![0a-z_-])",
    ),
    "host: .svc.": Row(
        r"(?i)(?<![\w.-])(?:[a-z0-9_][\w-]{0,62}+\.){1,6}?svc\.[a-z0-9-]{1,63}+\.[a-z0-9-]{1,63}+"
    ),
    # The machine of each GPU, after its place on the bus, as nvbandwidth lists them.
    "host: ):": Row(
        r"\((?:PCI:)?[0-9A-Fa-f:.]{5,20}\): \((?P<host>[A-Za-z0-9][\w.-]{0,252}+)\)",
        _no_host,
        r"\((?:pci:)?[0a-f:.]{5,20}\):",
    ),
    "host: ip-0": Row(r"(?<![\w-])ip(?:-\d{1,3}){4}(?![\w-])"),
    "host: linux darwin freebsd": Row(
        r"\b(?:Linux|Darwin|FreeBSD) (?P<host>[\w.-]{1,253}+) "
        r"(?=\d{1,3}\.\d{1,3}\S{0,80} (?:#|SMP|Darwin|FreeBSD))",
        _no_log_host,
    ),
    # A line of the system's log; of any other the word after the time is no host.
    "host: :00:00": Row(
        r"(?<!\w)(?:"
        r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?P<host>[\w.-]{1,253}+)"
        r" [\w./-]{1,64}(?:\[\d{1,8}\])?:"
        r"|\d{4}-\d\d-\d\dT[\d:.+Z-]{8,32} (?P<host2>[\w.-]{1,253}+) [\w./-]{1,64}\[\d{1,8}\]:)",
        _no_log_host,
    ),
    "host=: cn": Row(
        r"\bCN ?= ?(?P<host>(?:\*\.)?[A-Za-z0-9][\w-]{0,62}(?:\.[\w-]{1,63}){1,8})(?![\w.-])",
        _no_host,
    ),
    "pod: pod": Row(
        rf"(?i)(?<![a-z])(?:pod(?:[_ -]?(?:name|uid|id))?|kubernetes\.pod\.name){IS}"
        r"[\"']?(?P<value>[a-z0-9_][\w.:-]{1,253}+)"
        r"|(?<![\w/])pods?/(?P<value2>[a-z0-9][a-z0-9.-]{4,252}+)(?![\w/])",
        lambda m: is_number(value(m)) or value(m).lower() in NOBODY,
        r"pods?(?:/|[._-]?(?:name|uid|id)|[\"']?[:=\n])",
    ),
}
