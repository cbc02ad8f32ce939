// Search over pages and definitions (`report/search`) and, by their number, over runs. It comes on
// first intent, and so do its data: classic scripts, for pages on a disk.
"use strict";

{
  const MOST = 14;
  const MOST_OF_A_KIND = 5;
  const { assets } = document.documentElement.dataset;
  const root = assets.replace(/assets\/[^/]+\/$/, "");
  const version = assets.split("/").at(-2);

  const make = (tag, properties, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const add = (src) => new Promise((onload, onerror) => { document.head.append(make("script", { src, onload, onerror })); });

  // How well a word fits a text: from its beginning, from that of a word in it, or anywhere.
  const fit = (text, word) => {
    const at = text.indexOf(word);
    if (at < 0) return 0;
    if (!at) return text.length === word.length ? 5 : 4;
    return text.split(/[^\p{L}\p{N}.]+/u).some((one) => one.startsWith(word)) ? 3 : 1;
  };

  // The entries in which all words stand, those first that say them in their titles.
  const ranked = (entries, words) => entries
    .map((entry) => [words.reduce((sum, word) => {
      const score = Math.max(4 * fit(entry.title, word), 2 * fit(entry.names, word), fit(entry.about, word));
      return score && sum >= 0 ? sum + score : -1;
    }, 0), entry])
    .filter(([score]) => score > 0)
    .sort(([a], [b]) => b - a)
    .map(([, entry]) => entry);

  // The first of each kind, so that thirty claims do not hide an environment; then the rest.
  const mixed = (entries) => {
    const kinds = {};
    const early = new Set(entries.filter(({ kind }) => (kinds[kind] = (kinds[kind] || 0) + 1) <= MOST_OF_A_KIND));
    return [...early, ...entries.filter((entry) => !early.has(entry))].slice(0, MOST);
  };

  const input = make("input", { type: "search", id: "search-for", autocomplete: "off", spellcheck: false, ariaExpanded: "false" });
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-controls", "search-found");
  input.setAttribute("aria-autocomplete", "list");
  const list = make("div", { id: "search-found", ariaLabel: "Found" });
  list.setAttribute("role", "listbox");
  const said = make("p", { className: "note" });
  said.setAttribute("role", "status");
  const dialog = make("dialog", { className: "search", ariaLabel: "Search this report" },
    make("label", {}, "Search pages, claims, definitions and runs", input), said, list);
  document.body.append(dialog);

  const option = (href, title, kind, about, at) => {
    const node = make("a", { href, id: `search-${at}`, tabIndex: -1, ariaSelected: "false" },
      make("b", { textContent: title }), make("span", { className: "qq", textContent: kind }), make("small", { textContent: about }));
    node.setAttribute("role", "option");
    node.onclick = () => dialog.close(); // a place on this page is no other page
    return node;
  };

  const mark = (chosen) => {
    for (const node of list.children) node.ariaSelected = String(node === chosen);
    if (chosen) input.setAttribute("aria-activedescendant", chosen.id);
    else input.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  };
  const chosen = () => list.querySelector("[aria-selected=true]");

  let data;
  const begin = () => data ||= Promise.all([add(`${root}search.js?v=${version}`), self.sitegenRuns || add(`${assets}run-data.js`)])
    .then(() => {
      const { entries, shards } = self.sitegenData.find((one) => one.entries);
      return {
        entries: entries.map(([kind, title, about, address, names]) => ({
          kind, shown: { title, about }, href: root + address,
          title: title.toLowerCase(), about: `${kind} ${about}`.toLowerCase(), names: names.toLowerCase(),
        })),
        runs: () => self.sitegenRuns.load(shards.map((shard) => root + shard)),
      };
    });

  let asked = 0;
  const show = async () => {
    const turn = ++asked;
    const q = input.value.trim();
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) {
      list.replaceChildren();
      said.textContent = "";
      input.ariaExpanded = "false";
      return;
    }
    let loaded;
    try {
      loaded = await begin();
    } catch {
      said.textContent = "What can be searched could not be loaded.";
      return;
    }
    if (turn !== asked) return;
    const found = ranked(loaded.entries, words);
    const shown = mixed(found);
    const runs = option(`${root}runs/index.html#${new URLSearchParams({ q })}`, `Runs with “${q}”`, "runs", "open in the list of runs", MOST);
    list.replaceChildren(...shown.map(({ href, kind, shown: { title, about } }, at) => option(href, title, kind, about, at)), runs);
    input.ariaExpanded = "true";
    mark(list.firstElementChild);
    said.textContent = found.length > MOST ? `The first ${MOST} of ${found.length} entries` : `${found.length || "No"} entr${found.length === 1 ? "y" : "ies"}`;
    try {
      const matching = self.sitegenRuns.chosen(await loaded.runs(), { q }).length;
      if (turn !== asked) return;
      runs.firstChild.textContent = `${matching.toLocaleString("en-US")} run${matching === 1 ? " matches" : "s match"} “${q}”`;
    } catch { /* the list of runs says what it finds */ }
  };

  input.oninput = show;
  input.onkeydown = (event) => {
    const nodes = [...list.children];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && nodes.length) {
      event.preventDefault();
      mark(nodes[(nodes.indexOf(chosen()) + step + nodes.length) % nodes.length]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      chosen()?.click();
    }
  };
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };

  self.sitegenSearch = {
    open: () => {
      if (!dialog.open) dialog.showModal();
      input.select();
      begin().catch(() => {});
    },
  };
}
