"""Names of people and machines: in addresses, paths, prompts, and after the words for them."""

from __future__ import annotations

import re

from sitegen.redact.shape import IS, NOBODY, START, Match, Shape, is_number, shape, value

#: Where anybody may have got something from: documents, registries, models. No part of a machine.
_PUBLIC = frozenset(
    """
    7-zip.org amd.com anthropic.com apache.org arm.com arxiv.org crates.io debian.org docker.com
    docker.io doi.org fedoraproject.org ghcr.io github.com githubusercontent.com gitlab.com gnu.org
    golang.org google.com huggingface.co ietf.org intel.com json-schema.org kernel.dk kernel.org
    microsoft.com modelscope.cn mozilla.org nginx.org npmjs.com npmjs.org nvcr.io nvidia.com
    ollama.com openai.com openbenchmarking.org openssl.org phala.network pypi.org python.org
    pythonhosted.org pytorch.org quay.io qemu.org readthedocs.io redhat.com risczero.com
    rust-lang.org sourceforge.net stackoverflow.com succinct.xyz ubuntu.com vllm.ai w3.org
    wikipedia.org zeustech.net
    """.split()
)


def _no_host(match: Match) -> bool:
    name = next(v for v in match.groupdict().values() if v is not None).strip(".").lower()
    return (
        name in NOBODY
        or name.startswith(("127.", "localhost", "0.0.0.0"))
        or name.isdecimal()
        or is_number(name)
    )


def _no_url_host(match: Match) -> bool:
    return _no_host(match) or ".".join(match["host"].lower().split(".")[-2:]) in _PUBLIC


def _plain_host(match: Match) -> bool:
    return _no_host(match) or not re.search(r"[\d.-]", match["host"])


_LEVELS = frozenset(
    {"info", "warn", "warning", "error", "debug", "trace", "fatal", "critical", "notice", "version"}
)


def _no_log_host(match: Match) -> bool:
    return match["host"].lower().strip(".:") in _LEVELS


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
_WORD = r"[\"']?(?P<value>[A-Za-z0-9_][\w.:-]{1,253}+)"

