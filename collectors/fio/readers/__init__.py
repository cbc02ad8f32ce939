"""What fio itself wrote, read into our metrics: one module a form."""

from __future__ import annotations

from collectors.fio.readers import (
    dbench,
    json_report,
    kubestr,
    log_bundle,
    refused,
    terse,
    text_report,
)
from sitegen.collect import Bundle, Reader

READERS: tuple[Reader, ...] = (
    json_report.READER,
    text_report.READER,
    dbench.READER,
    kubestr.READER,
    terse.READER,
    log_bundle.READER,
    refused.READER,
)
BUNDLES: tuple[Bundle, ...] = (log_bundle.BUNDLE,)
