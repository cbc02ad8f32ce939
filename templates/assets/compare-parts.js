// Parts of the compare page: its sections and tables, sentences, what differs, charts. Between
// compare.js, whose numbers they show, and compare-page.js.
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
  const most = worst ? `; overhead at most ${percent(share(pair.factor, worst.metric.better))} % (${worst.title})` : "";
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

// Charts: one a metric, drawn as the other pages draw theirs.

const shape = (tag, attributes, ...children) => {
  const node = document.createElementNS(document.querySelector("svg").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

const charts = (shown, sides, relative, pairs, rules) => {
  const groups = new Map();
  for (const one of shown) groups.set(one.metric, [...groups.get(one.metric) || [], one]);
  const panels = [...groups].slice(0, 6).map(([{ title, arrow, better }, members]) => {
    const marks = members.slice(0, 8).flatMap((one) => marksOf(one, sides, relative, pairs, rules));
    if (!marks.length) return "";
    const direction = arrow && `${arrow} ${better > 0 ? "higher" : "lower"} is better`;
    const left = members.length > 8 && `8 of ${members.length} series`;
    const about = [relative ? "cost factor, above 1 is worse" : direction, left].filter(Boolean).join(" · ");
    return make("figure", {}, make("figcaption", {}, make("b", {}, title), make("span", {}, about)), panel(marks, relative, title));
  });
  const note = groups.size > 6 ? [make("p", { className: "note" }, `Drawn: 6 of ${groups.size} metrics; the table has them all.`)] : [];
  return make("div", {}, make("div", { className: "panels" }, ...panels), ...note);
};

const marksOf = (one, sides, relative, pairs, rules) => sides.flatMap((side) => {
  const cell = side.cells[one.place];
  const pair = pairs.get(side)?.get(one);
  const doubt = pair?.reason ? pair.word : rules[(pair?.doubts || cell?.doubts || [])[0]]?.[0];
  // A run's name begins as its environment's does: where it does not fit, its id tells it apart.
  const label = side.name.length > 18 && side.id !== side.environment ? `run ${side.id.slice(-8)}` : side.name;
  const rest = { group: one.title, label, hue: side.hue, doubt };
  if (relative) {
    return pair?.factor ? [{ ...rest, value: pair.factor, low: pair.interval?.low, high: pair.interval?.high, text: `${significant(pair.factor)}×` }] : [];
  }
  const scaled = (value) => value === null ? undefined : value / one.factor;
  return cell && cell.value !== null ? [{ ...rest, value: cell.value / one.factor, low: scaled(cell.low), high: scaled(cell.high), text: `${valueOf(cell, one)} ${one.unit}` }] : [];
});

const panel = (marks, relative, name) => {
  const [left, right] = [124, 262];
  const ends = marks.flatMap(({ value, low, high }) => [value, low, high]).filter((end) => end > 0 && end < 1e300);
  const [least, most] = relative ? [Math.min(0.9, ...ends), Math.max(1.1, ...ends)] : [0, Math.max(...ends, 1e-300)];
  const to = relative ? Math.log : (v) => v;
  const x = (value) => left + Math.min(Math.max((to(value) - to(least)) / (to(most) - to(least)), 0), 1) * (right - left);
  const nodes = [];
  const zero = x(relative ? 1 : 0);
  let y = relative ? 20 : 0;
  let group;
  const axis = [];
  for (const { group: own, label, hue, value, low, high, text, doubt } of marks) {
    if (own !== group) {
      group = own;
      y += 18;
      nodes.push(shape("text", { class: "k", y: y - 4 }, clipped(own, 54)));
    }
    const node = shape("g", {}, shape("title", {}, `${own}, ${label}: ${text}${doubt ? `, ${doubt}` : ""}`), shape("text", { class: "e", x: left - 8, y: y + 11 }, clipped(label, 18)));
    let after = x(value);
    if (relative) node.append(shape("circle", { class: doubt ? `ho c-${hue}` : `c-${hue}`, cx: after, cy: y + 7, r: 4.5 }));
    else node.append(shape("rect", { ...doubt ? { class: "hatch", fill: `url(#p-${hue})` } : { class: `bar c-${hue}` }, x: left, y, width: Math.max(after - left, 0), height: 14 }));
    if (low !== undefined && low !== null && x(high) - x(low) > (relative ? 10 : 3)) {
      node.append(shape("path", { class: `w c-${hue}`, d: `M${x(low)} ${y + 7}H${x(high)}M${x(low)} ${y + 4}v6M${x(high)} ${y + 4}v6` }));
      after = x(high);
    }
    node.append(shape("text", { x: after + 8, y: y + 11, ...doubt ? { class: "k" } : {} }, text));
    nodes.push(node);
    axis.push(shape("path", { class: "ax", d: `M${zero} ${y - 2}v20` }));
    y += 20;
  }
  const label = `${name}: ${marks.map(({ group: own, label: side, text }) => `${own}, ${side}: ${text}`).slice(0, 12).join("; ")}`;
  if (relative) axis.push(shape("text", { class: "y mid", x: zero, y: 12 }, "1×"));
  return shape("svg", { class: "ch", viewBox: `0 0 352 ${y + 4}`, width: 352, height: y + 4, role: "img", "aria-label": label }, ...axis, ...nodes);
};

const clipped = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
