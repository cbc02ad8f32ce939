"""Keys, tokens, passwords: what opens a door, by its own form or by the name before it."""

from __future__ import annotations

import re

from sitegen.redact.shape import (
    BARE,
    IS,
    NOBODY,
    QUOTED,
    START,
    VALUE,
    Match,
    Row,
    Rows,
    is_number,
    no_digit,
    value,
)

_OPENS = (
    r"(?:(?:(?:access|account|api|auth|encryption|license|private|secret|shared|signing|ssh"
    r"|subscription)[_-]?){1,3}keys?(?:[_-]?id)?"
    r"|(?:(?:access|auth|bearer|hf|id|refresh|security|session)[_-]?)?token"
    r"|(?:client[_-]?)?secret(?:[_-]?(?:string|value))?"
    r"|passw(?:or)?d|passphrase|passcode|credentials?|connection[_-]?string)"
)
_OPENING = "key token secret passw passp passc credential connection"
#: A name whose value is a secret, at the end of a key, an option or a variable.
NAMES_A_SECRET = re.compile(rf"(?i)(?:.*[^a-z0-9])?{_OPENS}")
_LONGEST_NAME = 100
_STAND_IN = re.compile(r"\[[a-z-]{2,20}\]")
_VARIABLE = re.compile(r"\$\{?\w{1,80}\}?|\$\(\S{1,80}")
_KEY = r"PRIVATE(?:[ +_]|%20)KEY"
#: From its first line to its last; of one that is cut short, what looks like its lines.
KEY_BLOCK = re.compile(
    rf"-----BEGIN(?:[ +_]|%20)(?:[A-Z0-9]{{1,12}}(?:[ +_]|%20)){{0,3}}{_KEY}"
    r"(?:(?:[ +_]|%20)BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----))*+-----END(?:[ +_]|%20)[A-Z0-9 +%_]{0,60}-----"
    r"|(?:[\s\\nr>|\"',]{0,12}[A-Za-z0-9+/=]{16,}+)*+(?:\s{0,2}[A-Za-z0-9+/=]{1,15}\s*\Z)?)"
)
#: What services begin their keys with, by what follows.
_ISSUED = {
    r"[A-Za-z0-9]{16,}+": "hf_ ghp_ gho_ ghu_ ghs_ ghr_ gsk_",
    r"[A-Za-z0-9]{20,}+": "npm_ r8_",
    r"[A-Za-z0-9]{10,}+": "sk_live_ sk_test_ pk_live_ pk_test_",
    r"[0-9a-f]{32,}+": "dop_v1_",
    r"[0-9A-Z]{20,}+": "AGE-SECRET-KEY-1",
    r"[A-Z0-9]{12,}+": "AKIA ASIA AROA AIDA",
    r"[a-z]-[\w-]{10,}+": "xox",
    r"[\w-]{10,}+": "xapp-",
    r"[\w-]{12,}+": "glpat- gldt- glptt- glrt- tskey-",
    r"\w{16,}+": "github_pat_",
    r"[\w-]{16,}+": "ya29. nvapi- dckr_pat_ dckr_oat_ hvs.",
    r"[\w-]{30,}+": "AIza",
    r"[\w-]{32,}+": "pypi-",
    r"[\w+/=]{16,}+": "whsec_",
    r"[\w-]{12,}+\.[\w-]{12,}+": "SG.",
}
_ISSUED_KEY = "|".join(
    f"(?:{'|'.join(map(re.escape, begin.split()))}){rest}" for rest, begin in _ISSUED.items()
)
_ISSUED_BEGIN = re.sub(r"\d", "0", " ".join(_ISSUED.values()).lower())


def harmless(name: str, value: str) -> bool:
    """Say whether ``value`` is no secret though ``name`` says so: a number, word or variable."""
    if _STAND_IN.fullmatch(value) or _VARIABLE.fullmatch(value):
        return True
    if value.lower().strip("()[]{}.") in NOBODY or set(value) <= set("*.xX-_"):
        return True
    if value[:1] in "[{(<" and "passw" not in name.lower():
        return True
    return "token" in name.lower() and is_number(value)


def is_secret(name: str, value: str) -> bool:
    """Say whether what is called ``name`` is a secret."""
    return bool(
        len(name) <= _LONGEST_NAME
        and NAMES_A_SECRET.fullmatch(name)
        and not value.startswith(("-", "$", "[secret]"))
        and value
        and not harmless(name, value)
    )


