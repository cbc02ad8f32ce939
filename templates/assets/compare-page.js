// Any two to five environments or runs, chosen here; the address keeps the choice.
// It comes after site.js (make, all, load, state, addCopyButton), live.js and the other compare-*.js.
"use strict";

// The choice, in the address

const MOST = 5;
const place = document.getElementById("compare");
const offers = new Map(all("tr[data-benchmark]").map((row) => [row.dataset.benchmark, {
  title: row.querySelector("th").textContent, ...row.dataset,
}]));
const files = new Map(); // file -> what it holds

const read = () => {
  const now = state();
  return {
    b: now.get("b") || "",
    sel: [...new Set((now.get("sel") || "").split(",").filter(Boolean))],
    norm: now.get("norm") || "baseline",
    m: now.get("m") || "",
    model: now.get("model") || "",
  };
};

const write = (change) => {
  const { b, sel, norm, m, model } = { ...read(), ...change };
  const pairs = Object.entries({ b: [b], sel, norm: [norm], m: [m], model: [model] }).filter(([, values]) => values.join(""));
  history.pushState(null, "", `#${pairs.map(([name, values]) => `${name}=${values.map(encodeURIComponent).join(",")}`).join("&")}`);
  show();
};

const fetched = async (file) => {
  if (!files.has(file)) {
    self.sitegenData ||= [];
    await load("script", { src: file });
    files.set(file, self.sitegenData.pop());
  }
  return files.get(file);
};

const seriesOf = (data) => {
  const metrics = data.metrics.map(([id, title, better, divided, arrow, paces]) => ({ id, title, better, divided, arrow, paces }));
  return data.series.map(([at, title, statistic, unit, factor, headline, proof, model], place) =>
    ({ place, metric: metrics[at], title, statistic, unit, factor, headline, proof, model: data.models[model] || "" }));
};

// The page

let turn = 0; // an answer that comes late is dropped

const show = async () => {
  const mine = ++turn;
  const want = read();
  const complaints = [];
  const offer = offers.get(want.b);
  if (want.b && !offer) complaints.push(`no benchmark is called ${want.b}`);
  let data = null;
  let sides = [];
  try {
    data = offer && await fetched(offer.sides);
    let known = data ? sidesOf(data) : [];
    const single = (id) => data?.runs.find(([full]) => full === id || full.endsWith(`-${id}`))?.[0];
    if (data && want.sel.some((id) => !known.some((side) => side.id === id) && single(id))) {
      known = sidesOf(data, await fetched(offer.runs));
    }
    sides = want.sel.map((id) => known.find((side) => side.id === id) || known.find((side) => side.id === single(id)));
  } catch {
    complaints.push(`the figures of ${offer.title} did not load`);
    data = null;
  }
  if (mine !== turn) return;
  if (!data) {
    sides = [];
  } else {
    const unknown = want.sel.filter((_, i) => !sides[i]);
    if (unknown.length) complaints.push(`${data.title} has no environment and, among its newest ${data.runs.length} runs, no run ${unknown.join(", ")}`);
    sides = [...new Set(sides.filter(Boolean))];
    if (sides.length > MOST) complaints.push(`at most ${MOST} at once: left out ${sides.splice(MOST).map(({ name }) => name).join(", ")}`);
  }
  if (!["baseline", "absolute"].includes(want.norm)) {
    complaints.push(`${want.norm} is no way to show them`);
    want.norm = "baseline";
  }
  let series = data ? seriesOf(data) : [];
  const metrics = [...new Set(series.map((one) => one.metric))];
  // Nothing is offered that none of the chosen measured.
  const measured = series.filter((one) => !sides.length || sides.some(({ cells }) => cells[one.place]));
  const models = [...new Set(measured.map((one) => one.model).filter(Boolean))];
  if (data && want.m && want.m !== "all" && !metrics.some(({ id }) => id === want.m)) {
    complaints.push(`no metric here is called ${want.m}`);
    want.m = "";
  }
  if (data && want.model && !models.includes(want.model)) {
    complaints.push(`no series here is of the model ${want.model}`);
    want.model = "";
  }
  if (want.model) series = series.filter((one) => one.model === want.model);
  controls(want, data, metrics.filter((one) => one.id === want.m || measured.some(({ metric: own }) => own === one)), models, sides);
  results(want, data, series, sides, complaints);
  const ready = document.querySelector(".presets");
  if (ready && page.dataset.choosing === "all") ready.open = false;
  delete page.dataset.choosing; // all of it stands in its place
};

// Controls: made once, so that the focus stays; their contents follow the choice.

const field = (title, id) => {
  const select = make("select", { id });
  return { select, box: make("div", {}, make("label", { htmlFor: id }, title), select) };
};
const option = (value, text = value) => make("option", { value, textContent: text });
const fill = (select, value, options) => {
  select.replaceChildren(...options);
  select.value = value;
};
const action = (textContent, side, onclick) => make("button", { className: "plain", type: "button", textContent, onclick, ariaLabel: `${textContent}: ${side.name}` });

const which = field("Benchmark", "which");
const adding = field("Environment or run", "adding");
const metric = field("Metric", "metric");
const form = field("Shown", "form");
const model = field("Model", "model");
const chips = make("ul", { className: "chosen", tabIndex: -1, ariaLabel: "Chosen" });
const add = action("Add", { name: "the environment or run" }, () => adding.select.value && write({ sel: [...read().sel, adding.select.value] }));
which.select.onchange = () => write({ b: which.select.value, sel: [], m: "", model: "" });
model.select.onchange = () => write({ model: model.select.value });
metric.select.onchange = () => write({ m: metric.select.value });
form.select.onchange = () => write({ norm: form.select.value });

