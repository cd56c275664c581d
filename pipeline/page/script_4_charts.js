// Two kinds of plot: y over x for several series, and rows of dots with their intervals.

const MARGIN = { left: 58, right: 16, top: 30, bottom: 26 };

// spec: label, x and y {label, log, domain}, x {whole: ticks at whole numbers only}, series [{name, points [{x, y, low, high, said}], line, marks, dashed, faint}],
// bands [{x0, x1 | y0, y1, label}], rules [{x | y | diagonal, label}], bars [{x0, x1, y, said}], height, widest (pixels), still (no legend)
function chart(spec) {
  const hidden = new Set();
  const points = spec.series.flatMap((series) => series.points);
  const bars = spec.bars ?? [];
  const xs = spec.x.domain ?? extent([...points.map((p) => p.x), ...bars.flatMap((b) => [b.x0, b.x1])], spec.x.log);
  const ys = spec.y.domain ?? extent([...points.flatMap((p) => [p.y, p.low, p.high]), ...bars.flatMap((b) => [0, b.y])], spec.y.log);

  function draw(width, height) {
    const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
    const x = (spec.x.log ? logarithmic : linear)(xs, [MARGIN.left, right], spec.x.whole);
    const y = (spec.y.log ? logarithmic : linear)(ys, [bottom, MARGIN.top]);
    const shown = spec.series.filter((series) => !hidden.has(series.name));
    return [
      (spec.bands ?? []).map((band) => drawBand(band, x, y, right, bottom)),
      y.ticks(5).map(([value, name]) => [
        svg("path", { d: `M${MARGIN.left},${y(value)}H${right}`, class: "grid" }),
        text(MARGIN.left - 8, y(value) + 4, name, "end"),
      ]),
      x.ticks(Math.max(2, width / 110)).map(([value, name]) => [
        svg("path", { d: `M${x(value)},${bottom}v5`, class: "axis" }),
        text(x(value), bottom + 18, name),
      ]),
      svg("path", { d: `M${MARGIN.left},${bottom}H${right}`, class: "axis" }),
      text(4, 14, spec.y.label, "start", { class: "axis-label" }),
      bars.map((bar) =>
        svg("rect", { x: x(bar.x0) + 1, width: Math.max(1, x(bar.x1) - x(bar.x0) - 2), y: y(bar.y), height: bottom - y(bar.y), class: "bar" }, svg("title", {}, bar.said)),
      ),
      (spec.rules ?? []).map((rule) => drawRule(rule, x, y, xs, right, bottom)),
      shown.map((series) => drawSeries(series, x, y, [right, bottom], shown.indexOf(series), shown.length)),
    ];
  }

  const legend = el("div", { class: "legend" });
  const plot = responsive({ ...spec, axis: spec.x.label }, () => spec.height ?? 320, draw, spec.still ? null : legend);
  for (const name of distinct(spec.series.map((series) => series.name))) {
    const series = spec.series.find((each) => each.name === name);
    const button = el("button", { type: "button", "aria-pressed": "true", click: toggle }, sample(series.index, series.line ? (series.marks === false ? "only" : true) : false, series.faint ? "faint" : series.dashed ? "dashed" : ""), name);
    function toggle() {
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      plot.redraw();
    }
    legend.append(button);
  }
  return plot.node;
}

function drawBand(band, x, y, right, bottom) {
  const across = "x0" in band;
  const clip = (v, low, high) => Math.min(high, Math.max(low, v));
  const [a, b] = across
    ? [band.x0, band.x1].map((v) => clip(x(v), MARGIN.left, right))
    : [band.y1, band.y0].map((v) => clip(y(v), MARGIN.top, bottom));
  const box = across ? { x: a, width: b - a, y: MARGIN.top, height: bottom - MARGIN.top } : { x: MARGIN.left, width: right - MARGIN.left, y: a, height: b - a };
  return [svg("rect", { ...box, class: "band" }), text(box.x + 5, box.y + 14, band.label ?? "", "start", { class: "remark" })];
}

function drawRule(rule, x, y, [low, high], right, bottom) {
  if (rule.diagonal) return svg("path", { d: `M${x(low)},${y(low)}L${x(high)},${y(high)}`, class: "rule" });
  const d = "y" in rule ? `M${MARGIN.left},${y(rule.y)}H${right}` : `M${x(rule.x)},${MARGIN.top}V${bottom}`;
  return [svg("path", { d, class: "rule" }), rule.label ? text(right - 2, y(rule.y) - 5, rule.label, "end", { class: "remark" }) : null];
}

