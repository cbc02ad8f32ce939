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
    Shape,
    is_number,
    no_digit,
    shape,
    value,
)

_OPENS = (
    r"(?:(?:(?:access|account|api|auth|encryption|license|private|secret|shared|signing|ssh"
    r"|subscription)[_-]?){1,3}keys?(?:[_-]?id)?"
    r"|(?:(?:access|auth|bearer|hf|id|refresh|security|session)[_-]?)?token"
    r"|(?:client[_-]?)?secret(?:[_-]?(?:string|value))?"
    r"|passw(?:or)?d|passphrase|passcode|credentials?|connection[_-]?string)"
)
#: A name whose value is a secret, at the end of a key, an option or a variable.
NAMES_A_SECRET = re.compile(rf"(?i)(?:.*[^a-z0-9])?{_OPENS}")
_STAND_IN = re.compile(r"\[[a-z-]{2,20}\]")
_KEY = r"PRIVATE(?:[ +_]|%20)KEY"
#: From its first line to its last; of one that is cut short, what looks like its lines.
KEY_BLOCK = re.compile(
    rf"-----BEGIN(?:[ +_]|%20)(?:[A-Z0-9]{{1,12}}(?:[ +_]|%20)){{0,3}}{_KEY}"
    r"(?:(?:[ +_]|%20)BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----))*+-----END(?:[ +_]|%20)[A-Z0-9 +%_]{0,60}-----"
    r"|(?:[\s\\nr>|\"',]{0,12}[A-Za-z0-9+/=]{16,}+)*+(?:\s{0,2}[A-Za-z0-9+/=]{1,15}\s*\Z)?)"
)


def harmless(name: str, value: str) -> bool:
    """Say whether ``value`` is no secret though ``name`` says so: a number, word or variable."""
    if _STAND_IN.fullmatch(value):
        return True
    if value.lower().strip("()[]{}.") in NOBODY or set(value) <= set("*.xX-_"):
        return True
    if value[:1] in "[{(<" and "passw" not in name.lower():
        return True
    if re.fullmatch(r"\$\{?\w{1,80}\}?|\$\(\S{1,80}", value):
        return True
    return "token" in name.lower() and is_number(value)


def _no_secret(match: Match) -> bool:
    name = match.string[match.start() : match.start() + 40]
    return harmless(name.partition("=")[0].partition(":")[0], value(match))


def _no_tail(match: Match) -> bool:
    return match["_tail"] is None


