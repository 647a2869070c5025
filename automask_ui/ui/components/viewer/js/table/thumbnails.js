// @ts-check
/** @import { Picture, Signals, Viewport } from "../types.d.ts" */
import { drawCutOut } from "../picture/cut_out.js";

const SIZE = 32; // px
const DIM = 0.3;
const A_FRAME = 12;

/**
 * Draws the rows' small pictures: when they come into sight, a few in each frame.
 *
 * @param {object} deps
 * @param {HTMLElement} deps.frame that scrolls the rows
 * @param {Picture} deps.picture
 * @param {Signals} deps.signals
 * @param {Viewport} deps.viewport
 */
export function createThumbnails({ frame, picture, signals, viewport }) {
  /** @typedef {{ id: number, drawn: string, isSeen: boolean }} Thumbnail `drawn` names what it shows */
  /** @type {Map<Element, Thumbnail>} */
  const thumbnails = new Map();
  /** @type {Set<HTMLCanvasElement>} */
  const queue = new Set();
  let request = 0;

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const thumbnail = thumbnails.get(target);
      if (!thumbnail) continue;
      thumbnail.isSeen = isIntersecting;
      if (isIntersecting) enqueue(target);
    }
  }, { root: frame, rootMargin: "80px 0px" });

  /** @param {Element} canvas */
  function enqueue(canvas) {
    queue.add(/** @type {HTMLCanvasElement} */ (canvas));
    request ||= requestAnimationFrame(drawSome);
  }

  function drawSome() {
    request = 0;
    let left = A_FRAME;
    for (const canvas of queue) {
      queue.delete(canvas);
      const thumbnail = thumbnails.get(canvas);
      const shape = thumbnail && picture.shapes.get(thumbnail.id);
      if (!shape || !picture.photo) continue;
      const ratio = viewport.pixelRatio();
      const wanted = `${shape.key} ${picture.photoUrl} ${ratio}`;
      if (thumbnail.drawn === wanted) continue;
      thumbnail.drawn = wanted;
      drawCutOut(canvas, picture, thumbnail.id, { size: SIZE, ratio, dim: DIM });
      if (--left === 0) break;
    }
    if (queue.size) request = requestAnimationFrame(drawSome);
  }

  signals.on(["masks"], () => {
    for (const [canvas, { isSeen }] of thumbnails) if (isSeen) enqueue(canvas);
  });

  return {
    /** @param {HTMLCanvasElement} canvas @param {number} id of its mask */
    add(canvas, id) {
      thumbnails.set(canvas, { id, drawn: "", isSeen: false });
      watcher.observe(canvas);
    },

    /** @param {HTMLCanvasElement} canvas */
    remove(canvas) {
      thumbnails.delete(canvas);
      queue.delete(canvas);
      watcher.unobserve(canvas);
    },
  };
}
