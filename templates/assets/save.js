// A chart as a file that says where it comes from: after live.js, at the first click on "Save".
"use strict";

{
  const { figureOf, resolve, root } = liveCharts;
  const ofSvg = document.querySelector("svg").namespaceURI;
  const part = (tag, attributes, ...children) => {
    const node = document.createElementNS(ofSvg, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // The page's style sheet stays behind: what it says goes along as attributes.
  const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "font-size", "font-weight", "font-style", "text-anchor"];
  const styled = (node) => {
    const copy = node.cloneNode(true);
    const copies = [copy, ...copy.querySelectorAll("*")];
    [node, ...node.querySelectorAll("*")].forEach((one, at) => {
      const { tagName } = one;
      copies[at].removeAttribute("class");
      if (["title", "g", "svg"].includes(tagName)) return;
      const style = getComputedStyle(one);
      for (const name of STYLES.slice(0, tagName === "text" || tagName === "tspan" ? 10 : 6)) {
        const value = style.getPropertyValue(name);
        if (value && value !== "normal") copies[at].setAttribute(name, value.replace(/"/g, ""));
      }
    });
    return copy;
  };

  const from = (figure) => {
    const { data, layout } = figureOf(figure);
    const { meta } = layout;
    const text = (selector, root = document) => root.querySelector(selector)?.textContent.trim() || "";
    const canonical = document.querySelector("link[rel=canonical]")?.href || (location.protocol.startsWith("http") ? location.href.split("#")[0] : "");
    return {
      data, layout, ...meta,
      title: text("figcaption b", figure),
      about: text("figcaption span", figure),
      site: text(".top .name"),
      date: meta.runs.map(([, when]) => when.slice(0, 10)).sort().at(-1) || "",
      address: canonical && `${canonical}${figure.id ? `#${figure.id}` : location.hash}`,
      folder: location.href.startsWith(root.href) ? location.href.slice(root.href.length).split(/[/#?]/)[0].replace("index.html", "") : "",
    };
  };

  const slug = (text) => text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9.]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
  const nameOf = ({ folder, title, name, series, date }) => {
    const sides = series.length > 1 && series.length < 4 ? series.map(([name]) => name).reverse().join("-vs-") : "";
    return [folder, title, name || sides, date].map(slug).filter(Boolean).map((text) => text.slice(0, 60)).join("-");
  };

  const offer = (name, blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  // Lines of at most so many characters; an address is broken where it must be.
  const lined = (text, most) => text.match(new RegExp(`.{1,${most}}(?: |$)|.{${most}}`, "g"))?.map((line) => line.trim()) || [];

  const picture = (figure) => {
    const told = from(figure);
    const drawn = figure.querySelector("svg.ch");
    const [wide, high] = ["width", "height"].map((name) => drawn[name].baseVal.value);
    const ink = (name) => resolve("", `var(--${name})`);
    const nodes = [];
    const edge = 16;
    let y = edge;
    const write = (text, size, colour, more = {}) => nodes.push(part("text", { x: edge, y: y += size * 1.3, "font-size": size, fill: ink(colour), ...more }, text));
    for (const line of lined(told.title, 48)) write(line, 14, "ink", { "font-weight": 650 });
    for (const line of lined(told.about, 62)) write(line, 12, "ink3");
    y += 12;
    const chart = styled(drawn);
    for (const [name, value] of [["x", edge], ["y", y], ["overflow", "visible"]]) chart.setAttribute(name, value);
    nodes.push(chart);
    y += high + 8;
    let x = edge;
    y += 14;
    for (const [name, hue] of told.series.slice(0, 12)) {
      const takes = 20 + Math.min(name.length, 48) * 6.4 + 12;
      if (x > edge && x + takes > edge + wide) [x, y] = [edge, y + 17];
      nodes.push(part("rect", { x, y: y - 9, width: 10, height: 10, fill: ink(hue) }), part("text", { x: x + 15, y, "font-size": 12, fill: ink("ink2") }, name.slice(0, 48)));
      x += takes;
    }
    y += 8;
    const source = [told.site, told.date && `newest run ${told.date}`].filter(Boolean).join(" · ");
    for (const line of [...lined(source, 64), ...lined(told.address, 64)]) write(line, 10.5, "ink3");
    y += edge;
    const hatches = [...document.querySelectorAll("svg.defs pattern")].filter(({ id }) => drawn.querySelector(`[fill*="#${id})"]`));
    const width = wide + 2 * edge;
    const label = drawn.getAttribute("aria-label");
    const svg = part("svg", { viewBox: `0 0 ${width} ${y}`, width, height: y, role: "img", "aria-label": label, "font-family": getComputedStyle(drawn).fontFamily.replace(/"/g, "'") },
      part("defs", {}, ...hatches.map(styled)), part("rect", { width, height: y, fill: ink("bg") }), ...nodes);
    return { told, width, height: y, text: new XMLSerializer().serializeToString(svg) };
  };

  // A text that a spreadsheet would take for a formula stays a text.
  const field = (value) => {
    const text = String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };

  const plain = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

  const table = (told) => {
    const { data, layout, series, runs, unit, x, site, address } = told;
    const bars = data.filter(({ type }) => type === "bar");
    const places = new Map((layout.xaxis.tickvals || []).map((place, at) => [place, layout.xaxis.ticktext[at]]));
    const lines = (bars.length ? bars : data).flatMap(({ x: xs, y: ys, meta = {}, customdata }, trace) => xs.map((at, i) => ({
      order: bars.length ? ys[i] : 0,
      row: [
        series[meta.series ? meta.series[i] : trace][0],
        bars.length ? meta.group?.[i] : plain(String(meta.at?.[i] || (places.get(at) ?? at))),
        bars.length ? at : ys[i], unit, meta.low?.[i], meta.high?.[i], meta.doubt?.[i],
        customdata?.[i]?.split("\n")[1],
        (meta.runs?.[i] || []).map((place) => runs[place][0]).join(" "), site, address,
      ],
    }))).filter(({ row }) => row[2] !== null); // where a line is broken there is nothing
    lines.sort((a, b) => a.order - b.order);
    const head = ["series", bars.length ? "group" : x || "at", "value", "unit", "low", "high", "caveat", "stands on", "runs", "source", "page"];
    return [head, ...lines.map(({ row }) => row)].map((row) => row.map(field).join(",")).join("\r\n");
  };

  self.saving = {
    SVG: (figure) => {
      const { told, text } = picture(figure);
      offer(`${nameOf(told)}.svg`, new Blob([text], { type: "image/svg+xml" }));
    },
    PNG: async (figure) => {
      const { told, width, height, text } = picture(figure);
      const image = make("img", { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}` });
      await image.decode();
      const canvas = make("canvas", { width: width * 3, height: height * 3 });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => offer(`${nameOf(told)}.png`, blob));
    },
    CSV: (figure) => {
      const told = from(figure);
      offer(`${nameOf(told)}.csv`, new Blob([`${table(told)}\r\n`], { type: "text/csv" }));
    },
  };
}
