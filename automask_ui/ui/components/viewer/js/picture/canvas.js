// @ts-check
/** @import { Layer, Picture, Signals, Topic, Viewport } from "../types.d.ts" */

/**
 * A canvas as large as the stage, cleared; its unit is one device px.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Viewport} viewport
 */
export function clearedContext(canvas, viewport) {
  const ratio = viewport.pixelRatio();
  const width = Math.round(viewport.width * ratio), height = Math.round(viewport.height * ratio);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  else {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
  }
  return context;
}

/**
 * From here on one unit is one display px.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Viewport} viewport
 */
export function drawInPhoto(context, viewport) {
  const ratio = viewport.pixelRatio(), k = viewport.scale * ratio;
  context.setTransform(k, 0, 0, k, viewport.x * ratio, viewport.y * ratio);
}

/**
 * From here on one unit is one stage px.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Viewport} viewport
 */
export function drawOnStage(context, viewport) {
  const ratio = viewport.pixelRatio();
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

/**
 * Paints layers over each other, again whenever one of `topics` changes.
 *
 * @param {object} deps
 * @param {HTMLCanvasElement} deps.canvas
 * @param {Layer[]} deps.layers from the lowest to the topmost
 * @param {Topic[]} deps.topics
 * @param {Signals} deps.signals
 * @param {Picture} deps.picture
 * @param {Viewport} deps.viewport
 */
export function paintLayers({ canvas, layers, topics, signals, picture, viewport }) {
  signals.on(topics, (changed) => {
    const context = clearedContext(canvas, viewport);
    if (!picture.photo || !viewport.width) return;
    for (const layer of layers) {
      context.save();
      drawInPhoto(context, viewport);
      layer.draw(context, changed);
      context.restore();
    }
  });
}
