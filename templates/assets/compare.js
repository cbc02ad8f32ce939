// The arithmetic of a comparison: stats.py, compare.py and units.py once more, for any pair that a
// reader chooses. What may be compared, and why not, Python says. No page in here: a test holds
// each answer to Python's.
"use strict";

// Statistics: stats.py once more, on what Python says of each side. A test holds the two equal.

// log(gamma(a + 1/2) / gamma(a)), Abramowitz and Stegun 6.1.15 and 6.1.41
const gammaStep = (a) => a < 100
  ? gammaStep(a + 1) - Math.log((a + 0.5) / a)
  : Math.log(a) / 2 - 1 / (8 * a) + 1 / (192 * a ** 3) - 1 / (640 * a ** 5);

// Student's t at 97.5 %, by Newton's method; the incomplete beta function by its series (26.5.4)
const quantile = (freedom) => {
  const z = 1.959963984540054;
  let t = z + (z ** 3 + z) / (4 * freedom);
  if (freedom > 1e6) return t;
  const constant = gammaStep(freedom / 2) - Math.log(freedom * Math.PI) / 2;
  for (let i = 0, step = t; i < 99 && Math.abs(step) > 1e-14 * t; i++) {
    const density = Math.exp(constant - (freedom + 1) / 2 * Math.log1p(t * t / freedom));
    let sum = 1;
    for (let n = 0, term = 1; term > 1e-17 * sum; n++) {
      term *= (freedom + 1 + 2 * n) / (3 + 2 * n) * t * t / (freedom + t * t);
      sum += term;
    }
    step = 0.475 / density - t * sum;
    t += step;
  }
  return t;
};

// The interval of the difference of means of logarithms, Welch 1947
const welch = (a, b) => {
  const [one, other] = [a, b].map((side) => side.variance / side.runs);
  const error = one + other;
  const difference = a.mean - b.mean;
  if (!error) return [difference, difference];
  const part = one / error;
  const freedom = 1 / (part ** 2 / (a.runs - 1) + (1 - part) ** 2 / (b.runs - 1));
  const half = quantile(freedom) * Math.sqrt(error);
  return [difference - half, difference + half];
};

const slowdownInterval = (side, base, better, step) => {
  const [first, second] = better > 0 ? [base, side] : [side, base];
  if (Math.min(side.runs, base.runs) >= 2 && side.mean !== null && base.mean !== null) {
    const [low, high] = welch(first, second).map(Math.exp);
    const [a, b, half] = [first.value, second.value, step / 2];
    return {
      low: low * Math.max(a - half, 0) / a * b / (b + half),
      high: high * (a + half) / a * (b > half ? b / (b - half) : Infinity),
      kind: "runs",
    };
  }
  if (!first.kind || !second.kind || !(second.low > 0) || [first.kind, second.kind].includes("runs")) return null;
  const kind = first.kind === second.kind ? first.kind : "repetitions";
  return { low: first.low / second.high, high: first.high / second.low, kind };
};

// The word for an interval of logarithms: above 0 is worse
const wordOf = (low, high, margin) => {
  const middle = (low + high) / 2;
  if (low > 0 && middle > margin) return "slower";
  if (high < 0 && middle < -margin) return "faster";
  return -margin <= low && high <= margin ? "no difference" : "inconclusive";
};

const verdict = (side, base, interval, margin) => {
  const runs = Math.min(side.runs, base.runs);
  if (runs < 3) return runs < 2 ? "one run a side" : "two runs a side";
  return interval ? wordOf(Math.log(interval.low), Math.log(interval.high), Math.log1p(margin)) : "inconclusive";
};

// The normal distribution, by its series (26.2.11)
const normal = (x) => {
  if (Math.abs(x) > 8) return Number(x > 0);
  let sum = x;
  for (let k = 3, term = x; Math.abs(term) > 1e-17; k += 2) {
    term *= x * x / k;
    sum += term;
  }
  return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
};

// How many more runs a side would decide in four of five cases; null beyond 100
const moreRuns = (side, base, share, step) => {
  if (side.mean === null || base.mean === null) return null;
  const margin = Math.log1p(share);
  const effect = side.mean - base.mean;
  const spread = side.variance + base.variance;
  const freedom = spread > 0 ? 1 / ((side.variance / spread) ** 2 + (base.variance / spread) ** 2) : 1;
  const blur = step / 2 * (1 / side.value + 1 / base.value);
  const decides = (n) => {
    const error = Math.sqrt(spread / n);
    const half = quantile((n - 1) * freedom) * error + blur;
    if (!error) return wordOf(effect - half, effect + half, margin) !== "inconclusive";
    const below = (end) => normal((end - effect) / error);
    const [past, inside] = [Math.max(half, margin), Math.max(margin - half, 0)];
    return 1 - below(past) + below(-past) + below(inside) - below(-inside) >= 0.8;
  };
  let [low, high] = [3, 100];
  if (!decides(high)) return null;
  while (low < high) {
    const middle = (low + high) >> 1;
    [low, high] = decides(middle) ? [low, middle] : [middle + 1, high];
  }
  return Math.max(low - Math.min(side.runs, base.runs), 1);
};

