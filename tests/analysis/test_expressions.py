from __future__ import annotations

import math
import operator
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sitegen.analysis.compare import Analysis
from sitegen.analysis.expressions import Sheet, Span, Value, extreme
from sitegen.errors import SitegenError

HOST, GUEST = '"fio.iops", "h200-host"', '"fio.iops", "h200-cvm"'
RATE_70B = 'value("llm.decode_rate_per_request", "h100-tee-{}", model="Llama-3.1-70B")'
OPERATIONS = (operator.add, operator.sub, operator.mul, operator.truediv)

#: A span and one number inside it, which is what the figure truly was before it was rounded.
Known = tuple[Span, float]


@st.composite
def known(draw: st.DrawFn) -> Known:
    low, truth, high = sorted(draw(st.tuples(*[st.floats(-1e6, 1e6)] * 3)))
    return Span(draw(st.floats(low, high)), low, high), truth


@st.composite
def grown(draw: st.DrawFn, children: st.SearchStrategy[Known]) -> Known:
    (left, a), (right, b) = draw(children), draw(children)
    how = draw(st.sampled_from(OPERATIONS))
    try:
        return left.combine(right, how), how(a, b)
    except SitegenError:
        return left, a


def evaluated(analysis: Analysis, expression: str) -> Value:
    return Sheet(analysis).evaluate(expression)


def span(analysis: Analysis, expression: str) -> Span:
    found = evaluated(analysis, expression)
    assert isinstance(found, Span)
    return found


def with_numbers(analysis: Analysis, text: str) -> str:
    return Sheet(analysis).with_numbers(text)


@given(st.recursive(known(), grown, max_leaves=12))
def test_what_true_inputs_give_lies_in_the_interval(found: Known) -> None:
    computed, truth = found
    assert computed.low <= truth <= computed.high
    assert computed.low <= computed.value <= computed.high


@given(known(), known())
def test_a_divisor_that_may_be_zero_is_refused_and_no_other(over: Known, under: Known) -> None:
    divisor = under[0]
    assume(divisor.low > 1e-9 or divisor.high < -1e-9 or divisor.low <= 0 <= divisor.high)
    if divisor.low <= 0 <= divisor.high:
        with pytest.raises(SitegenError, match="may be zero"):
            over[0].combine(divisor, operator.truediv)
    else:
        assert math.isfinite(over[0].combine(divisor, operator.truediv).high)


@given(st.lists(known(), min_size=1, max_size=6))
def test_the_least_and_the_most_of_true_inputs_lie_in_their_intervals(known: list[Known]) -> None:
    spans, truths = [span for span, _ in known], [truth for _, truth in known]
    for which in (min, max):
        found = extreme(which, *spans)
        assert found.low <= which(truths) <= found.high
        assert found.value == which(span.value for span in spans)


@pytest.mark.parametrize("how", [operator.add, operator.mul])
def test_a_number_past_the_floats_is_refused(how: Callable[[float, float], float]) -> None:
    with pytest.raises(SitegenError, match="too large"):
        Span.of(1.7e308).combine(Span.of(1.7e308), how)


def test_a_divisor_whose_rounding_reaches_zero_is_an_error_and_no_interval(
    published: Analysis,
) -> None:
    zero = 'value("ab.error_rate", "tdx-lab", concurrency=2000)'
    # An error rate is no less than 0, whatever its rounding would allow.
    assert span(published, zero) == Span(0.0, 0.0, 0.005)
    with pytest.raises(SitegenError, match="may be zero"):
        evaluated(published, f"1 / {zero}")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("-(1 - 3) / 4", 0.5),
        ("mean(1, 2, 6)", 3.0),
        ("mean([1, 2], 6)", 3.0),
        ("total([1, 2, 3])", 6.0),
        ("least(3, 1, 2)", 1.0),
        ("most([3, 1], 2)", 3.0),
        ("\n  1\n  + 2\n", 3.0),
        ("1  # and no more", 1.0),
    ],
)
def test_arithmetic(published: Analysis, expression: str, expected: float) -> None:
    assert span(published, expression) == Span.of(expected)


def test_a_figure_has_the_interval_of_its_digits_and_is_remembered(published: Analysis) -> None:
    found = span(published, f'value({HOST}, workload="read_iops")')
    assert found == Span(259e3, 258.5e3, 259.5e3)
    sheet = Sheet(published)
    sheet.evaluate(f'overhead({GUEST}, "h200-host", workload="read_iops")')
    assert [(each.environment, each.printed) for each in sheet.inputs] == [
        ("h200-cvm", "33 k/s"),
        ("h200-host", "259 k/s"),
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('iops", "h200-cvm", "h200-host", workload="read_iops', 1 - 33 / 259),
        ('latency", "h200-cvm", "h200-host", workload="read_latency', 892 / 85 - 1),
    ],
)
def test_an_overhead_is_positive_where_it_is_worse(
    published: Analysis, expression: str, expected: float
) -> None:
    found = span(published, f'overhead("fio.{expression}")')
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high


def test_a_number_names_a_parameter_with_all_its_digits(published: Analysis) -> None:
    text = 'value("fio.bandwidth", "h200-host", direction="read", block_size={})'
    assert span(published, text.format(1048576)) == span(published, text.format('"1048576"'))


