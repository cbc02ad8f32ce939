"""The collector of docs/own-collector.md does what the page says, from `collect` to a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner
from msgspec.structs import replace

from sitegen.catalogue.families import own_headlines
from sitegen.cli import main
from sitegen.model import Parameter, Series
from sitegen.redact import Redactor
from sitegen.redact.runs import redacted
from tests import site_checks as check
from tests.documents import blocks

PAGE = (check.ROOT / "docs" / "own-collector.md").read_text("utf-8")
[SOURCE] = blocks(PAGE, "python")


def test_the_example_is_collected_compared_and_shown_with_verdicts(
    tmp_path: Path, install: Callable[..., str]
) -> None:
    install("hashing", source=SOURCE.replace("{", "{{").replace("}", "}}"))
    (tmp_path / "sitegen.toml").write_text(check.ALONE)
    places = ("--config", str(tmp_path / "sitegen.toml"), "--archive", str(tmp_path / "archive"))

    def sitegen(*words: str, code: int = 0) -> str:
        found = CliRunner().invoke(main, [*words, *places])
        assert found.exit_code == code, found.output
        return found.stdout

    for label, size in (("vm", 1000), ("host", 1000), ("host", 2000)):
        sitegen(
            *("collect", "--env", label, "--only", "hashing", "--repeat", "1", "--sessions", "3"),
            *("--set", f"hashing.size={size}", "--quiet"),
        )
    told = json.loads(sitegen("compare", "vm", "host", "--format", "json"))
    assert [one["metric"] for one in told["comparisons"]].count("hashing.speed") == 1
    assert {one["metric"] for one in told["comparisons"]} == {"hashing.speed", "hashing.time"}
    assert all(one["word"] for one in told["comparisons"])
    sitegen("build", "--output", str(tmp_path / "site"))
    run = json.loads(sitegen("list", "--format", "json"))[0]["id"]
    page = (tmp_path / "site" / "runs" / run / "index.html").read_text()
    assert "hash speed" in page
    assert "--set hashing.size=1000 --repeat 1" in page
    again = (tmp_path / "site" / "hashing" / "index.html").read_text()
    assert (
        "sitegen collect --env NAME --only hashing --preset standard --set hashing.size=" in again
    )


def test_the_first_six_metrics_are_headlines_each_by_what_stands_for_it() -> None:
    metrics = [(f"own.m{place}", f"M {place}") for place in range(9)]
    every = [
        Series("own", "w", metric, statistic, ())
        for metric, _ in metrics[1:]
        for statistic in ("max", "mean", "p50")
    ]
    found = own_headlines(metrics, every)
    assert [(one.metric, one.statistic) for one in found] == [
        (f"own.m{place}", "mean") for place in range(1, 7)
    ]


def test_a_setting_that_is_a_secret_is_not_kept() -> None:
    run = replace(check.storage_run(0), parameters=(Parameter("set own.api_key", "s3cr3t-words"),))
    assert redacted(run, Redactor()).parameters[0].value == "[secret]"
