from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from sitegen import config
from sitegen.errors import SitegenError

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
    assert found.archive == Path("archive")
    assert found.output == Path("site")
    assert found.window_days == 90
    assert dict(found.environments) == {}
    assert found.environment("cvm") == config.Environment("cvm")


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[site]\narchive = "data"\nbase_url = "https://x.example/r/"\n')
    found = config.load(path)
    assert found.archive == tmp_path / "data"
    assert found.cache == tmp_path / ".sitegen"
    assert found.base_url == "https://x.example/r"


def test_the_command_line_stands_above_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[site]\narchive = "data"\nbase_url = "https://x.example"\n')
    found = config.load(
        path, archive=Path("other"), output=Path("out"), base_url="https://y.example"
    )
    assert (found.archive, found.output) == (Path("other"), Path("out"))
    assert found.base_url == "https://y.example"


def test_a_bad_address_is_blamed_on_where_it_was_given(tmp_path: Path) -> None:
    path = write(tmp_path, '[site]\nbase_url = "https://x.example"\n')
    with pytest.raises(SitegenError, match=r"^--base-url: must begin with https://"):
        config.load(path, base_url="example.org/report")
    write(tmp_path, '[site]\nbase_url = "x.example"\n')
    with pytest.raises(SitegenError, match=r"sitegen.toml: site.base_url: must begin with"):
        config.load(path)


