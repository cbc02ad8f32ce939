// All runs of a report, out of the columns of their files (`report/run_list`): what the list of runs
// shows, and what the search counts.
"use strict";

{
  const two = (text) => [text.slice(0, 4), text.slice(4, 6), text.slice(6, 8)].join("-");

  // The runs of one file, the oldest first.
  const decode = ({ stamps, ids, dates, values, ...named }) => {
    const said = new Map(dates);
    const part = (name, at) => named[name][0][named[name][1][at]];
    let stamp = 0;
    return stamps.map((step, at) => {
      const digits = String(stamp += step);
      const [benchmark, family] = part("benchmark", at);
      const [label, name, hue, words] = part("place", at);
      const [of, unit, factor] = part("of", at);
      return {
        id: `${digits.slice(0, 8)}t${digits.slice(8)}z-${benchmark}-${ids.slice(8 * at, 8 * at + 8)}`,
        when: said.get(at) ?? `${two(digits)} ${digits.slice(8, 10)}:${digits.slice(10, 12)}`,
        benchmark, family, label, name, hue, words, of, unit, factor,
        model: part("model", at), about: part("about", at), value: values[at],
        marks: part("marks", at).map(([rule, short, sentence]) => ({ rule, short, sentence })),
      };
    });
  };

  const add = (src) => new Promise((onload, onerror) => {
    document.head.append(Object.assign(document.createElement("script"), { src, onload, onerror }));
  });

  let loaded;
  // Every run, the newest first, out of files at these addresses; asked once a page.
  const load = (addresses) => loaded ||= Promise.all(addresses.map(add)).then(() => self.sitegenData
    .filter(({ stamps }) => stamps).sort((a, b) => a.first - b.first).flatMap(decode).reverse());

  const text = (run) => run.text ||= [run.when, run.id, run.family, run.label, run.name, run.words, run.model,
    run.about, run.of, run.value, run.unit, ...run.marks.flatMap(({ short, sentence }) => [short, sentence])].join(" ").toLowerCase();

  const caveats = {
    any: ({ marks }) => marks.length > 0,
    none: ({ marks }) => !marks.length,
  };

  // The runs that are as wanted: words that all stand in a run, what was chosen, days between which
  // it was taken. A date that is known to the year alone is in all of it.
  const chosen = (runs, { q = "", benchmark, env, model, caveat, from, to }) => {
    const words = q.toLowerCase().split(" ").filter(Boolean);
    const marked = caveats[caveat] || (({ marks }) => marks.some(({ rule }) => rule === caveat));
    return runs.filter((run) => (!benchmark || run.benchmark === benchmark)
      && (!env || run.label === env)
      && (!model || run.model === model)
      && (!caveat || marked(run))
      && (!from || (run.when !== "undated" && run.when.slice(0, 10) >= from.slice(0, run.when.length)))
      && (!to || (run.when !== "undated" && run.when.slice(0, 10) <= to))
      && words.every((word) => text(run).includes(word)));
  };

  self.sitegenRuns = { load, chosen };
}
