// The lenses shown: a gallery that filters, and a panel that says everything of one.

function lenses({ channels, shown }) {
  let chosenTag = "all";
  let channel = 0;
  const tags = distinct(shown.flatMap((lens) => lens.tags));
  const grid = el("div", { class: "gallery", role: "group", "aria-label": "Lenses; arrow keys move between them", keydown: move });
  const filters = el("div", { class: "filters", role: "group", "aria-label": "Which lenses" });
  const status = el("span", { class: "remark", role: "status" });
  const lazily = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting) {
        lazily.unobserve(target);
        target.paint();
      }
  }, { rootMargin: "300px" });

  const buttons = shown.map((lens, index) => thumbnail(lens, index));
  grid.append(...buttons);

  function thumbnail(lens, index) {
    const face = el("span", { class: "thumb" });
    const name = names()[lens.row];
    const button = el("button", { type: "button", class: "lens", tabindex: index ? "-1" : "0", "aria-label": `${name}: ${lens.tags.join(", ")}`, "data-lens": index, click: () => openLens(index) },
      face, el("span", { class: "name" }, name), el("span", { class: "tags" }, lens.tags.join(", ")));
    button.paint = () => paint(face, index, channel);
    lazily.observe(button);
    return button;
  }

  function filter(tag) {
    chosenTag = tag;
    shown.forEach((lens, index) => (buttons[index].hidden = tag !== "all" && !lens.tags.includes(tag)));
    const visible = buttons.filter((button) => !button.hidden);
    focusable(visible[0], false);
    status.textContent = `${visible.length} of ${shown.length}`;
    filters.replaceChildren(...["all", ...tags].map((name) =>
      el("button", { type: "button", "aria-pressed": String(name === chosenTag), click: () => { filter(name); filters.querySelector("[aria-pressed=true]").focus(); } }, name)));
  }

  // One stop for the Tab key: three hundred would lock the rest of the page away.
  function focusable(button, now = true) {
    for (const each of buttons) each.tabIndex = each === button ? 0 : -1;
    if (now) button?.focus();
  }

  function move(event) {
    const visible = buttons.filter((button) => !button.hidden);
    const here = visible.indexOf(document.activeElement);
    if (here < 0) return;
    const across = visible.findIndex((button) => button.offsetTop > visible[0].offsetTop);
    const row = across < 0 ? visible.length : across;
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, ArrowDown: here + row, ArrowUp: here - row, Home: 0, End: visible.length - 1 }[event.key];
    if (to === undefined || !visible[to]) return;
    event.preventDefault();
    focusable(visible[to]);
  }

  window.addEventListener("beforeprint", () => buttons.forEach((button) => button.paint()));
  const repaintAll = (name) => {
    channel = channels.indexOf(name);
    for (const button of buttons) lazily.observe(button);
  };
  filter("all");
  return [el("div", { class: "controls" }, filters, choice("Channel", channels, channels[0], repaintAll), status), grid];
}

// Show one channel of a lens's sprite, in which all lie side by side.
function paint(face, index, channel) {
  const { png, channels } = picture(index);
  face.style.setProperty("background-image", `url("data:image/png;base64,${png}")`);
  face.style.setProperty("background-size", `${channels * 100}% 100%`);
  face.style.setProperty("background-position", `${channels > 1 ? (100 * channel) / (channels - 1) : 0}% 0`);
}

function openLens(index) {
  const panel = document.getElementById("panel");
  const { shown, channels } = content.lenses;
  const lens = shown[index];
  const step = (by) => openLens((index + by + shown.length) % shown.length);
  panel.replaceChildren(
    el("header", {},
      el("h2", { id: "panel-title" }, names()[lens.row]),
      el("span", { class: "tags" }, lens.tags.join(", ")),
      el("span", { class: "buttons" },
        el("button", { type: "button", "aria-label": "Previous lens", click: () => step(-1) }, "‹"),
        el("button", { type: "button", "aria-label": "Next lens", click: () => step(1) }, "›"),
        el("button", { type: "button", class: "close", "aria-label": "Close", click: () => panel.close() }, "×"))),
    el("dl", { class: "facts" }, factsOf(lens.row).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    el("div", { class: "channels" }, channels.map((name, channel) => {
      const face = el("span", { class: "thumb", role: "img", "aria-label": name });
      paint(face, index, channel);
      return el("figure", {}, face, el("figcaption", {}, name));
    })),
    ...Object.entries(content.scatter.targets).map(([name, target]) => numberLine(name, target, lens.row)),
  );
  if (!panel.open) panel.showModal(); // the browser gives the focus back on closing
  panel.querySelector(".close").focus();
}

// Each run's answer and interval against the truth.
function numberLine(name, { unit, truth, runs }, row) {
  const answer = ({ prediction, low, high }) => ({ value: column(prediction)[row], low: low && column(low)[row], high: high && column(high)[row] });
  return el("section", {},
    el("h3", {}, `${withUnit(name, unit)}: true ${fixed(column(truth)[row], 3)}`),
    dots({
      label: `${name}: predictions of each run against the truth`,
      axis: `${withUnit(name, unit)}; the line is the truth, bars are the ${content.scatter.interval ?? "interval"}`,
      rule: column(truth)[row],
      rows: Object.entries(runs).map(([run, each]) => ({ name: run, marks: [{ index: place(run), ...answer(each) }] })),
    }));
}

document.getElementById("panel").addEventListener("click", (event) => {
  if (event.target.id === "panel") event.target.close(); // the backdrop
});
