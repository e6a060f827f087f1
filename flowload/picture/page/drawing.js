// The picture of one run, a pure function of graph, moments, and what is wanted: `drawing.py` in the browser's language.

import { bandsOf, historyOf, ticks } from "./history.js";
import { bar, clock, crop, escape, letters, line, near, number, rail, rect, text } from "./marks.js";
import { trace } from "./trace.js";

const LANE = 22, FIRST = 12, HISTORY = 200;
const SIDE = { limit: "limits", pace: "sets the pace", next: "next", later: "next" };

export const WANTED = { width: 980, height: 0, span: 120, cursor: -1, pick: "", history: true, head: false, foot: "" };

function rowHeight(count, room, narrow) {
  if (narrow) return 60;
  const least = count <= 10 ? 48 : count <= 18 ? 36 : count <= 24 ? 27 : 23;
  return near(room ? Math.floor((room - 64) / count) : 0, least, 74);
}

export function columnsOf(rails, wanted, above) {
  const width = wanted.width, count = rails.rows.length, narrow = width < 560;
  const high = wanted.history ? rowHeight(count, wanted.height, narrow) : 26;
  const top = above + (!wanted.history ? 22 : narrow ? 44 : 46);
  const ys = rails.rows.map((_, k) => top + k * high + high / 2 - (narrow ? 10 : 0));
  const name = FIRST + (rails.lanes - 1) * LANE + 16;
  if (narrow) {
    const side = width * 0.6;
    return { narrow, high, top, ys, name, queue: side, bar: name, barWide: side - name, run: 0, out: width, lost: 0, left: width * 0.63, wide: width * 0.37 };
  }
  // Long names give way to the history.
  let barWide = near(width * 0.2, 150, 290);
  const room = width - name - barWide - (width > 820 ? 302 : 236) - HISTORY;
  const longest = Math.max(96, ...rails.rows.map((row) => letters(row.label).length * 7.4 + 8));
  const names = near(longest, 96, near(room, 96, width * 0.3));
  const queue = name + names + 34, start = queue + 14;
  let run = start + barWide + 38, out = run + 74, lost = width > 820 ? out + 66 : 0;
  const left = (lost || out) + 28;
  if (!wanted.history) {
    const more = width - left + 22;
    barWide += more; run += more; out += more;
    if (lost) lost += more;
  }
  return { narrow, high, top, ys, name, queue, bar: start, barWide, run, out, lost, left, wide: width - left - 48 };
}

export const plain = (parts) => parts.map(([words]) => words).join("");

// The verdict above a picture, and how high it is.
export function headed(say, width) {
  const big = width >= 700;
  let made = "", at = big ? 20 : 16;
  for (const words of fold(plain(say.head), width, big ? 9.9 : 7.6)) {
    made += text(0, at, words, big ? "xl b" : "l b");
    at += big ? 24 : 18;
  }
  for (const words of fold(plain(say.sub), width, 6.3)) {
    made += text(0, at, words, "d l");
    at += 17;
  }
  return [made, at];
}

