// Scales, ticks and marks: what every plot shares.

const STEPS = [1, 2, 2.5, 5, 10];

function linear([low, high], [from, to], whole = false) {
  const span = high - low || 1;
  const scale = (value) => from + ((value - low) / span) * (to - from);
  scale.ticks = (count) => {
    const rough = span / Math.max(1, count);
    const power = Math.max(10 ** Math.floor(Math.log10(rough)), whole ? 1 : 0);
    const step = STEPS.find((each) => each * power >= rough && !(whole && each * power % 1)) * power;
    const first = Math.ceil(low / step - 1e-9);
    const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (/2\.5|25$/.test(String(Number((step / power).toPrecision(3)))) ? 1 : 0));
    const found = [];
    for (let k = first; k * step <= high + step * 1e-9; k++) found.push([k * step, tickLabel(k * step, places)]);
    return found;
  };
  return scale;
}

const tickLabel = (value, places) => (Math.abs(value) >= 1e4 ? brief(value) : fixed(value, Math.min(places, 6)));

function logarithmic([low, high], range) {
  const inner = linear([Math.log10(low), Math.log10(high)], range);
  const scale = (value) => inner(Math.log10(Math.max(value, low * 1e-3))); // what is not above zero lies below the frame
  const decades = Math.log10(high / low);
  scale.ticks = (count) => {
    if (decades < 0.8) return linear([low, high], [0, 1]).ticks(count); // hardly bent: decades would leave one tick
    const found = [];
    const every = Math.max(1, Math.ceil(decades / count));
    const between = decades < 1.3 ? [1, 2, 3, 5, 7] : decades < 3 ? [1, 3] : [1];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const digit of between) {
        const value = digit * 10 ** power;
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9) && (digit > 1 || power % every === 0))
          found.push([value, brief(value)]);
      }
    return found;
  };
  return scale;
}

// The range of numbers with a little room at both ends.
function extent(values, log = false) {
  const usable = values.filter((v) => known(v) && (!log || v > 0));
  if (!usable.length) return log ? [1, 10] : [0, 1];
  const [low, high] = [usable.reduce((a, b) => Math.min(a, b)), usable.reduce((a, b) => Math.max(a, b))];
  if (log) {
    const room = Math.max((high / low) ** 0.06, 1.1);
    return [low / room, high * room];
  }
  const room = (high - low) * 0.05 || Math.abs(high) * 0.05 || 0.5;
  return [low - room, high + room];
}

// Marks of seven shapes and seven colours: no two of 49 runs look alike, and few are told apart by colour alone.
const SHAPES = [
  "M-4,0A4,4 0 1 0 4,0A4,4 0 1 0 -4,0Z",
  "M-3.6,-3.6H3.6V3.6H-3.6Z",
  "M0,-4.8L4.6,3.4H-4.6Z",
  "M0,-5L5,0L0,5L-5,0Z",
  "M0,4.8L4.6,-3.4H-4.6Z",
  "M-1.5,-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z",
  "M-5,-3L-3,-5L0,-2L3,-5L5,-3L2,0L5,3L3,5L0,2L-3,5L-5,3L-2,0Z",
];
const tone = (index) => `tone${index % 7}`;
const mark = (index, x, y, title) =>
  svg(
    "path",
    { d: SHAPES[(index + Math.floor(index / 7)) % 7], transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`, class: `mark ${tone(index)}` },
    title ? svg("title", {}, title) : null,
  );
const sample = (index, line, more = "") =>
  svg("svg", { width: 26, height: 14, "aria-hidden": "true" },
    line ? svg("path", { d: "M1,7H25", class: `line ${tone(index)} ${more}` }) : null,
    line === "only" ? null : mark(index, 13, 7));

const text = (x, y, words_, anchor = "middle", more = {}) => svg("text", { x, y, "text-anchor": anchor, ...more }, words_);

// A figure that is drawn as wide as it is shown, again whenever that changes: text keeps its size on a phone.
function responsive({ label, axis, widest }, tall, draw, ...around) {
  const frame = el("div", { class: "plot" });
  let width = 0;
  const redraw = () => {
    if (!width) return;
    const height = tall(width);
    frame.replaceChildren(svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, draw(width, height)));
  };
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now && now !== width) {
      width = now;
      redraw();
    }
  }).observe(frame);
  const style = widest ? { "max-width": `${widest}px` } : {};
  return { node: el("figure", { style }, frame, el("div", { class: "axis-name" }, axis), ...around), redraw };
}
