// What Python says of any two sides that a reader chooses, and the division of those of which one is
// a single run: these have no word. What may be compared, and why not, Python says. No page in here:
// a test holds each answer to Python's.
"use strict";

// What may be compared, as compare.py has it

const unpack = ([value, runs, repetitions, low = null, high = null, kind = "", doubts = [], text = "", count = runs, level = "run"]) =>
  // An end that is infinite has no place in JSON.
  ({ value, runs, repetitions, low, high: kind ? high ?? Infinity : high, kind, doubts, text, count, level });

// Python's answers, each at the side that it is about. The second file's set-ups begin with those
// of the first, and what it says of set-ups holds for both.
const sidesOf = (...parts) => {
  const { setups, rows, names, differ, unlike } = parts.at(-1);
  const all = (key) => parts.flatMap((part) => part[key]);
  const between = new Map(differ.map(([i, j, places]) => [`${i} ${j}`, places]));
  const about = (lists, id) => lists.filter(([own]) => own === id).map(([, ...rest]) => rest);
  return all("sides").map((side) => ({
    ...side,
    rows, names,
    values: setups[side.setup],
    differ: ({ setup }) => between.get([side.setup, setup].sort((a, b) => a - b).join(" ")) || [],
    unlike: new Map(about(unlike, side.setup)),
    refused: new Map(about(all("refused"), side.id)),
    crowded: new Map(about(parts.at(-1).crowded, side.setup).map(([base, at, reason]) => [`${base} ${at}`, reason])),
    told: new Map(about(parts[0].told, side.id).map(([base, found]) => [base, new Map(found.map(([at, ...row]) => [at, row]))])),
    texts: parts[0].texts,
    proofs: new Map(about(all("proofs"), side.id).map(([base, at, reason]) => [`${base} ${at}`, reason])),
    over: new Map(about(all("over"), side.id)),
    without: new Map(about(all("without"), side.id)),
    unequal: new Map(all("unequal").filter((one) => one.slice(0, 2).includes(side.id))
      .map(([own, other, place, ids]) => [`${own === side.id ? other : own} ${place}`, ids])),
    apart: new Map(about(all("apart"), side.id)),
    cells: side.cells.map((cell) => cell && unpack(cell)),
  }));
};

// Why a series of two sides must not be compared: what Python said of the pair, of its proofs, of
// the threads of one of them, and of how both were taken.
const incomparable = (series, side, base) => side.refused.get(base.id)
  || side.proofs.get(`${base.id} ${series.proof}`) || side.over.get(series.place) || base.over.get(series.place)
  || side.unlike.get(base.setup) || side.crowded.get(`${base.setup} ${series.place}`) || "";

// The marks of a pair: the side's own, then the baseline's, some of which speak otherwise there.
const doubtsOf = (own, theirs, rules) => {
  const first = [];
  const rest = [];
  for (const id of theirs) {
    const [, there] = rules[id];
    const covered = there ? [there, ...rules[there][2]] : [id];
    if (!covered.some((one) => own.includes(one))) (there ? first : rest).push(there || id);
  }
  return [...new Set([...first, ...own, ...rest])];
};

// The range that the spreads of two sides allow, where neither is of several runs
const rangeOf = (first, second) => {
  if (!first.kind || !second.kind || !(second.low > 0) || [first.kind, second.kind].includes("replicates")) return null;
  const kind = first.kind === second.kind ? first.kind : "repetitions";
  return { low: first.low / second.high, high: first.high / second.low, kind };
};

// What stands beside a word of single runs, as effects.py has it
const beside = (interval) => {
  if (interval?.kind !== "rounding") return "these two runs only";
  return interval.low <= 1 && interval.high >= 1 ? "within rounding" : "interval: rounding of its digits";
};

