// The page: asks for moments, shows one, and follows hands. What it shows is what the server says of that moment.

import { drawColumns, joined, sayAll } from "./columns.js";
import { draw, plain, WANTED, wrapped } from "./drawing.js";
import { keep, nearest } from "./history.js";
import { clock, near } from "./marks.js";
import { gains, sections, sentence } from "./panel.js";

const $ = (id) => document.getElementById(id);
const SPANS = [60, 120, 300, 600, 0], TICK = 500;
const words = new URLSearchParams(location.search);
const root = document.documentElement, dark = matchMedia("(prefers-color-scheme:dark)"), calm = matchMedia("(prefers-reduced-motion:reduce)");

const page = {
  board: words.get("board") ?? "", key: "", graph: null, runs: [], only: null, pick: "", cursor: -1,
  frozen: null, paused: false, span: Number(words.get("span") ?? 120), told: "", drawn: null, answered: performance.now(), gone: false, showing: 0,
};

// ---- what is shown

// The runs at the moment that is looked at.
function views() {
  const ready = page.runs.filter((run) => run.rails && run.moments.length && (page.only === null || run.index === page.only));
  return ready.map((run) => {
    const last = page.compared ? going(run.moments) : run.moments.length - 1;
    const live = run.frozen === null ? last : Math.min(run.frozen, last);
    return { ...run, live, at: page.cursor < 0 ? live : Math.min(live, nearest(run.moments, page.cursor)) };
  });
}

// The last moment at which a run went on: when it is over, its queues are empty.
function going(moments) {
  for (let k = moments.length - 1; k >= 0; k--) if (moments[k].say.state === "") return k;
  return moments.length - 1;
}

function show() {
  const shown = views();
  if (!shown.length) return empty();
  const several = shown.length > 1, say = several ? sayAll(shown, page.graph.notes) : { ...shown[0].moments[shown[0].at].say, run: shown[0] };
  const main = say.run ?? shown[0], now = main.moments[main.at], scale = Number(getComputedStyle(root).getPropertyValue("--k")) || 1;
  const width = Math.max(300, Math.floor($("picture").clientWidth / scale) - 16);
  const wanted = { ...WANTED, width, height: innerHeight / scale - 250, span: page.span || Infinity, cursor: page.cursor, pick: page.pick, compared: page.compared };
  page.drawn = several ? drawColumns(shown, wanted) : draw(main.rails, main.moments, main.live, main.at, wanted);
  $("picture").innerHTML = wrapped(page.drawn.made, width, page.drawn.height);
  const rows = several ? joined(shown).rows : main.rails.rows, number = rows.findIndex((row) => row.name === page.pick);
  $("picture").setAttribute("aria-activedescendant", number >= 0 ? `row${number}` : "");
  page.rows = rows;
  page.limit = say.who;
  sayIt(say, several);
  top(shown, main, now);
  side(shown, main, now, number);
}

function empty() {
  $("head").textContent = page.gone ? "Nobody answers." : "Waiting for a run.";
  $("sub").textContent = page.gone ? "The process that served this page has ended." : "It is shown as soon as it begins.";
}

function sayIt(say, several) {
  const words = plain(say.head), sub = [...say.sub];
  const head = page.gone ? [[`${words.replace(/\.$/, "")}: no answer since ${clock(page.since)}.`, ""]] : say.head;
  if ($("head").dataset.said !== plain(head)) {
    const focused = document.activeElement?.dataset?.go;
    $("head").replaceChildren(...sentence(head));
    $("head").dataset.said = plain(head);
    if (focused) $("head").querySelector(`[data-go="${CSS.escape(focused)}"]`)?.focus();
  }
  if ($("sub").dataset.said !== plain(sub)) {
    $("sub").replaceChildren(...sentence(sub));
    $("sub").dataset.said = plain(sub);
  }
  const run = say.run, gain = run.moments[run.at].gain;
  $("gain").replaceChildren(...(page.compared && several ? [] : gains(gain)));
  const key = say.state + say.who;
  if (key !== page.told && page.cursor < 0) {
    page.told = key;
    $("aloud").textContent = words;
  }
}

