// @ts-check
/** @import { Dom, Look, Picture, Signals } from "../types.d.ts" */
import { remember, remembered } from "../remembered.js";

const KEPT = "automask-side"; // in the browser's storage: width of the table, px
const LEAST = 280, LEAST_PHOTO = 240; // px of the table and of the photo
const WIDE = 610; // px that all columns need
const STEP = 24; // px of an arrow key
// px of what stands around the photo: tools and splitter beside it, toolbar and caption above and below, details
const BESIDE = 56, ABOVE = 80, DETAILS = 172, AIR = 16;
const LEAST_PANE = 300; // px: the tools stand beside it, and a strip would leave no room to zoom in

/**
 * Shares the room between photo, table and the selected mask's details.
 *
 * @param {{ dom: Dom, look: Look, picture: Picture, signals: Signals }} deps
 */
export function connectLayout({ dom: { one }, look, picture, signals }) {
  const viewer = one(".viewer"), splitter = one(".splitter"), side = one(".side");
  /** What a person has set; 0: nothing. */
  let chosen = Number(remembered(KEPT)) || 0;

  function draw() {
    const { clientWidth: width, clientHeight: height } = viewer;
    const most = Math.max(LEAST, width - BESIDE - LEAST_PHOTO);
    const wanted = look.wide ? Math.max(chosen, WIDE) : chosen;
    if (wanted) viewer.style.setProperty("--side", `${Math.min(most, Math.max(LEAST, wanted))}px`);
    else viewer.style.removeProperty("--side");
    const { w, h } = picture.size();
    const photoHeight = ((width - BESIDE - side.offsetWidth - AIR) * h) / w + AIR;
    if (photoHeight > 0) viewer.style.setProperty("--pane", `${Math.ceil(Math.max(LEAST_PANE, photoHeight))}px`);
    viewer.dataset.details = photoHeight + ABOVE + DETAILS <= height ? "below" : "beside";
  }

  /** @param {number} width */
  function resize(width) {
    chosen = Math.round(Math.max(LEAST, Math.min(viewer.clientWidth - BESIDE - LEAST_PHOTO, width)));
    remember(KEPT, String(chosen));
    draw();
  }

  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    splitter.classList.add("moving");
  });
  splitter.addEventListener("pointermove", (event) => {
    if (splitter.hasPointerCapture(event.pointerId)) resize(viewer.getBoundingClientRect().right - event.clientX - 8);
  });
  splitter.addEventListener("lostpointercapture", () => splitter.classList.remove("moving"));
  splitter.addEventListener("dblclick", () => {
    remember(KEPT, "");
    chosen = 0;
    draw();
  });
  splitter.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    resize(side.offsetWidth + step);
  });
  new ResizeObserver(draw).observe(viewer);
  signals.on(["masks", "style"], draw);
}
