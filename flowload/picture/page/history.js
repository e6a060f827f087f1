// Moments of a span, thinned to as many points as there is room for: `history.py` in the browser's language.

import { near } from "./marks.js";

const POINTS = 240, RECENT = 300, LATER = 60, SURE = 120, SPARSE = 4, APART = 46, STEPS = [5, 15, 30, 60, 180, 600, 1800, 3600];

export function historyOf(moments, live, span, until = moments[live].at) {
  const end = until, shown = Math.min(span, Math.max(15, end)), start = end - shown;
  let first = live;
  while (first > 0 && moments[first].at > start) first--;
  const step = Math.max(1, Math.floor((live - first + POINTS - 1) / POINTS)), picked = [];
  for (let k = first + ((live - first) % step); k <= live; k += step) picked.push(moments[k]);
  return { start, end, picked, x: (at, left, width) => left + ((at - start) / (end - start)) * width };
}

// Who limited when.
export function bandsOf(picked) {
  const found = [];
  picked.forEach((moment, k) => {
    const last = found.at(-1);
    if (last && last.told === moment.band) last.last = k;
    else found.push({ first: k, last: k, told: moment.band, hot: moment.hot });
  });
  return found;
}

// Round moments of an axis.
export function ticks(start, end, width) {
  const most = near(width / APART, 1, 5), every = STEPS.find((step) => (end - start) / step <= most) ?? 7200;
  const found = [];
  for (let t = Math.ceil(Math.trunc(Math.max(0, start) + 0.999) / every) * every; t <= Math.trunc(end); t += every) found.push(t);
  return found;
}

// What a page keeps: the last two minutes as they came, of earlier moments fewer and fewer, as `tape.py` does.
export function keep(moments, fresh) {
  moments.push(...fresh);
  if (moments.length < RECENT || moments.length - (moments.thinned ?? 0) < LATER) return;
  const end = moments.at(-1).at;
  let bucket = -1;
  const kept = moments.filter((moment) => {
    const age = end - moment.at;
    if (age < SURE) return true;
    const size = (SPARSE / 2) * 2 ** Math.floor(Math.log2(age / SURE)), own = Math.floor(moment.at / size) + size * 1e9;
    const first = own !== bucket;
    bucket = own;
    return first;
  });
  moments.splice(0, moments.length, ...kept);
  moments.thinned = moments.length;
}

// The number of the moment that is nearest to a time.
export function nearest(moments, at) {
  let best = moments.length - 1;
  for (let k = best; k >= 0; k--) if (Math.abs(moments[k].at - at) < Math.abs(moments[best].at - at)) best = k;
  return best;
}
