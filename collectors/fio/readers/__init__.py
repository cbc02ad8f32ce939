"""What fio itself wrote, read into our metrics: one module a form."""

from __future__ import annotations

from collectors.fio.readers import bundles, dbench, json_report, terse, text_report

READERS = (json_report.READER, text_report.READER, dbench.READER, terse.READER)
BUNDLES = (bundles.BUNDLE,)
