"""The container recipe, as far as it can be checked without an engine."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from sitegen.cli import main
from sitegen.errors import SitegenError
from tests.documents import blocks

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "containers/Dockerfile").read_text("utf-8")
COMPOSE = (ROOT / "containers/compose.yaml").read_text("utf-8")
DOCS = (ROOT / "docs/containers.md").read_text("utf-8")
BASE = set(
    re.findall(r"^[a-z]\S+==\S+", (ROOT / "requirements/base.txt").read_text(), re.MULTILINE)
)
ENVIRONMENT = {"SITEGEN_ENV": "cvm", "SITEGEN_OPTIONS": "--quick --only 7z"}


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines()]


def sources() -> list[str]:
    """Return what is copied from the checkout."""
    found = []
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from="):
            found += rest.split()[:-1]
    return found


def yaml(text: str) -> Any:  # noqa: ANN401 - whatever the document holds
    return pytest.importorskip("yaml", reason="PyYAML is a test dependency").safe_load(text)


def interpolated(text: str, known: dict[str, str]) -> str:
    """Return ``text`` as compose fills in its variables."""

    def value(match: re.Match[str]) -> str:
        name, operator, default = match.groups()
        if operator == ":?":
            return known[name]
        return known.get(name) or default or ""

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", value, text)


def accepted(words: list[str]) -> None:
    """Fail where the command line does not know these words; run nothing."""
    command = main.commands[words[0]]
    try:
        command.make_context(words[0], words[1:])
    except (click.ClickException, SitegenError) as error:
        pytest.fail(f"{shlex.join(words)}: {error}")


def documented() -> Iterator[list[str]]:
    """Yield every command of sitegen that the page shows, also those for the container."""
    for block in (*blocks(DOCS, "sh"), *blocks(DOCS, "yaml")):
        for words in re.findall(
            r"(?:^ *|; |docker run --rm |compose\.yaml run --rm -T --no-deps )"
            r"(?:sitegen|collect) ((?:(?! [|>])[^;\n])+)",
            block,
            re.MULTILINE,
        ):
            yield shlex.split(words)


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    for source in sources():
        assert (ROOT / source).exists(), source
        assert f"!{source.split('/')[0]}" in ignored, source


def test_the_image_is_as_debian_and_python_as_the_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "bookworm" in DOCKERFILE  # Python 3.11
    assert project["requires-python"] == ">=3.11"
    builds = (ROOT / "requirements/runtime.txt").read_text("utf-8")
    assert re.search(r"^hatchling==", builds, re.MULTILINE)
    for name in ("base", "collect"):
        pins = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
        assert set(re.findall(r"^[a-z]\S+==\S+", pins, re.MULTILINE)) >= BASE
    assert "--require-hashes" in DOCKERFILE
    assert "--no-build-isolation" in DOCKERFILE


def test_the_container_runs_as_nobody_in_particular() -> None:
    found = instructions()
    assert ("USER", "sitegen") in found
    assert ("ENTRYPOINT", '["sitegen"]') in found
    last = [name for name, _ in found]
    assert last.index("USER") > max(at for at, name in enumerate(last) if name == "RUN")


def test_apt_knows_every_package() -> None:
    if shutil.which("apt-cache") is None:
        pytest.skip("no apt-cache here")
    packages = set()
    for name, rest in instructions():
        if name == "RUN" and "apt-get install" in rest:
            words = rest.split("apt-get install", 1)[1].split("&&")[0].split()
            packages |= {word for word in words if re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", word)}
    assert {"fio", "apache2-utils", "7zip", "nginx-light", "openssl", "util-linux"} <= packages
    extra = re.search(r'EXTRA_PACKAGES="([^"]+)"', DOCKERFILE)
    assert extra is not None
    asked = sorted(packages | set(extra[1].split()))
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *asked],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    known = set(re.findall(r"^Package: (\S+)$", shown, re.MULTILINE))
    if "fio" not in known:
        pytest.skip("apt has no lists of packages here")
    assert set(asked) <= known


def test_the_compose_file_runs_one_round_and_ends() -> None:
    document = yaml(COMPOSE)
    [service] = document["services"].values()
    assert service["restart"] == "no"
    assert service["healthcheck"] == {"disable": True}
    assert service["network_mode"] == "none"
    assert service["cap_drop"] == ["ALL"]
    assert service["ulimits"]["nofile"] > 2 * 2000
    folder = ROOT / "containers"
    context = (folder / service["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / service["build"]["dockerfile"]).is_file()
    mounts = {place.split(":")[1]: place.split(":")[0] for place in service["volumes"]}
    assert set(mounts) == {"/archive", "/work"}
    assert set(mounts.values()) == set(document["volumes"])


@pytest.mark.parametrize("options", ["", "--quick --only 7z", "--sessions 3 --set fio.size=16G"])
def test_the_command_line_takes_the_compose_files_command(options: str) -> None:
    [service] = yaml(COMPOSE)["services"].values()
    known = {"SITEGEN_ENV": "cvm", "SITEGEN_OPTIONS": options}
    accepted(shlex.split(interpolated(service["command"], known)))


def test_every_documented_command_is_one() -> None:
    found = list(documented())
    assert [words[0] for words in found] == [
        "doctor", "collect", "pack", "import", "collect", "pack",
    ]  # fmt: skip
    for words in found:
        accepted(words)


def test_every_documented_file_can_be_read_and_its_command_taken() -> None:
    compose, job = (yaml(block) for block in blocks(DOCS, "yaml"))
    assert set(compose["volumes"]) == {"archive", "work"}
    [container] = job["spec"]["template"]["spec"]["containers"]
    accepted(container["args"])
    claims = {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == claims


def test_every_variable_is_documented_and_used() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert used == set(re.findall(r"^\| `(SITEGEN_\w+)` \|", DOCS, re.MULTILINE))


@pytest.mark.packaging
def test_what_is_copied_builds_a_wheel_whose_command_runs(tmp_path: Path) -> None:
    context = tmp_path / "context"
    for source in sources():
        place = context / source
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "vendor")
            shutil.copytree(ROOT / source, place, ignore=ignored)
        else:
            shutil.copy(ROOT / source, place)
    hatchling = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(hatchling, cwd=context, check=True, capture_output=True)
    installed = tmp_path / "installed"
    zipfile.ZipFile(next(tmp_path.glob("*.whl"))).extractall(installed)
    [service] = yaml(COMPOSE)["services"].values()
    words = shlex.split(interpolated(service["command"], ENVIRONMENT))
    program = (
        "import sys, sitegen\nfrom sitegen.cli import main\n"
        "sys.stderr.write(sitegen.__file__)\nmain()"
    )
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--dry-run", "--archive", str(tmp_path / "a")],
        cwd=work, env={"PYTHONPATH": str(installed), "PATH": "/usr/sbin:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert str(installed) in done.stderr
    if shutil.which("7zz") is None:
        pytest.skip("no 7-Zip here to plan for")
    assert done.returncode == 0, done.stderr
    assert "-mmt1" in done.stdout
