"""Page values -> HTML: the only place that knows Jinja, Markdown and the sanitiser.

Everything that comes from a run, a note or a configuration is escaped here. Run pages are
made by the thousand, so their long tables are joined from strings; all else is a template.
"""

from __future__ import annotations

import contextlib
import html
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape
from msgspec.structs import replace

from sitegen import bounds
from sitegen.charts import card, plotly, spec, svg
from sitegen.config import ROLE_WORDS
from sitegen.errors import SitegenError
from sitegen.report import citation, share, words
from sitegen.report.benchmark import BenchmarkPage
from sitegen.report.citation import Citation
from sitegen.report.machine import UNSEEN, FactGroup, Shown
from sitegen.report.navigation import Site
from sitegen.report.run import RunPage
from sitegen.report.share import Shared
from sitegen.resources import templates
from sitegen.site import layout, lists, run_tables
from sitegen.site.layout import Layout, Slots
from sitegen.site.run_tables import escaped as _text

#: Rows of a table that is brought when it is opened.
_MOST_ROWS = 200
#: What the expressions of a note may take with all that a build has in memory, in bytes.
_MOST_MEMORY = 600_000_000
_MOST_PROSE = 2_000_000
#: What a page may load and run; data is neither.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
_ROLES: tuple[spec.Hue, ...] = ("metal", "vm", "cpu-tee", "gpu-tee")
_NOTHING = Shared()
#: What stands around a chart that others embed: its title, the key of colours, its source, in px.
_FRAME = 190
_CURRENT = Markup(' aria-current="page"')
_LINKS = (' href="', ' src="')
#: Parts of a run's page before those of its tables.
_BEFORE = 5
_C0 = bytes({*range(32), 127} - {9, 10, 13})
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_ID = re.compile(r'\bid="([^"]*)"')
_ALLOWED_TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "code",
        "data",
        "dd",
        "del",
        "details",
        "dl",
        "dt",
        "em",
        "h2",
        "h3",
        "h4",
        "hr",
        "i",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)


