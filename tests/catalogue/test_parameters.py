from __future__ import annotations

import pytest

from sitegen.catalogue import fio, parameters
from sitegen.catalogue.tool import Kind
from sitegen.errors import SitegenError


@pytest.mark.parametrize(
    ("key", "written", "kept"),
    [
        ("block_size", "4096", "4096"),
        ("block_size", "4k", "4096"),
        ("block_size", "4K", "4096"),
        ("block_size", "4 KiB", "4096"),
        ("block_size", "4Ki", "4096"),
        ("block_size", "512B", "512"),
        ("block_size", "0.5k", "512"),
        ("block_size", "4k,8k", "4096,8192"),
        ("block_size", "4k-64k", "4096-65536"),
        ("size", "2GB", "2000000000"),
        ("size", "2 GiB", "2147483648"),
        ("size", "1M", "1048576"),
        ("size", "100%", "100%"),
        ("dictionary", "32M", "33554432"),
        ("threads", "8", "8"),
        ("read_share", "0.75", "0.75"),
        ("model", "4k", "4k"),
        ("x", "nan", "nan"),
    ],
)
def test_a_value_is_kept_as_its_parameter_has_it(key: str, written: str, kept: str) -> None:
    assert parameters.normal(key, written) == kept
    parameters.check(((key, kept),))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("block_size", "nan"), ("block_size", "inf"), ("block_size", "-4096"), ("block_size", ""),
        ("block_size", "4x"), ("block_size", "1.5"), ("block_size", "0.3k"), ("block_size", "٤"),
        ("block_size", "1,2,3,4"), ("block_size", "9" * 19), ("size", "9" * 15 + "T"),
        ("threads", "4k"), ("threads", "1e20"), ("threads", "9" * 400), ("threads", "-1"),
        ("threads", "²"), ("threads", "٨"), ("threads", ""), ("threads", "1.0"),
        ("read_share", "2"), ("read_share", "nan"), ("read_share", "x"),
        ("x", "9" * 5000), ("x", "a\nb"), ("x", "a\u202eb"), ("", "1"), ("k" * 65, "1"),
    ],
)  # fmt: skip
def test_a_value_that_its_parameter_cannot_have_is_refused(key: str, value: str) -> None:
    with pytest.raises(SitegenError):
        parameters.normal(key, value)
    with pytest.raises(SitegenError):
        parameters.check(((key, value),), times=1)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((("block_size", "4k"),), "write bytes, or 4k"),  # a unit is for people
        (tuple((f"k{n}", "1") for n in range(201)), "201 parameters, more than 200"),
    ],
)
def test_what_no_row_holds_is_refused(pairs: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(SitegenError, match=message):
        parameters.check(pairs)


@pytest.mark.parametrize(
    ("sizes", "largest"),
    [("4096", 4096), ("4096,8192", 8192), ("512-65536", 65536), ("100%", 0), ("", 0), ("x", 0)],
)
def test_the_largest_of_several_sizes_is_known(sizes: str, largest: int) -> None:
    assert fio.largest(sizes) == largest


def test_what_is_not_in_the_table_is_a_text() -> None:
    assert parameters.kind("log_level") == Kind.TEXT
