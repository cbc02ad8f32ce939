"""The wheel, used as a stranger would: installed elsewhere, far from the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from markdown import Markdown

from sitegen.distribution import ADDRESS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.packaging


def run(argv: list[str], cwd: Path) -> str:
    """Run a program away from this environment and return what it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean.pop("VIRTUAL_ENV", None)
    done = subprocess.run(argv, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    return next(folder.glob("sitegen_tee-*.whl"))


def environment(folder: Path, wheel: Path, lend: Iterable[Path]) -> Path:
    """Install the wheel into a new environment and return the environment's Python.

    The pinned dependencies are lent through a folder of links to this environment's packages,
    so that nothing is resolved or fetched; sitegen itself is left out of it.
    """
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    lent = folder / "lent"
    lent.mkdir()
    for package in lend:
        if package.suffix != ".pth" and not package.name.startswith("sitegen"):
            (lent / package.name).symlink_to(package)
    purelib = run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
    )
    Path(purelib.strip(), "lent.pth").write_text(f"{lent}\n")
    pip = [str(Path(sys.executable)), "-m", "pip", "--disable-pip-version-check"]
    target = ["--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    run([*pip, *target, str(wheel)], folder)
    return python


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel and all that is here."""
    lend = Path(sysconfig.get_path("purelib")).iterdir()
    return environment(tmp_path_factory.mktemp("elsewhere"), wheel, lend)


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel and what it needs without any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lend: set[Path] = set()
    for line in project["dependencies"]:
        distribution = metadata.distribution(re.split(r"[^\w.-]", line)[0])
        for file in distribution.files or ():
            if not file.parts[0].startswith(".."):
                lend.add(Path(str(distribution.locate_file(file.parts[0]))))
    return environment(tmp_path_factory.mktemp("base"), wheel, sorted(lend))


def test_the_wheel_holds_the_code_the_templates_and_the_bundle(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"sitegen/__init__.py", "sitegen/py.typed", "collectors/py.typed"} <= names
    for folder, inside in (("templates", "sitegen/_templates"), ("collectors", "collectors")):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert f"{inside}/{file.relative_to(ROOT / folder).as_posix()}" in names
    assert "sitegen/_templates/vendor/plotly.min.js" in names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"sitegen", "collectors"}


def test_a_wheel_from_a_clone_without_set_up_has_the_live_charts(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    ours = ("archive", "site", ".*", "vendor", "tests", "__pycache__", "dist")
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*ours))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    run(build, clone)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    vendor = {"plotly.min.js", "plotly.css", "plotly.LICENSE.txt"}
    assert {f"sitegen/_templates/vendor/{name}" for name in vendor} < names
    (clone / "tools/plotly-bundle.json").write_text("{}")
    shutil.rmtree(clone / "templates/vendor")
    refused = subprocess.run(build, cwd=clone, capture_output=True, text=True, check=False)
    assert refused.returncode != 0


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    hatchling = [sys.executable, "-m", "hatchling", "build"]
    run([*hatchling, "-t", "sdist", "-d", str(tmp_path)], ROOT)
    source = next(tmp_path.glob("sitegen_tee-*.tar.gz"))
    shutil.unpack_archive(source, tmp_path, filter="data")
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert not (unpacked / "archive").exists()
    run([*hatchling, "-t", "wheel", "-d", str(tmp_path)], unpacked)
    again = next(tmp_path.glob("sitegen_tee-*.whl"))
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_the_installed_sitegen_is_not_the_repository(installed: Path, tmp_path: Path) -> None:
    code = "import collectors, sitegen; print(sitegen.__file__); print(collectors.__file__)"
    for line in run([str(installed), "-c", code], tmp_path).splitlines():
        assert Path(line).is_relative_to(installed.parents[1])
        assert not Path(line).is_relative_to(ROOT)


def test_every_collector_can_be_loaded_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import entry_points\n"
        "for point in entry_points(group='sitegen.collectors'): print(point.name, point.load())"
    )
    found = run([str(installed), "-c", code], tmp_path).splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ours = project["entry-points"]["sitegen.collectors"]
    assert ours
    assert {line.split()[0] for line in found} == set(ours)
    assert not any(str(ROOT / "collectors") in line for line in found)


def test_the_wheel_builds_the_report_from_a_copy_of_the_archive(
    installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "archive", tmp_path / "archive")
    if (ROOT / "sitegen.toml").exists():
        shutil.copy(ROOT / "sitegen.toml", tmp_path)
    run([str(installed.with_name("sitegen")), "build"], tmp_path)
    page = (tmp_path / "site" / "index.html").read_text()
    assert "</html>" in page
    assert str(ROOT) not in page
    scripts = [file.read_bytes() for file in (tmp_path / "site").rglob("*.js")]
    assert any(b"* plotly.js" in script[:200] for script in scripts)


def test_what_is_needed_to_collect_is_a_tenth_of_what_it_may_be(base: Path) -> None:
    lent = base.parents[2] / "lent"
    files = [
        file for each in lent.iterdir() for file in (each.rglob("*") if each.is_dir() else [each])
    ]
    size = sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")
    assert size < 15_000_000  # with the wheel's own 9 MB a tenth of 150 MB, and some


def test_a_machine_without_any_extra_brings_in_lists_and_packs(base: Path, tmp_path: Path) -> None:
    sitegen = str(base.with_name("sitegen"))
    outputs = sorted(map(str, (ROOT / "tests/raw/fio").glob("*.json")))
    assert "runs taken" in run([sitegen, "import", *outputs, "--env", "host"], tmp_path)
    listed = run([sitegen, "list"], tmp_path).splitlines()
    assert len(listed) > len(outputs)
    run([sitegen, "pack", "--output", "all.pack"], tmp_path)
    assert "runs taken" in run([sitegen, "import", "all.pack", "--archive", "other"], tmp_path)
    run_id = listed[1].split()[0]
    run([sitegen, "note", run_id, "A word."], tmp_path)
    assert "note, " in run([sitegen, "show", run_id], tmp_path)
    assert "0 findings" in run([sitegen, "fsck"], tmp_path)
    assert "reads as before" in run([sitegen, "reparse", run_id], tmp_path)
    assert "`sitegen collect --env host`" in run([sitegen, "doctor", "--env", "host"], tmp_path)


def test_a_machine_without_any_extra_collects(base: Path, tmp_path: Path) -> None:
    if shutil.which("7zz") is None:
        pytest.skip("no 7-Zip here")
    sitegen = str(base.with_name("sitegen"))
    settings = ["--set", "7z.threads=1", "--set", "7z.dictionary=18", "--repeat", "1"]
    order = ["--env", "here", "--quick", "--only", "7z", *settings]
    assert "12 measurements" in run([sitegen, "collect", *order], tmp_path)
    assert "0 findings" in run([sitegen, "fsck"], tmp_path)


def test_a_machine_without_any_extra_says_what_builds(base: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/archives/v2", tmp_path / "archive")
    for command in ("build", "export", "claims"):
        done = subprocess.run(
            [str(base.with_name("sitegen")), command], cwd=tmp_path, env={"PATH": os.defpath},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        needs = f"sitegen: `{command}` needs pyarrow, which is not installed here; "
        assert done.stderr == f"{needs}pip install 'sitegen-tee[report]'\n"


def about(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_the_wheel_says_what_it_is_and_where_it_comes_from(wheel: Path) -> None:
    told = about(wheel)
    assert told["License-Expression"] == "Apache-2.0"
    places = dict(line.split(", ") for line in told.get_all("Project-URL", ()))
    assert set(places) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith(ADDRESS) for url in places.values())
    classifiers = told.get_all("Classifier", ())
    for version in ("3.11", "3.12", "3.13", "3.14"):
        assert f"Programming Language :: Python :: {version}" in classifiers
    systems = [each for each in classifiers if each.startswith("Operating System")]
    assert systems == ["Operating System :: MacOS", "Operating System :: POSIX :: Linux"]


def test_the_long_description_is_the_readme_with_links_that_lead_somewhere(wheel: Path) -> None:
    told = about(wheel)
    assert told["Description-Content-Type"] == "text/markdown"
    text = str(told.get_payload())
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) == len(readme.splitlines())
    page = Markdown(extensions=["tables", "fenced_code"]).convert(text)
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert links
    home = f"{ADDRESS}/"
    for link in links:
        assert link.startswith(("https://", "#")), link
        if link.startswith(home):
            kind, branch, path = link.removeprefix(home).split("/", 2)
            assert (kind in ("blob", "raw"), branch) == (True, "main")
            assert (ROOT / path.partition("#")[0]).exists(), link
