"""`sitegen init`: a report of one's own begins as it is, and touches nothing that is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from sitegen import __version__, config, distribution
from sitegen.cli import main
from sitegen.site import init
from tests import site_checks as check

PIN = f"{distribution.DISTRIBUTION}[report,images]=={__version__}"
WORKFLOWS = (".github/workflows/gate.yml", ".github/workflows/pages.yml")
NEW = {
    ".gitignore", "README.md", "archive/.gitkeep", "claims/own.toml", "notes/fio.md",
    "sitegen.toml", *WORKFLOWS,
}  # fmt: skip


def run(folder: Path, *words: str) -> Result:
    """Run a command in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(main, words)


def done(folder: Path, *words: str) -> str:
    result = run(folder, *words)
    assert result.exit_code == 0, result.output
    return result.output


def git(folder: Path, *argv: str) -> None:
    subprocess.run(["git", *argv], cwd=folder, check=True, capture_output=True)


def repository(folder: Path, remote: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--initial-branch=trunk")
    if remote:
        git(folder, "remote", "add", "origin", remote)
    return folder


def uncommented(text: str) -> str:
    """Return settings in which every key and table counts."""
    return re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)


def test_a_report_of_ones_own_begins_in_an_empty_folder_and_builds(tmp_path: Path) -> None:
    said = done(tmp_path, "init", "mine")
    assert check.tree(tmp_path / "mine").keys() == NEW
    for path in NEW:
        assert f"wrote {path}\n" in said
    assert re.findall(r"^  (sitegen \w+)", said, re.MULTILINE) == [
        "sitegen doctor", "sitegen collect", "sitegen build",
    ]  # fmt: skip
    assert "next, in mine:" in said
    done(tmp_path / "mine", "build")
    page = (tmp_path / "mine/site/index.html").read_text()
    assert "Nothing has been measured yet" in page
    assert "<code>sitegen collect --env LABEL</code> measures a platform" in page
    assert done(tmp_path / "mine", "claims") == "no claims\n"
    assert done(tmp_path / "mine", "fsck") == "0 runs, 0 findings\n"


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    done(tmp_path, "init")
    before = check.tree(tmp_path)
    assert "wrote" not in done(tmp_path, "init")
    assert check.tree(tmp_path) == before


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    ours = dict.fromkeys((*sorted(NEW - {"archive/.gitkeep"}), "notes/7z.md"), "ours\n")
    ours["sitegen.toml"] = '[site]\nnotes = "prose"\n'
    ours[".gitignore"] = "*.log\nsite\n"
    for path, text in ours.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    said = done(tmp_path, "init")
    after = check.tree(tmp_path)
    assert {path: after[path].decode() for path in ours} == ours
    # The settings that are there say where notes are: what they lack is written there.
    assert after.keys() - ours.keys() == {"archive/.gitkeep", "prose/fio.md"}
    assert "add to .gitignore: /.sitegen/ /unsent/\n" in said
    for path in ours.keys() - {"notes/7z.md", "notes/fio.md"}:
        assert f"left alone: {path}\n" in said


