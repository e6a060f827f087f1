// Several runs beside each other, such as the ranks of a training: a column each, the same rows, one axis.

import { group, headed, plain } from "./drawing.js";
import { historyOf, ticks } from "./history.js";
import { bar, clock, crop, gauge, letters, line, near, number, percent, rail, rect, text } from "./marks.js";
import { curve } from "./trace.js";

const MOST = 8, ALIKE = 0.1;

// What one run among several is at a moment: its own rows, found by name.
function seen(run, rails) {
  const now = run.moments[run.at], at = new Map(run.rails.rows.map((row, k) => [row.name, k]));
  const queue = (name) => run.rails.links.findIndex((link, k) => run.rails.rows[link.below].name === name && now.queues[k][1]);
  const waits = Math.max(0, ...run.rails.rows.map((row, k) => (row.output ? now.cells[k].time[4] : 0)));
  return { ...run, now, waits, cells: rails.rows.map((row) => now.cells[at.get(row.name)]), queues: rails.rows.map((row) => now.queues[queue(row.name)]), takers: run.rails.rows.map((row, k) => (row.output ? k : -1)).filter((k) => k >= 0) };
}

// The rows of the first run, and those that only others have.
export function joined(runs) {
  const rails = runs[0].rails, known = new Set(rails.rows.map((row) => row.name));
  const more = runs.slice(1).flatMap((run) => run.rails.rows).filter((row) => !known.has(row.name) && known.add(row.name));
  return more.length ? { ...rails, rows: [...rails.rows, ...more] } : rails;
}

// Of many, those that say most: the one that waits most, the middle, and the one that waits least.
function chosen(all) {
  if (all.length <= MOST) return all;
  const order = [...all].sort((one, other) => other.waits - one.waits);
  return [order[0], order[Math.floor(order.length / 2)], order.at(-1)];
}

export function drawColumns(runs, wanted) {
  const rails = joined(runs), all = runs.map((run) => seen(run, rails)), shown = chosen(all);
  const width = wanted.width, count = rails.rows.length, narrow = width < 640, many = all.length > MOST;
  const nameWide = narrow ? 0 : near(Math.max(...rails.rows.map((row) => letters(row.label).length * 7.4)) + 14, 90, width * 0.2);
  const x0 = narrow ? 28 : 12 + (rails.lanes - 1) * 22 + 16 + nameWide, each = (width - x0) / shown.length;
  const high = narrow ? 44 : near(Math.floor(((wanted.height || 0) - 130) / count), count > 14 ? 28 : 40, 62);
  let [made, above] = wanted.head ? headed(wanted.say, width) : ["", 0];
  if (many) {
    made += strips(all, above + 22, width, wanted);
    above += 30 + 12 * all.length;
  }
  const top = above + 118, height = top + count * high + 8, ys = rails.rows.map((_, k) => top + k * high + high / 2);
  const worst = shown.reduce((a, b) => (b.waits > a.waits ? b : a)), bad = worst.waits > 0.05 && shown.length > 1 && !wanted.compared;
  // Runs that are compared begin together; ranks are where they are.
  const until = wanted.compared ? Math.max(...shown.map((run) => run.moments[run.live].at)) : undefined;
  const histories = shown.map((run) => historyOf(run.moments, run.live, wanted.span, until));
  if (!narrow) {
    made += text(0, above + 60, "trainer waits,", "h s") + text(0, above + 74, "0 to 100 %", "d s");
    made += text(0, top - 8, "workers’ time, rate out", "d s");
  }
  const geometry = { x0, each, inner: each - (narrow ? 8 : 22), narrow, above, top, height, wanted, many };
  shown.forEach((run, j) => { made += column(run, j, histories[j], bad && run === worst, worst, geometry, all.length); });
  rails.rows.forEach((row, k) => {
    let inside = rect(-6, ys[k] - high / 2, width + 12, high, "hit");
    const hot = worst.cells[k]?.mark === "limit", label = crop(row.label, narrow ? width * 0.6 : nameWide, 7.4);
    inside += text(narrow ? 0 : x0 - nameWide, narrow ? ys[k] - 8 : ys[k] + 4, label, hot && !wanted.compared ? "l b h" : "l b");
    shown.forEach((run, j) => { inside += entry(run, row, k, j, ys[k], geometry, run === worst && hot && bad); });
    if (wanted.pick === row.name) inside += rect(-6, ys[k] - high / 2 + 1, width + 12, high - 2, "pick", ' rx="3"');
    made += group(rails, { cells: rails.rows.map((one, m) => ({ speaks: spoken(shown, one, m) })) }, k, inside, wanted);
  });
  if (!narrow) made += `<g pointer-events="none">${rail(rails, null, 12, 22, ys, false)}</g>`;
  return { made, height, history: histories[0], left: x0, wide: geometry.inner, each, columns: shown.length };
}

const spoken = (runs, row, k) => `${row.label}: ${runs.map((run) => `${run.label} ${run.cells[k]?.out ?? "has none"}`).join(", ")}`;

