// Selecting, from the picture and from the table alike.

/** After every change: tells those who draw, and the screen reader. */
function selectionChanged() {
  const count = state.selected.size;
  changed("selection");
  if (!count) say(text("said_none"));
  else if (count > 1) say(text("said_many", { n: count }));
  else say(text("said_selected", { id: state.primary, area: state.byId.get(state.primary)?.area ?? 0 }));
}

function selectOnly(id) {
  state.selected = new Set([id]);
  state.primary = state.anchor = id;
  selectionChanged();
}

function toggleSelected(id) {
  if (!state.selected.delete(id)) state.selected.add(id);
  state.anchor = id;
  state.primary = state.selected.has(id) ? id : [...state.selected].pop() ?? 0;
  selectionChanged();
}

/** All rows from the anchor to `id`, in table order; what was selected before stays only with Ctrl. */
function selectRange(id, keep = false) {
  const from = Math.max(0, state.listed.indexOf(state.anchor));
  const to = state.listed.indexOf(id);
  const range = state.listed.slice(Math.min(from, to), Math.max(from, to) + 1);
  state.selected = new Set(keep ? [...state.selected, ...range] : range);
  state.primary = id;
  selectionChanged();
}

function selectAll() {
  state.selected = new Set(state.listed);
  state.primary = state.listed[0] ?? 0;
  selectionChanged();
}

function clearSelection() {
  if (!state.selected.size) return;
  state.selected = new Set();
  state.primary = 0;
  selectionChanged();
}

/** Forgets numbers that are gone; says nothing, since nobody did anything. */
function pruneSelection() {
  const there = [...state.selected].filter((id) => state.byId.has(id));
  state.selected = new Set(there);
  if (!state.byId.has(state.primary)) state.primary = there.at(-1) ?? 0;
  if (!state.byId.has(state.anchor)) state.anchor = 0;
  if (!state.byId.has(state.hover)) state.hover = 0;
}

function setHover(id) {
  if (id === state.hover) return;
  state.hover = id;
  changed("hover");
}

// Holding a key or button shows the photo only as long; a short press switches it.
const HOLD = 300; // ms
let pressedAt = 0, wasPhotoOnly = false;

function setPhotoOnly(value) {
  state.photoOnly = value;
  changed("style");
}

function pressPhotoOnly() {
  pressedAt = performance.now();
  wasPhotoOnly = state.photoOnly;
  setPhotoOnly(true);
}

function releasePhotoOnly() {
  if (!pressedAt) return;
  const held = performance.now() - pressedAt > HOLD;
  pressedAt = 0;
  setPhotoOnly(held ? false : !wasPhotoOnly);
}

function toggleNumbers() {
  state.numbers = !state.numbers;
  changed("style");
}