function drawSeries(series, x, y, [right, bottom], order, of) {
  const within = (v) => Math.min(bottom, Math.max(MARGIN.top, v));
  const aside = series.dodge ? (order - (of - 1) / 2) * Math.min(5, 26 / of) : 0; // intervals beside, not over, each other
  const at = series.points.filter((p) => known(p.y)).map((p) => ({ ...p, px: x(p.x) + aside, py: within(y(p.y)) }));
  const path = at.map((p, i) => `${i ? "L" : "M"}${p.px.toFixed(1)},${p.py.toFixed(1)}`).join("");
  const kind = `line ${tone(series.index)}${series.dashed ? " dashed" : ""}${series.faint ? " faint" : ""}`;
  return [
    series.line && at.length > 1 ? svg("path", { d: path, class: kind }) : null,
    series.marks === false
      ? null
      : at.map((p) => [
          "low" in p || "high" in p
            ? svg("path", { d: `M${p.px},${known(p.low) ? within(y(p.low)) : bottom}V${known(p.high) ? within(y(p.high)) : MARGIN.top}`, class: `whisker ${tone(series.index)}` })
            : null,
          mark(series.index, p.px, p.py, `${series.name}: ${p.said ?? brief(p.y)}`),
          p.name ? text(p.px + (p.px > right - 110 ? -8 : 8), p.py - 7, p.name, p.px > right - 110 ? "end" : "start", { class: "remark" }) : null,
        ]),
  ];
}

// rows [{name, marks [{index, series, value, low, high}]}], rule (a value with a line), label, axis, plus (signed numbers)
function dots(spec) {
  const lane = Math.max(...spec.rows.map((row) => row.marks.length), 1);
  const all = spec.rows.flatMap((row) => row.marks).flatMap((m) => [m.value, m.low, m.high]);
  const domain = extent([...all, spec.rule]);
  const longest = Math.max(...spec.rows.map((row) => row.name.length)) * 7 + 16;

  const above = (width) => longest > width * 0.4; // a phone: the name stands over its dots
  const each = (width) => Math.max(22, lane * 13 + 8) + (above(width) ? 18 : 0);
  function draw(width) {
    const left = above(width) ? 10 : longest;
    const bottom = spec.rows.length * each(width) + 8;
    const x = linear(domain, [left, width - 14]);
    const lineAt = (v) => Math.min(width - 14, Math.max(left, x(v)));
    return [
      x.ticks(Math.max(2, (width - left) / 90)).map(([value, name]) => [svg("path", { d: `M${x(value)},0V${bottom}`, class: "grid" }), text(x(value), bottom + 18, name)]),
      svg("path", { d: `M${left},${bottom}H${width - 14}`, class: "axis" }),
      known(spec.rule) ? svg("path", { d: `M${x(spec.rule)},0V${bottom}`, class: "rule" }) : null,
      spec.rows.map((row, r) => {
        const top = r * each(width) + (above(width) ? 18 : 0);
        const middle = top + (each(width) - (above(width) ? 18 : 0)) / 2;
        return [
          above(width) ? text(left, top + 2, row.name, "start", { class: "strong" }) : text(left - 10, middle + 4, row.name, "end"),
          row.marks.filter((m) => known(m.value)).map((m, i) => {
            const y = middle + (i - (row.marks.length - 1) / 2) * 13;
            const ends = [known(m.low) ? lineAt(m.low) : left, known(m.high) ? lineAt(m.high) : width - 14];
            const whisker = known(m.low) || known(m.high) ? svg("path", { d: `M${ends[0]},${y}H${ends[1]}`, class: `whisker ${tone(m.index)}` }) : null;
            return [whisker, mark(m.index, x(m.value), y, `${m.series ?? row.name}: ${said(m, undefined, spec.plus)}`)];
          }),
        ];
      }),
    ];
  }
  const names = distinct(spec.rows.flatMap((row) => row.marks.map((m) => m.series)).filter(Boolean));
  const legend = names.length > 1 ? el("div", { class: "legend" }, names.map((name) => el("span", {}, sample(place(name), false), name))) : null;
  return responsive(spec, (width) => spec.rows.length * each(width) + 34, draw, legend).node;
}
