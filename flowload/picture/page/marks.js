// The marks that a drawing is made of, as SVG: what `marks.py` is in Python. A test compares both.

const PARTS = ["work", "disk", "late", "room", "hot"];
const WORDS = { work: "busy", disk: "disk", room: "no room", input: "no input", hot: "waits" };
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escape = (words) => String(words).replace(/[&<>"]/g, (letter) => ENTITIES[letter]);

// A coordinate, to a tenth.
export function number(value) {
  const tenths = Math.floor(value * 10 + 0.5);
  return tenths % 10 === 0 ? String(Math.floor(tenths / 10)) : String(tenths / 10);
}

export const near = (value, low, high) => Math.min(high, Math.max(low, value));

export function text(x, y, words, how = "") {
  if (!words) return "";
  return `<text x="${number(x)}" y="${number(y)}"${how ? ` class="${how}"` : ""}>${escape(words)}</text>`;
}

export function rect(x, y, width, height, how, extra = "") {
  if (width <= 0 || height <= 0) return "";
  return `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}"${extra} class="${how}"/>`;
}

export const line = (x, y, toX, toY, how) =>
  `<path d="M${number(x)} ${number(y)}L${number(toX)} ${number(toY)}" class="${how}"/>`;

// A round number from there up, for the end of a scale.
export function nice(value) {
  if (value <= 0) return 1;
  let power = 1;
  while (power * 10 <= value) power *= 10;
  while (power > value) power /= 10;
  for (const factor of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (value <= factor * power * 1.0001) return factor * power;
  return 10 * power;
}

// Letters, not halves of them: names may hold any.
export const letters = (words) => [...words];

export function crop(words, width, letter) {
  const room = Math.max(1, Math.floor(width / letter)), all = letters(words);
  return all.length <= room ? words : all.slice(0, room - 1).join("") + "…";
}

export function scaled(value) {
  for (const [power, letter] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (Math.abs(value) >= power * 0.9995) {
      const part = value / power, size = Math.abs(part);
      return part.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0) + letter;
    }
  }
  return value >= 9.95 || value === Math.trunc(value) ? value.toFixed(0) : value.toFixed(1);
}

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds)), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function percent(part) {
  return part <= 0 ? "0 %" : part < 0.01 ? "<1 %" : `${Math.round(part * 100)} %`;
}

// Where the time of a stage's workers went: parts in a fixed order, worded where they have room.
export function bar(x, y, width, height, time, late, taker) {
  let made = rect(x, y, width, height, "track", ' rx="1"'), place = x;
  for (const [name, part] of [...PARTS.map((name, k) => [name, time[k]]), ["input", time[5]]]) {
    const wide = part * width;
    if (part < 0.004) continue;
    if (name !== "input") made += rect(place, y, wide, height, name);
    if (height >= 12) {
      const word = taker && name === "work" ? "trains" : name === "late" ? late : WORDS[name];
      const share = String(Math.floor(part * 100 + 0.5)), how = `s t${name === "input" ? "track" : name}`;
      if (wide > `${word} ${share}`.length * 5.9 + 8) made += text(place + 4, y + height / 2 + 4, `${word} ${share}`, how);
      else if (wide > 24 && part >= 0.1) made += text(place + 4, y + height / 2 + 4, share, how);
    }
    place += wide;
  }
  return made;
}

// A queue: a cell for each block that fits, filling towards its reader.
export function gauge(x, y, width, height, blocks, room) {
  const full = near(blocks / room, 0, 1) * height;
  let made = rect(x, y, width, height, "box") + rect(x, y + height - full, width, full, "data");
  if (room <= 8) {
    for (let k = 1; k < room; k++) {
      const at = y + (height * k) / room;
      made += line(x, at, x + width, at, k >= room - blocks ? "cell" : "box");
    }
  }
  return made;
}

// Stations, the lines between them, and the queue on each line.
export function rail(rails, moment, x, wide, ys, fused) {
  let made = "";
  rails.links.forEach((link, k) => {
    const room = moment ? moment.queues[k][1] : 2;
    made += `<path d="${track(rails, link, x, wide, ys)}" class="${room || !fused ? "rail" : "fuse"}"/>`;
  });
  rails.links.forEach((link, k) => {
    const [blocks, room] = moment ? moment.queues[k] : [0, 2];
    if (!room || !(fused || moment)) return;
    const gap = ys[link.below] - ys[link.below - 1], turns = rails.rows[link.below].lane !== link.lane;
    const high = near(gap - (turns ? 30 : 22), 8, 28), at = ys[link.below] - gap / 2 - high / 2 - (turns ? 3 : 0);
    made += gauge(x + link.lane * wide - 5, at, 10, high, blocks, room);
  });
  rails.rows.forEach((row, k) => {
    const mark = moment ? moment.cells[k].mark : "", here = x + row.lane * wide;
    if (row.output) {
      made += `<path d="M${number(here - 7)} ${number(ys[k] - 5)}h14l-7 11z" class="${mark === "limit" ? "lim" : "term"}"/>`;
    } else {
      const how = { limit: " lim", next: " nxt", later: " nxt q" }[mark] ?? "";
      made += `<circle cx="${number(here)}" cy="${number(ys[k])}" r="5.5" class="st${how}"/>`;
    }
  });
  return made;
}

// The way of a link: across to its lane, down, and across to its reader.
function track(rails, link, x, wide, ys) {
  const above = x + rails.rows[link.above].lane * wide, down = x + link.lane * wide, below = x + rails.rows[link.below].lane * wide;
  const top = ys[link.above], end = ys[link.below], turn = Math.min(10, wide / 2);
  let way = `M${number(above)} ${number(top)}`;
  if (down !== above) {
    const side = down > above ? turn : -turn;
    way += `H${number(down - side)}Q${number(down)} ${number(top)} ${number(down)} ${number(top + turn)}`;
  }
  if (below === down) return `${way}V${number(end)}`;
  const side = below > down ? turn : -turn;
  return `${way}V${number(end - turn)}Q${number(down)} ${number(end)} ${number(down + side)} ${number(end)}H${number(below)}`;
}
