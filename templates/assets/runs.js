// The list of all runs: searched, filtered, sorted, a page at a time. The address keeps all of it, and
// the files with the runs come when a reader first wants one of these.
"use strict";

{
  const PER_PAGE = 50;
  const finder = document.getElementById("finder");
  const list = document.getElementById("list");
  const body = list.tBodies[0];
  const newest = [...body.rows]; // as the page came
  const [benchmarks, environments, models, caveats] = JSON.parse(finder.dataset.choices);
  const files = finder.dataset.shards.split(" ").filter(Boolean);
  const total = Number(finder.dataset.total);

  // Columns, each with what it is sorted by; what is not there stands last either way.
  const columns = {
    date: (run) => run.place,
    benchmark: ({ family }) => family,
    environment: ({ name }) => name,
    model: ({ model }) => model,
    result: ({ of, value, factor, unit }) => of && [of, Number(value.split(" to ").at(-1).replace(/,/g, "").replace("\u2212", "-")) * factor, unit],
    caveat: ({ marks }) => marks.map(({ short }) => short).join(", "),
  };
  const titles = { date: "date", benchmark: "benchmark", environment: "environment", model: "model", result: "headline result", caveat: "caveat" };

  const collate = new Intl.Collator("en", { numeric: true }).compare;
  const either = (a, b) => (typeof a === "number" ? a - b : collate(a, b));

  // Runs in the order of a column; equal ones stay the newest first.
  const sorted = (runs, want = "-date") => {
    const down = want.startsWith("-");
    const by = columns[want.replace("-", "")] || columns.date;
    const keyed = runs.map((run) => [by(run), run]);
    const nothing = (value) => value === "";
    // Of thousands of runs most say the same: each different text is compared once.
    const ranks = (values) => new Map([...new Set(values)].sort(either).map((value, rank) => [value, rank]));
    const texts = ranks(keyed.map(([value]) => (Array.isArray(value) ? value[0] : value)).filter((value) => !nothing(value)));
    const rank = (value) => (Array.isArray(value) ? texts.get(value[0]) : texts.get(value));
    const inside = (value) => (Array.isArray(value) ? value[1] : 0);
    keyed.sort(([a], [b]) => nothing(a) - nothing(b)
      || (nothing(a) ? 0 : (down ? -1 : 1) * (rank(a) - rank(b) || inside(a) - inside(b))));
    return keyed.map(([, run]) => run);
  };

  // A row as `site/lists` makes it
  const link = (href, textContent, className = "") => make("a", { ...className && { className }, href, textContent });
  const little = (textContent) => make("small", { textContent });

  const rowOf = (run) => make("tr", {},
    make("th", { scope: "row" }, link(`../runs/${run.id}/index.html`, run.when)),
    make("td", {}, run.family, little(run.about)),
    make("td", {}, make("span", { className: `sw c-${run.hue}` }), link(`../environments/${run.label}/index.html`, run.name), little(run.words)),
    make("td", {}, run.model),
    make("td", {}, ...run.of ? [make("b", { textContent: run.value }), run.unit && ` ${run.unit}`, little(run.of)] : []),
    make("td", {}, ...run.marks.flatMap(({ rule, short, sentence }) => [link(`../methodology/index.html#${rule}`, short, "m"), little(sentence)])));

  // Controls: what is chosen stands in the address

  const wanted = () => Object.fromEntries(state());
  const want = (changes, again = false) => {
    const kept = Object.entries({ ...wanted(), page: "", ...changes }).filter(([, value]) => value && value !== "-date");
    const address = kept.length ? `#${new URLSearchParams(kept)}` : location.pathname + location.search;
    if (address === location.hash) return;
    history[again ? "replaceState" : "pushState"](null, "", address);
    show();
  };

  const controls = {};
  const control = (name, title, node) => {
    controls[name] = node;
    node.onchange = () => want({ [name]: node.value });
    return make("label", {}, title, node);
  };
  const choice = (name, title, every, options) => control(name, title, make("select", {},
    ...every.map(([value, text]) => make("option", { value, textContent: text })),
    ...options.map(([value, text, count]) => make("option", { value, textContent: count === undefined ? text : `${text} (${count})` }))));
  const any = [["", "all"]];

  const said = make("output", { textContent: "" });
  const search = controls.q = make("input", { type: "search", placeholder: "all words, in any order" });
  const clear = make("button", { className: "plain", textContent: "Clear all", onclick: () => {
    want(Object.fromEntries(Object.keys(wanted()).map((name) => [name, ""])));
    search.focus();
  } });
  const orders = Object.keys(columns).flatMap((name) => ["-", ""].map((sign) => [
    sign + name, name === "date" ? `date, ${sign ? "newest" : "oldest"} first` : `${titles[name]}, ${sign ? "falling" : "rising"}`]));
  const more = make("details", {}, make("summary", { textContent: "Filter and sort" }), make("div", { className: "choices" },
    choice("benchmark", "Benchmark", any, benchmarks),
    choice("env", "Environment", any, environments),
    ...models.length ? [choice("model", "Model", any, models)] : [],
    ...caveats.length ? [choice("caveat", "Caveat", [...any, ["any", "any caveat"], ["none", "no caveat"]], caveats)] : [],
    control("from", "From", make("input", { type: "date" })),
    control("to", "To", make("input", { type: "date" })),
    choice("sort", "Sort by", [], orders)));
  more.open = matchMedia("(min-width: 48rem)").matches;
  finder.append(make("div", { className: "line" }, make("label", {}, "Search the runs", search), said, clear), more);

  document.querySelector("#all + p").remove(); // what is shown is said beside the search
  const steps = make("nav", { className: "links", ariaLabel: "Pages of the list" });
  list.after(steps);

  const heads = [...list.tHead.rows[0].cells].map((head, at) => {
    const name = Object.keys(columns)[at];
    const button = make("button", {}, ...head.childNodes);
    const first = name === "date" ? "-" : "";
    const other = first ? "" : "-";
    button.onclick = () => want({ sort: (wanted().sort || "-date") === first + name ? other + name : first + name });
    head.append(button);
    return [name, head];
  });

  // Showing

  const pageLink = (number, textContent) => {
    const now = new URLSearchParams(Object.entries({ ...wanted(), page: number > 1 ? number : "" }).filter(([, value]) => value));
    return make("a", { href: `#${now.size ? now : "page=1"}`, textContent });
  };

  let asked = 0;
  const show = async () => {
    const now = wanted();
    const turn = ++asked;
    for (const [name, node] of Object.entries(controls)) {
      if (node !== document.activeElement || name !== "q") node.value = now[name] || (name === "sort" ? "-date" : "");
    }
    const order = now.sort || "-date";
    for (const [name, head] of heads) {
      if (order.replace("-", "") !== name) head.removeAttribute("aria-sort");
      else head.ariaSort = order.startsWith("-") ? "descending" : "ascending";
    }
    const filters = Object.keys(now).filter((name) => controls[name] && name !== "sort").length;
    clear.hidden = !Object.keys(now).length;
    if (Object.keys(now).some((name) => name !== "q" && controls[name])) more.open = true;
    if (!Object.keys(now).length) {
      body.replaceChildren(...newest);
      said.textContent = many(total, newest.length);
      steps.replaceChildren(...total > newest.length ? [pageLink(newest.length / PER_PAGE + 1, "Further runs")] : []);
      return;
    }
    said.textContent = "Loading …";
    let runs;
    try {
      runs = await every();
    } catch {
      said.textContent = "The list of runs could not be loaded.";
      return;
    }
    if (turn !== asked) return;
    const found = sorted(sitegenRuns.chosen(runs, now), order);
    const pages = Math.max(1, Math.ceil(found.length / PER_PAGE));
    const at = Math.min(Math.max(1, Number(now.page) || 1), pages);
    body.replaceChildren(...found.slice((at - 1) * PER_PAGE, at * PER_PAGE).map(rowOf));
    said.textContent = filters ? `${found.length.toLocaleString("en-US")} of ${many(runs.length)}` : many(runs.length);
    steps.replaceChildren(...pages === 1 ? [] : [
      ...at > 1 ? [pageLink(at - 1, "Previous")] : [],
      make("span", { textContent: `Page ${at} of ${pages}` }),
      ...at < pages ? [pageLink(at + 1, "Next")] : [],
    ]);
  };

  const many = (count, shown = count) => (shown < count ? `the newest ${shown} of ` : "")
    + `${count.toLocaleString("en-US")} run${count === 1 ? "" : "s"}`;

  const every = async () => {
    const runs = await sitegenRuns.load(files);
    if (runs.length && runs[0].place === undefined) runs.forEach((run, at) => { run.place = runs.length - at; });
    return runs;
  };

  // Typing finds at once; Back leads to before it began.
  let typing;
  search.oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(() => want({ q: search.value }, Boolean(wanted().q)), 120);
  };
  for (const kind of ["focusin", "pointerover"]) finder.addEventListener(kind, () => every().catch(() => {}), { once: true, passive: true });
  addEventListener("popstate", show);
  show();
}
