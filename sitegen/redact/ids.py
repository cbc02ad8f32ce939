"""Addresses, serials and ids: what tells one machine, disk, card or account from all others."""

from __future__ import annotations

import ipaddress
import re

from sitegen.redact.shape import HEX, Keep, Match, Row, Rows, is_number, no_digit, value

#: Before these digits stands what makes them a version.
_VERSION = re.compile(
    r"(?:\b(?:version|ver|release|driver|firmware|bios|build|revision|rev)\W{1,4}v?"
    r"|\b(?:curl|nginx|openssl|apache|httpd|fio|python|cuda|cudnn|7-?zip|libaio|vllm|torch)[ -]v?"
    r"|(?:^|[^a-z0-9])v|(?<!/)\b[a-z][\w.+]{0,30}/v?)$",
    re.IGNORECASE,
)
_SAID = re.compile(r"version\W{1,4}v?$", re.IGNORECASE)


def _no_ipv4(match: Match) -> bool:
    text = match[0]
    nowhere = text.startswith(("127.", "0.0.0.0", "255.255."))  # noqa: S104 - told apart, not bound
    if nowhere or re.search(r"(?:^|\.)0\d", text):
        return True
    before = match.string[max(0, match.start() - 40) : match.start()]
    if not _VERSION.search(before):
        return False
    # An address of a private network is one wherever it stands, unless it is called a version.
    return _SAID.search(before) is not None or not ipaddress.ip_address(text).is_private


def _no_ipv6(match: Match) -> bool:
    text = match[0].partition("%")[0]
    if "::" not in text and text.count(":") != (6 if "." in text else 7):
        return True  # most often a time
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return True
    mapped = address.ipv4_mapped
    if mapped is not None:
        return mapped.is_loopback
    digits = text.replace(":", "")
    if "::" not in text:
        return max(map(len, text.split(":"))) < 3  # noqa: PLR2004 - a list of small numbers
    # `a::b` is C++, `1::2` a slice: an address has more to say.
    return len(digits) < 4 or (digits.isalpha() and len(digits) < 8)  # noqa: PLR2004


def _no_mac(match: Match) -> bool:
    digits = re.sub("[:.-]", "", match[0].lower())
    if set(digits) == {"0"} or (set(digits) == {"f"} and "." not in match[0]):
        return True
    # 21-11-26-13-54-16 is a time.
    return ":" not in match[0] and digits.isdecimal()


def _no_disk(match: Match) -> bool:
    """Say whether no part of the name of a disk is long enough, and mixed, for a serial."""
    _, _, name = match[0].partition("-")
    if re.search(r"(?<![0-9a-zA-Z])[0-9a-f]{16,64}(?![0-9a-zA-Z])", name):
        return False
    parts = name.split("_")[1:]
    return not any(len(p) >= 6 and re.search(r"\d", p) and p.isalnum() for p in parts)  # noqa: PLR2004


def _no_serial(match: Match) -> bool:
    text = match["value"]
    return no_digit(match) or (is_number(text) and ("." in text or len(text) < 7))  # noqa: PLR2004


def _keyed(names: str, of: str, keep: Keep | None = None) -> Row:
    """Return what a value after one of ``names`` is found by, in JSON, YAML or a table."""
    return Row(rf"(?i){names}[\"']?\s{{0,40}}[:=]\s{{0,8}}[\"']?(?P<value>{of})(?!\w)", keep)


_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_BUS = "nvme|ata|scsi|virtio|usb|mmc|dm-uuid|lvm-pv-uuid|md-uuid"

