"""The wheel, used as a stranger would: installed elsewhere, far from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment and return the environment's Python.

    The pinned dependencies are lent through a folder of links to this environment's packages,
    so that nothing is resolved or fetched; sitegen itself is left out of it.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    lent = folder / "lent"
    lent.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if package.suffix != ".pth" and not package.name.startswith("sitegen"):
            (lent / package.name).symlink_to(package)
    purelib = run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
    )
    Path(purelib.strip(), "lent.pth").write_text(f"{lent}\n")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], folder)
    return python


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
