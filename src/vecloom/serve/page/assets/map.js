"use strict";
// The map: points by WebGL, labels and lasso on a canvas above it. A point is two uint16 (place) and four bytes (colour and
// strength); colours are worked out here when they change, which is seldom, and not by the shader in every frame.

const SHADER = {
  vertex: `
    attribute vec2 place; attribute vec4 tint;
    uniform vec2 centre; uniform vec2 zoom; uniform mediump float size;
    varying vec4 colour;
    void main() {
      gl_Position = vec4((place - centre) * zoom, 0.0, 1.0);
      gl_PointSize = size * (tint.a > 0.9 ? 2.5 : 1.0);
      colour = vec4(tint.rgb, 1.0) * min(tint.a, 0.8);
    }`,
  fragment: `
    precision mediump float; varying vec4 colour; uniform mediump float size;
    void main() {
      vec2 away = gl_PointCoord - 0.5;
      if (size > 2.5 && dot(away, away) > 0.25) discard;
      gl_FragColor = colour;
    }`,
};
const holder = document.getElementById("map");
const base = "/map/" + encodeURIComponent(holder.dataset.index);
const canvas = document.getElementById("points");
const over = document.getElementById("over");
const progress = document.getElementById("progress");
const tip = document.getElementById("tip");
const list = document.getElementById("list");
const legend = document.getElementById("legend");
const ask = document.getElementById("ask");
const least = document.getElementById("least");
const bound = least.querySelector("input");
const view = { x: 0.5, y: 0.5, scale: 1 };
let gl, program, count = 0, places, codes, own, clusters = [], names = [], ordered = false, documents, near, lit, anyLit = false, lassoing = false, path = [], drawing = false;
globalThis.vecloomMap = { frames: 0, ready: false, view };  // what tests and benchmarks read

// --- data ---

async function json(url) {
  const response = await fetch(url);
  const told = await response.json();
  if (!response.ok) throw new Error(told.error?.message ?? told.error ?? response.statusText);
  return told;
}

async function begin() {
  gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
  if (!gl) return void (progress.textContent = "This browser has no WebGL, which the map needs.");
  for (;;) {
    const told = await json(base + "/state");
    if (told.state === "ready") { clusters = told.clusters; count = told.count; break; }
    if (told.state === "failed") return void (progress.textContent = "The map could not be made: " + told.trouble);
    progress.textContent = `The map is being made: ${Math.round(100 * told.progress)} %`;
    await new Promise((done) => setTimeout(done, 500));
  }
  const bytes = await (await fetch(base + "/points")).arrayBuffer();
  places = new Uint16Array(bytes, 0, 2 * count);
  own = new Uint8Array(bytes, 4 * count, count);
  codes = own;
  names = clusters.map((cluster) => cluster.label);
  lit = new Uint8Array(count);
  progress.hidden = true;
  prepare();
  recolour();
  vecloomMap.ready = true;
  holder.dataset.ready = count;
  if (ask.elements.q.value.trim()) await answer(ask.elements.q.value.trim());
}

// --- drawing ---

function prepare() {
  program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, SHADER.vertex], [gl.FRAGMENT_SHADER, SHADER.fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  fill("place", places, 2, gl.UNSIGNED_SHORT);
}

const buffers = {};
function fill(name, values, width, kind) {
  buffers[name] ??= { buffer: gl.createBuffer(), at: gl.getAttribLocation(program, name), width, kind };
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name].buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(buffers[name].at);
}

// While the map moves and frames come slower than 30 a second, only every n-th point is drawn; all of them when it rests.
const SLOW = 36, FEWEST = 12;
let every = 1, last = 0, rest = 0, resting = false;