SHAPES: Rows = {
    "mac: : - .": Row(
        rf"(?<![0-9a-fA-F:.])(?:{HEX}{{2}}:){{5,31}}{HEX}{{2}}(?![0-9a-fA-F:])"
        rf"|(?<![\w-])(?:{HEX}{{2}}-){{5}}{HEX}{{2}}(?![\w-])"
        rf"|(?<![\w.])(?:{HEX}{{4}}\.){{2}}{HEX}{{4}}(?![\w.])",
        _no_mac,
        r"(?::[0a-f]{2}){3}:|(?:-[0a-f]{2}){2}-|(?:\.[0a-f]{4}){2}",
    ),
    "guid: :": Row(
        rf"(?<![\w:.])(?:{HEX}{{4}}:){{3}}{HEX}{{4}}(?![\w:.])",
        lambda m: m[0].replace(":", "").isdecimal(),
        ":[0a-f]{4}:[0a-f]{4}:",
    ),
    "address: .": Row(
        rf"(?<!\d)(?<!\d\.)(?:{_OCTET}\.){{3}}{_OCTET}(?!\d|\.\d)", _no_ipv4, r"\.0{1,3}\.0{1,3}\."
    ),
    "address: :": Row(
        rf"(?<![\w:.])(?:{HEX}{{0,4}}:){{2,8}}(?:(?:{_OCTET}\.){{3}}{_OCTET}|{HEX}{{1,4}})?"
        r"(?:%[A-Za-z][\w.-]{0,15}+)?(?![\w:]|\.\d)",
        _no_ipv6,
        "(?<![0a-z_:.])(?:(?:[0a-f]{1,4}:){1,7}:|::[0a-f])|(?::[0a-f]{1,4}){5}:",
    ),
    "uuid: - _": Row(
        rf"{HEX}{{8}}(?P<_s>[-_]){HEX}{{4}}(?P=_s){HEX}{{4}}(?P=_s){HEX}{{4}}(?P=_s)"
        rf"{HEX}{{12}}(?!{HEX})",
        lambda m: set(m[0]) <= set("0-_"),
        "-[0a-f]{4}-[0a-f]{4}-[0a-f]{4}-|_[0a-f]{4}_[0a-f]{4}_[0a-f]{4}_",
    ),
    "uuid=: uuid": _keyed(
        r"(?<![a-z])(?:[a-z]{0,8}[_ -]?uuid)",
        r"[0-9a-f][0-9a-f-]{3,63}+",
        # That of a FAT is longer.
        lambda m: is_number(m["value"]) and len(m["value"]) < 8,  # noqa: PLR2004
    ),
    "machine-id=: machine boot": _keyed(r"(?<![a-z])(?:machine|boot)[-_ ]?id", r"[0-9a-f]{32}"),
    "guid=: guid": _keyed("guid", r"(?:0x)?[0-9a-f]{8,32}+"),
    "gpu-id=: pdi platform chassis module clique": _keyed(
        r"(?<![a-z])(?:pdi|platform info|chassis physical id|module id|clique ?id)",
        r"(?:0x)?[0-9a-f]{4,32}+",
    ),
    "serial: /by-": Row(
        r"/dev/disk/by-(?:id|uuid|partuuid|label|partlabel)/(?!\[)"
        r"(?P<value>[^\s\"',:;)\]<>]{1,255}+)"
    ),
    "serial: wwn wwid eui. naa. t00.": Row(
        r"(?i)(?<![a-z0-9])(?:wwn[-:=. ]{0,3}(?:0x)?|eui\.|naa\.|t10\."
        r"|wwid[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:0x|eui\.|naa\.|t10\.|nvme\.)?)"
        r"(?P<value>[0-9a-z][\w.:-]{7,127}+)",
        no_digit,
    ),
    "serial: nvme- ata- scsi- virtio- usb- mmc- -uuid-": Row(
        rf"(?<![\w-])(?:{_BUS})-[\w.+:-]{{6,250}}+", _no_disk, rf"(?<![0a-z_-])(?:{_BUS})-"
    ),
    "serial=: serial asset": _keyed(
        r"(?<![a-z])(?:serial(?:[_ -]?(?:number|num|no|id))?|asset[_ -]?tag)\.?",
        r"[a-z0-9][\w.:/-]{3,}+",
        _no_serial,
    ),
    "cloud-id: -": Row(
        r"(?<![\w-])(?:(?:i|vol|eni|subnet|vpc|sg|snap|rtb|igw|eipalloc)-[0-9a-f]{17}"
        r"|(?:i|vm)-[0-9a-f]{8,32})(?![\w-])",
        no_digit,
        "-[0a-f]{8}",
    ),
    "cloud-id: arn:": Row(
        r"\barn:aws[\w-]{0,20}:[\w-]{0,40}:[\w-]{0,40}:\d{0,12}:[\w+=,.@:/*-]{1,512}+"
    ),
    "cloud-id: .dkr.ecr": Row(r"(?<!\d)\d{12}(?=\.dkr\.ecr)"),
    "cloud-id=: instance vm virtual account project subscription tenant organ billing owner"
    " customer": _keyed(
        r"(?<![a-z])(?:instance|vm|virtual[_-]?machine|account|project|subscription|tenant"
        r"|organi[sz]ation|billing|owner|customer)[_ -]?(?:id|number|unique[_-]?id)",
        r"[a-z0-9][\w.:-]{3,128}+",
        no_digit,
    ),
    "cloud-id=: resource": _keyed(
        r"(?<![a-z])resource[_-]?group(?:[_-]?name)?", r"[a-z0-9][\w.-]{2,90}+"
    ),
    "cloud-id: resourcegroups/ subscriptions/": Row(
        r"(?i)/(?:resourcegroups|subscriptions)/(?P<value>[^\s/\"',\[]{1,90}+)"
    ),
    "cloud-id: projects/": Row(
        r"(?<![\w.])projects/(?P<value>[a-z0-9][\w.:-]{3,62}+)"
        r"(?=/(?:zones|regions|global|locations|machineTypes|instances|serviceAccounts)\b)"
    ),
    "container: docker container crio libpod": Row(
        r"(?i)(?:(?:docker|crio|libpod|containerd|containers?)[-/:]{1,3}"
        r"|(?<![a-z])container[_ -]?id[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:docker://)?)"
        rf"(?P<value>{HEX}{{64}}|{HEX}{{12}})(?!\w)",
        lambda m: value(m).isdecimal(),
        "[-/:=\"'\n][0a-f]{12}",
    ),
    "container: kubepods": Row(rf"(?i)kubepods[^\s:]{{0,200}}/(?P<value>{HEX}{{64}})(?!\w)"),
}