// Lines of at most this width: broken at spaces, and in a word that no line has room for, at slashes.
function fold(words, width, letter) {
  const room = Math.max(1, Math.floor(width / letter)), lines = [""];
  for (const whole of words.split(" ")) {
    const [word, ...rest] = partsOf(whole, room);
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (letters(longer).length > room && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
    lines.push(...rest);
  }
  return lines;
}

// A word in pieces of at most so many letters; those of a path end with a slash.
function partsOf(word, room) {
  const parts = [];
  let rest = letters(word);
  while (rest.length > room) {
    const slash = rest.slice(1, room).lastIndexOf("/") + 2;
    const end = slash > 1 ? slash : room;
    parts.push(rest.slice(0, end).join(""));
    rest = rest.slice(end);
  }
  return [...parts, rest.join("")];
}

// The inside of a picture, its height, and where its history is.
export function draw(rails, moments, live, at, wanted) {
  const now = moments[at], [above, top] = wanted.head ? headed(now.say, wanted.width) : ["", 0];
  const columns = columnsOf(rails, wanted, top);
  const bottom = columns.top + rails.rows.length * columns.high;
  let made = above + heads(columns);
  now.cells.forEach((cell, k) => {
    const y = columns.top + k * columns.high;
    if (cell.mark === "limit") made += rect(-6, y, wanted.width + 12, columns.high, "tint", ' rx="2"');
  });
  const history = wanted.history ? historyOf(moments, live, wanted.span) : null;
  if (history) made += axis(history, moments[live], columns, bottom, wanted);
  const first = now.cells.findIndex((cell) => cell.full >= 0);
  rails.rows.forEach((row, k) => {
    let inside = rowOf(rails, now, k, columns, wanted);
    if (history) inside += trace(rails, history, k, columns, wanted, first);
    const y = columns.top + k * columns.high + 1;
    if (wanted.pick === row.name) inside += rect(-6, y, wanted.width + 12, columns.high - 2, "pick", ' rx="3"');
    made += group(rails, now, k, inside, wanted);
  });
  made += `<g pointer-events="none">${rail(rails, now, FIRST, LANE, columns.ys, true)}</g>`;
  if (history && wanted.cursor >= 0) {
    const x = history.x(wanted.cursor, columns.left, columns.wide);
    made += line(x, columns.top - 4, x, bottom, "cur");
  }
  if (wanted.foot) made += text(0, bottom + 28, wanted.foot, "d");
  return { made, height: bottom + (wanted.foot ? 34 : 8), history, left: columns.left, wide: columns.wide };
}

export function group(rails, now, k, inside, wanted) {
  const picked = wanted.pick === rails.rows[k].name;
  return `<g data-row="${k}" id="row${k}" role="option" aria-selected="${picked}" aria-label="${escape(now.cells[k].speaks)}">${inside}</g>`;
}

// Names of the columns: they are the legend, too.
function heads(columns) {
  const y = columns.top - 9, made = text(columns.queue, y, "queue", "d s e");
  if (columns.narrow) return made;
  return made + text(columns.run, y, "workers", "d s e") + text(columns.out, y, "out", "d s e")
    + (columns.lost ? text(columns.lost, y, "dropped", "d s e") : "") + text(columns.bar, y, "workers’ time", "d s");
}

// The time, who limited when, and warnings.
function axis(history, last, columns, bottom, wanted) {
  const y = columns.top - 9;
  let made = "";
  for (const tick of ticks(history.start, history.end, columns.wide)) {
    const x = history.x(tick, columns.left, columns.wide);
    made += line(x, columns.top - 4, x, bottom, "g");
    if (x < wanted.width - 30 || columns.narrow) made += text(x, y, clock(tick), "d s m");
  }
  bandsOf(history.picked).forEach((band, k) => { made += strip(history, band, k, columns, bottom); });
  for (const [when, , what] of last.warnings) {
    if (!(history.start < when && when < history.end)) continue;
    const x = history.x(when, columns.left, columns.wide);
    made += `<path d="M${number(x)} ${number(columns.top - 3)}l-4 -7h8z" class="hot"><title>${escape(what)}</title></path>`;
  }
  return made;
}

// A time in which the same limited.
function strip(history, band, k, columns, bottom) {
  const picked = history.picked, y = columns.top - (columns.narrow ? 34 : 38);
  const left = Math.max(columns.left, history.x(picked[band.first].at, columns.left, columns.wide));
  const right = history.x(picked[Math.min(picked.length - 1, band.last + 1)].at, columns.left, columns.wide);
  if (right - left < 2) return "";
  let made = rect(left + (k ? 1 : 0), y + 13, right - left - 1, 2.5, band.hot ? "hot" : "data");
  if (k) made += line(left, y + 13, left, bottom, "mark");
  const words = /^(no |over|left|unknown)/.test(band.told) ? band.told : `limit: ${band.told}`, room = right - left - 4;
  for (const told of [words, band.told, band.told.split(",")[0]]) {
    if (letters(told).length * 6.2 <= room) return made + text(left + (k ? 3 : 0), y + 9, told, band.hot ? "s h" : "s d");
  }
  return made;
}

// A row, but for its history.
function rowOf(rails, now, k, columns, wanted) {
  const row = rails.rows[k], cell = now.cells[k], top = columns.top + k * columns.high, y = columns.ys[k];
  const limits = cell.mark === "limit", hot = limits || cell.mark === "next", taker = Boolean(row.output);
  let made = rect(-6, top, wanted.width + 12, columns.high, "hit");
  if (columns.narrow) {
    const room = columns.queue - columns.name - cell.queue.length * 6.8 - 8, label = crop(row.label, room, 7.6), long = letters(label).length * 7.6;
    const side = SIDE[cell.mark] ?? (cell.lost === "" || cell.lost === "0" ? "" : `${cell.lost} dropped`);
    made += text(columns.name, y + 4, label, limits ? "l b h" : "l b");
    if (long + letters(side).length * 6 + 12 < room) made += text(columns.name + long + 8, y + 4, side, hot ? "s h" : "s d");
    made += text(columns.queue, y + 4, cell.queue, "e d") + text(columns.out, y + 4, cell.out, "e");
    return made + bar(columns.bar, y + 13, columns.barWide, 14, cell.time, cell.late, taker);
  }
  const label = crop(row.label, columns.queue - columns.name - 36, 7.4);
  if (columns.high >= 34) {
    made += text(columns.name, y - 2, label, limits ? "l b h" : "l b");
    made += text(columns.name, y + 13, crop(cell.note, columns.queue - columns.name - 30, 5.6), hot ? "s h" : "s d");
  } else made += text(columns.name, y + 4, label, hot ? "l b h" : "l b");
  made += text(columns.queue, y + 4, cell.queue, "e");
  made += bar(columns.bar, y - 8, columns.barWide, 16, cell.time, cell.late, taker);
  made += text(columns.run, y + 4, cell.run, "e") + text(columns.out, y + 4, cell.out, taker || limits ? "e b" : "e");
  if (columns.lost) made += text(columns.lost, y + 4, cell.lost, cell.lost === "0" ? "e d" : "e");
  return made;
}

// A picture for the page (its own style sheet), or for a file (with one).
export function wrapped(inside, width, height, title = "", css = "") {
  const high = Math.trunc(height + 0.999), box = `viewBox="-8 0 ${number(width + 16)} ${number(high)}"`;
  if (!css) return `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="presentation">${inside}</svg>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} width="${number(width + 16)}" height="${number(high)}" role="img">`
    + `<title>${escape(title)}</title><style>${css}</style>${rect(-8, 0, width + 16, high, "paper")}${inside}</svg>\n`;
}
