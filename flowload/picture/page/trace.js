// A row over time: how full its queue was (strip), what it gave (line), what its workers did (areas).

import { line, near, nice, number, rect, scaled, text } from "./marks.js";

const AREAS = [["work", 0], ["disk", 1], ["late", 2], ["room", 3]];

export function trace(rails, history, k, columns, wanted, first) {
  const taker = Boolean(rails.rows[k].output), y = columns.ys[k];
  const cells = history.picked.map((moment) => moment.cells[k]);
  const xs = history.picked.map((moment) => history.x(moment.at, columns.left, columns.wide));
  const top = columns.narrow ? y + 10 : columns.top + k * columns.high + 6;
  const base = columns.narrow ? y + 32 : columns.top + (k + 1) * columns.high - 5;
  const thick = columns.narrow ? 0 : columns.high >= 38 ? 5 : 3;
  let made = "";
  if (!columns.narrow && cells.some((cell) => cell.full >= 0)) made += queueStrip(cells.map((cell) => cell.full), xs, top, thick);
  const start = columns.narrow ? top : top + thick + 4;
  const values = cells.map((cell) => (taker ? cell.time[4] : cell.rate));
  const most = taker ? 1 : nice(1.08 * Math.max(...values));
  const ys = values.map((value) => base - (base - start) * near(value / most, 0, 1));
  if (values.length > 1) {
    if (taker) made += `<path d="${curve(xs, ys)}L${number(xs.at(-1))} ${number(base)}L${number(xs[0])} ${number(base)}z" class="wa"/>`;
    else made += areas(cells.map((cell) => cell.time), xs, start, base);
    made += `<path d="${curve(xs, ys)}" class="${taker ? "wl" : "ln"}"/>`;
  }
  made += line(columns.left, base, columns.left + columns.wide, base, "g");
  if (!columns.narrow) made += scale(taker, most, k === first, start, top, base, columns, wanted);
  if (wanted.cursor >= 0) {
    let near_by = 0;
    xs.forEach((_, j) => {
      if (Math.abs(history.picked[j].at - wanted.cursor) < Math.abs(history.picked[near_by].at - wanted.cursor)) near_by = j;
    });
    const x = history.x(wanted.cursor, columns.left, columns.wide);
    made += `<circle cx="${number(x)}" cy="${number(ys[near_by])}" r="2.6" class="dot"/>`;
  }
  return made;
}

// What the height of a line means.
function scale(taker, most, named, start, top, base, columns, wanted) {
  const right = columns.left + columns.wide, told = named && columns.high >= 46;
  let made = line(right, start, right + 4, start, "g");
  if (told) made += text(wanted.width, top + 6, "queue", "d s e");
  const words = taker ? "100 %" : `${scaled(most).replace(".00", "").replace(".0 ", " ")}/s`;
  made += text(wanted.width, columns.high < 36 ? top + columns.high / 2 - 2 : start + (told ? 12 : 9), words, "d s e");
  if (taker && columns.high >= 38) made += text(wanted.width, base, "waits", "h s e");
  return made;
}

// How full the queues before a row were: the darker, the fuller.
function queueStrip(full, xs, top, thick) {
  let made = "", k = 0;
  while (k < full.length) {
    let end = k;
    while (end + 1 < full.length && Math.abs(full[end + 1] - full[k]) < 0.01) end++;
    if (full[k] > 0) {
      const right = xs[Math.min(full.length - 1, end + 1)];
      const shade = Math.trunc((0.12 + 0.8 * full[k]) * 100 + 0.5) / 100;
      made += rect(xs[k], top, Math.max(1, right - xs[k]), thick, "data", ` opacity="${shade}"`);
    }
    k = end + 1;
  }
  return made;
}

export const curve = (xs, ys) => xs.map((x, j) => `${j ? "L" : "M"}${number(x)} ${number(ys[j])}`).join("");

// What the workers did: work rises from the ground, no room hangs from above, no input is what is left.
function areas(times, xs, top, base) {
  let made = "", low = times.map(() => 0);
  for (const [name, place] of AREAS) {
    const part = times.map((time) => time[place]);
    if (Math.max(...part) < 0.03) continue;
    if (name === "room") low = part.map((value) => 1 - value);
    const high = low.map((under, j) => under + part[j]);
    made += area(name, low, high, xs, top, base);
    if (name !== "room") low = high;
  }
  return made;
}

function area(name, low, high, xs, top, base) {
  const place = (value) => number(base - (base - top) * near(value, 0, 1));
  const over = xs.map((x, j) => `L${number(x)} ${place(high[j])}`).join("");
  const under = xs.map((x, j) => `L${number(x)} ${place(low[j])}`).reverse().join("");
  return `<path d="M${over.slice(1)}${under}z" class="${name} a"/>`;
}
