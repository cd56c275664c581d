// Tables that sort by their headings. A column has a title, value(row) to sort by and show(row) to print.

const ARROWS = { ascending: "▲", descending: "▼", none: "" };

function compared(a, b) {
  const [missingA, missingB] = [a, b].map((v) => v === null || v === undefined || Number.isNaN(v));
  if (missingA || missingB) return missingA && missingB ? 0 : missingA ? Infinity : -Infinity; // what is not known is last
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}

function table(caption, columns, rows) {
  const body = el("tbody");
  const headings = columns.map((each) => {
    const arrow = el("span", { class: "arrow", "aria-hidden": "true" });
    const button = el("button", { type: "button", click: () => sortBy(each) }, each.title, arrow);
    return { each, arrow, cell: el("th", { scope: "col", class: each.text ? null : "number", "aria-sort": "none" }, button) };
  });
  const lines = rows.map((row) => ({ row, line: el("tr", {}, columns.map((each, index) => cell(each, row, index))) }));
  body.append(...lines.map(({ line }) => line));

  function sortBy(chosen) {
    const heading = headings.find(({ each }) => each === chosen);
    const order = heading.cell.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const { cell: th, arrow, each } of headings) {
      const now = each === chosen ? order : "none";
      th.setAttribute("aria-sort", now);
      arrow.textContent = ARROWS[now];
    }
    const sign = order === "ascending" ? 1 : -1;
    lines.sort((a, b) => {
      const found = compared(chosen.value(a.row), chosen.value(b.row));
      return Math.abs(found) === Infinity ? Math.sign(found) : sign * found;
    });
    body.append(...lines.map(({ line }) => line));
  }

  return el(
    "div",
    { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
    el(
      "table",
      {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, headings.map(({ cell: th }) => th))),
      body,
    ),
  );
}

function cell(each, row, index) {
  const shown = each.show ? each.show(row) : each.value(row);
  return index === 0
    ? el("th", { scope: "row" }, shown ?? "–")
    : el("td", { class: each.text ? null : "number" }, shown ?? "–");
}

const words = (title, value, show) => ({ title, value, show, text: true });

// A column of figures: the value, and its interval under it in small print.
function figures(title, rows, get, plus = false, places = decimals(rows.map(get))) {
  return {
    title,
    value: (row) => get(row)?.value,
    show: (row) => (get(row) ? figure(get(row), places, plus) : "–"),
  };
}
const figure = (f, places, plus) => [
  el("span", { class: "value" }, fixed(f.value, places, plus)),
  el("span", { class: "bounds" }, bounds(f, places, plus)),
];

const number = (title, value, show = (row) => brief(value(row))) => ({ title, value, show });

// The verdict's four words: a sign and a colour each, and the word itself, which neither replaces.
const SIGNS = { better: "▲", worse: "▼", equivalent: "≈", undecided: "?" };
const word = (name, reason) =>
  name
    ? el("span", { class: `word ${name in SIGNS ? name : ""}`, title: reason ?? null }, el("span", { "aria-hidden": "true" }, `${SIGNS[name] ?? "·"} `), name)
    : null;
