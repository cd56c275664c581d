// The sections that are text, and the page itself: headings at once, what is under them when it comes near.

const GRAVE = { error: "✖", warning: "⚠", note: "ℹ" };

function audit({ findings }) {
  if (!findings.length) return [el("p", {}, "Nothing was found.")];
  const order = Object.keys(GRAVE);
  return [table("What the audit found", [
    words("Code", (row) => row.code, (row) => el("code", {}, row.code)),
    words("Severity", (row) => order.indexOf(row.severity), (row) => [el("span", { class: `word ${row.severity}` }, `${GRAVE[row.severity] ?? "·"} ${row.severity}`), row.accepted ? " (accepted)" : null]),
    words("Finding", (row) => row.summary),
  ], findings)];
}

function card({ entries, images = [] }) {
  return [
    pairs(entries),
    images.length ? el("div", { class: "small-multiples" }, images.map(({ title, uri, said: about }) => el("figure", {}, el("img", { src: uri, alt: about ?? title, loading: "lazy" }), el("figcaption", {}, title)))) : null,
  ];
}

const pairs = (entries) => el("dl", { class: "pairs" }, Object.entries(entries).map(([key, value]) => el("div", {}, el("dt", {}, key), el("dd", {}, spelled(value)))));
const spelled = (value) =>
  Array.isArray(value) ? value.map((each) => (typeof each === "number" ? numeral(each) : String(each))).join(", ") || "none" : value !== null && typeof value === "object" ? pairs(value) : typeof value === "number" ? numeral(value) : String(value ?? "–");
const numeral = (value) => minus(String(Number.isInteger(value) ? value : Number(value.toPrecision(6))));

function making({ command, params, versions, hashes, fairness = [] }) {
  const folded = (title, body) => (body ? el("details", {}, el("summary", {}, title), body) : null);
  return [
    el("p", {}, "This page is rebuilt, number for number, by"),
    el("pre", { tabindex: "0", "aria-label": "Command" }, el("code", {}, command)),
    fairness.length ? table("What every arm was given", [
      words("Arm", (row) => row.arm),
      words("Budget", (row) => row.budget, (row) => (row.other ? el("span", { class: "word worse" }, `≠ ${row.budget}`) : row.budget)),
      number("Tuning trials", (row) => row.trials, (row) => whole(row.trials)), number("Steps", (row) => row.steps, (row) => whole(row.steps)), words("Augmentation", (row) => row.augmentation),
    ], fairness) : null,
    fairness.some((row) => row.other) ? el("p", { class: "remark" }, "≠ marks an arm with another budget than the rest.") : null,
    folded("Parameters", params && el("pre", { tabindex: "0", "aria-label": "Parameters" }, el("code", {}, params))),
    folded("Versions", versions && pairs(versions)),
    folded("Hashes", hashes && pairs(hashes)),
  ];
}

const SECTIONS = [
  ["verdict", "Verdict", "Verdict", verdict],
  ["scatter", "Scatter", "Predicted against true", scatter],
  ["lenses", "Lenses", "Lenses", lenses],
  ["bins", "By bin", "Error by bin", bins],
  ["curves", "Curves", "Learning curves", curves],
  ["calibration", "Calibration", "Calibration", calibration],
  ["classes", "Classes", "Classes", classes],
  ["ablation", "Ablation", "Ablation", ablation],
  ["efficiency", "Data", "Data efficiency", efficiency],
  ["robustness", "Shifts", "Robustness", robustness],
  ["cost", "Cost", "Cost", cost],
  ["audit", "Audit", "Audit", audit],
  ["card", "Data card", "Data card", card],
  ["making", "Making", "How it was made", making],
].filter(([key]) => key in content);

const waiting = new Map();

function section([key, , title, build]) {
  const body = el("div", { class: "body" });
  waiting.set(key, () => body.append(...[build(content[key])].flat(3).filter(Boolean)));
  return el("section", { id: key, "aria-labelledby": `${key}-title` },
    el("h2", { id: `${key}-title`, tabindex: "-1" }, title), content[key].note ? el("p", { class: "note" }, content[key].note) : null, body);
}

function fill(key) {
  const build = waiting.get(key);
  waiting.delete(key);
  build?.();
}

// All above it first: what fills later must not push away what one has jumped to.
function fillTo(key) {
  for (const [each] of SECTIONS) {
    fill(each);
    if (each === key) return;
  }
}

function idle() {
  const [next] = waiting.keys();
  if (!next) return;
  fill(next);
  setTimeout(idle, 50);
}

function theme() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = el("button", { type: "button", class: "theme", click: () => { root.dataset.theme = dark() ? "light" : "dark"; settle(); } });
  const settle = () => {
    button.textContent = dark() ? "☀ Light" : "☾ Dark";
    repaint.forEach((draw) => draw());
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", settle);
  // Paper is light: what is painted, and not styled, has to be painted anew for it.
  let before;
  window.addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; settle(); });
  window.addEventListener("afterprint", () => { before ? (root.dataset.theme = before) : delete root.dataset.theme; settle(); });
  settle();
  return button;
}

const links = new Map(SECTIONS.map(([key, short]) => [key, el("a", { href: `#${key}`, click: () => fillTo(key) }, short)]));
document.getElementById("top").append(el("h1", {}, content.title), content.subtitle ? el("p", {}, content.subtitle) : "");
document.getElementById("nav").append(el("div", { class: "links" }, ...links.values()), theme());
document.getElementById("main").replaceChildren(...SECTIONS.map(section));
fill(SECTIONS[0]?.[0]);
if (location.hash) {
  fillTo(location.hash.slice(1));
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) fill(target.id);
}, { rootMargin: "600px" });
const here = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    const link = links.get(target.id);
    if (isIntersecting) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}, { rootMargin: "-20% 0px -75% 0px" });
for (const each of document.querySelectorAll("main > section")) {
  near.observe(each);
  here.observe(each);
}
setTimeout(idle, 600);
window.addEventListener("beforeprint", () => fillTo(null));
