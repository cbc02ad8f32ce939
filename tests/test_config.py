from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from sitegen import config
from sitegen.errors import SitegenError
from sitegen.toml import literal

ROOT = Path(__file__).parents[1]


def write(folder: Path, text: str) -> Path:
    path = folder / "sitegen.toml"
    path.write_text(text)
    return path


def test_everything_has_a_default_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = config.load()
    assert found == config.Config(Path())
    assert found.environment("cvm") == config.Environment("cvm")


def test_the_report_is_found_from_a_folder_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitegen.toml").write_text('[site]\ntitle = "Ours"\n')
    inner = tmp_path / "notes" / "reports"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    found = config.load()
    assert (found.title, found.file) == ("Ours", tmp_path / "sitegen.toml")
    assert found.archive == tmp_path / "archive"
    assert config.load(archive=Path("mine")).archive == Path("mine")
    (inner / "sitegen.toml").write_text('[site]\ntitle = "Nearer"\n')
    assert config.load().title == "Nearer"


def test_paths_are_taken_from_the_folder_of_the_file_and_the_command_line_stands_above_it(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, '[site]\narchive = "data"\nbase_url = "https://x.example/r/"\n')
    found = config.load(path)
    assert (found.archive, found.cache) == (tmp_path / "data", tmp_path / ".sitegen")
    assert found.base_url == "https://x.example/r"
    address = "https://y.example"
    found = config.load(path, archive=Path("other"), output=Path("out"), base_url=address)
    assert (found.archive, found.output) == (Path("other"), Path("out"))
    assert found.base_url == address
    with pytest.raises(SitegenError, match=r"^--base-url: must be an address that begins with"):
        config.load(path, base_url="example.org/report")
    with pytest.raises(SitegenError, match="no such file"):
        config.load(tmp_path / "absent.toml")