SHAPES: tuple[Shape, ...] = (
    shape("email", "@", r"(?<![\w.+-])[\w.+-]++@[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8}(?<![\d.])"),
    shape(
        "home",
        "/home/ /users/ /media/",
        r"(?<![\w.])(?:(?:/(?:data|export|gpfs|lustre|mnt|net|nfs|remote|shared|usr|var))?"
        r"/(?:home|Users)|/(?:run/)?media)/(?P<_name>[^\s/:\"'\\,;)\]|&?#<>\[]{1,255}+)",
        lambda m: m["_name"].lower() in {"shared", "public", "linuxbrew"},
    ),
    shape(
        "home",
        ":\\users :/users settings",
        r"(?i)\b[a-z]:[\\/]{1,4}(?:users|documents and settings)[\\/]{1,4}"
        r"(?P<value>[^\\/\s:\"'<>|*?\[](?:[^\\/:\"'<>|*?\r\n]{0,63}(?=[\\/])|[^\\/\s:\"'<>|*?,;]{0,63}))",
        _no_person,
    ),
    shape("host", "\\\\", r"(?<![\\\w.])\\\\(?P<host>[A-Za-z0-9][\w.-]{0,253}+\\[\w.$-]{1,80}+)(?=[\\\s\"',;]|$)", lambda _: False),
    shape("user", "~", r"(?<![\w~./@-])~(?P<value>[a-z][\w-]{1,31}+)(?=/)", _no_person),
    shape(
        "user",
        "user= name= logname= user: username login user\"",
        r"(?:\b(?:SUDO_USER|LOGNAME|USERNAME|USER)=|(?i:\b(?:user_?name|login(?:_?name)?|logname)"
        r"[\"']?\s{0,8}[:=]\s{0,8})|[\"'](?:user|owner)[\"']\s{0,4}:\s{0,4}(?=[\"']))[\"']?"
        r"(?P<value>[A-Za-z0-9_][\w.\\-]{0,64}+)(?![\w(])",
        _no_person,
    ),
    shape(
        "user",
        "rw-r rwx r-x rw-- r--",
        r"(?<![\w-])[-dlbcps][rwxsStT-]{9}[.+@]?[ ]{1,4}\d{1,6}[ ]{1,8}(?P<value>[A-Za-z_][\w.-]{0,31}+ {1,12}[A-Za-z_][\w.-]{0,31}+)(?= {1,12}\d)",
        _no_person,
    ),
    # A prompt, and where somebody logs in.
    shape(
        "user",
        "@",
        r"(?<![\w.+-])(?P<user>[A-Za-z_][\w.-]{0,31}+)@(?P<host>[A-Za-z0-9][\w.-]{0,252}+)"
        r"(?=:[~/]|[: ][^\s$#%>\]]{0,200}\]?[$#%>](?:\s|$))",
    ),
    shape(
        "user",
        "ssh scp sftp rsync ping mosh",
        r"\b(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id)(?: -[\w-]{1,20}(?: \d{1,5})?){0,6} "
        r"(?P<user>[A-Za-z_][\w.-]{0,31}+)@(?P<host>[A-Za-z0-9][\w.-]{0,252}+)",
    ),
    shape(
        "host",
        "://",
        rf"://(?:[^\s/@\"'<>\[\]]{{1,1024}}@|\[[a-z-]{{2,20}}\]@)?(?P<host>{_HOST})(?![\w@])",
        _no_url_host,
    ),
    shape(
        "host",
        "host name fqdn domain",
        rf"(?i){START}(?:host[_ -]?name|node[_ -]?name|server[_ -]?(?:host)?name|fqdn|host[_-]?id"
        rf"|(?:computer|machine|instance|dns|domain)[_ -]?name){IS}[\"']?(?P<host>[a-z0-9][\w.-]{{0,252}}+)(?![\w(])",
        _no_host,
    ),
    shape(
        "host",
        "host _addr addr",
        rf"(?i)(?:(?<![\w.])[\"']?(?:host|(?:server|client|remote|peer|listen)_?(?:host|addr(?:ess)?)){IS}|(?<![\w-])--?(?:host|server|hostname)[ =])[\"']?"
        r"(?P<host>[a-z0-9](?:[\w.-]{0,252}+))(?=[\"',;\s:)\]}]|/\s|$)",
        _plain_host,
    ),
    shape(
        "host",
        ".internal .intranet .local .lan .corp .home.arpa .amazonaws.com .azure.com .windows.net"
        " .googleusercontent.com .svc",
        r"(?i)(?<![\w.-])(?:[a-z0-9_][\w-]{0,62}+\.){1,12}?(?:internal|intranet|localdomain|local|lan|corp"
        r"|home\.arpa|(?:compute(?:-1)?\.|elb\.|s3[\w.-]{0,40}\.)?amazonaws\.com(?:\.cn)?"
        r"|(?:cloudapp\.)?azure\.com|windows\.net|googleusercontent\.com|svc)(?![\w-]|\.\w)",
    ),
    shape("host", "ip-", r"(?<![\w-])ip(?:-\d{1,3}){4}(?![\w-])"),
    shape(
        "host",
        "linux darwin freebsd",
        r"\b(?:Linux|Darwin|FreeBSD) (?P<host>[\w.-]{1,253}+) (?=\d{1,3}\.\d{1,3}\S{0,80} (?:#|SMP|Darwin|FreeBSD))",
        _no_log_host,
    ),
    shape(
        "host",
        ":",
        r"(?m)^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?P<host>[\w.-]{1,253}+) [\w./-]{1,64}(?:\[\d{1,8}\])?:"
        r"|\d{4}-\d\d-\d\dT[\d:.+Z-]{8,32} (?P<host2>[\w.-]{1,253}+) [\w./-]{1,64}\[\d{1,8}\]:)",
    ),
    shape("host", "cn", r"\bCN ?= ?(?P<host>(?:\*\.)?[A-Za-z0-9][\w-]{0,62}(?:\.[\w-]{1,63}){1,8})(?![\w.-])", _no_host),
    shape(
        "pod",
        "pod",
        rf"(?i)(?<![a-z])(?:pod(?:[_ -]?(?:name|uid|id))?|kubernetes\.pod\.name){IS}{_WORD}"
        r"|(?<![\w/])pods?/(?P<value2>[a-z0-9][a-z0-9.-]{4,252}+)(?![\w/])",
        lambda m: is_number(value(m)) or value(m).lower() in NOBODY,
    ),
)  # fmt: skip