function points(time) {
  const gap = time - last;
  last = time;
  if (gap > SLOW && gap < 250 && every < FEWEST) every++;
  const step = resting ? 1 : every;
  for (const { buffer, at, width, kind } of Object.values(buffers)) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.vertexAttribPointer(at, width, kind, true, 4 * step, 0);
  }
  gl.drawArrays(gl.POINTS, 0, Math.ceil(count / step));
  clearTimeout(rest);
  if (step > 1) rest = setTimeout(() => { resting = true; draw(); }, 150);
  resting = false;
}

const RAMPS = { light: [[158, 202, 225], [66, 130, 182], [8, 48, 107]], dark: [[52, 88, 118], [98, 166, 204], [238, 249, 255]] };

function hue(code) {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim() < "#8";
  if (code === 255) return dark ? [120, 126, 128] : [150, 155, 158];
  if (ordered) {
    const ramp = RAMPS[dark ? "dark" : "light"], place = (2 * code) / Math.max(1, names.length - 1), from = Math.min(1, Math.floor(place));
    return ramp[from].map((part, at) => Math.round(part + (ramp[from + 1][at] - part) * (place - from)));
  }
  const angle = (code * 137.508) % 360, light = dark ? 0.68 : 0.42 + 0.08 * (code % 2), strong = 0.55 * Math.min(light, 1 - light) * 2;
  const part = (shift) => {
    const place = (shift + angle / 30) % 12;
    return Math.round(255 * (light - (strong / 2) * Math.max(-1, Math.min(place - 3, 9 - place, 1))));
  };
  return [part(0), part(8), part(4)];
}

function recolour() {
  tint();
  legend.replaceChildren(...(codes === own ? [] : [...names.entries(), ...(codes.includes(255) ? [[255, ordered ? "unknown" : "others"]] : [])].map(([code, name]) => {
    const item = document.createElement("li");
    const [r, g, b] = hue(code);
    const dot = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    dot.setAttribute("viewBox", "0 0 2 2");
    const circle = document.createElementNS(dot.namespaceURI, "circle");
    for (const [key, value] of Object.entries({ cx: 1, cy: 1, r: 1, fill: `rgb(${r} ${g} ${b})` })) circle.setAttribute(key, value);
    dot.append(circle);
    item.append(dot, name);
    return item;
  })));
  draw();
}

function tint() {
  const colours = Array.from({ length: 256 }, (_, code) => hue(code)), tints = new Uint8Array(4 * count);
  for (let i = 0; i < count; i++) {
    const [r, g, b] = colours[codes[i]];
    tints[4 * i] = r, tints[4 * i + 1] = g, tints[4 * i + 2] = b;
    tints[4 * i + 3] = lit[i] ? 255 : anyLit ? 50 : 200;
  }
  fill("tint", tints, 4, gl.UNSIGNED_BYTE);
}

function span() {  // half of the view's width and height in map units
  const half = 0.53 / view.scale, shape = canvas.clientWidth / canvas.clientHeight;
  return shape > 1 ? [half * shape, half] : [half, half / shape];
}

function draw() {
  if (drawing || !program) return;
  drawing = true;
  requestAnimationFrame((time) => {
    drawing = false;
    const ratio = devicePixelRatio || 1;
    for (const one of [canvas, over]) {
      const [w, h] = [Math.round(one.clientWidth * ratio), Math.round(one.clientHeight * ratio)];
      if (one.width !== w || one.height !== h) [one.width, one.height] = [w, h];
    }
    const [w, h] = span();
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(gl.getUniformLocation(program, "centre"), view.x, view.y);
    gl.uniform2f(gl.getUniformLocation(program, "zoom"), 1 / w, -1 / h);
    gl.uniform1f(gl.getUniformLocation(program, "size"), ratio * Math.max(1.5, Math.min(12, (260 / Math.sqrt(count)) * Math.sqrt(view.scale))));
    points(time);
    drawOver(ratio);
    vecloomMap.frames++;
  });
}

