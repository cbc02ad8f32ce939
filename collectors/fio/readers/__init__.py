"""What fio itself wrote, read into our metrics: one module a form."""

from __future__ import annotations

from collectors.fio.readers import dbench, json_report, kubestr, logs, terse, text_report

READERS = (
    *(json_report.READER, text_report.READER, dbench.READER, kubestr.READER),
    *(terse.READER, logs.READER),
)
BUNDLES = (logs.BUNDLE,)
