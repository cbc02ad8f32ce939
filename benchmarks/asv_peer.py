"""The peer: `asv publish` on the same numbers, written in asv's own format.

One commit and one result file a run, one asv benchmark a series. asv draws no page a run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks import measure, synthetic

_MACHINE = {
    "arch": "x86_64",
    "cpu": "synthetic",
    "machine": "synthetic",
    "num_cpu": "32",
    "os": "Linux",
    "ram": "131072",
}


def installed() -> bool:
    """Say whether asv can be run here."""
    return find_spec("asv") is not None


def publish(folder: Path, shape: synthetic.Shape) -> measure.Usage:
    """Write the results of ``shape`` below ``folder`` and return what `asv publish` used."""
    hashes = _repository(folder / "repository", shape.runs)
    _results(folder, shape, hashes)
    return measure.run([sys.executable, "-m", "asv", "publish", "--no-pull"], folder)


def _repository(folder: Path, commits: int) -> list[str]:
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(folder)], check=True)
    stream = "".join(
        f"commit refs/heads/main\nmark :{number}\n"
        f"committer a <a@example.org> {1_780_272_000 + 60 * number} +0000\ndata 1\nc\n"
        for number in range(1, commits + 1)
    )
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "fast-import", "--quiet"], input=stream.encode(), check=True)
    listed = subprocess.run(
        [*git, "rev-list", "--reverse", "main"], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def _results(folder: Path, shape: synthetic.Shape, hashes: list[str]) -> None:
    config = {
        "version": 1,
        "project": "synthetic",
        "repo": str(folder / "repository"),
        "branches": ["main"],
        "environment_type": "virtualenv",
        "results_dir": "results",
        "html_dir": "html",
    }
    (folder / "asv.conf.json").write_text(json.dumps(config))
    machine = folder / "results" / _MACHINE["machine"]
    machine.mkdir(parents=True)
    (machine / "machine.json").write_text(json.dumps({**_MACHINE, "version": 1}))
    names: dict[str, str] = {}
    for number, commit in enumerate(hashes):
        run, _ = synthetic.make(number, shape)
        by_name: dict[str, list[float]] = {}
        for row in run.measurements:
            where = "_".join(value for _, value in row.params)
            name = f"{run.benchmark}.{row.workload}.{row.metric}.{row.statistic}.{where}"
            names[name] = row.unit
            by_name.setdefault(name, []).append(row.value or 0.0)
        result = {
            "commit_hash": commit,
            "date": 1000 * (1_780_272_000 + 60 * number),
            "env_name": "virtualenv-py3.11",
            "env_vars": {},
            "params": {**_MACHINE, "python": "3.11"},
            "python": "3.11",
            "requirements": {},
            "result_columns": ["result", "params", "version"],
            "results": {
                name: [[sum(values) / len(values)], [], "1"] for name, values in by_name.items()
            },
            "durations": {},
            "version": 2,
        }
        (machine / f"{commit[:8]}-virtualenv-py3.11.json").write_text(json.dumps(result))
    table: dict[str, object] = {
        name: {
            "code": "",
            "name": name,
            "param_names": [],
            "params": [],
            "timeout": 60.0,
            "type": "track",
            "unit": unit,
            "version": "1",
        }
        for name, unit in names.items()
    }
    (folder / "results" / "benchmarks.json").write_text(json.dumps({**table, "version": 2}))