function drawOver(ratio) {
  const pen = over.getContext("2d"), style = getComputedStyle(document.documentElement);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, over.width, over.height);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.lineWidth = 3;
  pen.strokeStyle = style.getPropertyValue("--paper");
  pen.fillStyle = style.getPropertyValue("--ink");
  const taken = [];
  for (const cluster of codes === own ? [...clusters].sort((a, b) => b.size - a.size) : []) {
    let [x, y] = onScreen(cluster.x, cluster.y);
    const wide = pen.measureText(cluster.label).width / 2 + 4;
    if (x > 0 && x < over.clientWidth) x = Math.max(wide, Math.min(over.clientWidth - wide, x));
    if (taken.some((one) => Math.abs(one.x - x) < one.wide + wide && Math.abs(one.y - y) < 16)) continue;
    taken.push({ x, y, wide });
    pen.strokeText(cluster.label, x, y);
    pen.fillText(cluster.label, x, y);
  }
  if (path.length > 1) {
    pen.beginPath();
    for (const [x, y] of path) pen.lineTo(x, y);
    pen.closePath();
    pen.lineWidth = 1.5;
    pen.strokeStyle = style.getPropertyValue("--link");
    pen.stroke();
  }
}

function onScreen(x, y) {
  const [w, h] = span();
  return [((x - view.x) / w + 1) * canvas.clientWidth / 2, ((y - view.y) / h + 1) * canvas.clientHeight / 2];
}

function onMap(x, y) {
  const [w, h] = span();
  return [view.x + (2 * x / canvas.clientWidth - 1) * w, view.y + (2 * y / canvas.clientHeight - 1) * h];
}

// --- moving ---

function zoom(factor, x, y) {
  const [mx, my] = onMap(x, y);
  view.scale = Math.min(400, Math.max(0.5, view.scale * factor));
  const [nx, ny] = onMap(x, y);
  view.x += mx - nx;
  view.y += my - ny;
  draw();
}

const fingers = new Map();
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  path = lassoing ? [[event.offsetX, event.offsetY]] : [];
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId), now = [event.offsetX, event.offsetY];
  if (!before) return hover(...now);
  if (lassoing) path.push(now), draw();
  else if (fingers.size === 2) {
    const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    zoom(far(now, other) / Math.max(1, far(before, other)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  } else {
    const [w, h] = span();
    view.x -= 2 * w * (now[0] - before[0]) / canvas.clientWidth;
    view.y -= 2 * h * (now[1] - before[1]) / canvas.clientHeight;
    draw();
  }
  fingers.set(event.pointerId, now);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    if (path.length > 2) choose(path.map(([x, y]) => onMap(x, y)));
    path = [];
    draw();
  });
}
canvas.addEventListener("keydown", (event) => {
  const [w, h] = span(), moves = { ArrowLeft: [-w / 4, 0], ArrowRight: [w / 4, 0], ArrowUp: [0, -h / 4], ArrowDown: [0, h / 4] };
  if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.4 : 1 / 1.4, canvas.clientWidth / 2, canvas.clientHeight / 2);
  else if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; draw(); }
  else return;
  event.preventDefault();
});
document.getElementById("whole").addEventListener("click", () => { Object.assign(view, { x: 0.5, y: 0.5, scale: 1 }); draw(); });
document.getElementById("lasso").addEventListener("click", (event) => {
  lassoing = !lassoing;
  event.currentTarget.setAttribute("aria-pressed", String(lassoing));
});

// --- asking ---

let hovered = -1, pause = 0;
function hover(x, y) {
  if (!count) return;
  clearTimeout(pause);
  pause = setTimeout(async () => {
    const [mx, my] = onMap(x, y), near = onMap(x + 8, y)[0] - mx;
    let best = -1, least = (near * 65535) ** 2;
    for (let i = 0; i < count; i++) {
      const dx = places[2 * i] - mx * 65535, dy = places[2 * i + 1] - my * 65535, far = dx * dx + dy * dy;
      if (far < least) [best, least] = [i, far];
    }
    hovered = best;
    if (best < 0) return void (tip.hidden = true);
    const { rows: [row] } = await json(`${base}/rows?at=${best}`);
    if (hovered !== best || !row) return;
    tip.textContent = row.title;
    tip.style.setProperty("left", Math.min(x + 14, canvas.clientWidth - 200) + "px");
    tip.style.setProperty("top", y + 14 + "px");
    tip.hidden = false;
  }, 60);
}