class Renderer:
    """Turns page values into HTML for one site."""

    def __init__(
        self,
        site: Site,
        assets_folder: str,
        cache: Path | None = None,
        theme: Path | None = None,
    ) -> None:
        """Prepare the templates; ``assets_folder`` is relative to the site's root.

        Compiled templates are kept in ``cache``, an existing folder. Those in the folder ``theme``
        stand above the tool's of the same name, which are called ``sitegen/...`` too.
        """
        self.site = site
        self._theme = str(theme) if theme else ""
        self._navigations: dict[tuple[str, str], Markup] = {}
        self._layouts: dict[tuple[RunPage, tuple[bool | str, ...]], Layout] = {}
        # What a theme says is looked at as a page's words are: it reaches nothing but these.
        kind, stem = (SandboxedEnvironment, "theme") if theme else (Environment, "page")
        self._jinja = kind(
            loader=_loader(theme),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=FileSystemBytecodeCache(str(cache), f"{stem}_%s.cache")
            if cache
            else None,
        )
        self._jinja.globals.update(
            site=site,
            assets_folder=assets_folder,
            policy=Markup(POLICY),  # noqa: S704 - our own words
            picture_size=(card.WIDTH, card.HEIGHT),
            tab=lambda title: share.tab(html.unescape(title), site.title),
            chart=_chart,
            still=lambda drawn: Markup(svg.chart(drawn)),  # noqa: S704 - our own SVG, escaped there
            chart_height=_framed,
            factor_strip=lambda marks, axis: Markup(svg.factor_strip(marks, axis=axis)),  # noqa: S704 - our own SVG, escaped there
            factor_axis=lambda axis: Markup(svg.factor_axis(axis)),  # noqa: S704
            pattern_defs=Markup(svg.pattern_defs(_ROLES)),  # noqa: S704
            colour_key=_colour_key(),
            cite=cite,
            run_tables=_run_tables,
            run_lines=lists.run_rows,
            machine=_machine,
            signals=_signals,
            navigation=self._navigation,
            count=words.count,
            forms=citation.FORMS,
            lower_first=words.lower_first,
            # As text: a snippet that is copied is markup in somebody else's page.
            markup_of=html.escape,
            bytes_text=words.size,
        )

    def _navigation(self, root: str, path: str) -> Markup:
        """Return the links of the navigation; all run pages have the same."""
        current = next((one.path for one in self.site.nav if path in one.paths), "-")
        key = (root, current)
        if key not in self._navigations:
            self._navigations[key] = Markup("\n").join(
                Markup('<a href="{}{}index.html"{}>{}</a>').format(
                    root, target, _CURRENT if target == current else "", title
                )
                for target, title, _ in self.site.nav
            )
        return self._navigations[key]

    def page(
        self,
        template: str,
        path: str,
        *,
        root: str | None = None,
        shared: Shared = _NOTHING,
        **values: Any,  # noqa: ANN401 - page values
    ) -> bytes:
        """Return one page; ``path`` is its folder in the site, for the links that leave it.

        ``shared`` is what it says of itself elsewhere.

        Control characters, which no HTML may hold, are left out.
        """
        up = "../" * path.count("/") if root is None else root
        linked = _record(shared)
        return _clean(self._text(template, path, up, shared=shared, linked=linked, **values))

    def _text(self, template: str, path: str, root: str, **values: Any) -> str:  # noqa: ANN401 - as above
        with self._blaming():
            return self._jinja.get_template(template).render(root=root, path=path, **values)

    @contextlib.contextmanager
    def _blaming(self) -> Iterator[None]:
        """Raise SitegenError with its place for what fails in a template of the theme."""
        try:
            yield
        except Exception as error:
            if self._theme and (place := _place_in_template(error)).startswith(self._theme):
                fix = "correct the theme's template"
                raise SitegenError(f"{error}", where=place, fix=fix) from error
            raise

    def embed(self, template: str, path: str, **values: object) -> tuple[bytes, list[str]]:
        """Return a page for other people's frames, and the addresses that it refers to."""
        text = self._text(template, "", "../" * path.count("/"), **values)
        return _clean(text), links(text)

    def rest(self, page: BenchmarkPage) -> tuple[bytes, list[str]]:
        """Return the script with what a benchmark's page folds away, and the addresses in it."""
        with self._blaming():
            return self._rest(page)

    def _rest(self, page: BenchmarkPage) -> tuple[bytes, list[str]]:
        macros: Any = self._jinja.get_template("macros/rest.html").module
        shown, root = page.open_charts, "../"
        parts = {
            f"costs-{table.id}": macros.costs(
                table, table.rest[:_MOST_ROWS], root, len(table.rest[_MOST_ROWS:])
            )
            for table in page.costs
            if table.rest
        }
        charts = {
            "panels": page.panels[shown:],
            "scaling": page.scaling[page.open_lines :],
            "distributions": page.distributions[page.open_lines :],
        }
        parts |= {name: macros.charts(members) for name, members in charts.items() if members}
        parts["figures"] = macros.figures(page.figures, root)
        addresses = [address for part in parts.values() for address in links(part)]
        told = orjson.dumps({name: str(part) for name, part in parts.items()})
        return b"self.sitegenRest = " + _clean(told.decode()) + b";\n", addresses

    def run_page(self, page: RunPage) -> tuple[bytes, list[str]]:
        """Return a run's page, and the addresses that it refers to.

        The template is rendered once a layout.
        """
        ready, addresses = ready_made(page)
        shared = share.of_run(self.site, page)
        ready += [cite(shared.citation), _record(shared)]
        slots = Slots(ready)
        # Whether there is something stands in no slot.
        there: tuple[bool | str, ...] = (*map(bool, ready), *(one.drawn for one in page.tables))
        form = (layout.slotted(page, slots), there)
        filled = self._layouts.get(form)
        if filled is None:
            place = (f"runs/{form[0].id}/", "../../")
            *made, cited, linked = map(slots.markup, range(len(ready)))
            whole = replace(form[0], tables=page.tables)
            rendered = self._text(
                "run.html", *place, page=whole, made=made, cited=cited, shared=shared, linked=linked
            )
            filled = self._layouts[form] = Layout.of(rendered, links(rendered))
        return _clean(filled.page(slots.values)), filled.addresses(slots.values) + addresses


