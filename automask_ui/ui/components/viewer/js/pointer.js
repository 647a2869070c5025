// Mouse, pen, fingers and keys on the picture.

const SLOP = 4; // px a pointer may tremble and still click
const SAME_SPOT = 5; // px between two clicks that count as one place
const fingers = new Map(); // pointer id -> {x, y} in stage px
let gesture = null; // {startX, startY, x, y, moved, distance}
let lastClick = null; // {x, y, id}

function stagePoint(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function pixelAt(point) {
  const { x, y } = toPhoto(point.x, point.y);
  const { w, h } = photoSize();
  return x >= 0 && y >= 0 && x < w && y < h ? { x: Math.floor(x), y: Math.floor(y) } : null;
}

function hits(point) {
  const pixel = pixelAt(point);
  return pixel && !state.photoOnly ? masksAt(pixel.x, pixel.y) : [];
}

stage.addEventListener("pointerdown", (event) => {
  if (event.target.closest("button") || event.button > 1) return;
  fingers.set(event.pointerId, stagePoint(event));
  stage.setPointerCapture(event.pointerId);
  gesture = begin(gesture?.moved ?? false);
});

/** A gesture starts anew with every finger that comes or goes, so that nothing jumps. */
function begin(moved) {
  const [a, b] = [...fingers.values()];
  if (!a) return null;
  const x = b ? (a.x + b.x) / 2 : a.x, y = b ? (a.y + b.y) / 2 : a.y;
  return { x, y, startX: x, startY: y, moved: moved || Boolean(b), distance: b ? Math.hypot(a.x - b.x, a.y - b.y) : 0 };
}

stage.addEventListener("pointermove", (event) => {
  const point = stagePoint(event);
  if (!fingers.has(event.pointerId)) {
    if (event.pointerType !== "touch") hoverAt(point);
    return;
  }
  fingers.set(event.pointerId, point);
  const now = begin(true);
  gesture.moved ||= Math.hypot(now.x - gesture.startX, now.y - gesture.startY) > SLOP;
  if (!gesture.moved) return;
  stage.classList.add("moving");
  hideTip();
  moveTo(view.x + now.x - gesture.x, view.y + now.y - gesture.y);
  if (gesture.distance && now.distance) zoomBy(now.distance / gesture.distance, now.x, now.y);
  Object.assign(gesture, { x: now.x, y: now.y, distance: now.distance });
});

function lift(event) {
  if (!fingers.delete(event.pointerId)) return;
  const clicked = event.type === "pointerup" && !gesture.moved && event.button === 0;
  gesture = begin(gesture.moved);
  if (!fingers.size) stage.classList.remove("moving");
  if (clicked) click(stagePoint(event), event);
}
stage.addEventListener("pointerup", lift);
stage.addEventListener("pointercancel", lift);

stage.addEventListener("pointerleave", () => {
  setHover(0);
  hideTip();
});

stage.addEventListener("wheel", (event) => {
  if (!state.photo) return;
  event.preventDefault();
  const point = stagePoint(event);
  // Lines and pages to pixels; a trackpad's pinch arrives as small Ctrl-wheel steps.
  const delta = event.deltaY * [1, 16, 400][event.deltaMode] * (event.ctrlKey ? 5 : 1);
  zoomBy(Math.exp(-Math.max(-240, Math.min(240, delta)) * 0.002), point.x, point.y);
}, { passive: false });

function click(point, event) {
  hideNote();
  const found = hits(point);
  const adds = event.ctrlKey || event.metaKey || event.shiftKey;
  if (!found.length) {
    lastClick = null;
    if (!adds) clearSelection();
    if (!adds) askWhy(point);
    return;
  }
  if (adds) return void toggleSelected(found[0]);
  const again = lastClick && Math.hypot(point.x - lastClick.x, point.y - lastClick.y) < SAME_SPOT;
  // The next mask beneath; after the outermost comes the innermost again.
  const id = again ? found[(found.indexOf(lastClick.id) + 1) % found.length] : found[0];
  lastClick = { ...point, id };
  selectOnly(id);
  setHover(id);
}

/** Nothing is shown here: we know of hidden masks ourselves, the rest the server may explain. */
function askWhy(point) {
  const pixel = pixelAt(point);
  if (!pixel || state.photoOnly || !(state.masks.length || state.value.empty)) return;
  const k = enlargement();
  const spot = toPhoto(point.x, point.y);
  const id = unseenAt(pixel.x, pixel.y);
  const why = edits.deleted.has(id) ? "deleted_here" : isHidden(id) ? "hidden_here" : "filtered_here";
  if (id) showNote(text(why, { id: String(id) }), spot.x, spot.y);
  else trigger("why", { run: state.value.run, x: Math.floor(spot.x * k), y: Math.floor(spot.y * k) });
}

// The tooltip follows the mouse; the note stays at its spot of the photo.

const tip = $(".tip"), note = $(".note");

function hoverAt(point) {
  const id = hits(point)[0] ?? 0;
  setHover(id);
  tip.hidden = !id;
  if (!id) return;
  const mask = state.byId.get(id);
  tip.textContent = text("tip", {
    id: [String(id), labelOf(id)].filter(Boolean).join(" · "), area: mask.area, percent: percent(mask.area, total()), iou: score(mask.iou), stability: score(mask.stability),
  });
  place(tip, point.x + 14, point.y + 18);
}

/** Puts a box at (x, y) of the stage, pushed back inside. */
function place(box, x, y) {
  const left = Math.max(4, Math.min(x, view.width - box.offsetWidth - 4));
  const top = y + box.offsetHeight > view.height - 4 ? Math.max(4, y - box.offsetHeight - 30) : y;
  box.style.translate = `${Math.round(left)}px ${Math.round(top)}px`;
}

const hideTip = () => (tip.hidden = true);

let notePlace = null; // display px

function showNote(sentence, x, y) {
  note.textContent = sentence;
  note.hidden = !sentence;
  notePlace = { x, y };
  placeNote();
}

function hideNote() {
  note.hidden = true;
}

function placeNote() {
  if (note.hidden) return;
  const { x, y } = toStage(notePlace.x, notePlace.y);
  place(note, x - note.offsetWidth / 2, y + 12);
}
on("view", placeNote);

const STAGE_KEYS = {
  "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), f: fit, z: zoomActual,
  ArrowLeft: () => moveTo(view.x + 48, view.y), ArrowRight: () => moveTo(view.x - 48, view.y),
  ArrowUp: () => moveTo(view.x, view.y + 48), ArrowDown: () => moveTo(view.x, view.y - 48),
};

stage.addEventListener("keydown", (event) => {
  const act = STAGE_KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey || !act) return;
  event.preventDefault();
  act();
});

