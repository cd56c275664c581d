// The sections that are plots: bins, curves, calibration, ablation, efficiency, robustness, cost.

// Tabs (radio-like buttons) and a choice of target over views that have both.
function views(items, tabOf, targetOf, show) {
  let tab = tabOf(items[0]);
  let target = targetOf(items[0]);
  const tabs = distinct(items.map(tabOf));
  const controls = el("div", { class: "controls" });
  const body = el("div");
  function settle(focus) {
    const of = items.filter((item) => tabOf(item) === tab);
    const targets = distinct(of.map(targetOf));
    if (!targets.includes(target)) target = targets[0];
    const buttons = tabs.map((name) => el("button", { type: "button", "aria-pressed": String(name === tab), click: () => { tab = name; settle(true); } }, name));
    const group = tabs.length > 1 ? el("div", { class: "filters", role: "group", "aria-label": "View" }, buttons) : null;
    controls.replaceChildren(...[group, choice("Target", targets, target, (name) => { target = name; settle(); })].filter(Boolean));
    if (focus) buttons[tabs.indexOf(tab)].focus();
    body.replaceChildren(...[show(of.filter((item) => targetOf(item) === target))].flat());
  }
  settle();
  return [controls, body];
}

const once = () => "";
const byTarget = (items, show) => views(items, once, (item) => item.target, show);

function bins({ views: items }) {
  return views(items, (view) => view.tab, (view) => view.target, ([view]) =>
    chart({
      label: `${view.y} against ${view.x}`,
      x: { label: view.x },
      y: { label: view.y },
      bands: (view.plateaus ?? []).map(({ low, high, label = "plateau" }) => ({ x0: low, x1: high, label })),
      series: Object.entries(view.runs).map(([run, { at, value, low, high, lenses: held }]) => ({
        name: run, index: place(run), line: true, dodge: true,
        points: at.map((x, i) => ({ x, y: value[i], low: low[i], high: high[i], said: `${said({ value: value[i], low: low[i], high: high[i] })}, ${held[i]} lenses` })),
      })),
    }));
}

function curves({ runs }) {
  const items = Object.entries(runs).map(([target, each]) => ({ target, ...each }));
  const box = el("div");
  const show = ({ target, x, y, lines }) => {
    const kinds = distinct(lines.map((line) => line.name));
    const one = (line) => ({ name: line.name, index: kinds.indexOf(line.name), line: true, marks: false, dashed: kinds.indexOf(line.name) % 2 === 0, points: line.values.map((value, i) => ({ x: i + 1, y: value })) });
    box.replaceChildren(chart({ label: `${target}: ${y} against ${x}`, x: { label: x, whole: true }, y: { label: y, log: lines.every((line) => line.values.every((v) => !known(v) || v > 0)) }, series: lines.map(one) }));
  };
  show(items[0]);
  return [el("div", { class: "controls" }, choice("Run", Object.keys(runs), items[0].target, (name) => show(items.find((item) => item.target === name)))), box];
}

function calibration({ runs, joint = [] }) {
  const together = joint.length
    ? table("All targets together: minus the logarithm of the density at the truth [nat]; smaller is better", [
        words("Run", (row) => row.run), figures("Joint negative log-likelihood", joint, (row) => row.nll)], joint)
    : null;
  const chosen = (items) => [
    chart({
      label: "observed against nominal coverage", widest: 560, height: 460,
      x: { label: "nominal coverage", domain: [0, 1] },
      y: { label: "observed coverage", domain: [0, 1] },
      rules: [{ diagonal: true }],
      series: items.map(({ run, coverage }) => ({ name: run, index: place(run), line: true, dodge: true, points: coverage.map(({ nominal, observed, low, high }) => ({ x: nominal, y: observed, low, high, said: said({ value: observed, low, high }, 3) })) })),
    }),
    el("div", { class: "small-multiples" }, items.filter((item) => item.pit).map(histogram)),
  ];
  return [runs.length ? byTarget(runs, chosen) : null, together];
}

function histogram({ run, pit, pit_band: band }) {
  const width = 1 / pit.length;
  return el("div", {}, el("h3", {}, run), chart({
    label: `${run}: histogram of the probability integral transform`, still: true, height: 220,
    x: { label: "PIT", domain: [0, 1] },
    y: { label: "lenses, mean over seeds", domain: [0, 1.15 * Math.max(...pit, band?.[1] ?? 0)] },
    bands: band ? [{ y0: band[0], y1: band[1] }] : [],
    bars: pit.map((y, i) => ({ x0: i * width, x1: (i + 1) * width, y, said: `${brief(y)} lenses` })),
    series: [],
  }));
}