def _loader(theme: Path | None) -> BaseLoader:
    ours = FileSystemLoader(templates())
    if theme is None:
        return ours
    own = FileSystemLoader(theme)
    return ChoiceLoader([own, ours, PrefixLoader({"sitegen": ours})])


def _place_in_template(error: Exception) -> str:
    """Return the file and line of the template in which something failed, or nothing."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{one.filename}:{one.lineno}" for one in frames if one.filename.endswith(".html")]
    return places[-1] if places else ""


def ready_made(page: RunPage) -> tuple[list[str], list[str]]:
    """Return as markup what of a run's page is made without its template, and its addresses.

    The steps, the charts, the parameters, the neighbours, the session, the tables' heads, and three
    parts for each row.
    """
    charts = "".join([_ridges(one) for one in page.charts])
    neighbours, session, addresses = run_tables.beside(page)
    heads = run_tables.heads(page)
    for head in heads:
        addresses += _links_of_head(head)
    parts = [run_tables.steps(page), charts, run_tables.parameters(page.parameters)]
    parts += [neighbours, session, *heads]
    for row in run_tables.of_rows(page):
        parts += row
    return parts, addresses


def cite(citation: Citation | None) -> Markup:
    """Return how a page is cited, folded; thousands of pages have it."""
    if citation is None:
        return Markup()
    line, bibtex = (f'<pre class="copy" data-copy>{html.escape(part)}</pre>' for part in citation)
    folded = f'<details class="flow"><summary>Cite as</summary>\n{line}\n{bibtex}</details>'
    return Markup(folded)  # noqa: S704 - each part is escaped


def _record(shared: Shared) -> Markup:
    """Return what a page tells machines of its data: a script of data, which nothing runs."""
    if not shared.dataset:
        return Markup()
    data = orjson.dumps(shared.dataset).decode().replace("<", "\\u003c")
    return Markup(f'<script type="application/ld+json">{data}</script>')  # noqa: S704 - as above


def _framed(drawn: spec.Chart) -> int:
    """Return how tall a frame is that shows a chart with its title and its source, in px."""
    height = re.search(r'height="(\d+)"', svg.chart(drawn))
    return int(height[1] if height else 0) + _FRAME


def _clean(text: str) -> bytes:
    return _C1.sub(b"", text.encode().translate(None, _C0))


def markdown(text: str) -> Markup:
    """Return Markdown as HTML without anything that could run or load.

    Headings start at the third level, under the page's own.
    """
    import nh3
    from markdown import Markdown

    converter = Markdown(extensions=["tables", "fenced_code", "sane_lists"], output_format="html")
    page = converter.convert(text)
    page = re.sub(r"<(/?)h([1-6])", lambda m: f"<{m[1]}h{min(int(m[2]) + 1, 4)}", page)
    clean = nh3.clean(
        page,
        tags=set(_ALLOWED_TAGS),
        attributes={"a": {"href", "title"}, "td": {"align"}, "th": {"align"}, "data": {"value"}},
        url_schemes={"https", "mailto"},
        link_rel="noopener",
    )
    clean = re.sub(r"<th[^>]*>\s*</th>", "<td></td>", clean)
    clean = re.sub(r"<th(?=[ >])", '<th scope="col"', clean)
    box = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
    clean = clean.replace("<table>", f"{box}<table>").replace("</table>", "</table></div>")
    return Markup(clean)  # noqa: S704 - sanitised the line above


def note(path: Path, functions: Mapping[str, Callable[..., object]]) -> Markup:
    """Return a note with its expressions evaluated on the archive.

    Raises SitegenError with file and line for an expression that fails or finds nothing, and for
    a premise that does not hold, ``{{ given(condition) }}``, with the sentence that it stands in:
    prose must not say what the data does not. A line ``{% set name = expression %}`` names what
    the lines after it use.
    """
    text = path.read_text("utf-8")
    jinja = _Sandbox(undefined=StrictUndefined, autoescape=False)
    jinja.globals = dict(functions)
    with bounds.memory(_MOST_MEMORY) if "{{" in text or "{%" in text else contextlib.nullcontext():
        prose = "\n".join(_evaluated(text, jinja, path))
    if len(prose) > _MOST_PROSE:
        fix = "write a shorter one"
        raise SitegenError(f"has more than {_MOST_PROSE:,} characters", where=str(path), fix=fix)
    return markdown(prose)


class _Sandbox(SandboxedEnvironment):
    """Expressions that reach nothing, and come to an end: a power of whole numbers may not."""

    intercepted_binops = frozenset({"**"})

    def call_binop(self, context: object, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002 - as the base has it
        """Return a power as a number with a point, which has an end."""
        return float(left) ** float(right)


def _evaluated(text: str, jinja: _Sandbox, path: Path) -> list[str]:
    lines: list[str] = []
    named: dict[str, object] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            match = _NAME.match(line)
            if line.count("{%") > (match is not None) and (match or "{{" in line):
                fix = "a line may begin with {% set name = expression %}"
                raise SitegenError("a note has no other statement", fix=fix)  # noqa: TRY301 - with its place
            if match:
                module = jinja.from_string(line).make_module(named)
                named[match[1]] = getattr(module, match[1])
            elif "{{" in line:
                lines.append(jinja.from_string(_premised(line)).render(named))
            else:
                lines.append(line)
        except SitegenError as error:
            fix = error.fix or "the archive has no such figure"
            raise SitegenError(error.what, where=f"{path}:{number}", fix=fix) from error
        except MemoryError:
            fix = "write a smaller one"
            what = "the expression takes too much memory"
            raise SitegenError(what, where=f"{path}:{number}", fix=fix) from None
        except (TemplateError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise SitegenError(
                str(error), where=f"{path}:{number}", fix="the archive has no such figure"
            ) from error
    return lines


_NAME = re.compile(r"\{% set (\w+) = ")
_EXPRESSION = re.compile(r"\{\{.*?\}\}")
_GIVEN = re.compile(r"\{\{ *given\(")
_END = re.compile(r"[.?!]\**(?= |$)")


def _premised(line: str) -> str:
    """Return a line in which each premise is told the sentence that it stands before."""

    def told(match: re.Match[str]) -> str:
        before, after = (
            _EXPRESSION.sub("…", part) for part in (line[: match.start()], line[match.start() :])
        )
        start = max((end.end() for end in _END.finditer(before)), default=0)
        end = _END.search(after)
        sentence = before[start:] + (after[: end.start() + 1] if end else after)
        words = sentence.replace("……", "…").strip(" …*")
        return f"{match[0]}{orjson.dumps(words).decode()}, "

    return _GIVEN.sub(told, line)


def links(page: str) -> list[str]:
    """Return the addresses that a page refers to, unescaped."""
    # Splitting is several times as fast as a regular expression, and every page comes by here.
    targets = [part[: part.index('"')] for name in _LINKS for part in page.split(name)[1:]]
    return [html.unescape(target) if "&" in target else target for target in targets]


@lru_cache(maxsize=4096)
def _links_of_head(head: str) -> list[str]:
    return links(head)


def anchors(page: str) -> set[str]:
    """Return the ids on a page."""
    return {html.unescape(name) for name in _ID.findall(page)}


def _colour_key() -> Markup:
    """Return what colours and signs say, on every page alike: the roles of environments."""
    roles = zip(_ROLES, ROLE_WORDS.values(), strict=True)
    signs = [f'<li><span class="sw c-{hue}"></span>{word}</li>' for hue, word in roles]
    signs.append('<li><span class="sw hollow"></span>doubtful, or in no mean</li>')
    return Markup(f'<ul class="key links" aria-label="Colours">{"".join(signs)}</ul>')  # noqa: S704 - our own words


def _caption(chart: spec.Chart | spec.RidgeChart) -> str:
    """Return how the figure of a chart begins: its id, its caption and the link to itself."""
    name = escape(chart.id)
    here = f'<a class="here" href="#c-{name}" aria-label="Link to this chart">¶</a>'
    return (
        f'<figure class="chart" id="c-{name}"><figcaption><b>{escape(chart.title)}</b> {here}'
        f"<span>{escape(chart.subtitle)}</span></figcaption>"
    )


def _chart(chart: spec.Chart) -> Markup:
    figure = orjson.dumps(plotly.figure(chart)).decode().replace("<", "\\u003c")
    return Markup(  # noqa: S704 - each part is escaped
        f"{_caption(chart)}"
        f'<div class="plot">{svg.chart(chart)}</div>'
        f'<script type="application/json" class="spec">{figure}</script></figure>'
    )


def _ridges(chart: spec.RidgeChart) -> str:
    return f"{_caption(chart)}{svg.ridges(chart)}</figure>"


def _run_tables(page: RunPage, made: Sequence[str], root: str) -> Markup:
    """Return a run's tables; ``made`` are the parts of `ready_made`."""
    many = len(page.tables)
    heads, rows = made[_BEFORE : _BEFORE + many], made[_BEFORE + many :]
    slots = list(zip(rows[::3], rows[1::3], rows[2::3], strict=True))
    return Markup(run_tables.tables(page, heads, slots, root))  # noqa: S704 - each part is escaped


