// @ts-check
/** @import { Box, Picture, Point, Signals } from "../types.d.ts" */

const MARGIN = 8; // px of air around a fitted photo
const MOST = 24; // stage px per display px
const ZOOM_STEP = 1.25; // of one press of a key or button
const KEEP_IN_SIGHT = 64; // px of the photo that dragging cannot push out

/**
 * Owns which part of the photo is on screen: stage px = display px * scale + offset.
 *
 * @param {object} deps
 * @param {Pick<Signals, "changed">} deps.signals
 * @param {Pick<Picture, "size" | "enlargement">} deps.picture
 * @param {() => number} deps.pixelRatio device px per stage px
 */
export function createViewport({ signals, picture, pixelRatio }) {
  function fitScale() {
    const { w, h } = picture.size();
    return Math.max(0.01, Math.min((view.width - 2 * MARGIN) / w, (view.height - 2 * MARGIN) / h));
  }

  /** Scale at which one px of the original is one of the screen. */
  const actualScale = () => picture.enlargement() / pixelRatio();

  const view = {
    scale: 1,
    /** Where the photo's corner is, stage px. */
    x: 0,
    y: 0,
    /** Size of the stage, px. */
    width: 0,
    height: 0,
    /** Whether all of the photo is in sight, as large as it can be. */
    fitted: true,
    pixelRatio,
  };

  /** Stage px to display px. @param {number} x @param {number} y */
  const toPhoto = (x, y) => ({ x: (x - view.x) / view.scale, y: (y - view.y) / view.scale });

  /** Display px to stage px. @param {number} x @param {number} y */
  const toStage = (x, y) => ({ x: x * view.scale + view.x, y: y * view.scale + view.y });

  /** The display pixel under a stage point, or null beside the photo. @param {Point} point */
  function pixelAt(point) {
    const { x, y } = toPhoto(point.x, point.y);
    const { w, h } = picture.size();
    return x >= 0 && y >= 0 && x < w && y < h ? { x: Math.floor(x), y: Math.floor(y) } : null;
  }

  /** Whether any of a box (display px) is on the stage. @param {Box} box */
  function isInSight(box) {
    const a = toStage(box.x, box.y), b = toStage(box.x + box.w, box.y + box.h);
    return b.x >= 0 && b.y >= 0 && a.x <= view.width && a.y <= view.height;
  }

  /** Shows all of the photo, in the middle. */
  function fit() {
    const { w, h } = picture.size();
    view.scale = fitScale();
    view.x = (view.width - w * view.scale) / 2;
    view.y = (view.height - h * view.scale) / 2;
    view.fitted = true;
    signals.changed("view");
  }

  /** Zooms so that the stage point (x, y) stays on the same spot of the photo. @param {number} scale */
  function zoomTo(scale, x = view.width / 2, y = view.height / 2) {
    const least = Math.min(fitScale(), actualScale());
    const spot = toPhoto(x, y);
    view.scale = Math.min(MOST, Math.max(least, scale));
    moveTo(x - spot.x * view.scale, y - spot.y * view.scale);
  }

  /**
   * Zooms about a stage point, or the middle.
   *
   * @param {number} factor
   * @param {number} [x]
   * @param {number} [y]
   */
  const zoomBy = (factor, x, y) => zoomTo(view.scale * factor, x, y);

  const zoomIn = () => zoomBy(ZOOM_STEP);
  const zoomOut = () => zoomBy(1 / ZOOM_STEP);

  /** One px of the original on one of the screen. */
  const zoomActual = () => zoomTo(actualScale());

  /** Puts the photo's corner at a stage point. @param {number} x @param {number} y */
  function moveTo(x, y) {
    const { w, h } = picture.size();
    view.x = keptInSight(x, w * view.scale, view.width);
    view.y = keptInSight(y, h * view.scale, view.height);
    view.fitted = false;
    signals.changed("view");
  }

  /** @param {number} dx stage px @param {number} dy */
  const moveBy = (dx, dy) => moveTo(view.x + dx, view.y + dy);

  /**
   * Brings a box (display px) into sight if it is not: moves, and zooms out only if it would not fit.
   *
   * @param {Box} box
   */
  function reveal(box) {
    const a = toStage(box.x, box.y), b = toStage(box.x + box.w, box.y + box.h);
    const seenX = Math.min(b.x, view.width) - Math.max(a.x, 0);
    const seenY = Math.min(b.y, view.height) - Math.max(a.y, 0);
    if (isEnough(seenX, b.x - a.x, view.width) && isEnough(seenY, b.y - a.y, view.height)) return;
    const room = Math.min((view.width - 2 * MARGIN) / box.w, (view.height - 2 * MARGIN) / box.h);
    view.scale = Math.min(view.scale, Math.max(room, fitScale()));
    const { scale } = view;
    moveTo(view.width / 2 - (box.x + box.w / 2) * scale, view.height / 2 - (box.y + box.h / 2) * scale);
  }

  /**
   * The stage has another size: the middle of what is shown stays there.
   *
   * @param {number} width
   * @param {number} height
   */
  function resize(width, height) {
    const middle = toPhoto(view.width / 2, view.height / 2);
    view.width = width;
    view.height = height;
    if (view.fitted) fit();
    else moveTo(width / 2 - middle.x * view.scale, height / 2 - middle.y * view.scale);
  }

  return Object.assign(view, {
    toPhoto, toStage, pixelAt, isInSight, fit, zoomBy, zoomIn, zoomOut, zoomActual, moveBy, reveal, resize,
  });
}

/**
 * Where the photo may begin on one axis.
 *
 * @param {number} value
 * @param {number} size of the photo
 * @param {number} room of the stage
 */
function keptInSight(value, size, room) {
  const keep = Math.min(KEEP_IN_SIGHT, size, room);
  return Math.min(room - keep, Math.max(keep - size, value));
}

/**
 * A mask that fills half the view, or of which most is there, is in sight.
 *
 * @param {number} seen
 * @param {number} size
 * @param {number} room
 */
const isEnough = (seen, size, room) => seen >= Math.min(size * 0.9, room * 0.5);