// What may be compared, as compare.py has it

const unpack = ([value, runs, repetitions, mean = null, variance = null, low = null, high = null, kind = "", doubts = [], resolution = 0, text = ""]) =>
  // An end that is infinite has no place in JSON.
  ({ value, runs, repetitions, mean, variance, low, high: kind ? high ?? Infinity : high, kind, doubts, resolution, text });

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
    proofs: new Map(about(all("proofs"), side.id).map(([base, at, reason]) => [`${base} ${at}`, reason])),
    over: new Map(about(all("over"), side.id)),
    apart: new Map(about(all("apart"), side.id)),
    cells: side.cells.map((cell) => cell && unpack(cell)),
  }));
};

// Why a series of two sides must not be compared: what Python said of the pair, of its proofs, of
// the threads of one of them, and of how both were taken.
const incomparable = (series, side, base) => side.refused.get(base.id)
  || side.proofs.get(`${base.id} ${series.proof}`) || side.over.get(series.place) || base.over.get(series.place)
  || side.unlike.get(base.setup) || "";

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

// One series of a side against the baseline; null where there is nothing to divide.
const compared = (series, side, base, rules) => {
  const [here, there] = [side, base].map(({ cells }) => cells[series.place]);
  const { better, divided, margin } = series.metric;
  if (!here || !there || !better || !divided) return null;
  const word = "not comparable";
  if (here.value === null || there.value === null) {
    return { word, reason: `nothing was measured in ${(here.value === null ? side : base).id}`, doubts: [] };
  }
  const doubts = doubtsOf(here.doubts, there.doubts, rules);
  const reason = incomparable(series, side, base);
  if (!(here.value > 0 && there.value > 0)) return { word, reason: reason || "a value is zero", doubts };
  const factor = better > 0 ? there.value / here.value : here.value / there.value;
  const step = Math.max(here.resolution, there.resolution);
  const interval = slowdownInterval(here, there, better, step);
  return { word: reason ? word : verdict(here, there, interval, margin), reason, doubts, factor, interval, here, there, step };
};

// Numbers as quantity.py prints them

const fixed = (value, digits, sign) => value.toLocaleString("en-US", {
  minimumFractionDigits: digits, maximumFractionDigits: digits, roundingMode: "halfEven", signDisplay: sign,
}).replace("-", "\u2212");

const significant = (value, digits = 3) => !value ? "0" : !Number.isFinite(value) ? "\u221e"
  : fixed(value, Math.min(Math.max(digits - 1 - Math.floor(Math.log10(Math.abs(value))), 0), 12));

const share = (factor, better) => better > 0 ? 1 - 1 / factor : factor - 1;

const percent = (part, digits = 1) => !Number.isFinite(part) ? significant(part)
  : Number((part * 100).toFixed(digits)) ? fixed(part * 100, digits, "always") : "0.0";

const spanOf = ({ low, high }, better) => {
  const ends = [share(low, better), share(high, better)].sort((a, b) => a - b);
  return ends.map((end) => percent(end, ends[1] - ends[0] >= 1e-3 ? 1 : 2)).join(" to ");
};

const valueOf = (cell, { factor }) => cell.value === null ? "not measured" : cell.text || significant(cell.value / factor);

const many = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;

// What completes a word, as costs.py has it
const detail = ({ word, interval, here, there, step }, { better, margin }, headline) => {
  if (word === "one run a side") {
    if (interval?.kind !== "rounding") return "these two runs only";
    return interval.low <= 1 && interval.high >= 1 ? "within rounding" : "interval: rounding of the print";
  }
  if (word === "two runs a side") return "an interval, no verdict";
  if (word === "no difference") return !headline ? "" : `above ${+(margin * 100).toPrecision(6)} %`;
  if (word !== "inconclusive" || !headline) return "";
  let more = moreRuns(here, there, margin, step);
  if (more > 20) more = Math.ceil(more / 10) * 10;
  const told = more === null ? "more than 100 runs a side would be needed" : `about ${many(more, "more run")} a side decide${more === 1 ? "s" : ""}`;
  return interval ? `between ${spanOf(interval, better).replace(" to ", " and ")} %; ${told}` : told;
};