// One row of one run.
function entry(run, row, k, j, y, geometry, hot) {
  const cell = run.cells[k], x = geometry.x0 + j * geometry.each;
  if (!cell) return text(x + 14, y + 4, "has none", "d s");
  if (geometry.narrow) return bar(x, y - 2, geometry.inner, 14, cell.time, cell.late, Boolean(row.output));
  const queue = run.queues[k];
  return bar(x + 14, y - 9, geometry.inner - 14 - 66, 18, cell.time, cell.late, Boolean(row.output))
    + text(x + geometry.inner, y + 4, cell.out, hot ? "e b h" : "e") + (queue ? gauge(x, y - 9, 8, 18, queue[0], queue[1]) : "");
}

// What stands above a column: whose it is, how fast, and how long its trainer waited.
function column(run, j, history, bad, worst, geometry, among) {
  const { narrow, above, top, height, wanted, inner, each, x0 } = geometry, x = x0 + j * each, taker = run.takers[0] ?? -1;
  const out = taker >= 0 ? run.now.cells[taker].out : "", lost = run.gone > 0 ? `no answer for ${Math.round(run.gone)} s` : "";
  let made = bad ? rect(x - 7, above, inner + 14, height - above - 2, "tint", ' rx="3"') : "";
  made += `<g data-rank="${run.index}">${rect(x - 7, above, inner + 14, 90, "hit")}<title>${run.label} alone</title></g><g pointer-events="none">`;
  made += text(x, above + 18, crop(run.label, inner - 70, 7.4), bad ? "l b h" : "l b") + (narrow ? text(x, above + 33, out, "s") : text(x + inner, above + 18, out, "e"));
  const told = lost || (bad || run === worst || among < 2 || wanted.compared ? `waits ${percent(run.waits)}, ${run.now.band}` : `waits ${percent(run.waits)}, in step with ${worst.label}`);
  if (!narrow) made += text(x, above + 34, crop(told, inner, 5.8), bad || lost ? "s h" : "s d");
  const start = above + 44, base = above + 84;
  made += waiting(run, history, x, inner, start, base);
  if (!narrow) {
    for (const tick of ticks(history.start, history.end, Math.min(inner, 140))) {
      const at = history.x(tick, x, inner);
      if (at > x + 12 && at < x + inner - 10) made += line(at, start, at, base + 3, "g") + text(at, base + 14, clock(tick), "d s m");
    }
  }
  if (wanted.cursor >= 0) {
    const at = history.x(near(wanted.cursor, history.start, history.end), x, inner);
    made += line(at, start, at, base, "cur");
  }
  return `${made}</g>`;
}

function waiting(run, history, x, wide, top, base) {
  const taker = run.takers[0] ?? -1;
  if (taker < 0 || history.picked.length < 2) return line(x, base, x + wide, base, "g");
  const xs = history.picked.map((moment) => history.x(moment.at, x, wide));
  const ys = history.picked.map((moment) => base - (base - top) * near(Math.max(...run.takers.map((k) => moment.cells[k].time[4])), 0, 1));
  const path = curve(xs, ys);
  return line(x, base, x + wide, base, "g") + `<path d="${path}L${number(xs.at(-1))} ${number(base)}L${number(xs[0])} ${number(base)}z" class="wa"/><path d="${path}" class="wl"/>`;
}

// Many ranks: how long each one's trainer waited, a line each.
function strips(all, y, width, wanted) {
  let made = text(0, y - 8, "trainer waits, every rank", "h s");
  all.forEach((run, k) => {
    const history = historyOf(run.moments, run.live, wanted.span), base = y + (k + 1) * 12;
    made += `<g data-rank="${run.index}">${rect(0, base - 12, width, 12, "hit")}<title>${run.label} alone</title></g><g pointer-events="none">`;
    made += text(0, base - 1, run.label, "s d") + waiting(run, history, 60, width - 110, base - 10, base) + text(width, base - 1, percent(run.waits), "s d e") + "</g>";
  });
  return made;
}

// What is said of several at once.
export function sayAll(runs, notes) {
  const all = runs.map((run) => ({ ...run, say: run.moments[run.at].say }));
  const worst = all.reduce((a, b) => (b.say.waits > a.say.waits ? b : a)), least = Math.min(...all.map((run) => run.say.waits));
  const odd = all.find((run) => ["failed", "stalled"].includes(run.say.state));
  if (notes.length && all.some((run) => run.compared)) return { ...worst.say, head: [[notes[0], ""]], sub: notes.slice(1).map((note) => [`${note} `, ""]), run: worst };
  const more = notes.map((note) => [` ${note}`, ""]);
  if (odd) return { ...odd.say, head: [[`${odd.label}: `, ""], ...odd.say.head], sub: [...odd.say.sub, ...more], run: odd };
  if (worst.say.waits - least > ALIKE) {
    const share = percent(worst.say.waits), tail = worst.say.tail.length ? worst.say.tail : [[".", ""]];
    return { ...worst.say, head: [[`${capital(worst.label)} holds up all ${all.length} and waits ${share} of its time`, ""], ...tail], sub: [...worst.say.sub, ...more], run: worst };
  }
  return { ...worst.say, head: [[`All ${all.length} are alike. `, ""], ...worst.say.head], sub: [...worst.say.sub, ...more], run: worst };
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
export { plain };
