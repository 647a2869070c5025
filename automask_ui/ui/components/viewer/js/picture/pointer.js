// @ts-check
/** @import { Dom, Drag, Notes, Picture, Point, Tool, Viewport } from "../types.d.ts" */
import { closest } from "../dom.js";

const SLOP = 4; // px a pointer may tremble and still click
const WHEEL_MOST = 240; // px of one wheel event
const WHEEL_UNITS = [1, 16, 400]; // px of a pixel, a line, a page

/**
 * One movement of all fingers together, in stage px.
 *
 * @typedef {object} Gesture
 * @property {number} x middle of the fingers
 * @property {number} y
 * @property {number} startX
 * @property {number} startY
 * @property {boolean} moved so that it is no click
 * @property {number} distance between two fingers; 0 with one
 */

/**
 * Mouse, pen and fingers on the picture. Two fingers, the wheel, the middle button, and drags that the tool leaves
 * alone move and zoom the photo; the rest is for the tool.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Notes} deps.notes
 * @param {Picture} deps.picture
 * @param {Viewport} deps.viewport
 * @param {() => Tool} deps.tool the one that is chosen
 */
export function connectPointer({ dom, notes, picture, viewport, tool }) {
  const stage = dom.one(".stage");
  /** Place of each finger that is down, by pointer id, stage px. @type {Map<number, Point>} */
  const fingers = new Map();
  /** @type {Gesture | null} */
  let gesture = null;
  /** What the tool makes of the drag in progress. @type {Drag | null} */
  let drag = null;

  /** @param {MouseEvent} event @returns {Point} stage px */
  function pointOf(event) {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /**
   * A gesture starts anew with every finger that comes or goes, so that nothing jumps.
   *
   * @param {boolean} moved
   * @returns {Gesture | null}
   */
  function begin(moved) {
    const [a, b] = [...fingers.values()];
    if (!a) return null;
    if (!b) return { x: a.x, y: a.y, startX: a.x, startY: a.y, moved, distance: 0 };
    const x = (a.x + b.x) / 2, y = (a.y + b.y) / 2;
    return { x, y, startX: x, startY: y, moved: true, distance: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  /**
   * Goes on with the gesture: the tool's drag, or moving and zooming.
   *
   * @param {Gesture} before
   * @param {PointerEvent} event
   */
  function follow(before, event) {
    const now = begin(true);
    if (!now) return;
    const starts = !before.moved && Math.hypot(now.x - before.startX, now.y - before.startY) > SLOP;
    before.moved ||= starts;
    if (!before.moved) return;
    notes.hideTip();
    if (starts && event.buttons === 1) drag = tool().startDrag?.({ x: before.startX, y: before.startY }, event) ?? null;
    if (drag) return drag.move(pointOf(event));
    stage.classList.add("moving");
    viewport.moveBy(now.x - before.x, now.y - before.y);
    if (before.distance && now.distance) viewport.zoomBy(now.distance / before.distance, now.x, now.y);
    Object.assign(before, { x: now.x, y: now.y, distance: now.distance });
  }

  /** @param {PointerEvent} event */
  function lift(event) {
    if (!fingers.delete(event.pointerId) || !gesture) return;
    const isUp = event.type === "pointerup", clicked = isUp && !gesture.moved && event.button !== 1;
    gesture = begin(gesture.moved);
    if (!fingers.size) stage.classList.remove("moving");
    const ended = drag;
    drag = null;
    if (ended && isUp) ended.end();
    else ended?.cancel();
    const { ctrlKey, metaKey, shiftKey, altKey } = event, minus = altKey || event.button === 2;
    if (clicked) tool().click(pointOf(event), { ctrlKey, metaKey, shiftKey, altKey, minus });
  }

  stage.addEventListener("pointerdown", (event) => {
    if (closest(event, "button") || event.button > 2) return;
    fingers.set(event.pointerId, pointOf(event));
    stage.setPointerCapture(event.pointerId);
    gesture = begin(gesture?.moved ?? false);
    // A second finger means the photo.
    drag?.cancel();
    drag = null;
  });

  stage.addEventListener("pointermove", (event) => {
    const point = pointOf(event);
    if (!fingers.has(event.pointerId)) {
      if (event.pointerType !== "touch") tool().hover(point);
      return;
    }
    fingers.set(event.pointerId, point);
    if (gesture) follow(gesture, event);
  });

  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);
  stage.addEventListener("pointerleave", (event) => {
    // WebKit tells so of a mouse that is let go over the picture, too.
    if (!stage.contains(document.elementFromPoint(event.clientX, event.clientY))) tool().leave();
  });

  stage.addEventListener("wheel", (event) => {
    if (!picture.photo) return;
    event.preventDefault();
    const { x, y } = pointOf(event);
    // A trackpad's pinch arrives as small Ctrl-wheel steps.
    const delta = event.deltaY * WHEEL_UNITS[event.deltaMode] * (event.ctrlKey ? 5 : 1);
    viewport.zoomBy(Math.exp(-Math.max(-WHEEL_MOST, Math.min(WHEEL_MOST, delta)) * 0.002), x, y);
  }, { passive: false });
}
