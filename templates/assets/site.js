// Additions: the page is whole without JavaScript.
"use strict";

const page = document.documentElement;
const all = (selector) => [...document.querySelectorAll(selector)];

const make = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const load = (tag, properties) => new Promise((onload, onerror) => {
  document.head.append(make(tag, { ...properties, onload, onerror }));
});

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
    dispatchEvent(new Event("theme")); // live charts take on its colours
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
  let texts; // read on first use: a page may have thousands of cells
  const apply = () => {
    const words = input.value.toLowerCase().split(" ").filter(Boolean);
    if (words.length) texts ||= rows.map((row) => row.textContent.toLowerCase());
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

const unfold = async (folded) => {
  const { rest, from } = folded.dataset;
  if (!self.sitegenRest) await load("script", { src: from });
  const html = self.sitegenRest?.[rest];
  if (!html || !folded.dataset.rest) return;
  delete folded.dataset.rest;
  const place = folded.lastElementChild;
  place.insertAdjacentHTML("afterend", html);
  place.remove();
  folded.querySelectorAll("table.sortable").forEach(makeSortable);
  folded.querySelectorAll("table.filterable").forEach(makeFilterable);
  addCharts([...folded.querySelectorAll("figure.chart")]);
};

// A link may lead into what is folded away.
const reveal = async () => {
  const id = decodeURIComponent(location.hash.slice(1));
  const folds = all("details[data-rest]");
  if (!id || id.includes("=") || document.getElementById(id) || !folds.length) return;
  await load("script", { src: folds[0].dataset.from });
  const holder = folds.find(({ dataset }) => self.sitegenRest?.[dataset.rest]?.includes(`id="${id}"`));
  if (!holder) return;
  await unfold(holder);
  for (let node = holder; node; node = node.parentElement?.closest("details")) node.open = true;
  document.getElementById(id)?.scrollIntoView();
};

// Charts have a script of their own, which begins with those of the page.
const addCharts = (figures) => {
  if (!figures.length) return;
  if (self.liveCharts) self.liveCharts.add(figures);
  else load("script", { src: `${page.dataset.assets}live.js` });
};

const bar = document.querySelector(".controls");
addSearchButton(bar);
addThemeButton(bar);
all("table.sortable").forEach(makeSortable);
all("table.filterable").forEach(makeFilterable);
all("[data-copy], [data-copy-link]").forEach(addCopyButton);
addCharts(all("figure.chart"));
for (const folded of all("details.rest")) folded.addEventListener("toggle", () => folded.open && folded.dataset.rest && unfold(folded));
addEventListener("hashchange", reveal);
reveal();
