/* The page "LeNet, live": draws what network.js computes, and says what any one number is made of.
 *
 * A stage is a step of the network that can be seen; its maps are what the reader points at. Stage 0
 * is the image. A place is {stage, map, i, j}; dense layers are one map, drawn in rows of `columns`.
 * What readers see is in t(…), so that the Chinese page can have its own words (book/zh/pages/view.md).
 */
import {
  forward, lenet, loadWeights, numParams, softmax, tensor, xavier,
} from "./network.js";

/** The text with {name} replaced by values.name. */
function t(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const CLASSES = [
  t("t-shirt"), t("trouser"), t("pullover"), t("dress"), t("coat"), t("sandal"), t("shirt"), t("sneaker"), t("bag"), t("ankle boot"),
];
const RECIPES = { modern: t("modern"), classic: t("classic"), random: t("random") };
const STAGES = [
  { title: t("Image"), maps: 1, rows: 28, columns: 28 },
  { title: t("Convolution 1, sigmoid"), maps: 6, rows: 28, columns: 28, layer: 0, output: 1 },
  { title: t("Average pooling 1"), maps: 6, rows: 14, columns: 14, layer: 2, output: 2 },
  { title: t("Convolution 2, sigmoid"), maps: 16, rows: 10, columns: 10, layer: 3, output: 4 },
  { title: t("Average pooling 2"), maps: 16, rows: 5, columns: 5, layer: 5, output: 5 },
  { title: t("Dense 1, sigmoid"), maps: 1, rows: 6, columns: 20, layer: 7, output: 8, dense: true },
  { title: t("Dense 2, sigmoid"), maps: 1, rows: 6, columns: 14, layer: 9, output: 10, dense: true },
  { title: t("Dense 3, the logits"), maps: 1, rows: 1, columns: 10, layer: 11, output: 11, dense: true },
];
const LOGITS = 7;
const DRAWING = 16; // the seventeenth choice beside the probe images
const LARGEST = 8; // contributions that a dense unit lists
const CROSS = [[0, 0, 1], [0, 1, 0.8], [0, -1, 0.8], [1, 0, 0.8], [-1, 0, 0.8]];
const BRUSHES = { broad: CROSS, fine: [[0, 0, 1]], erase: CROSS }; // [down, right, brightness]

const state = {
  weights: "modern",
  seed: 1,
  zeroed: "", // "layer map" of the kernel that is set to zero
  choice: 14, // a probe image, or DRAWING
  label: null,
  image: tensor([1, 28, 28]),
  drawing: tensor([1, 28, 28]),
  tool: "broad",
  place: { stage: 1, map: 0, i: 12, j: 14 }, // what the panel explains
  pinned: false,
  channel: null, // the input map whose numbers are open; null: the one that adds most
};
let net, outputs, maps, probabilities;

/* ---- numbers and colours ------------------------------------------------------------------------ */

const minus = (text) => text.replace("-", "−");
const exact = (x, digits = 4) => `<data value="${x}">${minus(x.toFixed(digits))}</data>`;

/** At most four characters: .12, −1.2, 35. */
function short(x) {
  const size = Math.abs(x);
  if (size < 0.005) return "0";
  return minus(x.toFixed(size < 0.995 ? 2 : size < 9.95 ? 1 : 0).replace("0.", "."));
}

const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const blend = (from, to, t) => from.map((x, n) => Math.round(x + t * (to[n] - x)));

const table = (colour) => Array.from({ length: 256 }, (_, n) => colour(n / 255));
const GREYS = table((t) => [255 * t, 255 * t, 255 * t]);
const COLOURS = table((t) => {
  const at = Math.min(3.999, 4 * t);
  return blend(VIRIDIS[Math.floor(at)], VIRIDIS[Math.floor(at) + 1], at % 1);
});
const grey = (t) => GREYS[Math.round(255 * t)];
const signed = (t) => blend([255, 255, 255], t > 0 ? [213, 94, 0] : [0, 114, 178], Math.min(1, Math.abs(t)));

/** Black or white, whichever can be read on this colour: at least 4.58 : 1. */
function ink(rgb) {
  const [r, g, b] = rgb.map((x) => (x <= 10 ? x / 3295 : ((x / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

/** How the numbers of a map become colours: grey for the image, else from the map's lowest to its highest. */
function scale(stage, map) {
  if (stage === 0) return { low: 0, high: 1, colour: grey };
  const values = mapValues(stage, map);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return { low, high, colour: (x) => COLOURS[Math.round((255 * (x - low)) / (high - low || 1))] };
}

/* ---- what there is ------------------------------------------------------------------------------ */

const stageValues = (stage) => (stage === 0 ? state.image : outputs[STAGES[stage].output]).data;

function mapValues(stage, map) {
  const { rows, columns } = STAGES[stage];
  return stageValues(stage).subarray(map * rows * columns, (map + 1) * rows * columns);
}

const flatIndex = ({ stage, map, i, j }) => (map * STAGES[stage].rows + i) * STAGES[stage].columns + j;

function placeOf(stage, n) {
  const { rows, columns } = STAGES[stage];
  return { stage, map: Math.floor(n / (rows * columns)), i: Math.floor(n / columns) % rows, j: n % columns };
}

function placeName(place) {
  const { dense, maps: count } = STAGES[place.stage];
  if (place.stage === LOGITS) return CLASSES[place.j];
  if (dense) return t("unit {n}", { n: flatIndex(place) + 1 });
  const at = t("row {i}, column {j}", { i: place.i + 1, j: place.j + 1 });
  return count > 1 ? t("map {map}, {at}", { map: place.map + 1, at }) : at;
}

/** The number at a place taken apart: its products, their sum, the bias, what comes out. */
function explain(place) {
  const { layer, dense } = STAGES[place.stage];
  const X = place.stage === 1 ? state.image : outputs[layer - 1];
  const at = flatIndex(place);
  const terms = net[layer].terms(X, dense ? at : place.map, place.i, place.j);
  for (const term of terms) {
    term.product = term.value * term.weight;
    term.place = dense ? placeOf(place.stage - 1, term.n) : { stage: place.stage - 1, map: term.c, i: term.row, j: term.column };
  }
  const sum = terms.reduce((total, term) => total + term.product, 0);
  const bias = net[layer].bias?.data[dense ? at : place.map];
  return { terms, sum, bias, value: stageValues(place.stage)[at] };
}

/** The rectangle of the image that a place depends on: {i, j, size}. */
function receptiveField({ stage, i, j }) {
  if (STAGES[stage].dense) return { i: 0, j: 0, size: 28 };
  let size = 1;
  for (; stage > 0; stage--) {
    const { kernelSize: k, padding = 0, name } = net[STAGES[stage].layer];
    if (name === "AvgPool2d") [i, j, size] = [2 * i, 2 * j, 2 * size];
    else [i, j, size] = [i - padding, j - padding, size + k - 1];
  }
  return { i, j, size };
}

/* ---- the page's parts --------------------------------------------------------------------------- */

const root = document.getElementById("live");
const part = (selector) => root.querySelector(selector);
const radio = (name, value, text, checked) =>
  `<label><input type="radio" name="${name}" value="${value}"${checked ? " checked" : ""}><span>${text}</span></label>`;
const button = (action, text, name = "") => `<button type="button" data-action="${action}"${name && ` aria-label="${name}" title="${name}"`}>${text}</button>`;

function mapMarkup(stage, map) {
  const { title, maps: count, rows, columns, dense } = STAGES[stage];
  const size = dense ? t("{n} units", { n: rows * columns }) : t("{rows} by {columns} pixels", { rows, columns });
  const one = count > 1 ? t("map {map} of {count}, {size}", { map: map + 1, count, size }) : size;
  const name = t("{title}, {one}", { title, one });
  return `<div class="map" data-stage="${stage}" data-map="${map}" tabindex="0" role="application" aria-roledescription="${t("map")}"
    aria-label="${name}" aria-describedby="${stage ? "live-help" : "live-draw"}"><canvas width="${columns}" height="${rows}"></canvas></div>`;
}

function stageMarkup(stage) {
  const { title, maps: count, rows, columns, dense, layer } = STAGES[stage];
  const n = numParams([net[layer]]).toLocaleString("en");
  const parameters = net[layer].weight ? t("{n} parameters", { n }) : t("no parameters");
  const shape = dense ? rows * columns : `${count} × ${rows} × ${columns}`;
  const all = Array.from({ length: count }, (_, map) => mapMarkup(stage, map)).join("");
  return `<section class="stage stage-${stage}"><h2>${title} <small>${shape} · ${parameters}</small></h2>
    <div class="maps">${all}</div></section>`;
}

function kernelOptions() {
  const group = (layer, count, title) => `<optgroup label="${title}">${Array.from({ length: count }, (_, map) =>
    `<option value="${layer} ${map}">${t("{title}, map {map}", { title, map: map + 1 })}</option>`).join("")}</optgroup>`;
  return `<option value="">${t("none")}</option>${group(0, 6, t("Convolution 1"))}${group(3, 16, t("Convolution 2"))}`;
}

function build() {
  const probes = LENET.probes.labels.map((label, n) => radio("image", n,
    `<canvas width="28" height="28"></canvas><span class="unseen">${n + 1}: ${CLASSES[label]}</span>`, n === state.choice));
  root.innerHTML = `<div class="instrument">
  <div class="bench">
    <section class="input"><h2>${t("Image")} <small>1 × 28 × 28</small></h2>${mapMarkup(0, 0)}
      <div class="tools"><fieldset><legend class="unseen">${t("Drawing tool")}</legend>${radio("tool", "broad", t("broad"), true)}${radio("tool", "fine", t("fine"))}${radio("tool", "erase", t("erase"))}</fieldset>
        ${button("clear", t("clear"))}<span class="shifts">${button("shift 0 -1", "←", t("Shift left"))}${button("shift -1 0", "↑", t("Shift up"))}${button("shift 1 0", "↓", t("Shift down"))}${button("shift 0 1", "→", t("Shift right"))}</span></div>
      <p class="hint" id="live-draw">${t("Draw on it. Keyboard: arrows move, Enter paints.")}</p></section>
    <section class="choice"><fieldset><legend><h2>${t("Probe images")}</h2></legend><div class="probes">${probes.join("")}</div>
      ${radio("image", DRAWING, t("my drawing"))}</fieldset>
      <p class="hint">${t("A drawing is not a garment of the data set: the network has seen photographs only, and names one of the ten all the same.")}</p></section>
    <section class="answer"><h2>${t("Answer")}</h2><p class="verdict"></p>
      <table><thead><tr><th>${t("class")}</th><th>logit</th><th>${t("probability")}</th><th>%</th></tr></thead><tbody></tbody></table>
    <div class="settings">
      <fieldset><legend>${t("Weights")}</legend>${Object.entries(RECIPES).map(([name, text], n) => radio("weights", name, text, n === 0)).join("")}</fieldset>
      ${button("again", t("Draw again"))}
      <label class="kernel">${t("Kernel set to zero")} <select name="zeroed">${kernelOptions()}</select></label>
      <p class="note"></p>
    </div></section>
  </div>
  <p class="hint" id="live-help">${t("Point at a pixel to see what it is made of; a click or a tap pins it. Keyboard: Tab to a map, arrows move, Enter pins, Escape releases.")}</p>
  <div class="network"><div class="stages">${STAGES.slice(1).map((_, n) => stageMarkup(n + 1)).join("")}</div><section class="panel" aria-label="${t("What this number is made of")}"></section></div>
  <p class="hint source-row"></p><p class="unseen" role="status" aria-live="polite"></p></div>`;
  root.querySelectorAll(".probes canvas").forEach((canvas, n) => paint(canvas, probe(n).data, { colour: grey }));
  maps = [...root.querySelectorAll(".map")].map((element) => {
    const [stage, map] = [+element.dataset.stage, +element.dataset.map];
    const { rows, columns } = STAGES[stage];
    return { element, stage, map, canvas: element.firstElementChild, i: Math.floor(rows / 2), j: Math.floor(columns / 2) };
  });
}

const say = (text) => { part("[role=status]").textContent = text; };

/* ---- drawing ------------------------------------------------------------------------------------ */

function paint(canvas, values, { colour }) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  for (let n = 0; n < values.length; n++) {
    const [red, green, blue] = colour(values[n]);
    picture.data[4 * n] = red;
    picture.data[4 * n + 1] = green;
    picture.data[4 * n + 2] = blue;
    picture.data[4 * n + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** Everything that depends on image and weights. */
function compute() {
  outputs = forward(net, state.image);
  probabilities = softmax(outputs.at(-1).data);
  for (const { canvas, stage, map } of maps) paint(canvas, mapValues(stage, map), scale(stage, map));
  showAnswer();
  showPanel();
}

function answerText() {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const label = state.label === null ? t("no label") : t("label: {name}", { name: CLASSES[state.label] }) + (best === state.label ? " ✓" : " ✗");
  return [CLASSES[best], `${(100 * probabilities[best]).toFixed(0)} %`, label];
}

function showAnswer() {
  const [name, sure, label] = answerText();
  const loss = state.label === null ? "" : ` · ${t("loss −ln <i>p</i> = {loss}", { loss: exact(-Math.log(probabilities[state.label]), 2) })}`;
  part(".verdict").innerHTML = `<strong>${name}</strong> ${sure} <span>${label}${loss}</span>`;
  part(".answer tbody").innerHTML = probabilities.map((p, n) => `<tr data-unit="${n}"${CLASSES[n] === name ? ' class="best"' : ""}>
    <th scope="row">${CLASSES[n]}${n === state.label ? ` <span class="tag">${t("label")}</span>` : ""}</th>
    <td>${exact(outputs.at(-1).data[n], 1)}</td><td><span class="bar" style="width:${100 * p}%"></span></td><td>${exact(100 * p, 1)}</td></tr>`).join("");
}

/* ---- the panel ---------------------------------------------------------------------------------- */

const cell = (x, rgb) => `<td style="background:rgb(${rgb});color:${ink(rgb)}">${short(x)}</td>`;

function grid(caption, values, colours, columns) {
  const rows = [];
  for (let at = 0; at < values.length; at += columns)
    rows.push(`<tr>${values.slice(at, at + columns).map((x, n) => cell(x, colours[at + n])).join("")}</tr>`);
  return `<table class="grid"><caption>${caption}</caption>${rows.join("")}</table>`;
}

/** The same numbers as colours alone, small, for the line that opens to the numbers. */
function thumbnail(colours) {
  const squares = colours.map((rgb, n) => `<path fill="rgb(${rgb})" d="M${n % 5} ${Math.floor(n / 5)}h1v1h-1z"/>`);
  return `<svg viewBox="0 0 5 5" aria-hidden="true" shape-rendering="crispEdges">${squares.join("")}</svg>`;
}

const largest = (numbers) => Math.max(...numbers.map(Math.abs)) || 1;

function convolutionMarkup({ stage }, { terms }) {
  const kernelLimit = largest(terms.map((term) => term.weight));
  const limit = largest(terms.map((term) => term.product));
  const channels = Array.from({ length: terms.length / 25 }, (_, c) => terms.slice(25 * c, 25 * c + 25));
  const sums = channels.map((channel) => channel.reduce((total, term) => total + term.product, 0));
  const open = state.channel ?? sums.findIndex((sum) => Math.abs(sum) === largest(sums));
  return channels.map((channel, c) => {
    const { colour } = scale(stage - 1, c);
    const windows = channel.map((term) => (term.inside ? colour(term.value) : [120, 120, 120]));
    const weights = channel.map((term) => signed(term.weight / kernelLimit));
    const products = channel.map((term) => signed(term.product / limit));
    const tables = `<div class="equation">${grid(t("window"), channel.map((term) => term.value), windows, 5)}<b>×</b>${
      grid(t("kernel"), channel.map((term) => term.weight), weights, 5)}<b>=</b>${grid(t("products"), channel.map((term) => term.product), products, 5)}</div>`;
    if (channels.length === 1) return tables;
    return `<details name="channel" data-channel="${c}"${c === Math.min(open, channels.length - 1) ? " open" : ""}><summary>${t("map {map}", { map: c + 1 })} ${
      thumbnail(windows)}×${thumbnail(weights)}=${thumbnail(products)} ${exact(sums[c], 3)}</summary>${tables}</details>`;
  }).join("");
}

function poolingMarkup({ stage, map }, { terms }) {
  const { colour } = scale(stage - 1, map);
  return `<div class="equation">${grid(t("window"), terms.map((term) => term.value), terms.map((term) => colour(term.value)), 2)}</div>`;
}

const strongest = (terms) => [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, LARGEST);

function denseMarkup(place, { terms, sum }) {
  const top = strongest(terms);
  const rest = top.reduce((total, term) => total - term.product, sum);
  const lines = top.map((term) => `<tr><th scope="row">${placeName(term.place)}</th><td>${exact(term.value, 3)}</td><td>${exact(term.weight, 3)}</td>${
    cell(term.product, signed(term.product / Math.abs(top[0].product || 1)))}</tr>`);
  return `<table class="list"><caption>${t("the largest contributions")}</caption>
    <thead><tr><th>${t("from")}</th><th>${t("value")}</th><th>${t("weight")}</th><th>${t("product")}</th></tr></thead>
    <tbody>${lines.join("")}<tr><th scope="row">${t("the other {n}", { n: terms.length - top.length })}</th><td></td><td></td><td>${minus(rest.toFixed(2))}</td></tr></tbody></table>`;
}

function sumMarkup(place, { terms, sum, bias, value }) {
  const line = (name, x, kind = "") => `<tr class="${kind}"><th scope="row">${name}</th><td>${exact(x)}</td></tr>`;
  if (bias === undefined) return `<table class="sum">${line(t("sum of the four"), 4 * sum)}${line(t("a quarter of it, their mean"), value, "result")}</table>`;
  let lines = line(t("sum of {n} products", { n: terms.length }), sum) + line(t("bias"), bias);
  if (place.stage === LOGITS)
    lines += line("logit", value, "result") + line(t("e<sup>logit</sup>, divided by the sum of all ten"), probabilities[place.j], "result");
  else lines += line(t("together"), sum + bias) + line(t("sigmoid of it"), value, "result");
  return `<table class="sum">${lines}</table>`;
}

function legendMarkup({ stage, map }) {
  const { low, high } = scale(stage, map);
  return `<p class="legend">${t("dark")} ${exact(low, 2)} <span class="ramp"></span> ${exact(high, 2)} ${t("bright")}</p>`;
}

function showPanel() {
  const { place, pinned } = state;
  const { title, dense } = STAGES[place.stage];
  const parts = explain(place);
  const { size } = receptiveField(place);
  const body = (dense ? denseMarkup : parts.bias === undefined ? poolingMarkup : convolutionMarkup)(place, parts);
  const seen = dense ? t("the whole image") : t("{size} × {size} pixels of the image", { size });
  const panel = part(".panel");
  panel.innerHTML = `<h2>${title} <small>${placeName(place)}</small></h2>
    <p class="hint">${pinned ? t("It depends on {seen}. Pinned. {button}", { seen, button: button("release", t("Release")) }) : t("It depends on {seen}. A click pins it.", { seen })}</p>${body}${sumMarkup(place, parts)}${legendMarkup(place)}`;
  root.classList.toggle("pinned", pinned);
  showMarks(place, parts);
}

/* ---- marks on the maps -------------------------------------------------------------------------- */

function mark(kind, { stage, map, i, j }, height = 1, width = height) {
  const box = document.createElement("i");
  box.className = kind;
  box.style.cssText = `--i:${i};--j:${j};--h:${height};--w:${width}`;
  maps.find((m) => m.stage === stage && m.map === map).element.append(box);
}

function showMarks(place, { terms }) {
  root.querySelectorAll(".map i").forEach((box) => box.remove());
  const { dense, layer } = STAGES[place.stage];
  const field = receptiveField(place);
  if (place.stage > 1) mark("field", { stage: 0, map: 0, ...field }, field.size);
  if (dense) strongest(terms).forEach((term) => mark("source", term.place));
  else for (const c of new Set(terms.map((term) => term.c))) mark("window", terms.find((term) => term.c === c).place, net[layer].kernelSize);
  mark("cursor", place);
  const here = maps.find(({ element }) => element === document.activeElement);
  if (here && (here.stage === 0 || state.pinned)) mark("ghost", here);
}

/* ---- what the reader does ----------------------------------------------------------------------- */

const wide = matchMedia("(min-width: 1200px)");

/** On a narrow page the panel stands under the stage that it explains; the stage stays where it is on the screen. */
function seatPanel() {
  const stage = part(`.stage-${state.place.stage}`);
  const panel = part(".panel");
  const before = stage.getBoundingClientRect().top;
  if (wide.matches) part(".network").append(panel);
  else if (stage.nextElementSibling !== panel) stage.after(panel);
  else return;
  if (!wide.matches) scrollBy({ top: stage.getBoundingClientRect().top - before, behavior: "instant" });
}

function point(place) {
  if (state.place.stage !== place.stage) state.channel = null;
  state.place = place;
  seatPanel();
  showPanel();
}

function pin(place) {
  state.pinned = true;
  point(place);
  const sum = part(".sum").innerText.replace(/\s+/g, " ");
  say(t("Pinned: {title}, {name}, {sum}", { title: STAGES[place.stage].title, name: placeName(place), sum }));
}

function release() {
  if (!state.pinned) return;
  state.pinned = false;
  showPanel();
  say(t("Released."));
}

const samePlace = (a, b) => flatIndex(a) === flatIndex(b) && a.stage === b.stage;

function probe(n) {
  const bytes = Uint8Array.from(atob(LENET.probes.pixels).slice(784 * n, 784 * n + 784), (letter) => letter.charCodeAt(0));
  return tensor([1, 28, 28], Float32Array.from(bytes, (x) => x / 255));
}

function choose(choice) {
  state.choice = choice;
  state.label = choice === DRAWING ? null : LENET.probes.labels[choice];
  state.image = choice === DRAWING ? state.drawing : probe(choice);
  part(`[name=image][value="${choice}"]`).checked = true;
  compute();
}

/** The reader's own image from now on: a copy of what was shown, changed. A shifted garment keeps its label. */
function edit(change, label = null) {
  state.drawing = tensor([1, 28, 28], Float32Array.from(state.image.data));
  change(state.drawing.data);
  choose(DRAWING);
  state.label = label;
  showAnswer();
}

/** Brush or eraser along a straight line, so that a quick hand leaves no gaps. */
function stroke(from, to) {
  const steps = Math.max(1, Math.abs(to.i - from.i), Math.abs(to.j - from.j));
  edit((pixels) => {
    for (let step = 0; step <= steps; step++)
      for (const [u, v, strength] of BRUSHES[state.tool]) {
        const row = Math.round(from.i + (step / steps) * (to.i - from.i)) + u;
        const column = Math.round(from.j + (step / steps) * (to.j - from.j)) + v;
        if (row < 0 || row > 27 || column < 0 || column > 27) continue;
        const at = 28 * row + column;
        pixels[at] = state.tool === "erase" ? 0 : Math.max(pixels[at], strength);
      }
  });
}

/** As torch.roll: what leaves at one side comes back at the other. */
function shift(down, right) {
  const from = state.image.data;
  edit((pixels) => pixels.forEach((_, at) => {
    const [i, j] = [Math.floor(at / 28), at % 28];
    pixels[at] = from[28 * ((i - down + 28) % 28) + ((j - right + 28) % 28)];
  }), state.label);
}

async function useWeights() {
  const { weights, zeroed, seed } = state;
  if (weights === "classic" && !LENET.classic) {
    const script = document.createElement("script");
    script.src = document.querySelector('script[src*="live/data.js"]').src.replace("data.js", "data-classic.js");
    await new Promise((done) => { script.onload = script.onerror = done; document.head.append(script); });
  }
  const stored = LENET[weights];
  const shapes = Object.fromEntries(Object.entries(LENET.modern.tensors).map(([name, t]) => [name, t.shape]));
  const tensors = stored ? loadWeights(stored.tensors) : xavier(shapes, seed);
  if (zeroed) {
    const [layer, map] = zeroed.split(" ").map(Number);
    const kernels = tensors[`${layer}.weight`];
    const size = kernels.data.length / kernels.shape[0];
    kernels.data.fill(0, map * size, (map + 1) * size); // its bias stays
  }
  net = lenet(tensors);
}

function showWeights() {
  const { row, sha256 } = LENET[state.weights] ?? {};
  part(".note").textContent = row
    ? t("{recipe} recipe, {epochs} epochs: {accuracy} of the test images right.",
      { recipe: RECIPES[row.recipe].replace(/^./, (letter) => letter.toUpperCase()), epochs: row.epochs, accuracy: row.test_acc.toFixed(3) })
    : t("Xavier’s bounds, nothing learned yet: the answer hardly depends on the image.");
  const parameters = numParams(net).toLocaleString("en");
  part(".source-row").textContent = row
    ? t("LeNet, {parameters} parameters. The ledger’s run: {recipe} recipe, seed {seed}, {epochs} epochs, {device}. SHA-256 of the weights in float16: {sha256}",
      { parameters, recipe: RECIPES[row.recipe], seed: row.seed, epochs: row.epochs, device: row.device, sha256 })
    : t("LeNet, {parameters} parameters, random from seed {seed}.", { parameters, seed: state.seed });
  part("[data-action=again]").hidden = state.weights !== "random";
}

async function changeWeights() {
  await useWeights();
  showWeights();
  compute();
  say(answerText().join(", "));
}

function pixelAt(map, event) {
  const { rows, columns } = STAGES[map.stage];
  const box = map.canvas.getBoundingClientRect();
  const inside = (x, most) => Math.min(most - 1, Math.max(0, Math.floor(x)));
  map.i = inside((rows * (event.clientY - box.top)) / box.height, rows);
  map.j = inside((columns * (event.clientX - box.left)) / box.width, columns);
  return { stage: map.stage, map: map.map, i: map.i, j: map.j };
}

function keyOnMap(map, event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const { rows, columns } = STAGES[map.stage];
  if (!step && event.key !== "Enter") return;
  event.preventDefault();
  if (step) {
    map.i = Math.min(rows - 1, Math.max(0, map.i + step[0]));
    map.j = Math.min(columns - 1, Math.max(0, map.j + step[1]));
  }
  const place = { stage: map.stage, map: map.map, i: map.i, j: map.j };
  if (map.stage === 0) {
    if (step) showPanel();
    else stroke(map, map);
  } else if (!step) return pin(place);
  else if (state.pinned) showPanel();
  else point(place);
  say(`${placeName(place)}: ${minus(stageValues(map.stage)[flatIndex(place)].toFixed(3))}`);
}

function listenToMap(map) {
  const { element, stage } = map;
  element.addEventListener("keydown", (event) => keyOnMap(map, event));
  element.addEventListener("focus", () => {
    if (stage && !state.pinned && element.matches(":focus-visible")) point({ stage, map: map.map, i: map.i, j: map.j });
    else showPanel();
  });
  if (stage === 0) return listenToBrush(map);
  element.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" || state.pinned) return;
    const place = pixelAt(map, event);
    if (!samePlace(place, state.place)) point(place);
  });
  element.addEventListener("click", (event) => {
    const place = pixelAt(map, event);
    if (state.pinned && samePlace(place, state.place)) release();
    else pin(place);
  });
}

function listenToBrush(map) {
  let last = null;
  const draw = (event) => {
    const place = pixelAt(map, event);
    stroke(last ?? place, place);
    last = place;
  };
  map.element.addEventListener("pointerdown", (event) => {
    map.element.setPointerCapture(event.pointerId);
    draw(event);
  });
  map.element.addEventListener("pointermove", (event) => last && draw(event));
  map.element.addEventListener("lostpointercapture", () => {
    last = null;
    say(answerText().join(", "));
  });
}

const ACTIONS = {
  again: () => { state.seed += 1; changeWeights(); },
  clear: () => { edit((pixels) => pixels.fill(0)); say(t("Cleared.")); },
  shift: (down, right) => { shift(+down, +right); say(answerText().join(", ")); },
  release,
};

function listen() {
  maps.forEach(listenToMap);
  root.addEventListener("change", ({ target }) => {
    if (target.name === "image") { choose(+target.value); say(answerText().join(", ")); }
    else { state[target.name] = target.value; if (target.name !== "tool") changeWeights(); }
  });
  root.addEventListener("click", ({ target }) => {
    const [action, ...values] = target.closest("[data-action]")?.dataset.action.split(" ") ?? [];
    if (action) ACTIONS[action](...values);
    const unit = target.closest("[data-unit]")?.dataset.unit;
    if (unit) pin({ stage: LOGITS, map: 0, i: 0, j: +unit });
    const opened = target.closest("summary")?.parentElement.dataset.channel;
    if (opened) state.channel = +opened;
  });
  root.addEventListener("keydown", (event) => event.key === "Escape" && release());
  wide.addEventListener("change", seatPanel);
}

await useWeights();
build();
showWeights();
seatPanel();
listen();
choose(state.choice);
