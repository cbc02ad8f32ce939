"""The report's settings: `sitegen.toml`, read, checked and frozen. Everything has a default."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sitegen import bounds
from sitegen.errors import SitegenError
from sitegen.model import check_label, check_run_id, check_time

Role = Literal["metal", "vm", "cpu-tee", "gpu-tee"]
ROLE_WORDS: Mapping[str, str] = {
    "metal": "bare metal",
    "vm": "plain VM",
    "cpu-tee": "CPU TEE",
    "gpu-tee": "GPU TEE",
}
MAX_WINDOW_DAYS = 36_500
TITLE = "What a TEE costs, measured"
TEES = (
    "none",
    "tdx",
    "sev",
    "sev-es",
    "sev-snp",
    "csv",
    "nitro",
    "cca",
    "secure-execution",
    "sgx",
    "gpu-cc",
    "unstated",
)


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour of a platform costs: an input, dated, never fetched and never guessed.

    Costs are computed from it when pages are built, so a new price needs no new measurement.
    """

    per_hour: float
    date: str
    currency: str = "USD"
    source: str = ""
    provider: str = ""
    sku: str = ""
    region: str = ""
    billing: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """A labelled platform, as the report's authors declare it.

    ``baselines`` maps a word (``vm``, ``metal``) to the environment it is measured against;
    the first is the default. ``incomparable`` gives the reason why it must not be compared with
    an environment that it is measured against all the same. ``aliases`` are the labels that its
    runs were archived under before it was renamed.
    """

    label: str
    role: Role | None = None
    tee: str = ""
    title: str = ""
    note: str = ""
    baselines: Mapping[str, str] = field(default_factory=dict)
    incomparable: Mapping[str, str] = field(default_factory=dict)
    price: Price | None = None
    aliases: tuple[str, ...] = ()
    by_label: bool = False  # nothing but the words of its label says what it is


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a report, with where its parts lie."""

    root: Path
    title: str = TITLE
    archive: Path = Path("archive")
    output: Path = Path("site")
    notes: Path = Path("notes")
    claims: Path = Path("claims")
    cache: Path = Path(".sitegen")
    base_url: str = ""
    window_days: int = 90
    max_bytes: int = 500_000_000
    pinned: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()  # what `publish` leaves on the branch
    environments: Mapping[str, Environment] = field(default_factory=dict)

    def environment(self, label: str) -> Environment:
        """Return the declared environment, or one that says only its label."""
        return self.environments.get(label) or Environment(label)

    @property
    def aliases(self) -> dict[str, str]:
        """Return the label of today by each label of old."""
        return {old: label for label, env in self.environments.items() for old in env.aliases}


#: Words of a label that say what a platform is, where nothing else does.
_METAL = frozenset({"metal", "host", "bare", "baremetal"})
_GPU = frozenset({"gpu", "h100", "h200", "b200", "gb200"})
_VM = frozenset({"vm", "plain"})
_TEE_WORDS = {
    **dict.fromkeys(("cvm", "tee", "cc", "confidential"), "unstated"),
    "td": "tdx",
    "tdx": "tdx",
    "snp": "sev-snp",
    "sev": "sev",
    "csv": "csv",
    "sgx": "sgx",
    "nitro": "nitro",
    "cca": "cca",
}


def implied(label: str) -> tuple[Role | None, str]:
    """Return the role and the TEE that the words of a label imply: ``cvm`` is a CPU TEE's.

    (None, "") where they imply nothing, or two things: ``tdx-vm`` may be a guest of TDX or the
    plain VM beside one. The host of a TEE is metal, whatever TEE it hosts.
    """
    parts = [part for part in re.split(r"[-._]+", label) if part]
    words = {*parts, *(part.rstrip("0123456789") for part in parts)} - {""}
    # SEV-SNP and SEV-ES are written in two words.
    tees = {_TEE_WORDS[word] for word in words & set(_TEE_WORDS)}
    if "sev" in tees and "sev-snp" in tees:
        tees.discard("sev")
    elif "sev" in tees and "es" in words:
        tees = tees - {"sev"} | {"sev-es"}
    named = sorted(tees - {"unstated"})
    if words & _METAL:
        return "metal", "none"
    if (tees and words & _VM) or len(named) > 1:
        return None, ""
    if words & _VM:
        return "vm", "none"
    if not tees:
        return ("metal", "none") if "native" in words else (None, "")
    if "native" in words:
        return None, ""
    return ("gpu-tee" if words & _GPU else "cpu-tee"), (named or ["unstated"])[0]


_SITE = {
    "title": str,
    "archive": str,
    "output": str,
    "notes": str,
    "claims": str,
    "cache": str,
    "base_url": str,
    "window_days": int,
    "max_bytes": int,
    "pinned": list,
    "keep": list,
}
_ENVIRONMENT = {"role": str, "tee": str, "title": str, "note": str, "baselines": dict,
                "incomparable": dict, "price": dict, "aliases": list}  # fmt: skip
_PRICE: Mapping[str, type | tuple[type, ...]] = {
    "per_hour": (int, float), "date": str, "currency": str, "source": str,
    "provider": str, "sku": str, "region": str, "billing": str,
}  # fmt: skip
_KINDS: Mapping[type, str] = {
    str: "a text in quotes", int: "a whole number", float: "a number", list: "a list",
    dict: "a table",
}  # fmt: skip
_MAX_BYTES = 1_000_000
_DEEP = re.compile(r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){40}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def load(
    path: Path | None = None,
    *,
    archive: Path | None = None,
    output: Path | None = None,
    base_url: str | None = None,
) -> Config:
    """Return the settings in ``path``, or the defaults around the current folder.

    ``archive``, ``output`` and ``base_url`` stand above what the file says. Raises SitegenError
    that names the key for anything that is not understood.
    """
    file = path or Path("sitegen.toml")
    if not file.is_file():
        if path is not None:
            raise SitegenError("no such file", where=str(path), fix="check --config")
        data: dict[str, Any] = {}
    else:
        data = read_toml(file)
    root = file.parent
    where = str(file)
    _known(data, {"site": dict, "environments": dict}, where, "")
    site = data.get("site", {})
    _known(site, _SITE, where, "site.")
    base_url = (
        _address(base_url, "--base-url")
        if base_url
        else _address(site.get("base_url", ""), f"{where}: site.base_url")
    )
    for key in ("archive", "output", "notes", "claims", "cache"):
        if not site.get(key, key).strip():
            raise SitegenError(f"site.{key} is empty", where=where, fix="name a folder")
    if not site.get("title", TITLE).strip():
        raise SitegenError("site.title is empty", where=where, fix="leave it out")
    if site.get("max_bytes", 0) < 0:
        raise SitegenError(
            "site.max_bytes is below 0", where=where, fix="0 publishes no raw output"
        )
    window_days = site.get("window_days", 90)
    if not 1 <= window_days <= MAX_WINDOW_DAYS:
        raise SitegenError(
            f"site.window_days is not 1 to {MAX_WINDOW_DAYS}", where=where, fix="leave it out: 90"
        )
    _check_folders(site, root, where)
    return Config(
        root=root,
        title=site.get("title", TITLE),
        archive=archive or root / site.get("archive", "archive"),
        output=output or root / site.get("output", "site"),
        notes=root / site.get("notes", "notes"),
        claims=root / site.get("claims", "claims"),
        cache=root / site.get("cache", ".sitegen"),
        base_url=base_url.rstrip("/"),
        window_days=window_days,
        max_bytes=site.get("max_bytes", 500_000_000),
        pinned=tuple(_pinned(run, where) for run in site.get("pinned", [])),
        keep=tuple(_kept(path, where) for path in site.get("keep", [])),
        environments=_environments(data.get("environments", {}), where),
    )


def read_toml(file: Path) -> dict[str, Any]:
    """Return what a TOML file says; raises SitegenError when it is none, or far too large."""
    where = str(file)
    try:
        data = bounds.read_file(file, _MAX_BYTES)
    except SitegenError as error:
        raise SitegenError(error.what, where=where) from error
    try:
        text = data.decode()
        # A key of many parts takes the square of their number to read.
        if _DEEP.search(text):
            raise SitegenError("not valid TOML: nested too deep", where=where)
        return tomllib.loads(text)
    except RecursionError:
        raise SitegenError("not valid TOML: nested too deep", where=where) from None
    except ValueError as error:  # of TOML, of UTF-8, or of a number of thousands of digits
        raise SitegenError(f"not valid TOML: {error}", where=where) from error


def _check_folders(site: Mapping[str, Any], root: Path, where: str) -> None:
    """Raise SitegenError when what may be deleted, or is written anew, is a folder of the report's.

    The cache may be deleted at any time, and a build owns all of its output.
    """
    usual = {
        key: (root / site.get(key, default)).absolute()
        for key, default in (
            ("archive", "archive"), ("output", "site"), ("notes", "notes"), ("claims", "claims"),
            ("cache", ".sitegen"),
        )
    }  # fmt: skip
    for ours in ("cache", "output"):
        for key, place in usual.items():
            if key != ours and (place == usual[ours] or place in usual[ours].parents):
                raise SitegenError(
                    f"site.{ours} lies in site.{key}",
                    where=where,
                    fix="give it a folder of its own",
                )


def _pinned(run: object, where: str) -> str:
    text = _words(run, where, "site.pinned")
    try:
        return check_run_id(text)
    except SitegenError as error:
        raise SitegenError(f"site.pinned: {error.what}", where=where, fix=error.fix) from error


def _kept(path: object, where: str) -> str:
    text = _words(path, where, "site.keep").strip().strip("/")
    if not text or {"", ".", "..", ".git"} & set(text.split("/")):
        raise SitegenError(
            f"site.keep names {text!r}, which is no file of a branch",
            where=where,
            fix="write its path, such as .well-known/security.txt",
        )
    return text


def _address(text: str, where: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise SitegenError("must begin with https:// or http://", where=where)
    return text


def _environments(tables: Mapping[str, Any], where: str) -> dict[str, Environment]:
    found: dict[str, Environment] = {}
    for label, table in tables.items():
        _label(label, where, f"environments.{label}")
        key = f"environments.{label}"
        if not isinstance(table, dict):
            raise SitegenError(f"{key} must be a table", where=where)
        _known(table, _ENVIRONMENT, where, f"{key}.")
        role = table.get("role")
        if role is not None and role not in get_args(Role):
            raise SitegenError(
                f"{key}.role is {role!r}",
                where=where,
                fix=f"use one of {', '.join(get_args(Role))}",
            )
        tee = table.get("tee", "")
        if tee and tee not in TEES:
            raise SitegenError(
                f"{key}.tee is {tee!r}", where=where, fix=f"use one of {', '.join(TEES)}"
            )
        if role in ("metal", "vm") and tee not in ("", "none", "unstated"):
            raise SitegenError(
                f"{key}.role is {role!r} and {key}.tee {tee!r}",
                where=where,
                fix="a platform with a TEE has the role cpu-tee or gpu-tee",
            )
        baselines = {
            word: _label(name, where, f"{key}.baselines.{word}")
            for word, name in table.get("baselines", {}).items()
        }
        if label in baselines.values():
            raise SitegenError(f"{key}.baselines names the environment itself", where=where)
        reasons = {
            _label(name, where, f"{key}.incomparable"): _words(
                why, where, f"{key}.incomparable.{name}"
            )
            for name, why in table.get("incomparable", {}).items()
        }
        found[label] = Environment(
            label,
            role,
            tee,
            table.get("title", ""),
            table.get("note", ""),
            baselines,
            reasons,
            _price(table["price"], where, f"{key}.price") if "price" in table else None,
            tuple(_label(old, where, f"{key}.aliases") for old in table.get("aliases", [])),
        )
    _check_aliases(found, where)
    return found


def _words(text: object, where: str, key: str) -> str:
    if isinstance(text, str) and text.strip():
        return text
    raise SitegenError(f"{key} must be a text", where=where, fix="put it in quotes")


def _label(label: object, where: str, key: str) -> str:
    text = _words(label, where, key)
    try:
        return check_label(text)
    except SitegenError as error:
        raise SitegenError(f"{key}: {error.what}", where=where, fix=error.fix) from error


def _check_aliases(found: Mapping[str, Environment], where: str) -> None:
    """Raise SitegenError for an old label that is still in use, or that two environments claim."""
    owners: dict[str, str] = {}
    for label, environment in found.items():
        for old in environment.aliases:
            if old in found or old in owners:
                other = "an environment of its own" if old in found else f"that of {owners[old]}"
                raise SitegenError(
                    f"environments.{label}.aliases names {old!r}, which is {other}",
                    where=where,
                    fix="an old label belongs to one environment and has no table",
                )
            owners[old] = label


def _price(table: Mapping[str, Any], where: str, key: str) -> Price:
    """Return a price; raises SitegenError when it has no amount or no date."""
    _known(table, _PRICE, where, f"{key}.")
    for name, why in (("per_hour", "the amount"), ("date", "the day that it held on")):
        if name not in table:
            raise SitegenError(f"{key} has no {name}", where=where, fix=f"give {why}")
    if not (math.isfinite(table["per_hour"]) and table["per_hour"] > 0):
        raise SitegenError(f"{key}.per_hour must be more than 0", where=where)
    if not _CURRENCY.fullmatch(table.get("currency", "USD")):
        raise SitegenError(f"{key}.currency must be a code of three letters", where=where)
    try:
        check_time(table["date"])
    except SitegenError as error:
        raise SitegenError(f"{key}.date: {error.what}", where=where, fix=error.fix) from error
    return Price(**{**table, "per_hour": float(table["per_hour"])})


def _known(
    table: Mapping[str, Any],
    keys: Mapping[str, type | tuple[type, ...]],
    where: str,
    prefix: str,
) -> None:
    for key, value in table.items():
        if key not in keys:
            raise SitegenError(
                f"unknown key {prefix}{key}",
                where=where,
                fix=f"known here: {', '.join(sorted(keys))}",
            )
        wanted = keys[key]
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        if not isinstance(value, kinds) or (int in kinds and isinstance(value, bool)):
            raise SitegenError(f"{prefix}{key} must be {_KINDS[kinds[-1]]}", where=where)
