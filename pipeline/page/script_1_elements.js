// What everything else is made of: elements from text, numbers as they are printed, columns as they were packed.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const content = read("content");
let pictures = null; // megabytes: parsed when the first is shown
const picture = (index) => (pictures ??= read("pictures"))[index];

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes, listeners (a function as value), a style (an object) and children; strings become text.
function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) node.style.setProperty(key, each);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}
const el = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => made(document.createElementNS(SVG, tag), attributes, children);

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const minus = (text) => text.replace(/-/g, "−");

// So many decimals, a real minus, and none before a zero.
function fixed(value, decimals, plus = false) {
  if (!known(value)) return "–";
  const text = value.toFixed(decimals);
  const zero = Number(text) === 0;
  return (plus && value > 0 && !zero ? "+" : "") + minus(zero ? text.replace("-", "") : text);
}

// Three significant figures, for numbers of any size: 12 300 000 is 12.3 M.
function brief(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  const [unit, name] = [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e4, " k"]].find(([limit]) => size >= limit) ?? [1, ""];
  const scaled = unit === 1e4 ? value / 1e3 : value / unit;
  const text = scaled !== 0 && Math.abs(scaled) < 1e-3 ? scaled.toExponential(1) : String(Number(scaled.toPrecision(3)));
  return minus(text) + name;
}

const whole = (value) => (known(value) ? value.toLocaleString("en") : "–");

// Decimals that show two figures of the typical interval: no more can be meant, no fewer be compared.
function decimals(figures) {
  const halves = figures
    .filter((f) => f && known(f.low) && known(f.high) && f.high > f.low)
    .map((f) => (f.high - f.low) / 2)
    .sort((a, b) => a - b);
  if (!halves.length) return 3;
  return Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(halves[halves.length >> 1]))));
}

const bounds = (f, places, plus) =>
  !known(f.low) && !known(f.high)
    ? ""
    : `[${known(f.low) ? fixed(f.low, places, plus) : "−∞"}, ${known(f.high) ? fixed(f.high, places, plus) : "∞"}]`;

const said = (f, places = decimals([f]), plus = false) => `${fixed(f.value, places, plus)} ${bounds(f, places, plus)}`.trim();

// The mirror of encoding.packed: bytes back into a Float64Array.
function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  if (packed.kind === "f32") return Float64Array.from(new Float32Array(bytes.buffer));
  const special = { 65533: -Infinity, 65534: Infinity, 65535: NaN };
  return Float64Array.from(new Uint16Array(bytes.buffer), (step) =>
    step > 65532 ? special[step] : packed.offset + packed.scale * step,
  );
}
const unpacked = new Map();
function column(packed) {
  if (!unpacked.has(packed)) unpacked.set(packed, unpack(packed));
  return unpacked.get(packed);
}

// A labelled choice of one of several; nothing is drawn where there is only one.
function choice(label, options, chosen, onChange) {
  const select = el("select", { change: () => onChange(select.value) });
  select.append(...options.map((name) => el("option", { value: name, selected: name === chosen }, name)));
  return options.length > 1 ? el("label", { class: "choice" }, `${label} `, select) : null;
}

const distinct = (values) => [...new Set(values)];
const withUnit = (name, unit) => (unit ? `${name} [${unit}]` : name);

// The order of runs on the whole page: a run's colour and mark are its place in it.
const RUNS = distinct(Object.values(content.scatter?.targets ?? {}).flatMap((target) => Object.keys(target.runs)));
function place(run) {
  if (!RUNS.includes(run)) RUNS.push(run);
  return RUNS.indexOf(run);
}
