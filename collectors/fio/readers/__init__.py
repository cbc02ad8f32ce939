"""What fio itself wrote, read into our metrics: one module a form."""

from __future__ import annotations

from collectors.fio.readers import bundles, dbench, json_report, kubestr, terse, text_report

READERS = (
    *(json_report.READER, text_report.READER, dbench.READER, kubestr.READER),
    *(terse.READER, bundles.READER),
)
BUNDLES = (bundles.BUNDLE,)