def test_an_environment_is_declared_with_role_tee_and_baselines_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[environments.cvm]\nrole = "cpu-tee"\ntee = "tdx"\n'
        'baselines = { vm = "plain", metal = "host" }\n',
    )
    found = config.load(path).environment("cvm")
    assert (found.role, found.tee) == ("cpu-tee", "tdx")
    assert list(found.baselines.items()) == [("vm", "plain"), ("metal", "host")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 1", "unknown key title"),
        ("[site]\ntitel = 'x'", "unknown key site.titel"),
        ("[site]\ntitle = 1", "site.title must be a text"),
        ("[site]\nwindow_days = true", "site.window_days must be a whole number"),
        ("[site]\nwindow_days = 0", "site.window_days is not 1 to 36500"),
        ("[site]\nwindow_days = 1000000000000", "is not 1 to 36500"),
        ("[site]\nbase_url = 'javascript:alert(1)'", "must begin with https://"),
        ("[site]\npinned = ['../x']", "is not a run id"),
        ("[environments]\nx = 1", "environments.x must be a table"),
        ("[environments.'../x']\n", "not a usable environment name"),
        ("[environments.x]\nprise = 1", "unknown key environments.x.prise"),
        ("[environments.x]\nprice = 1", "environments.x.price must be a table"),
        ("[environments.x.price]\nper_hour = 1", "environments.x.price has no date"),
        ("[environments.x.price]\ndate = '2026'", "environments.x.price has no per_hour"),
        ("[environments.x.price]\nper_hour = 0\ndate = '2026'", "must be more than 0"),
        ("[environments.x.price]\nper_hour = nan\ndate = '2026'", "must be more than 0"),
        ("[environments.x.price]\nper_hour = true\ndate = '2026'", "must be a number"),
        ("[environments.x.price]\nper_hour = 1\ndate = 'today'", "'today' is not a time"),
        (
            "[environments.x.price]\nper_hour = 1\ndate = '2026'\ncurrency = '$'",
            "a code of three letters",
        ),
        ("[environments.x]\nrole = 'laptop'", "environments.x.role is 'laptop'"),
        ("[environments.x]\ntee = 'sgx2'", "environments.x.tee is 'sgx2'"),
        ("[environments.x]\nbaselines = { vm = 'x' }", "names the environment itself"),
        ("[environments.x]\nbaselines = { vm = '../y' }", "not a usable environment name"),
        ("[site", "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SitegenError) as raised:
        config.load(path)
    assert said in str(raised.value)


def test_a_price_is_dated_and_in_dollars_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[environments.cvm.price]\nper_hour = 2\ndate = '2026-11-01'\nsku = 'c3-standard-4'\n",
    )
    price = config.load(path).environment("cvm").price
    assert price == config.Price(2.0, "2026-11-01", sku="c3-standard-4")


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "sitegen.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SitegenError, match="not valid TOML"):
        config.load(path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SitegenError, match="no such file"):
        config.load(tmp_path / "absent.toml")


def test_every_key_stands_in_the_documentation_with_an_example_that_loads(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "sitegen.toml"
    file.write_text(example)
    loaded = config.load(file)
    tables = tomllib.loads(example)
    given = {*tables["site"], *(key for each in tables["environments"].values() for key in each)}
    given |= set(tables["environments"]["cvm"]["price"])
    kinds = (config.Config, config.Environment, config.Price)
    keys = {each.name for kind in kinds for each in fields(kind)} - {
        "root",
        "environments",
        "label",
        "by_label",
    }
    for key in keys:
        assert f"| `{key}` |" in text, key
    assert given == keys
    assert loaded.environment("cvm").baselines


def test_the_reports_own_settings_are_valid_and_name_environments_that_exist(
    report: config.Config,
) -> None:
    for environment in report.environments.values():
        assert environment.role is not None
        assert set(environment.baselines.values()) <= set(report.environments)


@pytest.mark.parametrize(
    ("label", "implied"),
    [
        ("host", ("metal", "none")),
        ("bare-metal-2", ("metal", "none")),
        ("vm", ("vm", "none")),
        ("plain.vm", ("vm", "none")),
        ("cvm", ("cpu-tee", "unstated")),
        ("tdx-lab-cvm", ("cpu-tee", "tdx")),
        ("epyc-snp", ("cpu-tee", "sev-snp")),
        ("h100-gpu-tee", ("gpu-tee", "unstated")),
        ("tdx-host", ("metal", "none")),
        ("sev-snp", ("cpu-tee", "sev-snp")),
        ("sev-snp-2", ("cpu-tee", "sev-snp")),
        ("sev-snp-cvm", ("cpu-tee", "sev-snp")),
        ("sev-es", ("cpu-tee", "sev-es")),
        ("h100-cc", ("gpu-tee", "unstated")),
        ("h200-cvm", ("gpu-tee", "unstated")),
        ("native-2", ("metal", "none")),
        ("tdx-native", (None, "")),
        ("tdx-vm", (None, "")),
        ("tdx-snp", (None, "")),
        ("machine-7", (None, "")),
        ("metallic", (None, "")),
    ],
)
def test_a_label_implies_what_its_words_say(label: str, implied: tuple[str | None, str]) -> None:
    assert config.implied(label) == implied


def test_an_old_label_leads_to_the_environment_of_today(tmp_path: Path) -> None:
    file = tmp_path / "sitegen.toml"
    file.write_text('[environments.new]\naliases = ["old", "older"]\n')
    assert config.load(file).aliases == {"old": "new", "older": "new"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[environments.a]\naliases = ["b"]\n[environments.b]\n', "an environment of its own"),
        ('[environments.a]\naliases = ["c"]\n[environments.b]\naliases = ["c"]\n', "that of a"),
        ('[environments.a]\naliases = ["../c"]\n', "environments.a.aliases: '../c' is not"),
        ('[environments.a]\naliases = "c"\n', "must be a list"),
    ],
)
def test_an_old_label_belongs_to_one_environment(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "sitegen.toml"
    file.write_text(text)
    with pytest.raises(SitegenError) as raised:
        config.load(file)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[environments.a]\nbaselines = { metal = 5 }\n", "a.baselines.metal must be a text"),
        (
            "[environments.a]\nbaselines = { metal = 'A' }\n",
            "a.baselines.metal: 'A' is not a usable",
        ),
        ("[environments.a]\nincomparable = { b = 1 }\n", "a.incomparable.b must be a text"),
        ("[site]\npinned = [5]\n", "site.pinned must be a text"),
        ("[site]\npinned = ['x']\n", "site.pinned: 'x' is not a run id"),
        ("[site]\narchive = ' '\n", "site.archive is empty"),
        ("[site]\nmax_bytes = -1\n", "site.max_bytes is below 0"),
        ("[site]\ntitle = ''\n", "site.title is empty"),
        ("[site]\ntitle = 5\n", "site.title must be a text in quotes"),
        ("[site]\ncache = 'archive'\n", "site.cache lies in site.archive"),
        ("[site]\noutput = 'archive/site'\n", "site.output lies in site.archive"),
        ('[environments."A B"]\n', "environments.A B: 'A B' is not a usable"),
        ("[environments.a]\nrole = 'metal'\ntee = 'tdx'\n", "has the role cpu-tee or gpu-tee"),
    ],
)
def test_a_value_inside_a_list_or_a_table_is_checked_too(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SitegenError) as raised:
        config.load(write(tmp_path, text))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "site = " + "9" * 5000, "a = " + "[" * 10_000 + "]" * 10_000, "a." * 100_000 + "b = 1",
        "[" + "a." * 5000 + "b]", "a = " + "{b = " * 5000 + "1" + "}" * 5000,
        "[site]\nwindow_days = 0x" + "f" * 5000, "[site]\npinned = [[1]]",
        "[site]\nkeep = ['../x']", "[site]\nkeep = ['']", "[site]\nkeep = ['.git/config']",
        "# " + "x" * 1_000_000,
    ],
    ids=range(11),
)  # fmt: skip
def test_toml_that_is_odd_deep_or_large_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sitegen.toml"
    file.write_text(text)
    with pytest.raises(SitegenError) as raised:
        config.load(file)
    assert len(str(raised.value)) < 900
