"""Tables in Markdown and HTML: what is a table, and what stands in its cells."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.text_tables import Row, Table, in_html, in_markdown


def test_a_markdown_table_is_headings_a_rule_and_rows() -> None:
    text = "words | and a bar\n\n| A | B |\n|:--|--:|\n| 1 | 2 |\n| 3 |\n\n| no table |\n"
    [table] = in_markdown(text)
    rows = (Row(5, ("1", "2")), Row(6, ("3",)))
    assert table == Table(3, ("A", "B"), rows)


def test_bars_at_the_ends_may_be_left_out_and_others_escaped() -> None:
    [table] = in_markdown("A | B\n-|-\na \\| b | \n")
    assert (table.header, table.rows[0].cells) == (("A", "B"), ("a | b",))
    [table] = in_markdown("| leaf |||\n|--|--|--|\n")
    assert table.header == ("leaf", "", "")


def test_a_rule_of_another_width_makes_no_table() -> None:
    assert not [*in_markdown("| A | B |\n|---|\n| 1 | 2 |\n")]
    assert not [*in_markdown("| A | B |\n| x | y |\n")]


def test_mark_up_and_the_numbers_of_notes_are_no_part_of_a_cell() -> None:
    [table] = in_markdown("| A | B |\n|-|-|\n| 7.5<sup>1</sup> | a<br>b&nbsp;c |\n")
    assert table.rows[0].cells == ("7.5", "a b c")


def test_an_html_table_has_its_headings_in_the_first_row() -> None:
    text = "<p>x</p>\n<TABLE class='a'>\n<tr><th>A</th><th>B\n<tr><td><b>1</b></td><td>2</table>"
    [table] = in_html(text)
    assert table == Table(3, ("A", "B"), (Row(4, ("1", "2")),))


@pytest.mark.parametrize(
    "text",
    [
        "<table><tr><th>A<th>B</tr><tr><td rowspan='2'>1<td>2</tr></table>",
        "<table><tr><th colspan=3>A</th></tr></table>",
        "<table><tr><th>A</th></tr><tr><td><table><tr><td>1</td></tr></table></td></tr></table>",
        "<table><tr><th>A</th></tr><tr><td>1",
    ],
)
def test_where_it_is_not_known_under_what_a_cell_stands_is_said(text: str) -> None:
    assert not next(in_html(text)).regular


def test_a_span_of_one_is_none_and_one_over_a_row_is_seen_by_its_cells() -> None:
    [table] = in_html("<table><tr><th rowspan='1' colspan=1>A</th><th>B</tr></table>")
    assert table.regular
    [table] = in_html("<table><tr><th>A<th>B</tr><tr><td colspan=2>x</tr><tr><td>1<td>2</table>")
    assert table.regular
    assert [row.cells for row in table.rows] == [("x",), ("1", "2")]


@given(st.text(alphabet="|-: \n\\<>/abtdrhe=\"'&;<table><tr><td>", max_size=300))
def test_any_text_gives_tables_or_none(text: str) -> None:
    for table in (*in_markdown(text), *in_html(text)):
        assert table.line >= 1
        assert all(row.line >= table.line for row in table.rows)


@pytest.mark.parametrize(
    "piece", ["|", "|-\n", "|a\n|-\n", "<table", "<table>", "<tr><td>", "<td ", "<sup>", "<", "&"]
)
def test_hostile_text_takes_no_longer_than_its_length(piece: str) -> None:
    text = "<table><tr><td>" + piece * (100_000 // len(piece))
    started = time.process_time()
    assert sum(1 for _ in (*in_markdown(text), *in_html(text))) >= 1
    assert time.process_time() - started < 1