// One series of a side against the baseline; null where there is nothing to divide.
const compared = (series, side, base, rules) => {
  const [here, there] = [side, base].map(({ cells }) => cells[series.place]);
  const { better, divided } = series.metric;
  if (!here || !there || !better || !divided) return null;
  const told = side.told.get(base.id)?.get(series.place);
  if (told) {
    const [word, factor, low, high, reason, doubts, detail, headline] = told;
    const text = (place) => side.texts[place];
    const interval = low === null ? null : { low, high: high ?? Infinity };
    return { word: text(word), factor, interval, reason: text(reason), doubts, detail: text(detail), headline };
  }
  const word = "not comparable";
  const nothing = { word, doubts: [], detail: "", headline: false };
  if (here.value === null || there.value === null) {
    return { ...nothing, reason: `nothing was measured in ${(here.value === null ? side : base).id}` };
  }
  const unequal = side.unequal.get(`${base.id} ${series.place}`) || [];
  const doubts = [...doubtsOf(here.doubts, there.doubts, rules), ...unequal];
  const reason = incomparable(series, side, base);
  if (!(here.value > 0 && there.value > 0)) return { ...nothing, reason: reason || "a value is zero", doubts };
  const factor = better > 0 ? there.value / here.value : here.value / there.value;
  const interval = better > 0 ? rangeOf(there, here) : rangeOf(here, there);
  const few = here.runs && there.runs ? "one run a side" : "n unknown";
  const [ours, theirs] = [side, base].map((one) => one.without.get(series.place));
  const without = [ours, theirs && `the baseline ${theirs}`].filter(Boolean).join(", ");
  const detail = reason ? "" : [beside(interval), without].filter(Boolean).join("; ");
  const said = reason ? word : doubts.length ? `doubtful: ${rules[doubts[0]][0]}` : few;
  return { word: said, reason, doubts, factor, interval, detail, headline: false };
};

// Numbers as quantity.py prints them

const fixed = (value, digits, sign) => value.toLocaleString("en-US", {
  minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode: "halfEven", signDisplay: sign,
}).replace("-", "\u2212");

const significant = (value, digits = 3) => !value ? "0" : !Number.isFinite(value) ? "\u221e"
  : fixed(value, Math.min(Math.max(digits - 1 - Math.floor(Math.log10(Math.abs(value))), 0), 15));

const share = (factor, better) => better > 0 ? 1 - 1 / factor : factor - 1;

const percent = (part, digits = 1) => !Number.isFinite(part) ? significant(part)
  : Number((part * 100).toFixed(digits)) ? fixed(part * 100, digits, "always") : "0.0";

// The decimals in which both ends of an interval are told apart, 1 to 4
const digitsOf = ([low, high]) => [1, 2, 3].find((digits) => percent(low, digits) !== percent(high, digits)) || 4;

const endsOf = ({ low, high }, better) => [share(low, better), share(high, better)].sort((a, b) => a - b);

// From twofold on an effect is a factor, as effects.py has it
const asFactor = (factor) => !(factor > 0.5 && factor < 2);

// An effect; a percentage has the decimals that keep it inside the ends as printed
const effectOf = (factor, interval, { better, paces }) => {
  if (asFactor(factor)) return `${significant(Math.max(factor, 1 / factor), 2)}× ${paces[factor >= 1 ? 0 : 1]}`;
  return `${shareOf(factor, interval, better)}\u00a0%`;
};

const shareOf = (factor, interval, better) => {
  const part = share(factor, better);
  if (!interval) return percent(part);
  const ends = endsOf(interval, better);
  const digits = digitsOf(ends);
  const shown = (value, places) => Number((value * 100).toFixed(places));
  const inside = (places) => shown(ends[0], digits) <= shown(part, places) && shown(part, places) <= shown(ends[1], digits);
  return percent(part, [1, 2, 3].find((places) => places >= digits || inside(places)) || digits);
};

const spanOf = (factor, { low, high }, better) => {
  const joined = (ends, unit) => [...new Set(ends)].join(" to ") + unit;
  if (asFactor(factor)) return joined((factor < 1 ? [1 / high, 1 / low] : [low, high]).map((end) => significant(end)), "×");
  const ends = endsOf({ low, high }, better);
  return joined(ends.map((end) => percent(end, digitsOf(ends))), "\u00a0%");
};

const valueOf = (cell, { factor }) => cell.value === null ? "not measured" : cell.text || significant(cell.value / factor);

const many = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;
