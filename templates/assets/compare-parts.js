// Parts of the compare page: its sections and tables, sentences, what differs. Between compare.js,
// whose numbers they show, and compare-page.js.
"use strict";

const small = (text) => text ? [make("small", {}, text)] : [];
const sectionOf = (id, title, about, ...children) => {
  const section = make("section", {}, make("div", { className: "head" }, make("h2", { id, textContent: title }), make("p", {}, about)), ...children);
  section.setAttribute("aria-labelledby", id);
  return section;
};
const tableOf = (title, className, head, rows) => {
  const cells = head.map((text, i) => make("th", { scope: "col", className: i && className === "costs" ? "n" : "", textContent: text }));
  const table = make("table", { className }, make("thead", {}, make("tr", {}, ...cells)), make("tbody", {}, ...rows));
  return make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `Table: ${title}` }, table);
};

// Sentences

const sentence = (side, base, found) => {
  const pairs = found.filter(([, pair]) => pair);
  const start = `${side.name} against ${base.name}: `;
  if (!pairs.length) return `${start}no series in common${side.apart.has(base.id) ? `: the nearest two differ in ${side.apart.get(base.id)}` : ""}.`;
  const reasons = [...new Set(pairs.map(([, { reason }]) => reason))];
  if (reasons.length === 1 && reasons[0]) return `${start}not comparable, because ${reasons[0]}.`;
  const counts = new Map();
  for (const [, { word }] of pairs) {
    const said = word || "no word";
    counts.set(said, (counts.get(said) || 0) + 1);
  }
  const clean = pairs.filter(([, { doubts, reason }]) => !doubts.length && !reason);
  const [worst, pair] = clean.sort(([, a], [, b]) => b.factor - a.factor)[0] || [];
  // The worst of all: an estimate and no bound, in words that turn no gain into a negative loss.
  const effect = worst && effectOf(pair.factor, null, worst.metric).replace("\u2212", "");
  const most = !worst ? "" : pair.factor < 1 ? `; the smallest gain by estimate: ${effect} (${worst.title})`
    : `; the largest cost by estimate: ${effect} (${worst.title})`;
  return `${start}${[...counts].map(([word, n]) => `${word} (${n})`).join(", ")}${most}.`;
};

// What differs between the sides, as Python says it of each pair: first what forbids a comparison.

const differences = (sides) => {
  const [base, ...others] = sides;
  const places = [...new Set(others.flatMap((side) => side.differ(base)))].sort((a, b) => a - b);
  const rows = places.map((place) => {
    const [title, meaning, missing] = base.rows[place];
    const values = sides.map(({ values: own }) => own[base.names[place]] ?? missing);
    return make("tr", {}, make("th", { scope: "row" }, title, ...small(meaning)), ...values.map((value) => make("td", {}, value)));
  });
  return sectionOf("differ", "What differs", many(rows.length, "difference"),
    rows.length ? tableOf("what differs", "differ", ["Setting or fact", ...sides.map(({ name }) => name)], rows) : make("p", {}, "They differ in nothing that was recorded of both."));
};

// Cells of the table of figures

let rules = {}; // those of the benchmark that is shown

const named = (side) => make("span", {}, make("span", { className: `sw c-${side.hue}` }), make("a", { href: `../${side.page}/index.html`, textContent: side.name }));

// What a value stands on: its interval, and how many runs.
const endsAndN = (cell, one) => {
  const runs = `${many(cell.runs, "run")} of ${cell.repetitions}`;
  const counted = cell.level === "run" ? runs : `${many(cell.count, cell.level)}, ${runs}`;
  const n = cell.runs ? counted : cell.value === null ? "" : "n unknown";
  const [low, high] = [cell.low, cell.high].map((end) => end === null ? "" : significant(end / one.factor));
  const ends = low === high ? "" : `${low} to ${high}`;
  return [ends, n].filter(Boolean).join(" · ");
};

const valueCell = (side, one) => {
  const cell = side.cells[one.place];
  const node = make("td", { className: "n" });
  node.dataset.name = side.name;
  if (!cell) {
    node.append(make("span", { className: "qq", title: "not measured", textContent: "·" }));
    return node;
  }
  const doubt = cell.doubts[0];
  node.append(make("span", { className: doubt ? "qq" : "", textContent: valueOf(cell, one) }), ...small(endsAndN(cell, one)));
  if (doubt) node.append(make("span", { className: "m", textContent: rules[doubt][0] }));
  return node;
};

const costCell = (side, base, one, found, common) => {
  if (!found) return valueCell(side, one);
  const { factor, interval, word, reason, doubts, detail } = found;
  const node = make("td", { className: "n" });
  node.dataset.name = side.name;
  const doubt = reason || doubts.length;
  if (factor) node.append(make("span", { className: doubt ? "off" : "v", title: `slowdown ${significant(factor)}×`, textContent: effectOf(factor, interval, one.metric) }));
  if (interval) node.append(...small(spanOf(factor, interval, one.metric.better)));
  node.append(...small(`${valueOf(side.cells[one.place], one)} ${one.unit}`.trim()));
  if (doubt) node.append(make("span", { className: "m", textContent: word }), ...small(reason === common ? "" : reason));
  else if (word) node.append(make("div", {}, word));
  node.append(...small(detail));
  return node;
};

const seriesHead = ({ title, statistic, unit, metric: { title: name, arrow } }) => make("th", { scope: "row" }, title,
  ...small([`${name},`, statistic, unit, arrow].filter(Boolean).join(" ")));
