// The table: one row per mask, kept by number so that new values, sorting and filtering never rebuild or blur it.

const gridFrame = $(".grid-frame"), grid = $(".grid"), gridBody = $(".body"), gridHead = $(".head .row");
const COLUMNS = ["shown", "id", "label", "area", "iou", "stability", "bbox", "point", "crop"];
const FIRST_STEP = { area: -1, iou: -1, stability: -1 }; // what people look for comes first: large, good
const rows = new Map(); // number -> row element
let current = 0; // the row that Tab reaches

const EYE = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z"/><circle cx="8" cy="8" r="2"/><path class="slash" d="m3 13 10-10"/></svg>'; // constant

// Header

for (const key of COLUMNS) {
  const cell = make("div", `cell ${key}`);
  cell.setAttribute("role", "columnheader");
  const button = make("button", "", text(`col_${key}`));
  button.type = "button";
  button.dataset.sort = key;
  button.title = text(`name_${key}`);
  button.setAttribute("aria-label", `${text(`col_${key}`)}: ${text(`name_${key}`)}`);
  if (key === "shown") button.innerHTML = EYE;
  button.append(make("span", "arrow"));
  cell.append(button);
  gridHead.append(cell);
}

gridHead.addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.sort;
  if (!key) return;
  state.sort = { key, step: state.sort.key === key ? -state.sort.step : FIRST_STEP[key] ?? 1 };
  changed("order");
});

function drawHeader() {
  for (const cell of gridHead.children) {
    const sorted = cell.firstChild.dataset.sort === state.sort.key;
    cell.setAttribute("aria-sort", !sorted ? "none" : state.sort.step > 0 ? "ascending" : "descending");
    cell.querySelector(".arrow").textContent = !sorted ? "" : state.sort.step > 0 ? "↑" : "↓";
  }
}

// Rows

const pattern = make("div", "row");
pattern.setAttribute("role", "row");
pattern.setAttribute("aria-selected", "false");
pattern.tabIndex = -1;
for (const key of COLUMNS) {
  const cell = make("div", `cell ${key}`);
  cell.setAttribute("role", "gridcell");
  pattern.append(cell);
}
pattern.querySelector(".shown").innerHTML = `<button type="button" class="eye" tabindex="-1">${EYE}</button>`;
pattern.querySelector(".id").append(make("span", "swatch"), make("canvas", "thumb"), make("span", "number"));
pattern.querySelector(".label").append(make("span", "swatch"), make("span", "name"));
pattern.querySelector(".area").append(make("span", "pixels"), make("span", "share"));

function newRow(mask) {
  const row = pattern.cloneNode(true);
  row.dataset.id = mask.id;
  row.querySelector(".number").textContent = String(mask.id);
  thumbWatch.observe(row.querySelector(".thumb"));
  return row;
}

function fillRow(row, mask) {
  // A streamed value repeats most masks: their cells are left alone.
  const facts = JSON.stringify([mask.area, mask.iou, mask.stability, mask.bbox, mask.point, mask.crop, total()]);
  if (row.facts === facts) return;
  row.facts = facts;
  const cell = (key) => row.querySelector(`.${key}`);
  cell("pixels").textContent = formatted(mask.area);
  cell("share").textContent = percent(mask.area, total());
  cell("iou").textContent = score(mask.iou);
  cell("stability").textContent = score(mask.stability);
  for (const key of ["bbox", "point", "crop"]) cell(key).textContent = coordinates(mask[key]);
}

