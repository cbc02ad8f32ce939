// Live charts: Plotly comes on first intent and lies over the SVG. After site.js (page, all, make,
// load), on pages with charts. A chart's figure is what sitegen.charts.plotly says; its `meta` too.
"use strict";

{
  const assets = page.dataset.assets || "";
  const root = new URL("../../", new URL(assets, location)); // the site's
  const live = new Map(); // figure -> its box
  const hidden = new WeakMap(); // figure -> the places of its series that are switched off
  const coarse = matchMedia("(pointer: coarse)").matches;
  const still = /[?&]live=0\b/.test(location.search) || matchMedia("(prefers-reduced-data: reduce)").matches;

  // Only the browser can resolve var() and light-dark(), and each time it looks over the page.
  const probe = make("i", { hidden: true });
  const colours = new Map();
  const resolve = (key, value) => {
    if (!/^var\(--[\w-]+\)$/.test(value)) return value;
    if (!colours.has(value)) {
      probe.style.color = value;
      colours.set(value, getComputedStyle(probe).color);
    }
    return colours.get(value);
  };

  // What the SVG says of its marks, from the top to the foot of bars, else line by line.
  const say = (figure, data) => {
    const said = [...figure.querySelectorAll(".ch :not(.event) > title")].map(({ textContent }) => textContent);
    const bars = data.filter(({ type }) => type === "bar");
    const marks = data.filter(({ hovertemplate }) => hovertemplate?.includes("customdata"))
      .flatMap((trace) => trace.y.map((y, at) => [trace, at, y]))
      .filter(([, , y]) => y !== null); // where a line is broken there is no mark
    if (bars.length) marks.sort(([, , a], [, , b]) => a - b);
    marks.forEach(([trace, at], place) => { (trace.customdata ||= [])[at] = said[place] || ""; });
  };

  const figureOf = (figure) => {
    const drawn = JSON.parse(figure.spec || figure.querySelector(".spec").textContent, resolve);
    say(figure, drawn.data);
    return drawn;
  };

  // Lines of a hover label, which Plotly neither wraps nor takes for plain text.
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const folded = (text) => escaped(text).split("\n").map((line) => line.length > 56 ? line.replace(/(.{20,48}) /g, "$1<br>") : line).join("<br>");

  const drawing = (figure) => {
    const { data, layout } = figureOf(figure);
    const { font, xaxis, yaxis } = layout;
    font.family = getComputedStyle(page).getPropertyValue("--sans");
    delete layout.height; // the box has the SVG's size
    layout.uirevision = 1; // a new theme keeps the zoom
    if (coarse) xaxis.fixedrange = yaxis.fixedrange = true; // a finger that moves is scrolling
    const fixed = xaxis.fixedrange || !data.length;
    layout.dragmode = fixed ? false : "zoom";
    for (const trace of data) trace.customdata = trace.customdata?.map(folded);
    leaveOut(hidden.get(figure), data, layout);
    const pan = {
      name: "pan", title: "Drag to pan", icon: Plotly.Icons.pan, attr: "dragmode", val: "pan",
      click: (box) => Plotly.relayout(box, "dragmode", box.layout.dragmode === "pan" ? "zoom" : "pan"),
    };
    const modeBarButtons = [["zoomIn2d", "zoomOut2d", pan, "resetScale2d"]];
    return { data, layout, config: { responsive: true, displaylogo: false, doubleClick: "reset", showTips: false, ...fixed ? { displayModeBar: false } : { modeBarButtons } } };
  };

  // Series that a reader switched off. Bars that remain take the room of those that are gone.
  const leaveOut = (gone, data, layout) => {
    if (!gone?.size) return;
    const ends = ({ x }) => Math.max(...x.filter((end) => end !== null));
    const before = data.at(-1);
    const longest = before.meta?.series && ends(before);
    data.forEach((trace, at) => {
      const own = trace.meta?.series;
      if (own) trace.x = trace.x.map((x, i) => gone.has(own[i]) ? null : x);
      else if (gone.has(at)) {
        trace.visible = false;
        layout.annotations[at + 1].visible = false; // the first is the axis's, then one a series
      }
    });
    const share = longest && ends(data.at(-1)) / longest;
    if (share > 0 && Number.isFinite(share) && layout.xaxis.type !== "log" && data[0].x.every((x) => x >= 0)) {
      layout.xaxis.range = layout.xaxis.range.map((end) => end * share);
    }
  };

  const redraw = async (figure) => {
    await Plotly.react(live.get(figure), drawing(figure));
    tick(live.get(figure));
  };

  // Only ticks that Plotly chooses follow a zoom; at first and after a reset they are ours.
  const tick = (box) => {
    const { meta: { free }, ...layout } = box.layout;
    const change = {};
    for (const axis of free || []) {
      const [low, high] = layout[axis].range;
      const [first, last] = box.whole[axis];
      const mode = Math.abs(low - first) + Math.abs(high - last) < (last - first) * 1e-6 ? "array" : "auto";
      if (layout[axis].tickmode !== mode) change[`${axis}.tickmode`] = mode;
    }
    if (Object.keys(change).length) Plotly.relayout(box, change);
  };

  // What is under a chart: its series, and what it can be saved as. Its room is kept for it.

  const under = (figure) => figure.querySelector(".under");

  const addMenu = (figure) => {
    const about = figure.querySelector("figcaption b").textContent;
    const save = (form) => make("button", { type: "button", textContent: form, onclick: async () => {
      if (!self.saving) await load("script", { src: `${assets}save.js` });
      menu.open = false;
      saving[form](figure);
    } });
    const menu = make("details", { className: "save" }, make("summary", { ariaLabel: `Save: ${about}` }, "Save"),
      make("div", { className: "menu" }, ...["PNG", "SVG", "CSV"].map(save)));
    figure.append(make("div", { className: "under" }, menu));
  };

  const addLegend = (figure, { meta: { series } }) => {
    if (series.length < 2) return;
    const gone = hidden.get(figure) || new Set();
    hidden.set(figure, gone);
    under(figure).prepend(make("div", { className: "legend", role: "group", ariaLabel: "Series shown" }, ...series.map(([name, hue], at) => {
      const button = make("button", { type: "button", title: name, ariaPressed: "true" }, make("span", { className: `sw c-${hue}` }), name);
      button.onclick = () => {
        if (!gone.delete(at)) gone.add(at);
        button.ariaPressed = String(!gone.has(at));
        redraw(figure);
      };
      return button;
    })));
  };

  // A mark leads to the run that it stands for, or to a list of its runs.
  const follow = (figure, { data, pointIndex }) => {
    const { runs } = figureOf(figure).layout.meta;
    const own = (data.meta?.runs?.[pointIndex] || []).map((at) => runs[at]).reverse();
    const address = ([id, , place]) => new URL(place || `runs/${id}/index.html`, root).href;
    if (own.length === 1) location.assign(address(own[0]));
    if (own.length < 2) return;
    const menu = make("div", { className: "menu of" }, make("p", {}, `${own.length} runs stand behind it`),
      ...own.map((run) => make("a", { href: address(run) }, run[1] || run[0], make("code", {}, run[0].slice(-8)))));
    under(figure).append(menu);
    menu.querySelector("a").focus();
  };

  const shut = ({ target, key }) => {
    if (key && key !== "Escape") return;
    for (const menu of all(".under [open], .under .of")) {
      if (!key && menu.contains(target)) continue;
      const inside = menu.contains(document.activeElement);
      const save = menu.parentNode.querySelector("summary");
      if (menu.open) menu.open = false;
      else menu.remove();
      if (inside && key) save.focus();
    }
  };

  const draw = async (figure) => {
    const plot = figure.querySelector(".plot");
    const box = make("div", { className: "live", role: "group", ariaLabel: plot.firstElementChild.ariaLabel });
    plot.append(box);
    try {
      const drawn = drawing(figure);
      box.whole = { xaxis: [...drawn.layout.xaxis.range || []], yaxis: [...drawn.layout.yaxis.range || []] };
      await Plotly.newPlot(box, drawn);
      live.set(figure, box);
      figure.dataset.live = "1";
      addLegend(figure, drawn.layout);
      box.on("plotly_relayout", () => tick(box));
      box.on("plotly_click", ({ points: [point] }) => setTimeout(follow, 0, figure, point));
      box.on("plotly_hover", ({ points: [{ data, pointIndex }] }) => box.classList.toggle("leads", Boolean(data.meta?.runs?.[pointIndex]?.length)));
      box.on("plotly_unhover", () => box.classList.remove("leads"));
    } catch (error) {
      box.remove(); // the SVG still stands
      console.warn("A chart stays static:", error);
    }
  };

  let last = Promise.resolve();
  const visible = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      visible.unobserve(target);
      last = last.then(() => target.isConnected && draw(target)).then(() => new Promise(setTimeout)); // one chart a task
    }
  }, { rootMargin: "200px" });

  let begun; // Plotly, on its way
  const watch = () => begun.then(() => charts.forEach((figure) => visible.observe(figure)), () => {});
  const begin = () => {
    if (begun) return;
    // Id and class tell Plotly not to write a style sheet, which the policy would refuse.
    const rules = { rel: "stylesheet", id: "plotly.js-style-global", className: "no-inline-styles", href: `${assets}plotly.css` };
    begun = Promise.all([style, load("link", rules), load("script", { src: `${assets}plotly.min.js` })]);
    watch();
  };
  const once = { once: true, passive: true };
  const prepare = () => {
    for (const kind of ["touchstart", "keydown"]) addEventListener(kind, begin, once);
    addEventListener("scroll", begin, once); // now: a page opened at an anchor scrolls by itself
    if (navigator.connection?.saveData || !location.protocol.startsWith("http")) return;
    for (const name of ["plotly.css", "plotly.min.js"]) {
      document.head.append(make("link", { rel: "prefetch", href: assets + name }));
    }
  };

  const style = load("link", { rel: "stylesheet", href: `${assets}live.css` });

  // The charts of the page; the compare page calls it with others, in their place, at each choice.
  let charts = [];
  const addCharts = (figures) => {
    for (const [figure, box] of live) {
      if (figure.isConnected) continue;
      Plotly.purge(box);
      live.delete(figure);
    }
    const first = !charts.length;
    charts = [...charts.filter((one) => one.isConnected), ...figures];
    style.then(() => figures.forEach(addMenu));
    if (still || !figures.length) return;
    if (begun) watch();
    else for (const figure of figures) figure.addEventListener("pointerover", begin, once);
    const idle = () => (window.requestIdleCallback || setTimeout)(prepare);
    if (first && document.readyState === "complete") idle();
    else if (first) addEventListener("load", idle);
  };

  const repaint = () => {
    colours.clear();
    [...live.keys()].forEach(redraw);
  };

  document.body.append(probe);
  addEventListener("theme", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  addEventListener("click", shut);
  addEventListener("keydown", shut);
  addCharts(all("figure.chart"));
  self.liveCharts = { add: addCharts, figureOf, resolve, root };
}
