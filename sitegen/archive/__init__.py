"""Runs as files: the only place that knows Parquet.

``archive/<environment>/<run id>/`` holds ``run.json`` (written last), ``measurements.parquet``,
``samples.parquet`` and ``raw/``. See CONTRIBUTING.md, "The archive".
"""

from sitegen.archive.store import Archive, Damaged, Entry, Fault

__all__ = ["Archive", "Damaged", "Entry", "Fault"]