/** Puts rows in order by moving only those out of place: focus and scroll position survive. */
function drawRows(topics) {
  const focused = gridBody.contains(document.activeElement) ? document.activeElement : null;
  if (topics.has("masks")) {
    for (const [id, row] of rows) if (!state.byId.has(id)) dropRow(id, row);
    for (const mask of state.masks) {
      if (!rows.has(mask.id)) rows.set(mask.id, newRow(mask));
      fillRow(rows.get(mask.id), mask);
    }
  }
  const wanted = new Set(state.listed);
  for (const row of [...gridBody.children]) if (!wanted.has(Number(row.dataset.id))) row.remove();
  let next = gridBody.firstChild;
  for (const id of state.listed) {
    const row = rows.get(id);
    if (row === next) next = next.nextSibling;
    else gridBody.insertBefore(row, next);
  }
  if (focused && focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  grid.setAttribute("aria-rowcount", state.listed.length + 1);
  setCurrent(wanted.has(current) ? current : state.listed[0] ?? 0);
  drawNoRows();
}

function dropRow(id, row) {
  thumbWatch.unobserve(row.querySelector(".thumb"));
  row.remove();
  rows.delete(id);
}

function drawNoRows() {
  const none = $(".no-rows");
  none.hidden = state.listed.length > 0;
  const why = state.masks.length ? "no_match" : state.value.empty ? "none_found" : state.photo ? "no_masks" : "";
  none.textContent = why && text(why);
}

/** Colours, labels and eyes. */
function drawRowStates() {
  for (const mask of state.masks) {
    const row = rows.get(mask.id), hidden = isHidden(mask.id);
    const colour = colourOf(mask);
    if (row.colour !== colour) row.querySelector(".swatch").style.background = row.colour = colour;
    drawRowLabel(row, labelOf(mask.id));
    if (row.hiddenNow === hidden) continue;
    row.hiddenNow = hidden;
    row.classList.toggle("is-hidden", hidden);
    const label = text(hidden ? "show_one" : "hide_one", { id: String(mask.id) });
    const eye = row.querySelector(".eye");
    eye.setAttribute("aria-label", label);
    eye.title = label;
  }
}

function drawRowLabel(row, label) {
  const drawn = `${edits.places.get(label)} ${label}`;
  if (row.labelNow === drawn) return;
  row.labelNow = drawn;
  const cell = row.querySelector(".label");
  cell.title = label;
  cell.lastChild.textContent = label;
  cell.firstChild.style.background = classColour(label);
  cell.classList.toggle("has-label", Boolean(label));
}

let marked = new Set();

function drawRowMarks() {
  for (const id of marked) if (!state.selected.has(id)) rows.get(id)?.setAttribute("aria-selected", "false");
  for (const id of state.selected) rows.get(id)?.setAttribute("aria-selected", "true");
  marked = new Set(state.selected);
  gridBody.querySelector(".lit")?.classList.remove("lit");
  rows.get(state.hover)?.classList.add("lit");
}

on("order", drawHeader);
on("masks order shown labels", drawRows);
on("masks shown style labels", drawRowStates);
on("masks labels", () => grid.classList.toggle("labelled", edits.classes.length > 0));
on("masks selection hover", drawRowMarks);
drawHeader();

/** Scrolls the table, never the page, so that a row is seen. */
function showRow(id) {
  const row = rows.get(id);
  if (!row?.isConnected) return;
  const frameBox = gridFrame.getBoundingClientRect(), box = row.getBoundingClientRect();
  const top = frameBox.top + gridHead.offsetHeight;
  if (box.top < top) gridFrame.scrollTop -= top - box.top;
  else if (box.bottom > frameBox.bottom) gridFrame.scrollTop += box.bottom - frameBox.bottom;
}

on("selection", () => {
  if (!state.selected.size) return;
  setCurrent(state.primary);
  showRow(state.primary);
});

/** For selections made in the table: a click in the picture must not move the picture. */
function revealSelected() {
  const shape = state.shapes.get(state.primary);
  if (shape && state.selected.size === 1) reveal(shape);
}

/** Roving tabindex: Tab reaches one row, arrows the others. */
function setCurrent(id) {
  if (rows.has(current)) rows.get(current).tabIndex = -1;
  current = id;
  if (rows.has(id)) rows.get(id).tabIndex = 0;
}

// Pointer and keys on rows

const rowOf = (event) => event.target.closest(".body .row");

gridBody.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "touch") setHover(Number(rowOf(event)?.dataset.id ?? 0));
});
gridBody.addEventListener("pointerleave", () => setHover(0));
gridBody.addEventListener("focusin", (event) => setHover(Number(rowOf(event)?.dataset.id ?? 0)));
gridBody.addEventListener("focusout", () => setHover(0));

gridBody.addEventListener("click", (event) => {
  const row = rowOf(event);
  if (!row) return;
  const id = Number(row.dataset.id);
  if (event.target.closest(".eye")) return void toggleHidden([id]);
  setCurrent(id);
  row.focus({ preventScroll: true });
  if (event.shiftKey && state.anchor) selectRange(id, event.ctrlKey || event.metaKey);
  else if (event.ctrlKey || event.metaKey) toggleSelected(id);
  else selectOnly(id);
  revealSelected();
});

gridBody.addEventListener("keydown", (event) => {
  const row = rowOf(event);
  if (!row || event.altKey) return;
  const at = state.listed.indexOf(Number(row.dataset.id));
  const last = state.listed.length - 1;
  const page = Math.max(1, Math.floor(gridFrame.clientHeight / row.offsetHeight) - 1);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last, PageDown: at + page, PageUp: at - page }[event.key];
  if (to !== undefined) moveFocus(state.listed[Math.min(last, Math.max(0, to))], state.listed[at], event.shiftKey);
  else if (event.key === " ") toggleSelected(state.listed[at]);
  else if (event.key === "Enter") selectOnly(state.listed[at]);
  else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) selectAll();
  else return;
  event.preventDefault();
  if (to === undefined) revealSelected();
});

function moveFocus(id, from, extend) {
  setCurrent(id);
  rows.get(id).focus({ preventScroll: true });
  showRow(id);
  if (!extend) return;
  if (!state.anchor || !state.selected.size) state.anchor = from;
  selectRange(id);
}

// Thumbnails: drawn when a row comes into sight, a few in each frame.

const THUMB = 32; // px
const DIM = 0.3;
const THUMBS_A_FRAME = 12;
const thumbQueue = new Set();
let thumbFrame = 0;

const thumbWatch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.seen = isIntersecting;
    if (isIntersecting) queueThumb(target);
  }
}, { root: gridFrame, rootMargin: "80px 0px" });

function queueThumb(canvas) {
  thumbQueue.add(canvas);
  thumbFrame ||= requestAnimationFrame(drawThumbs);
}

function drawThumbs() {
  thumbFrame = 0;
  let left = THUMBS_A_FRAME;
  for (const canvas of thumbQueue) {
    thumbQueue.delete(canvas);
    const id = Number(canvas.closest(".row")?.dataset.id);
    const shape = state.shapes.get(id);
    const drawn = shape && state.photo && `${shape.key} ${state.value.image.url} ${ratio()}`;
    if (!drawn || canvas.drawn === drawn) continue;
    canvas.drawn = drawn;
    drawCutOut(canvas, id, THUMB, DIM);
    if (--left === 0) break;
  }
  if (thumbQueue.size) thumbFrame = requestAnimationFrame(drawThumbs);
}

on("masks", () => {
  for (const row of rows.values()) {
    const canvas = row.querySelector(".thumb");
    if (canvas.seen) queueThumb(canvas);
  }
});