SHAPES: tuple[Shape, ...] = (
    shape(
        "jwt",
        "eyj",
        r"(?<![A-Za-z0-9])eyJ[\w-]{8,}+(?P<_tail>\.[\w-]{8,}+(?:\.[\w-]*+){1,3})?",
        _no_tail,
    ),
    shape(
        "key", "sk- pk- rk-", r"(?<![A-Za-z0-9])(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}+", no_digit
    ),
    shape(
        "key",
        "hf_ ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- xox xapp- ya29. npm_ nvapi- dckr_"
        " gsk_ r8_ _live_ _test_ whsec_ dop_v1_ tskey- age-secret- pypi- sg. hvs.",
        r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{16,}+|gh[pousr]_[A-Za-z0-9]{16,}+"
        r"|github_pat_\w{16,}+|gl(?:pat|dt|ptt|rt)-[\w-]{12,}+|xox[a-z]-[\w-]{10,}+"
        r"|xapp-[\w-]{10,}+|ya29\.[\w-]{16,}+|npm_[A-Za-z0-9]{20,}+|nvapi-[\w-]{16,}+"
        r"|dckr_(?:pat|oat)_[\w-]{16,}+|gsk_[A-Za-z0-9]{16,}+|r8_[A-Za-z0-9]{20,}+"
        r"|[spr]k_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[\w+/=]{16,}+|dop_v1_[0-9a-f]{32,}+"
        r"|tskey-[\w-]{12,}+|AGE-SECRET-KEY-1[0-9A-Z]{20,}+|pypi-[\w-]{32,}+"
        r"|SG\.[\w-]{12,}+\.[\w-]{12,}+|hvs\.[\w-]{16,}+)",
    ),
    shape(
        "key",
        "akia asia aroa aida aiza",
        r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}+|AIza[\w-]{30,}+)",
    ),
    shape(
        "secret",
        "authorization",
        rf"(?i)authorization{IS}[\"']?(?:(?:basic|bearer|token|apikey)\s{{1,4}})?+"
        r"(?P<value>(?:aws4-hmac-sha256|digest|negotiate)\s[^\r\n\"']{1,4096}+"
        r"|(?!\[)[^\s\"',;]{4,}+)",
    ),
    shape("secret", "bearer", r"(?i)\bbearer\s{1,4}(?P<value>[\w.~+/=-]{6,}+)", no_digit),
    shape(
        "secret",
        "cookie",
        rf"(?i)(?:{START}(?:set-)?cookie{IS}|--cookie[ =])[\"']?(?P<value>[^\r\n\"'\[]{{3,8192}}+)",
        lambda m: "=" not in m["value"],
    ),
    shape(
        "secret",
        "-c",
        r"(?<!\S)-C[ =]?[\"']?(?P<value>[^\s\"'=\[-][^\s\"'=]{0,80}=[^\s\"']{2,}+)",
    ),
    shape(
        "secret",
        "key token secret passw passp passc credential connection",
        rf"(?i){START}{_OPENS}{IS}{VALUE}",
        _no_secret,
    ),
    # An option and its value as two words of a command line.
    shape(
        "secret",
        "key token secret passw passp passc credential",
        rf"(?i)(?<![\w-])--?(?:[a-z0-9]{{1,40}}[_-]){{0,5}}{_OPENS}[ ]{{1,8}}(?![-\[])"
        rf"(?:\\?(?:{QUOTED})|[\"'\\]{{0,2}}{BARE})",
        _no_secret,
    ),
    shape(
        "secret",
        "-u -a -p --user --proxy-user",
        r"(?<!\S)(?:-[uAPU]|--user|--proxy-user)[ =]?[\"']?"
        r"(?P<value>[^\s:\"'/\[\]-][^\s:\"'/\[\]]{0,80}:[^\s\"'/:]{3,}+)(?![/:])",
        lambda m: is_number(m["value"].partition(":")[2]),
    ),
    shape("secret", ";pwd= ;pwd", r"(?i);\s?pwd=(?!\[)(?P<value>[^;\s\"']{3,}+)"),
    shape(
        "secret",
        "sig= signature= credential= accesskeyid= accessid= token=",
        r"(?i)(?:[?&;]|%26)(?:sig|signature|x-(?:amz|goog|oss|cos)-(?:signature|credential"
        r"|security-token)|awsaccesskeyid|ossaccesskeyid|googleaccessid)=(?!\[)"
        r"(?P<value>[^&\s\"'<>]{4,}+)",
    ),
    shape(
        "userinfo",
        "://",
        r"://(?!\[[a-z-]{2,20}\]@)(?P<value>[^\s/@\"'<>]{1,1024}+)@",
    ),
    shape(
        "ssh",
        "ssh- ecdsa- sk-",
        r"\b(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-nistp\d{3}|sk-ssh-ed25519@openssh\.com)\s{1,4}"
        r"(?P<value>AAAA[A-Za-z0-9+/=]{20,}+)",
    ),
    shape("ssh", "sha256:", r"\bSHA256:(?P<value>[A-Za-z0-9+/]{43}=?)(?![A-Za-z0-9+/=])"),
    shape(
        "ssh",
        "ssh-2.0-",
        r"\bSSH-2\.0-(?P<value>[^\s\"'\[\\][^\s\"'\\]{0,200}(?: [A-Z][\w+.-]{1,80})?)",
    ),
    shape("proxy", "_proxy", rf"(?i)(?:https?|all|ftp|no|socks)_proxy{IS}{VALUE}", _no_secret),
)  # fmt: skip
