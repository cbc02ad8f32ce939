"""The report's settings: `sitegen.toml`, read, checked and frozen. Everything has a default."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, cast, get_args

from msgspec import Meta, Struct, field, inspect, structs

from sitegen import toml
from sitegen.errors import SitegenError
from sitegen.model import check_label, check_run_id, check_time

Role = Literal["metal", "vm", "cpu-tee", "gpu-tee"]
ROLE_WORDS: Mapping[str, str] = dict(
    zip(get_args(Role), ("bare metal", "plain VM", "CPU TEE", "GPU TEE"), strict=True)
)
#: What kind of TEE pages call by which name; any other is a TEE, and no more is said.
TEE_WORDS: Mapping[str, str] = {
    "tdx": "TDX", "sev": "SEV", "sev-es": "SEV-ES", "sev-snp": "SEV-SNP", "csv": "CSV",
    "nitro": "Nitro Enclaves", "cca": "CCA", "secure-execution": "Secure Execution", "sgx": "SGX",
    "gpu-cc": "GPU CC",
}  # fmt: skip
MAX_WINDOW_DAYS = 36_500
TITLE = "What a TEE costs, measured"
#: What the settings of a report are called.
FILE = "sitegen.toml"
Tee = Literal[
    "none", "tdx", "sev", "sev-es", "sev-snp", "csv", "nitro", "cca", "secure-execution", "sgx",
    "gpu-cc", "unstated",
]  # fmt: skip
TEES = get_args(Tee)

#: The values of settings. An error says what a value must be in the words of its description.
Text = Annotated[str, Meta(description="a text in quotes")]
Filled = Annotated[str, Meta(pattern=r"\S", description="a text in quotes, and not empty")]
Folder = Annotated[str, Meta(pattern=r"\S", description="the name of a folder")]
Place = Annotated[str, Meta(pattern=r"\S", description="the name of a folder, or an address")]
Address = Annotated[
    str, Meta(pattern="^($|https?://)", description="an address that begins with https://")
]
_DAYS = f"a whole number, 1 to {MAX_WINDOW_DAYS}"
Days = Annotated[int, Meta(ge=1, le=MAX_WINDOW_DAYS, description=_DAYS)]
Bytes = Annotated[int, Meta(ge=0, description="a whole number; 0 publishes no raw output")]
Amount = Annotated[float, Meta(gt=0, le=1e100, description="a number that is more than 0")]
Currency = Annotated[
    str, Meta(pattern="^[A-Z]{3}", max_length=3, description="a code of three letters")
]
Texts = Annotated[tuple[Filled, ...], Meta(description="a list of texts")]
Words = Annotated[dict[str, Filled], Meta(description="a table of texts in quotes")]


def told(what: str, example: object) -> Meta:
    """Return what annotates a key: what it is for, in Markdown, and an example of it.

    The commented settings of `sitegen init` and the tables of `docs/settings.md` are made of it.
    """
    return Meta(title=what, examples=[example])


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """What an hour of a platform costs: an input, dated, never fetched and never guessed.

    Costs are computed from it when pages are built, so a new price needs no new measurement.
    """

    per_hour: Annotated[Amount, told("the amount, for the whole instance", 1.25)]
    date: Annotated[Text, told("the day that it held on", "2026-11-01")]
    currency: Annotated[Currency, told("three letters; USD without it", "USD")] = "USD"
    source: Annotated[Text, told("where it stands", "https://example.org/prices")] = ""
    provider: Annotated[Text, told("who asks for it", "Example Cloud")] = ""
    sku: Annotated[Text, told("the provider's name of the instance", "c8-tdx")] = ""
    region: Annotated[Text, told("where it runs", "eu-west")] = ""
    billing: Annotated[Text, told("`on-demand`, `spot`, `reserved`, ...", "on-demand")] = ""


_ROLE = Annotated[Role, Meta(description=f"one of {', '.join(get_args(Role))}")]
_TEE = Annotated[Literal["", Tee], Meta(description=f"one of {', '.join(TEES)}")]


class EnvironmentTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What `sitegen.toml` says of an environment."""

    role: Annotated[_ROLE | None, told("`metal`, `vm`, `cpu-tee` or `gpu-tee`", "cpu-tee")] = None
    tee: Annotated[
        _TEE,
        told(
            "`tdx`, `sev-snp`, `csv`, ... or `none`; another word is refused with the list", "tdx"
        ),
    ] = ""
    title: Annotated[Text, told("its name on pages, instead of the label", "Confidential VM")] = ""
    note: Annotated[
        Text,
        told("a sentence at the top of its pages", "A guest of the host, with 8 of its 64 CPUs."),
    ] = ""
    baselines: Annotated[
        Words,
        told(
            'what it is measured against: `{ vm = "<label>", metal = "<label>" }`, the default'
            " first; `sitegen baseline cvm=metal` writes it",
            {"metal": "metal"},
        ),
    ] = {}
    incomparable: Annotated[
        Words,
        told(
            'why it must not be compared with one of them: `{ "<label>" = "another kernel" }`',
            {"metal": "another kernel until November"},
        ),
    ] = {}
    allow_differences: Annotated[
        Texts,
        told(
            "in what its machine is meant to differ from its baseline: `cpu`, `cpus`, `sockets`,"
            " `memory`, `gpu`, `gpus`; otherwise a TEE is not compared with another machine",
            ["cpus", "memory"],
        ),
    ] = ()
    price: Annotated[
        Price | None,
        told(
            "what an hour of it costs, for the cost of a proof, of tokens and of requests: a table"
            " of its own",
            None,
        ),
    ] = None
    aliases: Annotated[
        Texts,
        told(
            "labels that its runs were archived under before it was renamed; runs stay where they"
            " are",
            ["cvm-old"],
        ),
    ] = ()


