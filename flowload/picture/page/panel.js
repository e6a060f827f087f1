// The details beside the picture, made of elements: no text that came in is ever read as markup.

import { line, near, rect, text } from "./marks.js";

export function element(kind, how = "", ...inside) {
  const made = document.createElement(kind);
  if (how) made.className = how;
  made.append(...inside);
  return made;
}

// Words of which some are strong, and some lead to a stage's row.
export function sentence(parts) {
  return parts.map(([words, kind]) => {
    if (kind === "strong") return element("strong", "", words);
    if (!kind.startsWith("stage:")) return document.createTextNode(words);
    const link = element("button", "stage", words);
    link.dataset.go = kind.slice(6);
    return link;
  });
}

export function sections(title, small, found, close) {
  const head = element("h2", "", title, " ", element("small", "", small));
  if (close) {
    const button = element("button", "", "×");
    button.dataset.close = "";
    button.setAttribute("aria-label", "close");
    head.append(button);
  }
  return [head, ...found.flatMap((section) => [...(section.title ? [element("h3", "", section.title)] : []), body(section)])];
}

function body(section) {
  if (section.rows.length === 0) return element("span", "is-dim", section.title === "warnings" ? "none" : "nothing");
  return { pairs, ledger, lines, calls, code }[section.kind](section.rows);
}

function pairs(rows) {
  return element("dl", "", ...rows.flatMap(([name, value, part]) => {
    const shown = element("dd", "", value);
    if (part >= 0) {
      const filled = element("u");
      filled.style.width = `${near(part, 0, 1) * 100}%`;
      shown.append(element("span", "part", filled));
    }
    return [element("dt", "", name), shown];
  }));
}

function ledger(rows) {
  const head = element("tr", "", ...["", "out", "dropped", "held", ""].map((words) => element("th", "", words)));
  return element("table", "", head, ...rows.map(([name, out, lost, held, missing, why]) => {
    const books = missing ? element("td", why === "wrong" ? "is-hot" : "is-dim", `${missing > 0 ? "+" : ""}${missing.toLocaleString("en-US")}`) : element("td", "is-good", "✓");
    books.title = missing ? why : "balances";
    return element("tr", "", element("td", "", name), element("td", "", out), element("td", lost === "0" ? "is-dim" : "", lost), element("td", held === "0" ? "is-dim" : "", held), books);
  }));
}

const lines = (rows) => element("div", "lines", ...rows.map(([words, how]) => element("div", how ? "is-hot" : "", words)));
const code = (rows) => element("code", "", rows.map(([words]) => words).join("\n"));

// p50, p95 and the longest call, on a scale of powers of ten from 1 µs to 10 s.
function calls([[p50, p95, longest]]) {
  const at = (seconds) => (near((Math.log10(Math.max(seconds, 1e-9)) + 6) / 7, 0, 1)) * 280;
  const scale = [["1 µs", 0, "d s"], ["1 ms", 120, "d s m"], ["1 s", 240, "d s m"]];
  const made = element("div");
  made.innerHTML = `<svg class="calls" viewBox="0 0 280 34" role="img" aria-label="p50, p95 and longest call on a scale of powers of ten">`
    + scale.map(([words, x, how]) => text(x, 32, words, how) + line(x, 4, x, 20, "g")).join("")
    + line(at(p50), 12, at(longest), 12, "ln") + rect(at(p50), 8, Math.max(1, at(p95) - at(p50)), 8, "work") + line(at(longest), 7, at(longest), 17, "ln") + "</svg>";
  return made;
}

// Three bars on one scale: now, with the limit twice as fast, and the trainer alone.
export function gains(bars) {
  const most = Math.max(1e-9, ...bars.map((bar) => bar.rate));
  return bars.flatMap((bar) => {
    const filled = element("u", `ink-${bar.ink}`), told = element("em", "", bar.shown);
    filled.style.width = told.style.left = `${(bar.rate / most) * 58}%`;
    const label = element("span", "", bar.label);
    label.title = bar.label;
    return [label, element("i", "", filled, told)];
  });
}