function top(shown, main, now) {
  const title = page.graph.title, several = shown.length > 1;
  $("name").textContent = title + (several && !page.compared ? `, ${shown.length} ranks` : page.only === null ? "" : `, ${main.label}`);
  document.title = now.top.tab;
  const warned = shown.reduce((sum, run) => sum + run.moments[run.at].top.warned, 0);
  $("clock").textContent = `${now.top.clock} · ${now.top.samples}${several ? ` of ${main.label}` : ""}${warned ? ` · ▲ ${warned} warning${warned > 1 ? "s" : ""}` : ""}`;
  $("clock").className = warned ? "is-hot" : "";
  $("progress").hidden = now.top.done < 0 && !now.top.left;
  $("done").hidden = now.top.done < 0;
  $("done").value = Math.max(0, now.top.done);
  $("left").textContent = now.top.left;
  const ago = Math.round(main.moments[main.live].at - now.at), lost = shown.filter((run) => run.gone > 0);
  $("chip").textContent = page.cursor >= 0 ? `${clock(now.at)}, ${ago} s ago` : page.gone ? `no answer since ${clock(page.since)}`
    : page.paused ? "paused" : lost.length ? `${lost.map((run) => run.label).join(", ")}: no answer` : page.only !== null ? "esc: all ranks" : "";
  $("digits").hidden = page.runs.length < 2;
  for (const what of ["stats", "dump", "trace", "metrics"]) {
    $(what).href = `${{ stats: "stats.json", dump: "dump.txt", trace: "trace.json", metrics: "metrics" }[what]}?board=${page.key}&run=${main.index}`;
  }
}

function side(shown, main, now, number) {
  const row = page.rows[number], own = row ? main.rails.rows.findIndex((one) => one.name === row.name) : -1;
  $("side").classList.toggle("open", own >= 0);
  const small = shown.length > 1 ? main.label : own >= 0 ? "" : "all stages";
  const focused = document.activeElement?.dataset?.close !== undefined;
  $("side").replaceChildren(...(own >= 0 ? sections(row.label, small, now.stages[own], true) : sections(now.say.state === "stalled" ? "Threads" : "Run", small, now.panel, false)));
  if (focused) $("side").querySelector("[data-close]")?.focus();
}

// ---- moments come in

async function tick() {
  if (!document.hidden) {
    try {
      await ask();
      page.gone = false;
      page.answered = performance.now();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;  // fetch says so where nobody answers
      if (!page.gone && performance.now() - page.answered > 1500) {
        page.gone = !page.runs.length || page.runs.some((run) => !run.ended);
        page.since = Math.max(0, ...page.runs.map((run) => run.moments.at(-1)?.at ?? 0));
        show();
      }
    }
  }
  setTimeout(tick, page.gone ? 4 * TICK : TICK);
}

async function ask() {
  const since = page.runs.map((run) => run.last).join(",");
  const state = await (await fetch(`state?board=${page.key && page.board ? page.board : page.key}&since=${since}`)).json();
  choices(state.boards);
  const newest = state.boards.at(-1)?.[0] ?? "";
  if (!page.board && newest && newest !== page.key && page.cursor < 0 && !page.paused) return open(newest);
  if (!page.graph || state.runs.length !== page.runs.length || state.runs.some((run, k) => run.begun && !page.runs[k].rails)) return open(state.key || newest);
  let fresh = 0;
  state.runs.forEach((found, k) => {
    const run = page.runs[k];
    fresh += found.moments.length;
    const before = run.moments.length;
    keep(run.moments, found.moments);
    if (run.frozen !== null && run.moments.length < before + found.moments.length) run.frozen = Math.max(0, run.frozen - (before + found.moments.length - run.moments.length));
    Object.assign(run, { last: found.last, gone: found.gone, ended: found.ended });
  });
  if (fresh && (!calm.matches || ++page.showing % 4 === 1 || page.runs.every((run) => run.ended))) show();
  else if (!fresh) show();
}

async function open(key) {
  const graph = await (await fetch(`graph?board=${key}`)).json();
  page.graph = graph;
  page.key = graph.key;
  page.compared = Boolean(graph.compared) && graph.runs.length > 1;
  page.runs = graph.runs.map((run, index) => ({ ...run, index, compared: page.compared, moments: [], last: 0, gone: 0, ended: false, frozen: null }));
  if (page.only !== null && page.only >= page.runs.length) page.only = null;
  if (graph.runs.some((run) => run.rails)) await ask();
}

function choices(boards) {
  const told = JSON.stringify(boards);
  if ($("board").dataset.told === told) return;
  $("board").dataset.told = told;
  $("board").hidden = boards.length < 2;
  $("board").replaceChildren(new Option("the newest run", ""), ...boards.map(([key, title]) => new Option(`${key}: ${title}`, key)));
  $("board").value = page.board;
}

// ---- hands

function choose(number) {
  page.pick = number === null || number < 0 ? "" : page.rows[near(number, 0, page.rows.length - 1)].name;
  show();
  reveal();
}

function reveal() {
  const row = page.pick && $(`row${page.rows.findIndex((one) => one.name === page.pick)}`);
  if (!row) return;
  const box = row.getBoundingClientRect(), low = innerWidth <= 620 ? innerHeight * 0.36 : innerHeight - 8;
  if (box.top < 8 || box.bottom > low) scrollBy(0, box.top - Math.max(8, low / 2 - 30));
}

function freeze(on) {
  for (const run of page.runs) run.frozen = on ? run.frozen ?? run.moments.length - 1 : null;
}

function look(at) {
  page.cursor = at;
  freeze(at >= 0 || page.paused);
  show();
}

