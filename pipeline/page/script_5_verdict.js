// The verdict: what is to be believed in words, and the one table behind it.

function verdict({ sentences, cautions = [], rows, contrasts = [] }) {
  const contrast = (row) => row.contrast ?? null;
  const difference = (row) => contrast(row)?.difference;
  const several = (get) => distinct(rows.map(get)).length > 1;
  const units = distinct(rows.map((row) => row.unit).filter(Boolean));
  const unit = units.length === 1 ? ` [${units[0]}]` : "";
  const targets = distinct(rows.map((row) => row.target));
  const places = decimals(rows.flatMap((row) => [row.rmse, row.mae])); // side by side, and in one unit
  const columns = [
    words("Input", (row) => row.input),
    words("Network", (row) => row.backbone),
    several((row) => row.size) ? words("Images", (row) => row.size) : null,
    targets.length > 1 ? words("Target", (row) => (units.length > 1 ? withUnit(row.target, row.unit) : row.target)) : null,
    figures(`RMSE${unit}`, rows, (row) => row.rmse, false, places),
    figures(`MAE${unit}`, rows, (row) => row.mae, false, places),
    figures("R²", rows, (row) => row.r2),
    figures("Skill", rows, (row) => row.skill),
    ...(rows.some(contrast) ? against(rows, contrast, difference, unit) : []),
  ].filter(Boolean);
  return [
    cautions.length ? el("aside", { class: "cautions", "aria-label": "Cautions" }, el("strong", {}, "⚠ Before you believe a number"), el("ul", {}, cautions.map((one) => el("li", {}, one)))) : null,
    el("div", { class: "sentences" }, sentences.map((one) => el("p", {}, one))),
    table(`${targets.length > 1 ? "Errors" : `${targets[0]}: errors`} on the test lenses, with intervals, and each cell's difference from its control`, columns, rows),
    contrasts.length
      ? el("details", {}, el("summary", {}, "Other contrasts"), table("Other contrasts", [words("Contrast", (row) => row.name), ...against(contrasts, (row) => row, (row) => row.difference, unit)], contrasts))
      : null,
  ];
}

function against(rows, contrast, difference, unit) {
  const controls = distinct(rows.map(contrast).filter(Boolean).map((each) => each.against));
  const named = controls.length === 1 ? `Minus ${controls[0]}${unit}` : `Difference${unit}`;
  return [
    figures(named, rows, difference, true),
    number("corrected p", (row) => contrast(row)?.p, (row) => probability(contrast(row)?.p)),
    words("Verdict", (row) => contrast(row)?.word, (row) => {
      const found = contrast(row);
      return found ? [word(found.word, found.reason), found.reason ? el("span", { class: "bounds" }, found.reason) : null] : null;
    }),
  ];
}

const probability = (p) => (!known(p) ? "–" : p < 0.001 ? "< 0.001" : fixed(p, 3));