def test_an_environment_is_declared_with_what_it_is_its_baselines_in_order_and_its_price(
    tmp_path: Path,
) -> None:
    text = """[environments.cvm]
role = "cpu-tee"
tee = "tdx"
baselines = { vm = "plain", metal = "host" }
aliases = ["old", "older"]
price = { per_hour = 2, date = "2026-11-01", sku = "c3-standard-4" }
"""
    loaded = config.load(write(tmp_path, text))
    found = loaded.environment("cvm")
    assert (found.role, found.tee) == ("cpu-tee", "tdx")
    assert list(found.baselines.items()) == [("vm", "plain"), ("metal", "host")]
    assert found.price == config.Price(2.0, "2026-11-01", currency="USD", sku="c3-standard-4")
    assert loaded.aliases == {"old": "cvm", "older": "cvm"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = 1", "unknown key title; known here: environments, site"),
        ("site = 1", "site: must be a table"),
        ("environments = []", "environments: must be a table"),
        (
            "[site]\ntitel = 'x'",
            "site: unknown key titel; known here: apart_days, archive, base_url",
        ),
        ("[site]\ntitle = 1", "site.title: must be a text in quotes"),
        ("[site]\ntitle = ''", "site.title: must be a text in quotes, and not empty"),
        ("[site]\narchive = ' '", "site.archive: must be the name of a folder"),
        ("[site]\nwindow_days = true", "site.window_days: must be a whole number, 1 to 36500"),
        ("[site]\nwindow_days = 0", "site.window_days: must be"),
        ("[site]\nwindow_days = 1000000000000", "site.window_days: must be"),
        ("[site]\nmax_bytes = -1", "site.max_bytes: must be a whole number"),
        ("[site]\nbase_url = 'javascript:alert(1)'", "site.base_url: must be an address that"),
        ("[site]\npinned = 'x'", "site.pinned: must be a list of texts"),
        ("[site]\npinned = ['a', 5]", "site.pinned[1]: must be a text in quotes"),
        ("[site]\npinned = ['../x']", "site.pinned: '../x' is not a run id; `sitegen list`"),
        ("[site]\nkeep = ['../x']", "site.keep: '../x' is no file of a branch; write"),
        ("[site]\ncache = 'archive'", "site.cache: lies in site.archive; give it a folder"),
        ("[site]\noutput = 'archive/site'", "site.output: lies in site.archive"),
        ("[environments]\nx = 1", "environments.x: must be a table"),
        ("[environments.'../x']", "environments.../x: '../x' is not a usable environment name"),
        ("[environments.x]\nlabel = 'y'", "environments.x: unknown key label; known here: al"),
        ("[environments.x]\nrole = 'laptop'", "environments.x.role: must be one of metal, vm"),
        ("[environments.x]\ntee = 'sgx2'", "environments.x.tee: must be one of none, tdx, "),
        ("[environments.x]\nrole = 'vm'\ntee = 'tdx'", "environments.x: the role is 'vm' and the"),
        (
            "[environments.x.baselines]\nvm = 5",
            "environments.x.baselines.vm: must be a text in quo",
        ),
        ("[environments.x.baselines]\nvm = 'x'", "environments.x.baselines: names the envi"),
        ("[environments.x.baselines]\nvm = 'A'", "environments.x.baselines.vm: 'A' is not a"),
        ("[environments.x.incomparable]\ny = ' '", "environments.x.incomparable.y: must be a text"),
        ("[environments.x]\naliases = 'c'", "environments.x.aliases: must be a list of texts"),
        ("[environments.x]\naliases = ['C']", "environments.x.aliases: 'C' is not a usable"),
        (
            "[environments.x]\naliases = ['y']\n[environments.y]",
            "environments.x.aliases: 'y' is an environment of its own; an old label belongs",
        ),
        (
            "[environments.x]\naliases = ['z']\n[environments.y]\naliases = ['z']",
            "environments.y.aliases: 'z' is that of x",
        ),
        ("[environments.x]\nprice = 1", "environments.x.price: must be a table"),
        ("[environments.x.price]\nper_hour = 1", "environments.x.price: has no date; known here"),
        ("[environments.x.price]\ndate = '2026'", "environments.x.price: has no per_hour"),
        *(
            (
                f"[environments.x.price]\ndate = '2026'\nper_hour = {amount}",
                "environments.x.price.per_hour: must be a number that is more than 0",
            )
            for amount in ("0", "nan", "inf", "true", "'1'")
        ),
        (
            "[environments.x.price]\nper_hour = 1\ndate = 'today'",
            "environments.x.price.date: 'today' is not a time",
        ),
        (
            "[environments.x.price]\nper_hour = 1\ndate = '2026'\ncurrency = '$'",
            "environments.x.price.currency: must be a code of three letters",
        ),
        ("[site", "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(
    tmp_path: Path, text: str, told: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SitegenError) as refusal:
        config.load(path)
    assert str(refusal.value).startswith(f"{path}: {told}")


def test_an_archive_is_a_folder_or_lies_at_an_address(tmp_path: Path) -> None:
    file = write(tmp_path, '[site]\narchive = "s3://Bench/ours/"\n')
    loaded = config.load(file)
    assert loaded.elsewhere == loaded.archive_place == "s3://Bench/ours"
    assert loaded.archive.parent == tmp_path / ".sitegen" / "remote"
    assert loaded.unsent == tmp_path / "unsent" / loaded.archive.name
    other = config.load(file, archive="s3://Bench/ours-2")
    assert other.archive != loaded.archive
    assert config.load(file, archive="mine").elsewhere == ""
    assert config.load(file, archive="file:///x/y").archive == Path("/x/y")
    file.write_text('[site]\narchive = "file://x"\n')
    assert config.load(file).archive == tmp_path / "x"
    file.write_text('[site]\narchive = "s3://me:hush@bucket"\n')
    with pytest.raises(SitegenError, match="the address has a password") as refusal:
        config.load(file)
    assert "hush" not in str(refusal.value)
    file.write_text('[site]\nstorage = { endpoint_url = "https://me:hush@host" }\n')
    with pytest.raises(SitegenError, match="endpoint_url: the address has a password"):
        config.load(file)


TABLES = (
    ("site", config.SiteTable),
    ("site.storage", config.StorageTable),
    ("environments.<label>", config.EnvironmentTable),
    ("environments.<label>.price", config.Price),
)


def example() -> str:
    """Return settings that have every key."""
    lines = []
    for name, form in TABLES:
        lines.append(f"[{name.replace('<label>', 'cvm')}]")
        shown = (key for key in config.keys(form) if key.example is not None)
        lines += [f"{key.name} = {literal(key.example)}" for key in shown]
        lines.append("")
    return "\n".join(lines)


def table(name: str, form: type[msgspec.Struct]) -> str:
    """Return the keys of a table of the settings as documented, with the defaults of the report."""
    report = form is config.SiteTable
    lines = [f"| in `[{name}]` | what |{' default |' * report}", f"|---|---|{'---|' * report}"]
    for key in config.keys(form):
        default = f"`{literal(key.default)}`" if key.default else "none"
        lines.append(f"| `{key.name}` | {key.what} |{f' {default} |' * report}")
    return "\n".join(lines) + "\n"


def test_every_key_stands_in_the_documentation_with_an_example_that_loads(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    parts = [f"```toml\n{example()}```\n", *(table(name, form) for name, form in TABLES)]
    if os.environ.get("SITEGEN_GOLDEN") == "write":
        forms = [r"```toml\n.*?```\n", *(rf"\| in `\[{name}\]`.*?\n(?!\|)" for name, _ in TABLES)]
        for form, part in zip(forms, parts, strict=True):
            old = re.search(form, f"{text}\n", re.DOTALL)
            text = text.replace(old[0], part) if old else text
        (ROOT / "docs" / "settings.md").write_text(text)
    assert [part for part in parts if part not in text] == []
    file = tmp_path / "sitegen.toml"
    file.write_text(example())
    assert config.load(file).environment("cvm").baselines


def test_the_schema_has_every_bound_and_refuses_unknown_keys() -> None:
    forms = msgspec.json.schema(config.Settings[config.EnvironmentTable])["$defs"]
    assert not any(form["additionalProperties"] for form in forms.values())
    assert forms["Price"]["required"] == ["per_hour", "date"]
    assert forms["EnvironmentTable"]["properties"]["tee"]["enum"] == ["", *sorted(config.TEES)]
    assert forms["SiteTable"]["properties"]["window_days"] == {
        "type": "integer", "minimum": 1, "maximum": config.MAX_WINDOW_DAYS, "default": 90,
        "description": "a whole number, 1 to 36500", "examples": [90],
        "title": "comparisons leave out runs that are this much older than the newest",
    }  # fmt: skip


def test_the_reports_own_settings_are_valid_and_name_environments_that_exist(
    report: config.Config,
) -> None:
    for environment in report.environments.values():
        assert environment.role or environment.note  # what a source does not say, it says
        assert set(environment.baselines.values()) <= set(report.environments)


@pytest.mark.parametrize(
    ("label", "implied"),
    [
        ("host", ("metal", "none")),
        ("vm", ("vm", "none")),
        ("plain.vm", ("vm", "none")),
        ("cvm", ("cpu-tee", "unstated")),
        ("tdx-lab-cvm", ("cpu-tee", "tdx")),
        ("epyc-snp", ("cpu-tee", "sev-snp")),
        ("h100-gpu-tee", ("gpu-tee", "unstated")),
        ("tdx-host", ("metal", "none")),
        ("sev-snp", ("cpu-tee", "sev-snp")),
        ("sev-snp-cvm", ("cpu-tee", "sev-snp")),
        ("sev-es", ("cpu-tee", "sev-es")),
        ("tdx-native", (None, "")),
        ("tdx-vm", (None, "")),
        ("tdx-snp", (None, "")),
        ("machine-7", (None, "")),
        ("metallic", (None, "")),
    ],
)
def test_a_label_implies_what_its_words_say(label: str, implied: tuple[str | None, str]) -> None:
    assert config.implied(label) == implied


@pytest.mark.parametrize(
    "text",
    [
        "site = " + "9" * 5000, "a = " + "[" * 10_000 + "]" * 10_000, "a." * 100_000 + "b = 1",
        "[" + "a." * 5000 + "b]", "a = " + "{b = " * 5000 + "1" + "}" * 5000,
        "[site]\nwindow_days = 0x" + "f" * 5000, "[site]\npinned = [[1]]",
        "[site]\nkeep = ['']", "[site]\nkeep = ['.git/config']", "# " + "x" * 1_000_000, "\udcff",
        f"'{'k' * 5000}' = 1", "'\\n' = 1", "[environments.'\\n']",
        "'x` - at `$.y' = 1", "[environments.a]\nbaselines = { '`' = 1 }",
    ],
    ids=lambda text: ascii(text[:30]),
)  # fmt: skip
def test_toml_that_is_odd_deep_or_large_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sitegen.toml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(SitegenError) as refusal:
        config.load(file)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 900
