from __future__ import annotations

import math

import msgspec
import pytest

from sitegen.collect import decode
from sitegen.errors import SitegenError


class Job(msgspec.Struct):
    name: decode.Text = ""
    iops: decode.Number | None = None
    errors: decode.Whole = 0


class Report(msgspec.Struct):
    jobs: list[Job]
    rate: float = 0.0


GOOD = b'{"jobs": [{"name": "read", "iops": 5.5, "new in this version": []}]}'


def test_a_document_is_read_into_its_type_and_keys_of_newer_versions_are_passed_over() -> None:
    assert decode.document(GOOD, Report) == Report([Job("read", 5.5)])
    assert decode.document(b"\xef\xbb\xbf" + GOOD, Report).jobs[0].name == "read"


def test_a_part_of_a_larger_output_is_read_in_place() -> None:
    whole = b"fio: " + GOOD + b" done"
    part = memoryview(whole)[5:-5]
    assert decode.document(part, Report).jobs[0].name == "read"
    with pytest.raises(SitegenError, match="the JSON breaks off"):
        decode.document(part[:20], Report)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"jobs": [{"iops": "5"}]}', r"jobs\[0\].iops: expected float"),
        ('{"jobs": [{"iops": -1}]}', r"jobs\[0\].iops: expected float >= 0"),
        ('{"jobs": [{"iops": NaN}]}', r"jobs\[0\].iops: expected float >= 0"),
        ('{"jobs": [{"errors": 1.5}]}', r"jobs\[0\].errors: expected int"),
        ('{"jobs": [{"name": "a\\u001bb"}]}', r"jobs\[0\].name: expected str matching"),
        ("{}", "missing required field jobs"),
        ('{"jobs": [', r"line 1, column \d+: the JSON breaks off"),
        ('{"jobs": [], "deep": ' + "[" * 5000, "the JSON"),
        ("[1, 2]", "expected object, got array"),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        decode.document(text.encode(), Report)


def test_pythons_own_infinity_is_read_where_the_form_takes_it() -> None:
    assert decode.document(b'{"jobs": [], "rate": Infinity}', Report).rate == math.inf


def test_one_object_a_list_and_one_a_line_are_all_documents() -> None:
    one = GOOD.decode()
    for data in (one, f"[{one}]", f"{one}\n"):
        assert decode.documents(data.encode(), Report) == [Report([Job("read", 5.5)])]
    assert len(decode.documents(f"{one}\n\n{one}\n".encode(), Report)) == 2
    with pytest.raises(SitegenError, match="line 2"):
        decode.documents(f'{one}\n{{"jobs": 1}}\n'.encode(), Report)
    with pytest.raises(SitegenError, match="entry 2"):
        decode.documents(f"[{one}, 1]".encode(), Report)
    with pytest.raises(SitegenError, match="nested too deeply"):
        decode.documents('{"deep": ' + "[" * 5000 + "\n{}", Report)


def test_a_number_may_stand_as_a_text_where_that_is_said() -> None:
    cells = {"name": "read", "iops": "5.5"}
    assert decode.convert(cells, Job, strict=False) == Job("read", 5.5)
    with pytest.raises(SitegenError, match="line 3 iops: expected float"):
        decode.convert(cells, Job, "line 3")


def test_documents_over_many_lines_stand_one_after_another() -> None:
    many = GOOD.replace(b"{", b"{\n").replace(b",", b",\n")
    assert decode.documents(many + b"\n" + many, Report) == [Report([Job("read", 5.5)])] * 2
    with pytest.raises(SitegenError, match=r"line 10.*damaged"):
        decode.documents(many + b"\n" + many[:-1], Report)
    with pytest.raises(SitegenError, match="breaks off"):
        decode.documents(b"", Report)
