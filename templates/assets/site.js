// Additions: the page is whole without JavaScript.
"use strict";

const page = document.documentElement;
const all = (selector) => [...document.querySelectorAll(selector)];

const make = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

// Live charts: Plotly comes on first intent and lies over the SVG.

const live = new Map(); // figure -> its box
const coarse = matchMedia("(pointer: coarse)").matches;

// Only the browser can resolve var() and light-dark().
const probe = make("i", { hidden: true });
const resolve = (key, value) => {
  if (!/^var\(--[\w-]+\)$/.test(value)) return value;
  probe.style.color = value;
  return getComputedStyle(probe).color;
};

const drawing = (figure) => {
  const { data, layout } = JSON.parse(figure.querySelector(".spec").textContent, resolve);
  const { font, xaxis, yaxis } = layout;
  font.family = getComputedStyle(page).getPropertyValue("--sans");
  delete layout.height; // the box has the SVG's size
  if (coarse) xaxis.fixedrange = yaxis.fixedrange = true; // a finger that moves is scrolling
  const still = xaxis.fixedrange;
  layout.dragmode = still ? false : "zoom";
  const image = { name: "image", title: "Download as PNG", icon: Plotly.Icons.camera, click: () => download(figure) };
  const modeBarButtons = [[image, ...(still ? [] : ["resetScale2d"])]];
  return { data, layout, config: { responsive: true, displaylogo: false, modeBarButtons } };
};

// A picture that leaves the page takes its caption along.
const download = (figure) => {
  const { data, layout } = drawing(figure);
  const { l, r, t, b } = layout.margin;
  const box = live.get(figure);
  const [text, about] = ["b", "span"].map((part) =>
    figure.querySelector(`figcaption ${part}`).textContent.replace(/&/g, "&amp;").replace(/</g, "&lt;"));
  layout.margin = { l: l + 12, r: r + 12, t: t + 64, b: b + 12 };
  layout.title = { text, subtitle: { text: about, font: { size: 12 } }, x: 0, pad: { l: 12 }, font: { size: 14, weight: 650 } };
  Plotly.downloadImage({ data, layout }, { format: "png", scale: 3, filename: figure.id, width: box.clientWidth + 24, height: box.clientHeight + 76 });
};

const draw = async (figure) => {
  const plot = figure.querySelector(".plot");
  const box = make("div", { className: "live", role: "group", ariaLabel: plot.firstElementChild.ariaLabel });
  plot.append(box);
  try {
    await Plotly.newPlot(box, drawing(figure));
    live.set(figure, box);
    figure.dataset.live = "1";
  } catch (error) {
    box.remove(); // the SVG still stands
    console.warn("A chart stays static:", error);
  }
};

const repaint = () => live.forEach((box, figure) => Plotly.react(box, drawing(figure)));

const load = (tag, properties) => new Promise((onload, onerror) => {
  document.head.append(make(tag, { ...properties, onload, onerror }));
});

const addLiveCharts = (figures) => {
  const assets = page.dataset.assets || "";
  let last = Promise.resolve();
  let begun = false;

  const visible = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      visible.unobserve(target);
      last = last.then(() => draw(target)).then(() => new Promise(setTimeout)); // one chart a task
    }
  }, { rootMargin: "200px" });

  const begin = async () => {
    if (begun) return;
    begun = true;
    // Id and class tell Plotly not to write a style sheet, which the policy would refuse.
    const style = { rel: "stylesheet", id: "plotly.js-style-global", className: "no-inline-styles", href: `${assets}plotly.css` };
    await Promise.all([load("link", style), load("script", { src: `${assets}plotly.min.js` })]);
    figures.forEach((figure) => visible.observe(figure));
  };

  const once = { once: true, passive: true };
  for (const figure of figures) figure.addEventListener("pointerover", begin, once);
  for (const kind of ["touchstart", "keydown"]) addEventListener(kind, begin, once);
  addEventListener("load", () => (window.requestIdleCallback || setTimeout)(() => {
    addEventListener("scroll", begin, once); // now: a page opened at an anchor scrolls by itself
    if (navigator.connection?.saveData || !location.protocol.startsWith("http")) return;
    for (const name of ["plotly.css", "plotly.min.js"]) {
      document.head.append(make("link", { rel: "prefetch", href: assets + name }));
    }
  }));
};

// Theme: the system's, light or dark.

const addThemeButton = (bar) => {
  const themes = ["auto", "light", "dark"];
  const button = make("button", { className: "plain" });
  let theme;
  try {
    theme = localStorage.theme;
  } catch { /* no storage: the choice lasts as long as the page */ }
  const set = (next = "auto") => {
    theme = next;
    button.textContent = `Theme: ${theme}`;
    page.dataset.theme = theme;
    repaint();
  };
  button.onclick = () => {
    set(themes[(themes.indexOf(theme) + 1) % 3]);
    try {
      localStorage.theme = theme;
    } catch { /* as above */ }
  };
  set(theme);
  bar.append(button);
};