function ablation({ unit, rows }) {
  return views(rows, (row) => row.family, once, (items) => {
    return dots({
      label: "change of the error", axis: `change of the error${unit ? ` [${unit}]` : ""}; left of the line is better`, rule: 0, plus: true,
      rows: items.map(({ name, difference, word: found }) => ({
        name: found ? `${SIGNS[found] ?? "·"} ${name}` : name,
        marks: [{ index: 0, ...difference }],
      })),
    });
  }).concat(rows.some((row) => row.word) ? el("p", { class: "remark" }, Object.entries(SIGNS).map(([name, sign]) => `${sign} ${name}`).join("   ")) : []);
}

function efficiency({ unit, arms, areas = [], saved = [] }) {
  const series = arms.flatMap(({ run, sizes, errors, fit }) => [
    { name: run, index: place(run), dodge: true, line: !fit, points: sizes.map((x, i) => ({ x, y: errors[i].value, low: errors[i].low, high: errors[i].high, said: `${said(errors[i])} from ${x} images` })) },
    ...(fit ? [{ name: run, index: place(run), line: true, marks: false, dashed: true, points: along(sizes).map((x) => ({ x, y: fit.a * x ** -fit.b + fit.c })) }] : []),
  ]);
  return [
    chart({ label: "error against training images", x: { label: "training images", log: true }, y: { label: withUnit("error", unit), log: true }, series }),
    areas.length ? table("Area under each curve, over the logarithm of the training images: the mean error", [
      words("Arm", (row) => row.name), figures(withUnit("Area", unit), areas, (row) => row.area)], areas) : null,
    saved.length ? table("Images saved: how many times as many the control needs for the same error", [
      words("Arm", (row) => row.name), figures("Times as many", saved, (row) => row.ratio), words("In words", (row) => row.said)], saved) : null,
  ];
}

const along = (sizes) => {
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  return Array.from({ length: 40 }, (_, i) => low * (high / low) ** (i / 39));
};

function robustness({ unit, nominal, rows }) {
  return byTarget(rows, (items) => {
    const by = (get) => distinct(items.map((row) => row.shift)).map((shift) => ({
      name: shift,
      marks: items.filter((row) => row.shift === shift && get(row)).map((row) => ({ index: place(row.run), series: row.run, ...get(row) })),
    }));
    return [
      el("h3", {}, "What a shift costs"),
      dots({ label: "change of the error under each shift", axis: `change of the error${unit ? ` [${unit}]` : ""}`, rule: 0, plus: true, rows: by((row) => row.change) }),
      ...(items.some((row) => row.coverage) ? [
        el("h3", {}, "Whether intervals still hold"),
        dots({ label: "coverage under each shift", axis: `coverage; the line is the nominal ${fixed(nominal, 2)}`, rule: nominal, rows: by((row) => row.coverage) }),
      ] : []),
    ];
  });
}

const PRICES = { seconds: "seconds of one training", parameters: "parameters", flops: "FLOPs of one image" };

function cost({ unit, rows }) {
  const items = Object.keys(PRICES).flatMap((price) => rows.filter((row) => known(row[price])).map((row) => ({ price, ...row })));
  return views(items, (item) => PRICES[item.price].split(" of ")[0], (item) => item.target, (of) => {
    const price = of[0].price;
    return chart({
      label: `error against ${PRICES[price]}`,
      x: { label: PRICES[price], log: true }, y: { label: withUnit("error", unit) },
      series: [
        { name: "Pareto front", index: 0, faint: true, line: true, marks: false, points: front(of.map((row) => ({ x: row[price], y: row.error.value }))) },
        ...of.map((row) => ({ name: row.run, index: place(row.run), points: [{ x: row[price], y: row.error.value, low: row.error.low, high: row.error.high, said: `${said(row.error)} at ${brief(row[price])}` }] })),
      ],
    });
  });
}

// Those that nothing cheaper equals, as a staircase.
function front(points) {
  const best = [];
  for (const p of [...points].sort((a, b) => a.x - b.x || a.y - b.y)) if (!best.length || p.y < best.at(-1).y) best.push(p);
  return best.flatMap((p, i) => (i ? [{ x: p.x, y: best[i - 1].y }, p] : [p]));
}
