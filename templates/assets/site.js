// Additions for a reader with JavaScript: the page is whole without them.
(() => {
  "use strict";

  const root = document.documentElement;
  const all = (selector) => [...document.querySelectorAll(selector)];

  function make(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  // Live charts: Plotly comes on the reader's first intent and lies over the SVG

  const coarse = matchMedia("(pointer: coarse)").matches;
  const live = new Map(); // figure -> its box

  // Only the browser can resolve var() and light-dark().
  const probe = make("i", { hidden: true });
  function resolve(key, value) {
    if (!/^var\(--[\w-]+\)$/.test(value)) return value;
    probe.style.color = value;
    return getComputedStyle(probe).color;
  }

  function drawing(figure) {
    const drawn = JSON.parse(figure.querySelector("script.spec").textContent, resolve);
    const { font, xaxis, yaxis } = drawn.layout;
    font.family = getComputedStyle(document.body).fontFamily;
    delete drawn.layout.height; // the box has the SVG's size
    if (coarse) xaxis.fixedrange = yaxis.fixedrange = true; // a finger that moves is scrolling
    if (xaxis.fixedrange) drawn.layout.dragmode = false;
    const buttons = [{ name: "image", title: "Download as PNG", icon: Plotly.Icons.camera, click: () => download(figure) }];
    if (!xaxis.fixedrange) buttons.push("resetScale2d");
    drawn.config = { responsive: true, displaylogo: false, modeBarButtons: [buttons] };
    return drawn;
  }

  // The caption is part of the page, so a picture that leaves it needs a title of its own.
  function download(figure) {
    const { data, layout } = drawing(figure);
    const { l, r, t, b } = layout.margin;
    const box = live.get(figure);
    const [name, about] = ["b", "span"].map((part) =>
      (figure.querySelector(`figcaption ${part}`)?.textContent || "").replace(/&/g, "&amp;").replace(/</g, "&lt;"));
    layout.margin = { l: l + 12, r: r + 12, t: t + 56, b: b + 12 };
    layout.title = { text: name, x: 0, pad: { l: 12 }, font: { size: 14, weight: 650 }, subtitle: { text: about, font: { size: 12 } } };
    const size = { width: box.clientWidth + 24, height: box.clientHeight + 68 };
    Plotly.downloadImage({ data, layout }, { format: "png", scale: 3, filename: figure.id, ...size });
  }

  async function draw(figure) {
    const plot = figure.querySelector(".plot");
    const box = make("div", { className: "live" });
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", plot.querySelector("svg").getAttribute("aria-label"));
    plot.append(box);
    try {
      await Plotly.newPlot(box, drawing(figure));
      live.set(figure, box);
      figure.dataset.live = "1";
    } catch (error) {
      box.remove(); // the SVG still stands
      console.warn("A chart stays static:", error);
    }
  }

  function repaint() {
    live.forEach((box, figure) => Plotly.react(box, drawing(figure)));
  }

  function load(tag, properties) {
    const node = make(tag, properties);
    return new Promise((done, failed) => {
      node.onload = done;
      node.onerror = failed;
      document.head.append(node);
    });
  }

  function addLiveCharts(figures) {
    const assets = root.dataset.assets || "";
    const queue = [];
    let busy = false;
    let begun = false;

    async function drawNext() { // one chart a task
      busy = queue.length > 0;
      if (!busy) return;
      await draw(queue.shift());
      setTimeout(drawNext);
    }

    const visible = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        visible.unobserve(target);
        queue.push(target);
      }
      if (!busy) drawNext();
    }, { rootMargin: "200px" });

    async function begin() {
      if (begun) return;
      begun = true;
      // Id and class tell Plotly not to write a style sheet, which the policy would refuse.
      const style = { rel: "stylesheet", id: "plotly.js-style-global", className: "no-inline-styles", href: `${assets}plotly.css` };
      try {
        await Promise.all([load("link", style), load("script", { src: `${assets}plotly.min.js` })]);
        for (const figure of figures) visible.observe(figure);
      } catch {
        console.warn("Plotly did not load: charts stay static");
      }
    }

    const once = { once: true, passive: true };
    for (const figure of figures) figure.addEventListener("pointerover", begin, once);
    for (const kind of ["touchstart", "keydown"]) addEventListener(kind, begin, once);
    addEventListener("load", () => (window.requestIdleCallback || setTimeout)(() => {
      addEventListener("scroll", begin, once); // now, for a page opened at an anchor scrolls by itself
      if (navigator.connection?.saveData || !location.protocol.startsWith("http")) return;
      for (const name of ["plotly.css", "plotly.min.js"]) {
        document.head.append(make("link", { rel: "prefetch", href: assets + name }));
      }
    }));
  }

  // Theme: the system's, light or dark

  const themes = ["auto", "light", "dark"];

  function setTheme(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    repaint();
  }

  function addThemeButton(bar) {
    let theme = "auto";
    try {
      theme = localStorage.theme || theme;
    } catch { /* no storage here: the choice lasts as long as the page */ }
    setTheme(theme);
    const button = make("button", { type: "button", className: "plain", textContent: `Theme: ${theme}` });
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      button.textContent = `Theme: ${theme}`;
      setTheme(theme);
      try {
        localStorage.theme = theme;
      } catch { /* as above */ }
    });
    bar.append(button);
  }

  // Tables: sorted by any column, filtered by words, the filter kept in the address

  function key(row, column) {
    const cell = row.cells[column];
    const text = cell ? cell.dataset.v ?? cell.textContent.trim() : "";
    const value = Number(text.replace(/[,\s]/g, "").replace("\u2212", "-"));
    return text === "" ? null : Number.isNaN(value) ? text : value;
  }

  function order(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function makeSortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    for (const head of heads) {
      if (!head.textContent.trim() || head.classList.contains("strip")) continue;
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        for (const body of table.tBodies) {
          const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
          // What is not measured stands last either way.
          rows.sort(([a], [b]) => (a === null) - (b === null) || sign * order(a, b));
          body.append(...rows.map(([, row]) => row));
        }
      });
    }
  }

  const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

  function makeFilterable(table, index) {
    const name = table.id || `filter${index || ""}`;
    const input = make("input", { type: "search", autocomplete: "off" });
    input.dataset.filter = name;
    const count = make("output");
    const rows = [...table.querySelectorAll("tbody tr:not(.g)")];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/);
      rows.forEach((row, i) => { row.hidden = !words.every((word) => texts[i].includes(word)); });
      count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
    };
    const recall = () => {
      input.value = state().get(name) || "";
      apply();
    };
    let timer;
    input.addEventListener("input", () => {
      apply();
      clearTimeout(timer);
      timer = setTimeout(() => {
        const now = state();
        now.set(name, input.value);
        if (!input.value) now.delete(name);
        history.replaceState(null, "", `#${now}`);
      }, 200);
    });
    addEventListener("hashchange", recall);
    recall();
    // The page keeps an empty .tools before the table, so that nothing below moves.
    const place = table.closest(".scroll") || table;
    const tools = place.previousElementSibling;
    if (tools?.matches(".tools")) tools.append(make("label", {}, "Filter", input), count);
  }

  // Copying: a text, or the address of a place

  function addCopyButton(node) {
    const { copy, copyLink } = node.dataset;
    const label = copyLink === undefined ? "Copy" : "Copy link";
    const button = make("button", { type: "button", className: "plain", textContent: label });
    const said = make("span", { className: "vh" });
    said.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      const text = copyLink === undefined ? copy || node.textContent.trim() : new URL(copyLink, location.href).href;
      let result = "Copied";
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        getSelection().selectAllChildren(node);
        result = "Selected: press Ctrl+C";
      }
      button.textContent = said.textContent = result;
      setTimeout(() => {
        button.textContent = label;
        said.textContent = "";
      }, 2000);
    });
    node.after(button, said);
  }

  document.body.append(probe);
  all(".top .wrap").forEach(addThemeButton);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  all("table.sortable").forEach(makeSortable);
  all("table.filterable").forEach(makeFilterable);
  all("[data-copy], [data-copy-link]").forEach(addCopyButton);
  const figures = all("figure.chart").filter((figure) => figure.querySelector("script.spec"));
  const still = /[?&]live=0\b/.test(location.search) || matchMedia("(prefers-reduced-data: reduce)").matches;
  if (figures.length && !still) addLiveCharts(figures);
})();