class StorageTable(Struct, frozen=True, forbid_unknown_fields=True):
    """How a store of archives is spoken to, where its own settings do not say: no secrets."""

    endpoint_url: Annotated[
        Address,
        told("the address of a store that speaks S3 and is not Amazon's", "https://s3.example.org"),
    ] = ""
    profile: Annotated[Text, told("the profile of whose credentials use is made", "benchmarks")] = (
        ""
    )
    anonymous: Annotated[
        Annotated[bool, Meta(description="true or false")],
        told("true: without credentials, as public archives are read", False),  # noqa: FBT003
    ] = False


class SiteTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What `sitegen.toml` says of the report; the folders are seen from that of the file."""

    title: Annotated[Filled, told("name of the report", "What our TEEs cost")] = TITLE
    archive: Annotated[
        Place,
        told(
            "folder of the runs, or an [address](archives.md) such as `s3://bucket/name`", "archive"
        ),
    ] = "archive"
    output: Annotated[Folder, told("folder of the built site", "site")] = "site"
    notes: Annotated[
        Folder,
        told("folder of the notes, `<benchmark>.md`, and `index.md` of the front page", "notes"),
    ] = "notes"
    claims: Annotated[
        Folder, told("folder of the claims that are recomputed, `<source>.toml`", "claims")
    ] = "claims"
    theme: Annotated[
        Folder, told("folder of [a look of your own](theme.md): templates, style, logo", "theme")
    ] = "theme"
    cache: Annotated[Folder, told("folder that may be deleted at any time", ".sitegen")] = (
        ".sitegen"
    )
    base_url: Annotated[
        Address,
        told(
            "where the site is published: for canonical links, the feed, and what is shown of it"
            " elsewhere (pictures of links, badges, charts to embed)",
            "https://example.org/report",
        ),
    ] = ""
    window_days: Annotated[
        Days, told("comparisons leave out runs that are this much older than the newest", 90)
    ] = 90
    apart_days: Annotated[
        Days, told("sides that were taken so many days apart carry a doubt", 30)
    ] = 30
    max_bytes: Annotated[
        Bytes,
        told("raw outputs that the site carries, those of the newest runs first", 500_000_000),
    ] = 500_000_000
    pinned: Annotated[
        Texts,
        told(
            "ids of the runs that comparisons use instead, beside cited ones",
            ["20261101t120000z-fio-abcdefgh"],
        ),
    ] = ()
    keep: Annotated[
        Texts,
        told(
            "files and folders that `publish` leaves on the branch, or takes from the site's"
            " folder, beside `CNAME`",
            [".well-known/security.txt"],
        ),
    ] = ()
    storage: Annotated[
        StorageTable | None,
        told("how the store of an archive elsewhere is spoken to: a table of its own", None),
    ] = None


class Key(NamedTuple):
    """A key of a table: what it is for, an example, and the default; None for one that is asked."""

    name: str
    what: str
    example: Any
    default: Any


def keys(form: type[Struct]) -> Iterator[Key]:
    """Yield the keys of a table of the settings, in the order that they are declared in."""
    for one in cast("inspect.StructType", inspect.type_info(form)).fields:
        told_of = getattr(one.type, "extra_json_schema", None) or {}
        default = one.default_factory() if callable(one.default_factory) else one.default
        [example] = told_of["examples"]
        yield Key(one.name, told_of["title"], example, None if one.required else default)


Form = TypeVar("Form")


class Settings(Struct, Generic[Form], frozen=True, forbid_unknown_fields=True):
    """All of `sitegen.toml`."""

    site: SiteTable = SiteTable()
    environments: Annotated[dict[str, Form], Meta(description="a table")] = {}
    tools: Annotated[dict[str, Any], Meta(description="a table, or the name of a file")] = {}


class Environment(Struct, frozen=True):
    """A labelled platform, as the report's authors declare it.

    ``baselines`` maps a word (``vm``, ``metal``) to the environment it is measured against;
    the first is the default. ``incomparable`` gives the reason why it must not be compared with
    an environment that it is measured against all the same; ``allow_differences`` names facts of
    the machine that are meant to differ. ``aliases`` are the labels that its
    runs were archived under before it was renamed.
    """

    label: str
    role: Role | None = None
    tee: str = ""
    title: str = ""
    note: str = ""
    baselines: Mapping[str, str] = field(default_factory=dict)
    incomparable: Mapping[str, str] = field(default_factory=dict)
    allow_differences: tuple[str, ...] = ()
    price: Price | None = None
    aliases: tuple[str, ...] = ()
    by_label: bool = False  # nothing but the words of its label says what it is


class Tool(NamedTuple):
    """A tool that the report declares: its table, the file that it stands in, its method note."""

    table: object
    file: str
    note: str = ""


_USUAL = SiteTable()


class Config(Struct, frozen=True):
    """All settings of a report, with where its parts lie.

    Where the archive is ``elsewhere``, at an address, ``archive`` is where the copy of it lies.
    """

    root: Path
    file: Path = Path(FILE)
    title: str = _USUAL.title
    archive: Path = Path(_USUAL.archive)
    elsewhere: str = ""
    storage: StorageTable = StorageTable()
    output: Path = Path(_USUAL.output)
    notes: Path = Path(_USUAL.notes)
    claims: Path = Path(_USUAL.claims)
    theme: Path = Path(_USUAL.theme)
    cache: Path = Path(_USUAL.cache)
    base_url: str = _USUAL.base_url
    window_days: int = _USUAL.window_days
    apart_days: int = _USUAL.apart_days
    max_bytes: int = _USUAL.max_bytes
    pinned: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()  # what `publish` leaves on the branch
    given: Mapping[str, str] = {}  # what a command line put above the file, as text
    environments: Mapping[str, Environment] = field(default_factory=dict)
    tools: Mapping[str, Tool] = field(default_factory=dict)

    def environment(self, label: str) -> Environment:
        """Return the declared environment, or one that says only its label."""
        return self.environments.get(label) or Environment(label)

    @property
    def archive_place(self) -> str:
        """What the archive is called in messages: its address, or its folder."""
        return self.elsewhere or str(self.archive)

    @property
    def unsent(self) -> Path:
        """The folder of runs that wait to be sent to an archive elsewhere."""
        return self.root / "unsent" / self.archive.name

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
    **{name: name for name in ("tdx", "sev", "csv", "sgx", "nitro", "cca")},
    "td": "tdx",
    "snp": "sev-snp",
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


#: The keys of a report's folders.
FOLDERS = ("archive", "output", "notes", "claims", "theme", "cache")


def load(
    path: Path | None = None,
    *,
    folder: Path | None = None,
    archive: Path | str | None = None,
    output: Path | None = None,
    base_url: str | None = None,
) -> Config:
    """Return the settings in ``path``, or those that `found` finds for ``folder``, or the defaults.

    ``archive``, ``output`` and ``base_url`` stand above what the file says. Raises SitegenError
    that names the key for anything that is not understood.
    """
    file = path or found(folder)
    if path is not None and not file.is_file():
        raise SitegenError("no such file", where=str(path), fix="check --config")
    settings = toml.decoded(toml.read(file) if file.is_file() else {}, Settings[Any], str(file))
    site, root = settings.site, file.parent
    folders = {key: root / getattr(site, key) for key in FOLDERS}
    _check_folders(folders, file)
    where = "--archive" if archive else f"{file}: site.archive"
    runs, elsewhere = place_of(str(archive or site.archive), folders["cache"], where)
    folders["archive"] = runs if archive or elsewhere else root / runs
    storage = site.storage or StorageTable()
    address(storage.endpoint_url, f"{file}: site.storage.endpoint_url")
    for run in site.pinned:
        checked(check_run_id, run, f"{file}: site.pinned")
    if base_url:
        toml.decoded(base_url, Address, "--base-url")
    folders["output"] = output or folders["output"]
    values = structs.asdict(site) | folders | {"elsewhere": elsewhere, "storage": storage}
    values["base_url"] = (base_url or site.base_url).rstrip("/")
    values["keep"] = tuple(_kept(path, file) for path in site.keep)
    given = {"archive": elsewhere or str(runs.resolve())} if archive else {}
    given |= {"base_url": values["base_url"]} if base_url else {}
    return Config(
        root,
        file,
        **values,
        given=given,
        environments=_environments(settings.environments, file),
        tools={name: _tool(name, value, file) for name, value in settings.tools.items()},
    )


def _tool(name: str, value: object, file: Path) -> Tool:
    """Return a tool whose table stands here, or in a file beside, whose note lies beside that."""
    if not isinstance(value, str):
        return Tool(value, str(file))
    place = file.parent / value
    if place.name != f"{name}.toml":
        fix = f"call the file {name}.toml, or write the table here"
        raise SitegenError(f"is read from {value!r}", where=f"{file}: tools.{name}", fix=fix)
    return Tool(toml.read(place), str(place), toml.beside(place))


def place_of(archive: str, cache: Path, where: str = "") -> tuple[Path, str]:
    """Return the folder of an archive, and its address where it lies elsewhere.

    Its folder is a copy in the cache then. Raises SitegenError as `address` does.
    """
    elsewhere = address(archive, where)
    if not elsewhere:
        return Path(re.sub("^(file|local)://", "", archive)), ""
    name = re.sub(r"[^a-z0-9]+", "-", elsewhere.lower().rpartition("/")[2]).strip("-")[:40]
    digest = hashlib.sha256(elsewhere.encode()).hexdigest()[:8]
    return cache / "remote" / f"{name}-{digest}", elsewhere


def address(text: str, where: str) -> str:
    """Return the address of an archive elsewhere; nothing for a folder of this machine.

    Raises SitegenError for one that holds what is nobody else's business.
    """
    scheme, found, rest = text.partition("://")
    if not found or scheme.lower() in ("", "file", "local"):
        return ""
    fix = "credentials are set where its tools look for them"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) or not rest.strip("/"):
        raise SitegenError(
            "is no address of an archive", where=where, fix="such as s3://bucket/name"
        )
    if ":" in rest.rpartition("@")[0]:
        raise SitegenError("the address has a password in it", where=where, fix=fix)
    if set("?#") & set(rest) or not text.isprintable() or " " in text:
        raise SitegenError("the address has more in it than a place", where=where, fix=fix)
    return f"{scheme.lower()}://{rest.rstrip('/')}"


def found(folder: Path | None = None) -> Path:
    """Return the `sitegen.toml` of the report that a folder is part of; else where one would be.

    As git finds its repository: in the folder or the next above it that has one. It is the current
    one without ``folder``.
    """
    here = folder or Path()
    places = [here / FILE, *(parent / FILE for parent in here.absolute().parents)]
    return next((place for place in places if place.is_file()), places[0])


def _check_folders(folders: Mapping[str, Path], file: Path) -> None:
    """Raise SitegenError when what may be deleted, or is written anew, is a folder of the report's.

    The cache may be deleted at any time, and a build owns all of its output.
    """
    usual = {key: folder.absolute() for key, folder in folders.items()}
    for ours in ("cache", "output"):
        for key, place in usual.items():
            if key != ours and (place == usual[ours] or place in usual[ours].parents):
                where, fix = f"{file}: site.{ours}", "give it a folder of its own"
                raise SitegenError(f"lies in site.{key}", where=where, fix=fix)


def _kept(path: str, file: Path) -> str:
    text = path.strip().strip("/")
    if {"", ".", "..", ".git"} & set(text.split("/")):
        fix = "write its path, such as .well-known/security.txt"
        raise SitegenError(f"{text!r} is no file of a branch", where=f"{file}: site.keep", fix=fix)
    return text


def _environments(tables: Mapping[str, object], file: Path) -> dict[str, Environment]:
    environments: dict[str, Environment] = {}
    owners: dict[str, str] = {}  # of labels of old
    for label, value in tables.items():
        key = f"environments.{label}"
        place = f"{file}: {key}"
        checked(check_label, label, place)
        table = toml.decoded(value, EnvironmentTable, str(file), key)
        if table.role in ("metal", "vm") and table.tee not in ("", "none", "unstated"):
            message = f"the role is {table.role!r} and the TEE {table.tee!r}"
            fix = "a platform with a TEE has the role cpu-tee or gpu-tee"
            raise SitegenError(message, where=place, fix=fix)
        for word, name in table.baselines.items():
            checked(check_label, name, f"{place}.baselines.{word}")
        for name in table.incomparable:
            checked(check_label, name, f"{place}.incomparable")
        if label in table.baselines.values():
            message = "names the environment itself"
            raise SitegenError(message, where=f"{place}.baselines", fix="name another")
        for old in table.aliases:
            checked(check_label, old, f"{place}.aliases")
            if old in tables or owners.setdefault(old, label) != label:
                other = "an environment of its own" if old in tables else f"that of {owners[old]}"
                fix = "an old label belongs to one environment and has no table"
                raise SitegenError(f"{old!r} is {other}", where=f"{place}.aliases", fix=fix)
        if table.price:
            checked(check_time, table.price.date, f"{place}.price.date")
        environments[label] = Environment(label, **structs.asdict(table))
    return environments


def checked(check: Callable[[str], object], text: str, place: str) -> None:
    """Check a text; raises what ``check`` does, with the place."""
    try:
        check(text)
    except SitegenError as error:
        raise SitegenError(error.what, where=place, fix=error.fix) from error