function pause() {
  page.paused = !page.paused;
  freeze(page.paused || page.cursor >= 0);
  $("pause").textContent = page.paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", page.paused);
  show();
}

function step(by) {
  const run = views()[0];
  if (!run) return;
  freeze(true);
  const at = near(run.at + by, 0, run.live);
  look(by > 0 && at >= run.live ? -1 : run.moments[at].at);
}

function wider(by) {
  page.span = SPANS[near(SPANS.indexOf(page.span) + by, 0, SPANS.length - 1)];
  $("span").value = page.span;
  show();
}

function back() {
  if (page.cursor >= 0) return look(-1);
  if (page.pick) page.pick = "";
  else page.only = null;
  show();
}

const KEYS = {
  ArrowDown: () => choose(page.rows.findIndex((row) => row.name === page.pick) + 1),
  ArrowUp: () => { const k = page.rows.findIndex((row) => row.name === page.pick); choose(k < 0 ? page.rows.length - 1 : Math.max(0, k - 1)); },
  ArrowLeft: () => step(-2),
  ArrowRight: () => step(2),
  Escape: back,
  Enter: () => choose(page.rows.findIndex((row) => row.name === page.limit)),
  " ": pause,
  "[": () => wider(-1),
  "]": () => wider(1),
};

document.addEventListener("keydown", (event) => {
  if (/SELECT|INPUT/.test(event.target.tagName) || event.metaKey || event.ctrlKey || event.altKey || !page.rows) return;
  if (/BUTTON|A/.test(event.target.tagName) && (event.key === "Enter" || event.key === " ")) return;
  if (/^\d$/.test(event.key) && Number(event.key) < page.runs.length && page.runs.length > 1) {
    page.only = page.only === Number(event.key) ? null : Number(event.key);
    show();
  } else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
  else return;
  event.preventDefault();
});

$("picture").addEventListener("click", (event) => {
  const row = event.target.closest("[data-row]"), rank = event.target.closest("[data-rank]");
  if (rank) { page.only = Number(rank.dataset.rank); show(); }
  else if (row) choose(page.rows[Number(row.dataset.row)].name === page.pick ? null : Number(row.dataset.row));
});

let asked = 0;
$("picture").addEventListener("pointermove", (event) => {
  if (!page.drawn?.history) return;
  const box = $("picture").firstElementChild.getBoundingClientRect(), view = $("picture").firstElementChild.viewBox.baseVal;
  const x = ((event.clientX - box.left) / box.width) * view.width - 8, { left, wide, each, history } = page.drawn;
  let part = (x - left) / wide;
  if (each && part >= 0) part = ((x - left) % each) / wide;
  const at = part < 0 || part > 1 ? -1 : Math.max(0, history.start + part * (history.end - history.start));
  if (at === page.cursor) return;
  page.cursor = at;
  freeze(at >= 0 || page.paused);
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(show);
});
$("picture").addEventListener("pointerleave", () => { if (page.cursor >= 0) look(-1); });

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-go]");
  if (link) choose(page.rows.findIndex((row) => row.name === link.dataset.go));
  if (event.target.closest("[data-close]")) { choose(null); $("picture").focus(); }
});
$("pause").addEventListener("click", pause);
$("span").addEventListener("change", (event) => { page.span = Number(event.target.value); show(); });
$("board").addEventListener("change", (event) => { page.board = event.target.value; page.pick = ""; look(-1); open(page.board); });

const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
const named = () => { $("theme").textContent = isDark() ? "Light" : "Dark"; };
$("theme").addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; named(); });
dark.addEventListener("change", named);

// The picture as a file of its own: verdict, rows, books; it follows its reader's theme.
export function saved(width = 980) {
  const shown = views(), several = shown.length > 1, say = several ? sayAll(shown, page.graph.notes) : shown[0].moments[shown[0].at].say, first = shown[0];
  const now = first.moments[first.at], wanted = { ...WANTED, width, span: page.span || Infinity, cursor: page.cursor, head: true, foot: now.foot, say, compared: page.compared };
  const drawn = several ? drawColumns(shown, wanted) : draw(first.rails, first.moments, first.live, first.at, wanted);
  return wrapped(drawn.made, width, drawn.height, `${page.graph.title}: ${plain(say.head)}`, page.graph.css);
}
$("save").addEventListener("click", () => {
  if (!views().length) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([saved()], { type: "image/svg+xml" }));
  link.download = "flowload.svg";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

function fit() {
  root.style.setProperty("--k", innerWidth > 1500 ? Math.min(1.45, innerWidth / 1500).toFixed(3) : 1);
  if (page.rows) show();
}
addEventListener("resize", fit);
if (["light", "dark"].includes(words.get("theme"))) root.dataset.theme = words.get("theme");
page.pick = words.get("pick") ?? "";
$("span").value = page.span;
fit();
named();
tick();
export { draw, page };
