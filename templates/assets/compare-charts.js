// Charts of the compare page, one a metric: drawn as the other pages draw theirs, and told to
// live.js as sitegen.charts.plotly tells it. After live.js, compare.js and compare-parts.js.
"use strict";

const MOST_CHARTS = 6;
const MOST_SERIES = 8;
const [WIDTH, LEFT, RIGHT, BAR, ROW] = [352, 124, 262, 14, 20]; // px
const HUGE = 1e300;

const shape = (tag, attributes, ...children) => {
  const node = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const clipped = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const charts = (shown, sides, relative, pairs, look) => {
  const groups = new Map();
  for (const one of shown) groups.set(one.metric, [...groups.get(one.metric) || [], one]);
  const figures = [...groups].slice(0, MOST_CHARTS).map(([{ title, arrow, better }, members]) => {
    const marks = members.slice(0, MOST_SERIES).flatMap((one) => marksOf(one, sides, relative, pairs));
    if (!marks.length) return "";
    const direction = arrow && `${arrow} ${better > 0 ? "higher" : "lower"} is better`;
    const left = members.length > MOST_SERIES && `${MOST_SERIES} of ${members.length} series`;
    const about = [relative ? "cost factor, above 1 is worse" : direction, left].filter(Boolean).join(" · ");
    const placed = placeOf(marks, relative);
    const figure = make("figure", { className: "chart" }, make("figcaption", {}, make("b", {}, title), make("span", {}, about)),
      make("div", { className: "plot" }, drawn(placed, relative, title)));
    figure.spec = JSON.stringify(specOf(placed, relative, sides, look));
    return figure;
  });
  const note = groups.size > MOST_CHARTS ? [make("p", { className: "note" }, `Drawn: ${MOST_CHARTS} of ${groups.size} metrics; the table has them all.`)] : [];
  return make("div", {}, make("div", { className: "panels" }, ...figures), ...note);
};

const marksOf = (one, sides, relative, pairs) => sides.flatMap((side) => {
  const cell = side.cells[one.place];
  const pair = pairs.get(side)?.get(one);
  const doubt = pair?.reason ? pair.word : rules[(pair?.doubts || cell?.doubts || [])[0]]?.[0];
  // A run's name begins as its environment's does: where it does not fit, its id tells it apart.
  const label = side.name.length > 18 && side.id !== side.environment ? `run ${side.id.slice(-8)}` : side.name;
  const rest = { group: one.title, label, side, doubt };
  if (relative) {
    if (!pair?.factor) return [];
    const ends = pair.interval ? `${significant(pair.interval.low)} to ${significant(pair.interval.high)}×` : "";
    return [{ ...rest, value: pair.factor, low: pair.interval?.low, high: pair.interval?.high, text: `${significant(pair.factor)}×`, behind: [ends, pair.word].filter(Boolean).join(", ") }];
  }
  if (!cell || cell.value === null) return [];
  const scaled = (value) => value === null ? undefined : value / one.factor;
  return [{ ...rest, value: cell.value / one.factor, low: scaled(cell.low), high: scaled(cell.high), text: `${valueOf(cell, one)} ${one.unit}`, behind: endsAndN(cell, one) }];
});

// Where each mark stands, and the extent of the axis.
const placeOf = (marks, relative) => {
  const ends = marks.flatMap(({ value, low, high }) => [value, low, high]).filter((end) => end > 0 && end < HUGE);
  const [least, most] = relative ? [Math.min(0.9, ...ends), Math.max(1.1, ...ends)] : [0, Math.max(...ends, 1 / HUGE)];
  const to = relative ? Math.log : (v) => v;
  const x = (value) => LEFT + Math.min(Math.max((to(value) - to(least)) / (to(most) - to(least)), 0), 1) * (RIGHT - LEFT);
  const wide = ({ low, high }) => low !== undefined && low !== null && x(high) - x(low) > (relative ? 10 : 3);
  let y = relative ? 20 : 0;
  let group;
  const headings = [];
  const rows = marks.map((mark) => {
    if (mark.group !== group) {
      group = mark.group;
      y += 18;
      headings.push([clipped(group, 54), y - 4]);
    }
    y += ROW;
    const { label, text, doubt, behind } = mark;
    const said = `${label}, ${group}: ${text}${doubt ? ` (${doubt})` : ""}${behind ? `\n${behind}` : ""}`;
    return { ...mark, top: y - ROW, wide: wide(mark), end: wide(mark) ? mark.high : mark.value, said };
  });
  return { rows, headings, least, most, x, height: y + 4 };
};

const drawn = ({ rows, headings, x, height }, relative, name) => {
  const zero = x(relative ? 1 : 0);
  const nodes = headings.map(([text, y]) => shape("text", { class: "k", y }, text));
  const axis = rows.map(({ top }) => shape("path", { class: "ax", d: `M${zero} ${top - 2}v20` }));
  for (const { label, side: { hue }, value, low, high, text, doubt, top, wide, end, said } of rows) {
    const node = shape("g", {}, shape("title", {}, said), shape("text", { class: "e", x: LEFT - 8, y: top + 11 }, clipped(label, 18)));
    if (relative) node.append(shape("circle", { class: doubt ? `ho c-${hue}` : `c-${hue}`, cx: x(value), cy: top + 7, r: 4.5 }));
    else node.append(shape("rect", { ...doubt ? { class: "hatch", fill: `url(#p-${hue})` } : { class: `bar c-${hue}` }, x: LEFT, y: top, width: Math.max(x(value) - LEFT, 0), height: BAR }));
    if (wide) node.append(shape("path", { class: "w", d: `M${x(low)} ${top + 7}H${x(high)}M${x(low)} ${top + 4}v6M${x(high)} ${top + 4}v6` }));
    node.append(shape("text", { x: x(end) + 8, y: top + 11, ...doubt ? { class: "k" } : {} }, text));
    nodes.push(node);
  }
  const label = `${name}: ${rows.map(({ group, label: side, text }) => `${group}, ${side}: ${text}`).slice(0, 12).join("; ")}`;
  if (relative) axis.push(shape("text", { class: "y mid", x: zero, y: 12 }, "1×"));
  return shape("svg", { class: "ch", viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: "img", "aria-label": label }, ...axis, ...nodes);
};

// The same for Plotly

const specOf = ({ rows, headings, least, most, height }, relative, sides, look) => {
  const hue = ({ side }) => `var(--${side.hue})`;
  const series = [...new Map(rows.map(({ label, side }) => [side, [label, side.hue]]))];
  const behind = series.map(([{ id, environment, page: place, when }]) => [id, when, id === environment ? `${place}/index.html` : ""]);
  const at = (one) => series.findIndex(([side]) => side === one.side);
  const off = (value) => value === undefined || value === null || Math.abs(value) > HUGE ? null : value;
  const trace = (own, more) => ({
    x: own.map(({ value }) => value), y: own.map(({ top }) => top + BAR / 2),
    hovertemplate: "%{customdata}<extra></extra>",
    meta: { series: own.map(at), runs: own.map((one) => [at(one)]), group: own.map(({ group }) => group), low: own.map(({ low }) => off(low)), high: own.map(({ high }) => off(high)), doubt: own.map(({ doubt }) => doubt || "") },
    ...more,
  });
  const bars = (own, marker) => trace(own, { type: "bar", orientation: "h", width: BAR, marker });
  const errors = (own) => ({ type: "data", thickness: 1.5, width: 3, array: own.map(({ wide, value, high }) => wide ? high - value : 0), arrayminus: own.map(({ wide, value, low }) => wide ? value - low : 0) });
  const sure = rows.filter(({ doubt }) => !doubt);
  const doubtful = rows.filter(({ doubt }) => doubt);
  const points = trace(rows, { type: "scatter", mode: "markers", cliponaxis: false, error_x: { ...errors(rows), color: "var(--ink)" },
    marker: { size: 9, color: rows.map((one) => one.doubt ? "var(--bg)" : hue(one)), line: { color: rows.map(hue), width: rows.map(({ doubt }) => doubt ? 1.75 : 0) } } });
  const wide = rows.filter((one) => one.wide);
  const data = relative ? [points] : [
    bars(sure, { color: sure.map(hue) }),
    bars(doubtful, { color: "var(--doubt)", line: { color: "var(--doubt-line)", width: 1 }, pattern: { shape: "/", fgcolor: doubtful.map(hue), bgcolor: "var(--doubt)", size: 6 } }),
    { ...trace(wide), type: "scatter", mode: "markers", hoverinfo: "skip", hovertemplate: undefined, marker: { opacity: 0 }, error_x: { ...errors(wide), color: "var(--ink)" } },
  ].filter(({ x }) => x.length);
  const zero = relative ? 1 : 0;
  data.push({ type: "scatter", mode: "lines", hoverinfo: "skip", cliponaxis: false, line: { color: "var(--ink3)", width: 1 }, meta: { series: [] },
    x: rows.flatMap(() => [zero, zero, null]), y: rows.flatMap(({ top }) => [top - 2, top + 18, null]) });
  data.push({ type: "scatter", mode: "text", hoverinfo: "skip", cliponaxis: false, textposition: "middle right", meta: { series: rows.map(at) },
    x: rows.map(({ end }) => end), y: rows.map(({ top }) => top + BAR / 2), text: rows.map(({ text }) => `${relative ? "\u00a0\u00a0" : "\u00a0"}${escaped(text)}`),
    textfont: { color: rows.map(({ doubt }) => doubt ? "var(--ink)" : "var(--ink2)"), weight: rows.map(({ doubt }) => doubt ? 650 : "normal") } });
  const [low, high] = relative ? [Math.log10(least), Math.log10(most)] : [least, most];
  const note = (text, y, more) => ({ text: escaped(text), x: 0, y, xref: "paper", yref: "y", showarrow: false, borderpad: 0, xanchor: "left", yanchor: "middle", xshift: -LEFT, ...more });
  const still = { showgrid: false, zeroline: false, fixedrange: true };
  return { data, layout: {
    ...look, height, margin: { l: LEFT, r: 0, t: 0, b: 0, pad: 0 },
    xaxis: { ...still, type: relative ? "log" : "linear", showticklabels: false, range: [low, low + (high - low) * (WIDTH - LEFT) / (RIGHT - LEFT)] },
    yaxis: { ...still, range: [height, 0], tickmode: "array", tickvals: rows.map(({ top }) => top + BAR / 2), ticktext: rows.map(({ label }) => escaped(clipped(label, 18))), ticks: "outside", ticklen: 4, tickcolor: "rgba(0,0,0,0)", tickfont: { color: "var(--ink2)" } },
    annotations: [...headings.map(([text, y]) => note(text, y - 4, { font: { color: "var(--ink)", weight: 650 } })),
      ...relative ? [note("1×", 8, { x: 0, xref: "x", xanchor: "center", xshift: 0, font: { color: "var(--ink3)", size: 11 } })] : []],
    meta: { name: sides.map(({ name }) => name).reverse().join(" vs "), unit: relative ? "×" : "", series: series.map(([, told]) => told), runs: behind },
  } };
};