function inside(shape, x, y) {  // even-odd rule
  let odd = false;
  for (let i = 0, j = shape.length - 1; i < shape.length; j = i++) {
    const [xi, yi] = shape[i], [xj, yj] = shape[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

async function choose(shape) {
  const found = [];
  for (let i = 0; i < count; i++) if (inside(shape, places[2 * i] / 65535, places[2 * i + 1] / 65535)) found.push(i);
  forget();
  light(found);
  await showList("chosen", found);
}

// One entry for each document, however many of its passages were found.
async function showList(what, found) {
  documents ??= new Uint32Array(await (await fetch(base + "/documents")).arrayBuffer());
  const first = new Map();
  for (const place of found) if (!first.has(documents[place])) first.set(documents[place], place);
  const shown = [...first.values()].slice(0, 200);
  const { rows } = shown.length ? await json(`${base}/rows?at=${shown.join(",")}`) : { rows: [] };
  const number = `${first.size.toLocaleString("en")} document${first.size === 1 ? "" : "s"}`;
  list.querySelector("h2").textContent = `${number} ${what}` + (first.size > 200 ? ", the first 200" : "");
  list.querySelector("ol").replaceChildren(...rows.map((row) => {
    const item = document.createElement("li"), link = document.createElement("a");
    item.dir = "auto";
    link.href = row.url;
    link.textContent = row.title;
    link.title = row.text;
    item.append(link);
    return item;
  }));
  list.hidden = false;
}

function light(found) {
  lit.fill(0);
  for (const place of found) lit[place] = 1;
  anyLit = found.length > 0;
  tint();
  draw();
}

async function answer(query) {
  near = await json(`${base}/hits?q=${encodeURIComponent(query)}`);
  least.hidden = !near.hits.length;
  const cosines = near.cosines.map((one) => Math.round(100 * one));
  [bound.min, bound.max] = [cosines.at(-1) ?? 0, cosines[0] ?? 0];
  bound.value = near.fair === null ? cosines[Math.min(199, cosines.length - 1)] : Math.min(100 * near.fair, cosines[0]);
  await above();
}

async function above() {
  const found = near.hits.filter((_, at) => Math.round(100 * near.cosines[at]) >= bound.value);
  least.querySelector("output").textContent = (bound.value / 100).toFixed(2);
  light(found);
  await showList(`near to “${ask.elements.q.value.trim()}”`, found);
}

function forget() {
  near = undefined;
  least.hidden = list.hidden = true;
  light([]);
}

ask.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = ask.elements.q.value.trim();
  history.replaceState(null, "", query ? "?q=" + encodeURIComponent(query) : location.pathname);
  if (program) query ? answer(query) : forget();
});
ask.elements.index?.addEventListener("change", ({ target }) => {
  location.assign("/map/" + encodeURIComponent(target.value) + location.search);
});
let sliding = 0;
bound.addEventListener("input", () => { clearTimeout(sliding); sliding = setTimeout(above, 60); });
document.getElementById("close").addEventListener("click", forget);
document.getElementById("colour").addEventListener("change", async (event) => {
  if (!program) return;
  if (event.target.value) {
    const told = await json(`${base}/field?field=${encodeURIComponent(event.target.value)}`);
    codes = Uint8Array.from(atob(told.codes), (letter) => letter.charCodeAt(0));
    names = told.values;
    ordered = told.ordered;
  } else codes = own, ordered = false;
  recolour();
});
document.addEventListener("theme", () => program && recolour());
new ResizeObserver(draw).observe(canvas);
begin().catch((error) => { progress.hidden = false; progress.textContent = "The map could not be shown: " + error.message; });
