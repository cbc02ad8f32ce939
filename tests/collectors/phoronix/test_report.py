"""Results of two systems of one file, from the file to a verdict."""

from __future__ import annotations

from pathlib import Path

from sitegen.analysis.compare import analyse
from sitegen.archive import Archive
from sitegen.config import Config
from sitegen.intake import files
from sitegen.intake.run import Order
from sitegen.redact import Redactor

FILE = Path(__file__).parents[2] / "raw" / "phoronix" / "two-systems.xml"


def test_the_systems_of_a_file_meet_in_metrics_that_only_the_file_knows(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for label, system in (("host", "host"), ("cvm", "guest SNP")):
        order = Order(label, settings={"system": system})
        list(files.write(files.read(FILE, order, Redactor()), archive))
    runs = [archive.read(entry) for entry in archive.scan()]
    assert len({run.id for run in runs}) == 2
    analysis = analyse(runs, Config(tmp_path))
    titles = [headline.title for headline in analysis.headlines("phoronix")]
    assert titles == [
        "Zstd Compression",
        "Timed Linux Kernel Compilation",
        "OpenSSL, sign/s",
        "Himeno Benchmark",
    ]
    compared = {one.series.workload: one for one in analysis.comparisons}
    assert "one file" not in compared["build-linux-kernel-build-defconfig"].reason
