// The sections that are plots: bins, curves, calibration, classes, ablation, efficiency, robustness, cost.

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

function classes({ runs }) {
  const square = { widest: 560, height: 460, rules: [{ diagonal: true }] };
  return byTarget(runs, (items) => [
    el("h3", {}, "How well the classes are told apart"),
    chart({
      ...square, label: "ROC curves",
      x: { label: "false-positive rate", domain: [0, 1] },
      y: { label: "true-positive rate", domain: [0, 1] },
      series: items.map(({ run, roc }) => ({ name: run, index: place(run), line: true, marks: false, points: [{ x: 0, y: 0 }, ...roc.false.map((x, i) => ({ x, y: roc.true[i] }))] })),
    }),
    table("Area under the ROC curve, and the mean distance of the reliability diagram from its diagonal", [
      words("Run", (row) => row.run), figures("AUC", items, (row) => row.auc), words("Calibration error", (row) => fixed(row.calibration_error, 3))], items),
    el("h3", {}, "Whether probabilities hold"),
    chart({
      ...square, label: "fraction that is of the class against the probability that was predicted",
      x: { label: "predicted probability" },
      y: { label: "fraction that is", domain: [0, 1] },
      series: items.map(({ run, reliability }) => ({ name: run, index: place(run), line: true, dodge: true, points: reliability.map(({ prediction, observed, low, high, answers }) => ({ x: prediction, y: observed, low, high, said: `${said({ value: observed, low, high }, 3)} of ${answers} answers` })) })),
    }),
  ]);
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

// Every price of a run against its error; then all of them side by side, and what each feature takes.
function cost({ unit, prices, rows, features = [] }) {
  const keys = Object.keys(prices).filter((price) => rows.some((row) => known(row[price])));
  const items = keys.flatMap((price) => rows.filter((row) => known(row[price])).map((row) => ({ price, ...row })));
  return [
    views(items, (item) => prices[item.price][0], (item) => item.target, (of) => priced(of, prices[of[0].price][1], withUnit("RMSE", unit))),
    table(`What every run costs; ${FRONT} marks the prices at which no other run beats it`, [
      words("Run", (row) => row.run),
      distinct(rows.map((row) => row.target)).length > 1 ? words("Target", (row) => row.target) : null,
      figures(withUnit("RMSE", unit), rows, (row) => row.error),
      price("Seconds", "seconds"), price("Images/s", "images_per_second"), price("Memory [MiB]", "memory"), words("Trained on", (row) => row.device),
      price("Parameters", "parameters"), price("FLOPs", "flops"), price("Bytes read", "bytes", whole), price("Bytes stored", "stored", (value) => whole(Math.round(value))),
      price("Features [µs]", "features"),
    ].filter(Boolean), rows),
    features.length ? el("details", {}, el("summary", {}, "Features, one by one"), table("Features, of one image on one thread", [
      words("Input", (row) => row.input), words("Feature", (row) => row.feature), words("Kind", (row) => row.kind),
      price("Work [µs]", "work"), price("On the clock [µs]", "wall"),
    ], features)) : null,
  ];
}

const FRONT = "◆";
const price = (title, key, show = brief) => number(title, (row) => row[key], (row) =>
  el("span", { class: "value" }, row.front?.includes(key) ? el("span", { title: "on the Pareto front" }, `${FRONT} `) : null, known(row[key]) ? show(row[key]) : "–"));

function priced(rows, x, y) {
  const key = rows[0].price;
  const at = (row) => row.at?.[key] ?? row[key];
  const across = extent(rows.map(at), true);
  const up = extent(rows.flatMap(({ error }) => [error.value, error.low, error.high]));
  const best = rows.filter((row) => row.front?.includes(key)).map((row) => ({ x: at(row), y: row.error.value }));
  return chart({
    label: `${y} against ${x}`,
    x: { label: x, log: true, domain: across }, y: { label: y, domain: up },
    series: [
      { name: "Pareto front", index: 0, faint: true, line: true, marks: false, points: front(best, across[1], up[1]) },
      ...rows.map((row) => ({
        name: row.run, index: place(row.run),
        points: [{ x: at(row), y: row.error.value, low: row.error.low, high: row.error.high, said: `${said(row.error)} at ${brief(row[key])}` }],
      })),
    ],
  });
}

// A staircase through the best, from the top of the frame to its right edge: whatever lies above it is beaten.
function front(points, right, top) {
  const best = [...points].sort((a, b) => a.x - b.x);
  if (!best.length) return [];
  const steps = best.flatMap((p, i) => [{ x: p.x, y: i ? best[i - 1].y : top }, p]);
  return [...steps, { x: right, y: best.at(-1).y }];
}
