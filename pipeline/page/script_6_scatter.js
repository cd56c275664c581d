// Predicted against true: thousands of lenses on a canvas, each of which says what it is.

const REACH = 14; // pixels between the pointer and a lens that is still meant
const EDGE = { left: 58, right: 14, top: 14, bottom: 42 };
const names = () => content.scatter.ids;
const factsOf = (row) => Object.entries(content.scatter.facts ?? {}).map(([name, packed]) => [name, brief(column(packed)[row])]);

function scatter({ targets, interval = "interval" }) {
  const shown = new Map((content.lenses?.shown ?? []).map((lens, index) => [lens.row, index]));
  let target = Object.keys(targets)[0];
  let run = Object.keys(targets[target].runs)[0];
  let hovered = null;
  let walked = -1; // which of the shown lenses the arrow keys are at

  const canvas = el("canvas", {
    tabindex: "0", role: "img", "aria-describedby": "scatter-read",
    pointermove: (event) => hover(nearest(event)),
    pointerleave: () => hover(null),
    click: (event) => open(hovered ?? nearest(event)), // a finger does not hover
    keydown: walk,
  });
  const readout = el("p", { id: "scatter-read", class: "readout", "aria-live": "polite" });
  const controls = el("div", { class: "controls" });
  const box = el("div", { class: "plot square" }, canvas);
  let view = null;

  function settle() {
    const options = Object.keys(targets[target].runs);
    if (!options.includes(run)) run = options[0];
    controls.replaceChildren(...[
      choice("Run", options, run, (name) => { run = name; settle(); }),
      choice("Target", Object.keys(targets), target, (name) => { target = name; settle(); }),
    ].filter(Boolean));
    canvas.setAttribute("aria-label", `${run}: predicted against true ${target}, ${names().length} lenses. Arrow keys walk through the lenses that are shown, Enter opens one.`);
    hover(null);
  }

  function frame() {
    const { truth, runs, unit } = targets[target];
    const [t, p] = [column(truth), column(runs[run].prediction)];
    const sorted = Float64Array.from(p).filter(Number.isFinite).sort();
    const inner = [0.001, 0.999].map((q) => sorted[Math.round(q * (sorted.length - 1))]); // one wild answer must not press all others flat
    const domain = extent([...t, ...inner]);
    const across = extent([...t]);
    const [width, height] = [box.clientWidth, Math.min(560, Math.max(320, box.clientWidth * 0.75))];
    const x = linear(across, [EDGE.left, width - EDGE.right]);
    const y = linear(domain, [height - EDGE.bottom, EDGE.top]);
    const clip = (v) => Math.min(height - EDGE.bottom, Math.max(EDGE.top, v));
    return { t, p, x, y, clip, domain, across, width, height, unit, outside: p.filter((v) => v < domain[0] || v > domain[1]).length };
  }

  function draw() {
    if (!box.clientWidth) return;
    view = frame();
    const { t, p, x, y, clip, width, height, across } = view;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.setProperty("width", `${width}px`);
    canvas.style.setProperty("height", `${height}px`);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const ink = getComputedStyle(canvas);
    drawFrame(pen, view, ink.color, withUnit(target, view.unit));
    pen.fillStyle = ink.getPropertyValue("caret-color");
    pen.globalAlpha = Math.min(0.9, Math.max(0.25, 60 / Math.sqrt(t.length)));
    const side = Math.min(3.5, Math.max(1.5, 0.25 * Math.sqrt((width * height) / t.length))); // the denser the smaller
    for (let i = 0; i < t.length; i++) if (t[i] === t[i] && p[i] === p[i]) pen.fillRect(x(t[i]) - side / 2, clip(y(p[i])) - side / 2, side, side);
    pen.globalAlpha = 1;
    pen.strokeStyle = ink.color;
    pen.setLineDash([5, 4]);
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x(across[0]), y(across[0]));
    pen.lineTo(x(across[1]), y(across[1]));
    pen.stroke();
    pen.setLineDash([]);
    for (const row of shown.keys()) circle(pen, x(t[row]), clip(y(p[row])), 4, 1);
    if (hovered !== null) point(pen);
  }

  function point(pen) {
    const { t, p, x, y, clip } = view;
    const { low, high } = targets[target].runs[run];
    if (low && high) {
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(x(t[hovered]), clip(y(column(low)[hovered])));
      pen.lineTo(x(t[hovered]), clip(y(column(high)[hovered])));
      pen.stroke();
    }
    circle(pen, x(t[hovered]), clip(y(p[hovered])), 7, 2.5);
  }

  function nearest(event) {
    const { t, p, x, y, clip } = view;
    const { left, top } = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - left, event.clientY - top];
    let [best, found] = [REACH ** 2, null];
    for (let i = 0; i < t.length; i++) {
      const away = (x(t[i]) - px) ** 2 + (clip(y(p[i])) - py) ** 2 - (shown.has(i) ? 9 : 0); // what can be opened is easier to hit
      if (away < best) [best, found] = [away, i];
    }
    return found;
  }

  function hover(row) {
    hovered = row;
    draw();
    const hint = shown.size ? "Point at a lens to see what it is; those with a ring open." : "Point at a lens to see what it is.";
    const outside = view?.outside ? ` ${view.outside} predictions outside the frame lie on its edge.` : "";
    readout.textContent = row === null ? hint + outside : describe(row);
    canvas.classList.toggle("opens", row !== null && shown.has(row));
  }

  function describe(row) {
    const { prediction, low, high } = targets[target].runs[run];
    const answer = { value: column(prediction)[row], low: low && column(low)[row], high: high && column(high)[row] };
    const facts = factsOf(row).map(([name, value]) => `${name} ${value}`);
    const range = low ? ` (${interval})` : "";
    return [names()[row], `true ${fixed(column(targets[target].truth)[row], 3)}`, `predicted ${said(answer, 3)}${range}`, ...facts].join(" · ");
  }

  const open = (row) => row !== null && shown.has(row) && openLens(shown.get(row));

  function walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const rows = [...shown.keys()];
    if (step && rows.length) {
      event.preventDefault();
      walked = (walked + step + rows.length) % rows.length;
      hover(rows[walked]);
    } else if (event.key === "Enter") open(hovered);
  }

  new ResizeObserver(draw).observe(box);
  repaint.push(draw);
  settle();
  return [controls, el("figure", {}, box, readout)];
}

const repaint = []; // canvases do not follow the theme by themselves

function circle(pen, x, y, radius, width) {
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
}

function drawFrame(pen, { x, y, width, height }, ink, name) {
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = ink;
  pen.strokeStyle = ink;
  pen.lineWidth = 1;
  pen.globalAlpha = 0.75;
  pen.strokeRect(EDGE.left, EDGE.top, width - EDGE.left - EDGE.right, height - EDGE.top - EDGE.bottom);
  pen.textAlign = "center";
  for (const [value, label] of x.ticks(Math.max(2, width / 110))) pen.fillText(label, x(value), height - EDGE.bottom + 16);
  pen.textAlign = "right";
  for (const [value, label] of y.ticks(6)) pen.fillText(label, EDGE.left - 6, y(value) + 4);
  pen.globalAlpha = 1;
  pen.textAlign = "center";
  pen.fillText(`true ${name}`, (EDGE.left + width - EDGE.right) / 2, height - 6);
  pen.save();
  pen.translate(12, (EDGE.top + height - EDGE.bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(`predicted ${name}`, 0, 0);
  pen.restore();
}