const isTyping = (target) => target.matches("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

// Keys for the picture and the table; typing in a field is left alone, and so are open panels.
element.addEventListener("keydown", (event) => {
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.target.closest(".popup")) return;
  const key = event.key.toLowerCase();
  if (key === "escape" && (state.selected.size || !note.hidden)) {
    // Only what was used up here stops here: the page has its own use for Escape.
    event.stopPropagation();
    hideNote();
    clearSelection();
  } else if (key === "h") toggleHidden();
  else if (key === "delete" || key === "backspace") deleteMasks();
  else if (/^[0-9]$/.test(key)) labelByDigit(Number(key));
  else if (key === "l") {
    event.preventDefault(); // the field opens empty, not with an l
    openLabelField();
  } else if (key === "n") toggleNumbers();
  else if (key === "p" && !event.repeat) pressPhotoOnly();
});
element.addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "p") releasePhotoOnly();
});

// Taking back works from anywhere on the page but a field, whose own undo it would be.
function historyKeys(event) {
  if (!element.isConnected) return void document.removeEventListener("keydown", historyKeys);
  if (!(event.ctrlKey || event.metaKey) || event.altKey || isTyping(event.target)) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) undo();
  else if (key === "y" || key === "z") redo();
  else return;
  event.preventDefault();
}
document.addEventListener("keydown", historyKeys);
