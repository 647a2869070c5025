// Painting. The scene (photo, fills, outlines, numbers) is redrawn when the view or the masks change; hovering and
// selecting only touch the thin layer of marks above it.

const scene = $(".scene"), marks = $(".marks");
// Fills are painted opaque on their own and blended once: overlaps do not add up, and opacity costs nothing.
const fills = document.createElement("canvas");
// px on screen at every zoom; finer on a phone, where the same masks share a third of the width
const lineWidth = () => (view.width < 480 ? 1 : 1.5);

const ratio = () => window.devicePixelRatio || 1;

function cleared(canvas) {
  const width = Math.round(view.width * ratio()), height = Math.round(view.height * ratio());
  const context = canvas.getContext("2d");
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  else {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
  }
  return context;
}

/** From here on one unit is one display px. */
function inPhoto(context) {
  const k = view.scale * ratio();
  context.setTransform(k, 0, 0, k, view.x * ratio(), view.y * ratio());
}

function inSight({ box }) {
  const a = toStage(box.x, box.y), b = toStage(box.x + box.w, box.y + box.h);
  return b.x >= 0 && b.y >= 0 && a.x <= view.width && a.y <= view.height;
}

const pathOfId = (id) => pathOf(state.shapes.get(id), view.scale * ratio());

function paintedInSight() {
  if (state.photoOnly) return [];
  const ids = state.painted.filter((id) => inSight(state.shapes.get(id)));
  // Coloured by class, masks without one lie beneath those that have one.
  return state.colourBy === "class" ? [...ids.filter((id) => !labelOf(id)), ...ids.filter(labelOf)] : ids;
}

let fillsStale = true;

function drawScene(topics) {
  const context = cleared(scene);
  if (!state.photo || !view.width) return;
  const { w, h } = photoSize();
  inPhoto(context);
  context.imageSmoothingQuality = "high";
  context.drawImage(state.photo, 0, 0, w, h);

  fillsStale ||= ["view", "masks", "shown", "order", "style"].some((topic) => topics.has(topic));
  const ids = paintedInSight();
  if (state.mode !== "outline" && ids.length) {
    if (fillsStale) drawFills(ids);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = state.opacity;
    context.drawImage(fills, 0, 0);
    context.globalAlpha = 1;
  }
  inPhoto(context);
  if (state.mode !== "fill") drawLines(context, ids);
  if (state.value.points?.length) drawPoints(context, w, h);
  if (state.numbers) drawNumbers(context, ids);
}

function drawFills(ids) {
  const context = cleared(fills);
  inPhoto(context);
  for (const id of ids) {
    context.fillStyle = colourOf(state.byId.get(id));
    context.fill(pathOfId(id), "evenodd");
  }
  fillsStale = false;
}

function drawLines(context, ids) {
  context.lineJoin = "round";
  context.lineWidth = lineWidth() / view.scale;
  for (const id of ids) {
    context.strokeStyle = colourOf(state.byId.get(id));
    context.stroke(pathOfId(id));
  }
}

/** Preview of a point grid: white dots with a dark rim, seen on any photo. */
function drawPoints(context, w, h) {
  const radius = 2 / view.scale;
  context.fillStyle = "#fff";
  context.strokeStyle = "rgba(0,0,0,.7)";
  context.lineWidth = 1 / view.scale;
  for (const [x, y] of state.value.points) {
    context.beginPath();
    context.arc(x * w, y * h, radius, 0, 7);
    context.fill();
    context.stroke();
  }
}

/** Numbers where there is room: large masks first, the others as one zooms in. */
function drawNumbers(context, ids) {
  context.setTransform(ratio(), 0, 0, ratio(), 0, 0);
  context.font = `600 11px ${getComputedStyle(stage).fontFamily}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0,0,0,.75)";
  context.fillStyle = "#fff";
  const taken = new Set();
  for (const id of ids) {
    const spot = labelPoint(state.shapes.get(id));
    const { x, y } = toStage(spot.x, spot.y);
    const label = String(id);
    // A label occupies cells of 12 px: one lookup instead of comparing all pairs.
    const cells = [];
    const half = 4 * label.length;
    for (let i = Math.floor((x - half) / 12); i <= Math.floor((x + half) / 12); i++)
      for (let j = Math.floor((y - 6) / 12); j <= Math.floor((y + 6) / 12); j++) cells.push(i + 4096 * j);
    if (cells.some((cell) => taken.has(cell))) continue;
    for (const cell of cells) taken.add(cell);
    context.strokeText(label, x, y);
    context.fillText(label, x, y);
  }
}

/** Selection and hover. A white line between dark ones stands out on every photo and every colour. */
function drawMarks() {
  const context = cleared(marks);
  if (!state.photo || state.photoOnly) return;
  inPhoto(context);
  context.lineJoin = "round";
  const ring = (id, width, colour, fill) => {
    const shape = state.shapes.get(id);
    if (!shape || !inSight(shape)) return;
    const path = pathOfId(id);
    if (fill) {
      context.fillStyle = fill;
      context.fill(path, "evenodd");
    }
    context.strokeStyle = "rgba(0,0,0,.6)";
    context.lineWidth = (width + 2) / view.scale;
    context.stroke(path);
    context.strokeStyle = colour;
    context.lineWidth = width / view.scale;
    context.stroke(path);
  };
  for (const id of state.selected) ring(id, 2, "#fff", "");
  if (state.hover && state.byId.has(state.hover)) {
    ring(state.hover, state.selected.has(state.hover) ? 2 : 1.5, "#fff", "rgba(255,255,255,.3)");
  }
}

on("masks order shown view style opacity", drawScene);
on("masks order shown view style hover selection", drawMarks);

/** The mask cut out of the photo, into a canvas of `size` px a side; what surrounds it fades to `dim`. */
function drawCutOut(canvas, id, size, dim) {
  const shape = state.shapes.get(id);
  const side = Math.round(size * ratio());
  [canvas.width, canvas.height] = [side, side];
  if (!shape || !state.photo) return;
  const { box } = shape;
  const span = Math.max(box.w, box.h) * 1.16;
  const k = side / span;
  const x = box.x + (box.w - span) / 2, y = box.y + (box.h - span) / 2;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.setTransform(k, 0, 0, k, -x * k, -y * k);
  const part = clippedToPhoto(x, y, span);
  const paint = () => context.drawImage(state.photo, ...part, ...part);
  if (dim) {
    context.globalAlpha = dim;
    paint();
    context.globalAlpha = 1;
  }
  context.clip(pathOf(shape, k), "evenodd");
  paint();
}

/** The square (x, y, span) cut at the photo's edges: left, top, width, height. */
function clippedToPhoto(x, y, span) {
  const { w, h } = photoSize();
  const left = Math.max(0, x), top = Math.max(0, y);
  return [left, top, Math.min(w, x + span) - left, Math.min(h, y + span) - top];
}