const controls = (want, data, metrics, models, sides) => {
  const free = (id) => !sides.some((side) => side.id === id);
  const keep = (ids) => {
    chips.focus(); // the button that was pressed goes away
    write({ sel: ids });
  };
  fill(which.select, want.b, [option("", "choose one"), ...[...offers].map(([id, { title }]) => option(id, title))]);
  fill(metric.select, want.m, [option("", "headline series"), option("all", "all"), ...metrics.map(({ id, title }) => option(id, title))]);
  fill(model.select, want.model, [option("", "all"), ...models.map((name) => option(name))]);
  model.box.hidden = models.length < 2;
  fill(form.select, want.norm, [option("baseline", "against the first"), option("absolute", "as measured")]);
  const groups = data ? [["Environments", data.sides.map(({ id, name }) => [id, name])], ["Runs, newest first", data.runs.map(([id, , name, about]) => [id, `${name}, ${about}`])]] : [];
  fill(adding.select, "", groups.map(([title, found]) => make("optgroup", { label: title }, ...found.filter(([id]) => free(id)).map(([id, name]) => option(id, name)))));
  adding.select.selectedIndex = 0;
  add.disabled = adding.select.disabled = !data || sides.length === MOST;
  chips.replaceChildren(...sides.map((side, i) => {
    const rest = sides.filter((other) => other !== side).map(({ id }) => id);
    return make("li", {}, named(side), make("span", {}, side.about), ...(i ? [action("as baseline", side, () => keep([side.id, ...rest]))] : [make("b", {}, "baseline")]),
      action("remove", side, () => keep(rest)));
  }));
};

// Results

const results = (want, data, series, sides, complaints) => {
  rules = data?.rules || {};
  const [base, ...others] = sides;
  const pairs = new Map(others.map((side) => [side, new Map(series.map((one) => [one, compared(one, side, base, rules)]))]));
  const measured = series.filter((one) => sides.some(({ cells }) => cells[one.place]));
  const divided = (one) => others.some((side) => pairs.get(side).get(one));
  const leads = (one) => one.headline || others.some((side) => pairs.get(side).get(one)?.headline);
  let shown = measured.filter((one) => !want.m ? leads(one) && (divided(one) || !others.length) : want.m === "all" || one.metric.id === want.m);
  const fallen = !want.m && !shown.length;
  if (fallen) shown = measured;
  const told = others.map((side) => sentence(side, base, shown.map((one) => [one, pairs.get(side).get(one)])));
  if (!data) told.push("Choose a benchmark, then two to five sides. The address of the page keeps the choice.");
  else if (sides.length < 2) told.push(sides.length ? `${base.name} is the baseline: add another side.` : "Add two sides.");
  if (fallen && others.length) told.push("No headline series is among what they share: every series is listed, and none gets a word.");
  say(told, complaints, others.length);
  const names = others.map(({ name }) => name);
  document.title = names.length ? `${[names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" and ")} against ${base.name}: ${data.title}` : untitled;
  const parts = [];
  if (base && shown.length) {
    const relative = want.norm !== "absolute" && others.length > 0;
    const commons = new Map(others.map((side) => {
      const reasons = new Set(shown.map((one) => pairs.get(side).get(one)).filter(Boolean).map(({ reason }) => reason));
      return [side, reasons.size === 1 ? [...reasons][0] : ""];
    }));
    const rows = shown.map((one) => make("tr", {}, seriesHead(one), valueCell(base, one),
      ...others.map((side) => relative ? costCell(side, base, one, pairs.get(side).get(one), commons.get(side)) : valueCell(side, one))));
    const head = ["Series", base.name, ...others.map(({ name }) => relative ? `${name}, cost` : name)];
    parts.push(sectionOf("figures", "Figures", relative ? "positive is worse · times: E/B − 1, rates: 1 − E/B · interval at 95 %" : "means of run values, with their intervals",
      charts(shown, sides, relative, pairs, data.look), tableOf("figures", "costs", head, rows),
      ...data.background.length ? [make("p", { className: "note" }, `Left out of the titles, because all of a workload shares it: ${data.background.join("; ")}.`)] : []));
  }
  if (others.length) parts.push(differences(sides));
  if (data) {
    const address = make("pre", { className: "copy", textContent: location.href });
    parts.push(sectionOf("link", "Link to this comparison", "the address holds the choice", address));
    addCopyButton(address);
  }
  output.replaceChildren(...parts);
  liveCharts.add([...output.querySelectorAll("figure.chart")]);
};

const say = (told, complaints, compares) => {
  const heading = document.getElementById("finding");
  title ||= heading.textContent;
  heading.textContent = compares === 1 ? told[0] : title;
  const nodes = told.slice(compares === 1 ? 1 : 0).map((text) => make("p", { className: "lede", textContent: text }));
  nodes.push(...complaints.map((text) => make("p", { className: "lede" }, make("mark", {}, "Not here"), ` ${text}.`)));
  document.getElementById("said").replaceChildren(...nodes);
};
let title = "";
const untitled = document.title;

const output = make("div");
place.append(sectionOf("choose", "Choose", `two to ${MOST}; the first is the baseline`,
  make("div", { className: "choose" }, which.box, adding.box, add, metric.box, model.box, form.box), chips), output);
addEventListener("popstate", show); // back, forward, and every link into this page
show();