@pytest.mark.parametrize(
    ("expression", "holds", "clear"),
    [
        ("1 < 2", True, True),
        ("2 <= 1", False, True),
        ("2 > 1", True, True),
        ("1 >= 2", False, True),
        # 2.48 and 2.48, each anything within half of its last digit.
        (f"{RATE_70B.format('on')} < {RATE_70B.format('off')}", False, False),
    ],
)
def test_a_comparison_says_whether_the_intervals_leave_doubt(
    published: Analysis, expression: str, *, holds: bool, clear: bool
) -> None:
    sheet = Sheet(published)
    assert sheet.evaluate(expression) is holds
    assert sheet.compared == [(holds, clear)]


def test_every_takes_comparisons(published: Analysis) -> None:
    assert evaluated(published, "every(1 < 2, 2 < 3)") is True
    assert evaluated(published, "every(1 < 2, 3 < 2)") is False
    for wrong in ("every()", 'every("yes")', "every(1)", "every([1])", "every(1 < 2, 1)"):
        with pytest.raises(SitegenError, match="every takes comparisons"):
            evaluated(published, wrong)


#: What may not be written, a line for each kind of trick.
HOSTILE = [
    *["", " ", "\x00", "\ud800", "1\n2", "#", "'" + "a" * 5000 + "'"],
    *["1,", "1, 2", "1 +", "1) + (2", "import os"],
    *["x", "self", "sheet.analysis", "value", "__builtins__", "globals()", "eval('1')"],
    *["print('x')", "None", "True", "...", "1j", "b'1'", "f'{value.__class__}'"],
    *["{1: 2}", "{1}", "[[1]]", "['a']"],
    *["__import__('os').system('true')", "open('/etc/passwd')", "mean(1)(2)", "'a'.join('b')"],
    *["().__class__.__base__.__subclasses__()", "value.__globals__['os']", "(1).real"],
    *["2 ** 9", "10**10**10", "9 << 99999999", "1 // 2", "5 % 2", "~1", "+1", "not 1", "1 and 2"],
    *["1 == 1", "1 < 2 < 3", "1 in [1]", "1 is 1", "'a' < 'b'", "1 if 1 < 2 else 3", "[1, 2][0]"],
    *["[i for i in range(10**9)]", "(x for x in [1])", "(lambda: (yield))()", "(y := 1)"],
    *["'abc' + 'def'", "'a' * 1000000000", "[1] + [2]", "1 / 0", "1 / (1 - 1)", "1e999"],
    *["1e308 * 10", "1e308 * 10 - 1e308 * 10"],
    *["mean(*[1, 2])", "mean(**{'divide': 1})", "mean(divide=1)", "mean()", "mean([])"],
    *["least('a')", "total(1 < 2)", "value()", "value(1, 2)", "value('', '')"],
    *["value('fio.iops', 5)", "value('fio.iops', ['h200-host'])"],
    *["value('fio.iops', 'nowhere')", "overhead('fio.iops', 'h200-cvm')"],
    "value('fio.iops\x00', 'h200-host')",
    "value('fio.iops', 'h200-host', 'read_iops')",
    "value('fio.iops', 'h200-host', workload='write_iops', workload='read_iops')",
    *(
        f"value('fio.iops', 'h200-host', {given})"
        for given in ("workload=4", "statistic=[1]", "metric='x'", "self='x'", "direction=1 < 2")
    ),
    *["1" * 3900, "9" * 4200, "-" * 3900 + "1", "[" + "1," * 1_000_000 + "]"],
    *["(" * 1500 + "1" + ")" * 1500, "[" * 1500 + "1" + "]" * 1500],
    *["mean(" * 600 + "1" + ")" * 600, "value(" + "'a'," * 900 + ")"],
]


@pytest.mark.parametrize("expression", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_what_may_not_be_written_is_refused_in_one_line_in_a_text_too(
    published: Analysis, expression: str
) -> None:
    texts = [f"It is {{1 + 1}}, and {{{expression}}}."]
    if not expression or set("{}") & set(expression):
        texts = []  # no expression of a text
    for evaluate, text in [(span, expression), *((with_numbers, text) for text in texts)]:
        with pytest.raises(SitegenError) as refusal:
            evaluate(published, text)
        assert 0 < len(str(refusal.value)) < 400
        assert "\n" not in str(refusal.value)


def test_a_long_sum_is_refused_or_right(published: Analysis) -> None:
    """A chain of operators is as deep as it is long."""
    assert span(published, "+".join(["1"] * 100)) == Span.of(100.0)
    with pytest.raises(SitegenError):
        span(published, "+".join(["1"] * 2500))


def test_a_figure_that_is_not_one_says_how_many_there_are(published: Analysis) -> None:
    with pytest.raises(SitegenError, match=r"^\d+ figures are fio.iops in h200-host"):
        evaluated(published, f"value({HOST})")
    with pytest.raises(SitegenError, match=r"^no figure is fio.iops in h200-host"):
        evaluated(published, f'value({HOST}, workload="nothing")')