// Search: its script comes when it is first asked for.

const addSearchButton = (bar) => {
  let ready;
  const open = () => {
    const { assets } = page.dataset;
    ready ||= Promise.all([load("link", { rel: "stylesheet", href: `${assets}search.css` }), load("script", { src: `${assets}search.js` })]);
    ready.then(() => sitegenSearch.open());
  };
  bar.append(make("button", { className: "plain", textContent: "Search", title: "Search this report: /", ariaHasPopup: "dialog", onclick: open }));
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    open();
  });
};

// Tables: sorted by a column, filtered by words; the address keeps the filter.

const key = (row, column) => {
  const cell = row.cells[column];
  const text = cell ? cell.dataset.v ?? cell.textContent.trim() : "";
  const value = Number(text.replace(/[,\s]/g, "").replace("\u2212", "-"));
  return text === "" ? null : Number.isNaN(value) ? text : value;
};

const order = (a, b) => typeof a === "number" && typeof b === "number"
  ? a - b
  : String(a).localeCompare(String(b), "en", { numeric: true });

const makeSortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  for (const head of heads) {
    if (!head.textContent.trim() || head.matches(".strip")) continue;
    const button = make("button", {}, ...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const sign = head.ariaSort === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = sign > 0 ? "ascending" : "descending";
      for (const body of table.tBodies) {
        const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
        // What is not measured stands last either way.
        rows.sort(([a], [b]) => (a === null) - (b === null) || sign * order(a, b));
        body.append(...rows.map(([, row]) => row));
      }
    };
  }
};

const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

const makeFilterable = (table, index) => {
  const name = table.id || `filter${index || ""}`;
  const input = make("input", { type: "search" });
  input.dataset.filter = name;
  const count = make("output");
  const rows = [...table.querySelectorAll("tbody tr:not(.g)")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = input.value.toLowerCase().split(" ");
    rows.forEach((row, i) => { row.hidden = !words.every((word) => texts[i].includes(word)); });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  const recall = () => {
    input.value = state().get(name) || "";
    apply();
  };
  input.oninput = apply;
  input.onchange = () => {
    const now = state();
    now.set(name, input.value);
    if (!input.value) now.delete(name);
    history.replaceState(null, "", `#${now}`);
  };
  addEventListener("hashchange", recall);
  recall();
  const tools = make("div", { className: "tools" }, make("label", {}, "Filter", input), count);
  (table.closest(".scroll") || table).before(tools);
};

// Copying: a text, or the address of a place.

const addCopyButton = (node) => {
  const { copy, copyLink } = node.dataset;
  const label = node.dataset.label ?? (copyLink === undefined ? "Copy" : "Copy link");
  const button = make("button", { className: "plain", textContent: label });
  const said = make("span", { className: "vh", ariaLive: "polite" });
  button.onclick = async () => {
    const text = copyLink === undefined ? copy || node.textContent.trim() : new URL(copyLink, location).href;
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied";
    } catch {
      node.textContent ||= text;
      getSelection().selectAllChildren(node);
      said.textContent = "Selected: press Ctrl+C";
    }
    button.textContent = said.textContent;
    setTimeout(() => { button.textContent = label; }, 2000);
  };
  node.after(button, said);
};

// What a page folds away comes as a script when it is opened: a page on a disk may load nothing else.

const unfold = (folded) => {
  const { rest, from } = folded.dataset;
  delete folded.dataset.rest;
  const place = folded.lastElementChild;
  const put = () => {
    const html = self.sitegenRest?.[rest];
    if (!html) return;
    place.insertAdjacentHTML("afterend", html);
    place.remove();
    folded.querySelectorAll("table.sortable").forEach(makeSortable);
    folded.querySelectorAll("table.filterable").forEach(makeFilterable);
    const charts = [...folded.querySelectorAll("figure.chart:has(.spec)")];
    if (charts.length && !still) addLiveCharts(charts);
  };
  self.sitegenRest ? put() : load("script", { src: from }).then(put);
};

document.body.append(probe);
const bar = document.querySelector(".top .wrap");
addSearchButton(bar);
addThemeButton(bar);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
all("table.sortable").forEach(makeSortable);
all("table.filterable").forEach(makeFilterable);
all("[data-copy], [data-copy-link]").forEach(addCopyButton);
const figures = all("figure.chart:has(.spec)");
const still = /[?&]live=0\b/.test(location.search) || matchMedia("(prefers-reduced-data: reduce)").matches;
if (figures.length && !still) addLiveCharts(figures);
for (const folded of all("details.rest")) folded.addEventListener("toggle", () => folded.open && folded.dataset.rest && unfold(folded));
