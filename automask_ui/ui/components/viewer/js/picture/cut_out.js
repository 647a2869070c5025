// @ts-check
/** @import { Picture } from "../types.d.ts" */
import { pathOf } from "./paths.js";

/**
 * Draws a mask cut out of the photo.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Pick<Picture, "photo" | "shapes" | "size">} picture
 * @param {number} id of the mask
 * @param {object} options
 * @param {number} options.size of a side of the canvas, CSS px
 * @param {number} options.ratio device px per CSS px
 * @param {number} options.dim opacity of what surrounds the mask, 0 to 1
 */
export function drawCutOut(canvas, picture, id, { size, ratio, dim }) {
  const { photo } = picture, shape = picture.shapes.get(id);
  const side = Math.round(size * ratio);
  [canvas.width, canvas.height] = [side, side];
  if (!shape || !photo) return;
  const { box } = shape;
  const span = Math.max(box.w, box.h) * 1.16;
  const k = side / span;
  const x = box.x + (box.w - span) / 2, y = box.y + (box.h - span) / 2;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.setTransform(k, 0, 0, k, -x * k, -y * k);
  // The square, cut at the photo's edges.
  const { w, h } = picture.size();
  const left = Math.max(0, x), top = Math.max(0, y);
  const width = Math.min(w, x + span) - left, height = Math.min(h, y + span) - top;
  const paint = () => context.drawImage(photo, left, top, width, height, left, top, width, height);
  if (dim) {
    context.globalAlpha = dim;
    paint();
    context.globalAlpha = 1;
  }
  context.clip(pathOf(shape, k), "evenodd");
  paint();
}