@lru_cache(maxsize=512)
def _machine(groups: tuple[FactGroup, ...]) -> Markup:
    """Return a fingerprint's tables, one a group, folded: the runs of a machine share them."""
    return Markup("".join(map(_machine_group, groups)))  # noqa: S704 - each part is escaped


def _machine_group(group: FactGroup) -> str:
    hidden = ", ".join(group.hidden)
    rest = f'<p class="note">Not visible here: {html.escape(hidden)}.</p>' if hidden else ""
    head = ("Fact", "Value", "Read from")
    table = _folded_table(f"Table: {group.title}", head, group.shown, "qq xs opt")
    return (
        f"<details><summary>{_text(group.title)} <small>{_text(group.gist)}</small></summary>"
        f"{table if group.shown else ''}{rest}</details>\n"
    )


@lru_cache(maxsize=512)
def _signals(signals: tuple[Shown, ...]) -> Markup:
    """Return every TEE signal with what it showed and what that means, folded."""
    if not signals:
        return Markup()
    visible = sum(one.value not in UNSEEN for one in signals)
    head = f"Where a TEE was looked for: {len(signals)} places, {visible} with something to see"
    table = _folded_table("Table: TEE signals", ("Place", "Saw", "Means"), signals, "qq xs")
    return Markup(f"<details><summary>{head}</summary>{table}</details>\n")  # noqa: S704 - escaped


def _folded_table(label: str, head: tuple[str, str, str], rows: Iterable[Shown], last: str) -> str:
    """Return a table of three columns; ``last`` are the classes of the third."""
    first, second, third = head
    body = "".join(
        f'<tr><th scope="row">{_text(row.title)}</th><td>{_text(row.value)}</td>'
        f'<td class="{last}">{_text(row.source)}</td></tr>\n'
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(label)}">'
        f'<table class="fit"><thead><tr><th scope="col">{first}</th><th scope="col">{second}</th>'
        f'<th scope="col" class="{last}">{third}</th></tr></thead>\n<tbody>{body}</tbody>'
        "</table></div>"
    )
