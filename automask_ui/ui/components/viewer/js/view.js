// Which part of the photo is on screen: stage px = display px * scale + offset. Everything else asks here.

const stage = $(".stage");
const view = { scale: 1, x: 0, y: 0, width: 0, height: 0, fitted: true };
const MARGIN = 8; // px of air around a fitted photo
const MOST = 24; // stage px per display px
const KEEP_IN_SIGHT = 64; // px of the photo that dragging cannot push out

const photoSize = () => ({ w: state.value.display_width || 1, h: state.value.display_height || 1 });
const toPhoto = (x, y) => ({ x: (x - view.x) / view.scale, y: (y - view.y) / view.scale });
const toStage = (x, y) => ({ x: x * view.scale + view.x, y: y * view.scale + view.y });
/** Original px per display px. */
const enlargement = () => state.value.width / photoSize().w || 1;

function fitScale() {
  const { w, h } = photoSize();
  return Math.max(0.01, Math.min((view.width - 2 * MARGIN) / w, (view.height - 2 * MARGIN) / h));
}

function fit() {
  const { w, h } = photoSize();
  view.scale = fitScale();
  view.x = (view.width - w * view.scale) / 2;
  view.y = (view.height - h * view.scale) / 2;
  view.fitted = true;
  changed("view");
}

/** One pixel of the photo on one of the screen. */
const actualScale = () => enlargement() / (window.devicePixelRatio || 1);

/** Zooms so that the stage point (x, y) stays on the same spot of the photo. */
function zoomTo(scale, x = view.width / 2, y = view.height / 2) {
  const least = Math.min(fitScale(), actualScale());
  const next = Math.min(MOST, Math.max(least, scale));
  const spot = toPhoto(x, y);
  view.scale = next;
  moveTo(x - spot.x * next, y - spot.y * next);
  view.fitted = false;
}

const zoomBy = (factor, x, y) => zoomTo(view.scale * factor, x, y);
const zoomActual = () => zoomTo(actualScale());

function moveTo(x, y) {
  const { w, h } = photoSize();
  const within = (value, size, room) => {
    const keep = Math.min(KEEP_IN_SIGHT, size, room);
    return Math.min(room - keep, Math.max(keep - size, value));
  };
  view.x = within(x, w * view.scale, view.width);
  view.y = within(y, h * view.scale, view.height);
  view.fitted = false;
  changed("view");
}

/** Brings a mask into sight if it is not: moves, and zooms out only when it would not fit. */
function reveal(shape) {
  const { box } = shape;
  const a = toStage(box.x, box.y), b = toStage(box.x + box.w, box.y + box.h);
  const seenX = Math.min(b.x, view.width) - Math.max(a.x, 0);
  const seenY = Math.min(b.y, view.height) - Math.max(a.y, 0);
  // A mask that fills half the view, or of which most is there, is in sight.
  const enough = (seen, size, room) => seen >= Math.min(size * 0.9, room * 0.5);
  if (enough(seenX, b.x - a.x, view.width) && enough(seenY, b.y - a.y, view.height)) return;
  const room = Math.min((view.width - 2 * MARGIN) / box.w, (view.height - 2 * MARGIN) / box.h);
  view.scale = Math.min(view.scale, Math.max(room, fitScale()));
  moveTo(view.width / 2 - (box.x + box.w / 2) * view.scale, view.height / 2 - (box.y + box.h / 2) * view.scale);
}

function resized() {
  const { clientWidth, clientHeight } = stage;
  if (clientWidth === view.width && clientHeight === view.height) return;
  const middle = toPhoto(view.width / 2, view.height / 2);
  view.width = clientWidth;
  view.height = clientHeight;
  if (view.fitted) fit();
  else moveTo(clientWidth / 2 - middle.x * view.scale, clientHeight / 2 - middle.y * view.scale);
  // Drawn in the same turn: a resized canvas is blank until it is painted again.
  flush();
}
new ResizeObserver(resized).observe(stage);

on("view masks", () => {
  $(".percent output").textContent = state.photo ? percent(view.scale, enlargement(), 0) : "–";
  // While all of the photo is in sight a finger scrolls the page; zoomed in, it moves the photo.
  stage.style.touchAction = view.fitted ? "pan-y" : "none";
  // For whoever drives the page from outside: where the photo lies.
  const { w, h } = photoSize();
  Object.assign(stage.dataset, { scale: view.scale, x: view.x, y: view.y, width: w, height: h, run: state.value.run ?? "" });
});