def test_a_folder_with_notes_of_its_own_gets_no_example(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/7z.md").write_text("Fine.\n")
    assert "notes/fio.md" not in done(tmp_path, "init")


@pytest.mark.parametrize(
    ("remote", "title", "address"),
    [
        ("git@github.com:Acme/tee-bench.git", "tee-bench: what a TEE costs",
         "https://acme.github.io/tee-bench"),
        ("https://github.com/acme/acme.github.io", "acme.github.io: what a TEE costs",
         "https://acme.github.io"),
        ("https://s3cret@github.com/acme/x.y/", "x.y: what a TEE costs", "https://acme.github.io/x.y"),
        ("ssh://git@example.org/acme/bench.git", config.TITLE, ""),
        ("https://notgithub.com/acme/bench", config.TITLE, ""),
        ("", config.TITLE, ""),
    ],
)  # fmt: skip
def test_title_and_address_come_from_the_remote(
    tmp_path: Path, remote: str, title: str, address: str
) -> None:
    folder = repository(tmp_path / "x", remote)
    done(folder, "init")
    report = config.load(folder / "sitegen.toml")
    assert (report.title, report.base_url) == (title, address)
    assert "s3cret" not in "".join(map(str, check.tree(folder / ".github").values()))


def test_every_key_stands_in_the_settings_as_a_comment_that_is_one_line_away(
    tmp_path: Path,
) -> None:
    done(tmp_path, "init")
    text = (tmp_path / "sitegen.toml").read_text()
    assert config.load(tmp_path / "sitegen.toml").environments == {}
    (tmp_path / "all.toml").write_text(uncommented(text))
    report = config.load(tmp_path / "all.toml")
    usual = config.SiteTable()
    for key in (*config.keys(config.SiteTable), *config.keys(config.StorageTable)):
        # What is a table of its own stands as one.
        place = f"# {key.what.split()[0]}" if key.example is not None else f"# [site.{key.name}]"
        assert f"\n{place}" in text
        if key.default:
            assert getattr(usual, key.name) == key.default
    assert report.title == config.TITLE
    cvm = report.environment("cvm")
    assert all(getattr(cvm, key.name) for key in config.keys(config.EnvironmentTable))
    assert max(map(len, text.splitlines())) <= 100
    assert ".md)" not in text, "a link of the documentation leads nowhere from here"


def test_platforms_that_have_runs_are_declared_as_they_show_themselves(tmp_path: Path) -> None:
    for run_ in check.three_a_side()[3:]:
        check.write(tmp_path, run_)
    said = done(tmp_path, "init")
    assert "declared what has runs: cvm, vm\n" in said
    declared = config.load(tmp_path / "sitegen.toml").environments
    shown = {label: (one.role, one.tee) for label, one in declared.items()}
    assert shown == {"cvm": ("cpu-tee", "tdx"), "vm": ("metal", "none")}
    assert "archive/.gitkeep" not in check.tree(tmp_path)


def test_the_label_that_is_proposed_says_the_role_by_itself() -> None:
    for role in ("metal", "vm", "cpu-tee", "gpu-tee"):
        machine = init.Machine(role, "none")
        assert config.implied(machine.label)[0] == role


def test_the_example_note_says_something_once_it_is_uncommented(tmp_path: Path) -> None:
    done(tmp_path, "init")
    slow = [check.storage_run(n, "cvm", factor=1.3) for n in range(3)]
    for one in [*(check.storage_run(n, "metal") for n in range(3)), *slow]:
        check.write(tmp_path, one)
    note = tmp_path / "notes/fio.md"
    body = note.read_text().split("\n\n")[1]
    note.write_text(body)
    claims = tmp_path / "claims/own.toml"
    claims.write_text(re.sub(r"^# (?=[\w]+ = |\[)", "", claims.read_text(), flags=re.MULTILINE))
    done(tmp_path, "build")
    assert "Reading costs something in the CVM." in (tmp_path / "site/fio/index.html").read_text()
    assert "differs" in done(tmp_path, "claims")


def test_in_a_part_of_a_repository_the_workflows_go_to_its_top(tmp_path: Path) -> None:
    top = repository(tmp_path / "product", "git@github.com:acme/product.git")
    (top / "README.md").write_text("The product.\n")
    done(top, "init", "bench/report")
    written = check.tree(top / "bench")
    assert written.keys() == {f"report/{path}" for path in NEW - set(WORKFLOWS)}
    pages, gate = (yaml.safe_load((top / path).read_text()) for path in reversed(WORKFLOWS))
    # YAML 1.1 reads the key `on` as true.
    assert pages[True]["push"] == {"branches": ["trunk"], "paths": ["bench/report/**"]}
    job = pages["jobs"]["build"]
    assert job["defaults"]["run"]["working-directory"] == "bench/report"
    assert job["steps"][-1]["with"]["path"] == "bench/report/site"
    judged = gate["jobs"]["gate"]["steps"][-1]
    assert judged["with"]["working-directory"] == "bench/report"
    assert judged["if"] == "hashFiles('bench/report/archive/pr/*/run.json') != ''"
    # A report in it that is there has its own workflow: a second one is told so.
    assert "left alone: ../.github/workflows/pages.yml" in done(top, "init", "other")


def test_names_are_never_code_in_a_workflow(tmp_path: Path) -> None:
    top = repository(tmp_path / "top")
    git(top, "symbolic-ref", "HEAD", "refs/heads/it's${{x}}`id`$(id)\"#!")
    name = "a: #\"' ${{ github.token }} @SITE@ `x` [*]"
    (top / name).mkdir()
    done(top / name, "init")
    pages, gate = (yaml.safe_load((top / path).read_text()) for path in reversed(WORKFLOWS))
    harmless = name.replace("${{", "${{ '${{' }}")
    build = pages["jobs"]["build"]
    assert build["defaults"]["run"]["working-directory"] == harmless
    assert build["steps"][-1]["with"]["path"] == f"{harmless}/site"
    assert pages[True]["push"]["branches"] == ["it*s***x***id***id****"]
    [judged] = [step for step in gate["jobs"]["gate"]["steps"] if "if" in step]
    place = "a* *** *** github.token ** *SITE* *x* ***"
    assert judged["if"] == f"hashFiles('{place}/archive/pr/*/run.json') != ''"
    assert judged["with"]["working-directory"] == harmless
    assert gate[True]["pull_request"]["paths"] == [f"{place}/archive/**"]


def test_a_repository_that_publishes_a_site_gets_no_second_one(tmp_path: Path) -> None:
    theirs = tmp_path / ".github/workflows/docs.yaml"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("jobs: {x: {steps: [{uses: actions/deploy-pages@v4}]}}\n")
    assert "left alone: .github/workflows/docs.yaml\n" in done(tmp_path, "init")
    assert not (tmp_path / ".github/workflows/pages.yml").exists()


def test_nothing_is_written_outside_of_the_folder_and_the_workflows(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.mkdir()
    (report / "sitegen.toml").write_text('[site]\narchive = "../runs"\noutput = "../site"\n')
    done(report, "init")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (report / ".gitignore").read_text() == "/.sitegen/\n/unsent/\n"


def test_the_workflows_install_this_version_and_may_do_no_more_than_they_need(
    tmp_path: Path,
) -> None:
    done(tmp_path, "init")
    pages, gate = (yaml.safe_load((tmp_path / path).read_text()) for path in reversed(WORKFLOWS))
    assert pages["permissions"] == gate["permissions"] == {"contents": "read"}
    assert pages["concurrency"]["cancel-in-progress"] is False
    assert {"run": f"pip install '{PIN}'"} in pages["jobs"]["build"]["steps"]
    assert pages["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert list(gate[True]) == ["pull_request"]  # never pull_request_target
    assert gate["jobs"]["gate"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    for workflow in (pages, gate):
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")
                action, _, at = step.get("uses", "-@").partition("@")
                ours = action == "sitegen-tee/sitegen"
                assert at == f"v{__version__}" if ours else re.fullmatch("[0-9a-f]{40}|", at)
                if action == "actions/checkout":
                    assert step["with"]["persist-credentials"] is False


def test_in_a_part_of_a_report_no_second_one_begins_by_mistake(tmp_path: Path) -> None:
    done(tmp_path, "init")
    refused = run(tmp_path / "notes", "init")
    assert refused.exit_code == 2
    assert f"is a part of the report of {tmp_path}/sitegen.toml" in refused.stderr
    done(tmp_path, "init", "second")
    assert (tmp_path / "second/sitegen.toml").is_file()


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    refused = run(tmp_path, "init", "x")
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 1


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.mkdir()
    (report / "README.md").symlink_to(tmp_path / "elsewhere.md")
    assert "left alone: README.md" in done(report, "init")
    assert not (tmp_path / "elsewhere.md").exists()
