"""What fio itself wrote, read into our metrics: one module a form."""

from __future__ import annotations

from collectors.fio.readers import around, json_report, kbench, logs, terse, text_report

READERS = (
    *(json_report.READER, text_report.READER, around.DBENCH, around.KUBESTR),
    *(around.STRING, kbench.READER, terse.READER, logs.READER),
)
BUNDLES = (logs.BUNDLE,)