def _no_secret(match: Match) -> bool:
    name = match.string[match.start() : match.start() + 40]
    return harmless(name.partition("=")[0].partition(":")[0], value(match))


SHAPES: Rows = {
    "jwt: eyj": Row(
        r"(?<![A-Za-z0-9])eyJ[\w-]{8,}+(?P<_tail>\.[\w-]{8,}+(?:\.[\w-]*+){1,3})?",
        lambda m: m["_tail"] is None,
    ),
    "key: sk- pk- rk-": Row(
        r"(?<![A-Za-z0-9])(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}+", no_digit, "[spr]k-[0a-z_-]{16}"
    ),
    f"key: {_ISSUED_BEGIN}": Row(rf"(?<![A-Za-z0-9])(?:{_ISSUED_KEY})"),
    "secret: authorization": Row(
        rf"(?i)authorization{IS}[\"']?(?:(?:basic|bearer|token|apikey)\s{{1,4}})?+"
        r"(?P<value>(?:aws4-hmac-sha256|digest|negotiate)\s[^\r\n\"']{1,4096}+"
        r"|(?!\[)[^\s\"',;]{4,}+)"
    ),
    "secret: bearer": Row(r"(?i)\bbearer\s{1,4}(?P<value>[\w.~+/=-]{6,}+)", no_digit),
    "secret: cookie": Row(
        rf"(?i)(?:{START}(?:set-)?cookie{IS}|--cookie[ =])[\"']?(?P<value>[^\r\n\"'\[]{{3,8192}}+)",
        lambda m: "=" not in m["value"],
    ),
    "secret: ^-c": Row(r"(?<!\S)-C[ =]?[\"']?(?P<value>[^\s\"'=\[-][^\s\"'=]{0,80}=[^\s\"']{2,}+)"),
    f"secret=: {_OPENING}": Row(rf"(?i){START}{_OPENS}{IS}{VALUE}", _no_secret),
    # An option and its value as two words of a command line.
    f"secret: {_OPENING}": Row(
        rf"(?i)(?<![\w-])--?(?:[a-z0-9]{{1,40}}[_-]){{0,5}}{_OPENS}[ ]{{1,8}}(?![-\[])"
        rf"(?:\\?(?:{QUOTED})|[\"'\\]{{0,2}}{BARE})",
        _no_secret,
        rf"(?<![0a-z_-])--?[0a-z_-]*(?:{_OPENING.replace(' ', '|')})",
    ),
    "secret: ^-u ^-a ^-p ^--user ^--proxy-user": Row(
        r"(?<!\S)(?:-[uAPU]|--user|--proxy-user)[ =]?[\"']?"
        r"(?P<value>[^\s:\"'/\[\]-][^\s:\"'/\[\]]{0,80}:[^\s\"'/:]{3,}+)(?![/:])",
        lambda m: is_number(m["value"].partition(":")[2]),
    ),
    "secret: pwd=": Row(r"(?i);\s?pwd=(?!\[)(?P<value>[^;\s\"']{3,}+)"),
    "secret: sig= signature= credential= accesskeyid= accessid= token=": Row(
        r"(?i)(?:[?&;]|%26)(?:sig|signature|x-(?:amz|goog|oss|cos)-(?:signature|credential"
        r"|security-token)|awsaccesskeyid|ossaccesskeyid|googleaccessid)=(?!\[)"
        r"(?P<value>[^&\s\"'<>]{4,}+)"
    ),
    "userinfo: ://": Row(r"://(?!\[[a-z-]{2,20}\]@)(?P<value>[^\s/@\"'<>]{1,1024}+)@"),
    "ssh: ssh-ed ssh-rsa ssh-dss ecdsa-": Row(
        r"\b(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp\d{3}|sk-ssh-ed25519@openssh\.com)\s{1,4}"
        r"(?P<value>AAAA[A-Za-z0-9+/=]{20,}+)"
    ),
    "ssh: sha000:": Row(r"\bSHA256:(?P<value>[A-Za-z0-9+/]{43}=?)(?![A-Za-z0-9+/=])"),
    "ssh: ssh-0.0-": Row(
        r"\bSSH-2\.0-(?P<value>[^\s\"'\[\\][^\s\"'\\]{0,200}(?: [A-Z][\w+.-]{1,80})?)"
    ),
    "proxy=: http_proxy https_proxy all_proxy ftp_proxy no_proxy socks_proxy": Row(
        rf"(?i)(?:https?|all|ftp|no|socks)_proxy{IS}{VALUE}", _no_secret
    ),
}
