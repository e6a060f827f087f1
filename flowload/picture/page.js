"use strict";
const $ = (id) => document.getElementById(id);
let paused = false, picked = null, state = null, over = false;

function spark(canvas, values, colour) {
  const ratio = devicePixelRatio || 1, wide = 86 * ratio, high = 20 * ratio, pen = canvas.getContext("2d");
  canvas.width = wide; canvas.height = high;
  const most = Math.max(1e-9, ...values), step = wide / Math.max(29, values.length - 1);
  pen.strokeStyle = colour; pen.lineWidth = 1.3 * ratio; pen.beginPath();
  values.forEach((value, k) => {
    const x = wide - (values.length - 1 - k) * step, y = high - 2 - (high - 4) * value / most;
    k ? pen.lineTo(x, y) : pen.moveTo(x, y);
  });
  pen.stroke();
}

function row(stage) {
  const tr = document.createElement("tr");
  tr.dataset.name = stage.name;
  tr.className = (stage.mark === "limit" ? "limit " : "") + (stage.name === picked ? "picked" : "");
  for (const text of [stage.name, stage.rate]) { const td = document.createElement("td"); td.textContent = text; td.title = text; tr.append(td); }
  const blue = getComputedStyle(document.documentElement).getPropertyValue("--blue");
  for (const [values, colour] of [[stage.rates, blue], [stage.depths, "#d58a00"]]) {
    const td = document.createElement("td"), canvas = document.createElement("canvas");
    td.append(canvas); tr.append(td); spark(canvas, values, colour);
  }
  return tr;
}

function pick(name) { picked = name; show(); }

function show() {
  if (!state) return;
  const focused = document.activeElement?.closest?.(".stage")?.dataset.name;
  $("title").textContent = document.title = state.title;
  $("picture").innerHTML = state.svg;  // made by this tool, every text in it escaped
  $("rows").replaceChildren(...state.stages.map(row));
  for (const group of document.querySelectorAll("main .stage")) {
    group.classList.toggle("picked", group.dataset.name === picked);
    if (group.dataset.name === focused) group.focus();
  }
  const stage = state.stages.find((one) => one.name === picked);
  $("picked").textContent = stage ? stage.name : "Click a stage for all its numbers";
  $("details").replaceChildren(...(stage ? stage.details : []).flatMap(([name, value]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = value; return [dt, dd];
  }));
  $("word").textContent = state.ended ? `the run is over: ${state.ended}` : paused ? "paused" : "live";
}

async function tick() {
  if (!paused && !over) {
    try {
      const answer = await fetch("/state");
      const fresh = await answer.json();
      if (!paused) { state = fresh; show(); }
      over = Boolean(fresh.ended);
    } catch { over = true; $("word").textContent = "the run is over"; }
  }
  if (!over) setTimeout(tick, 500);
}

$("pause").onclick = () => {
  paused = !paused;
  $("pause").textContent = paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", paused);
  if (!over) $("word").textContent = paused ? "paused" : "live";
};
document.addEventListener("click", (event) => { const hit = event.target.closest("[data-name]"); if (hit) pick(hit.dataset.name); });
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.closest?.(".stage")) pick(event.target.closest(".stage").dataset.name); });
tick();
