// @ts-check
/** @import { Box } from "../types.d.ts" */

// Masks as runs at display size: reading the file, hit testing, coverage.

/** One mask as pairs (start, length) along the rows of the display copy, where start is y * width + x. */
export class Shape {
  /**
   * @param {Uint32Array} runs sorted by start; not empty
   * @param {number} width of the display copy, px
   */
  constructor(runs, width) {
    this.runs = runs;
    this.width = width;
    this.key = fingerprint(runs);
    let left = width, right = 0;
    for (let i = 0; i < runs.length; i += 2) {
      const x = runs[i] % width;
      if (x < left) left = x;
      if (x + runs[i + 1] > right) right = x + runs[i + 1];
    }
    const top = Math.floor(runs[0] / width);
    const bottom = Math.floor(runs[runs.length - 2] / width) + 1;
    /** @type {Box} display px */
    this.box = { x: left, y: top, w: right - left, h: bottom - top };
  }

  /** Whether the display pixel (x, y) belongs to the mask. @param {number} x @param {number} y */
  has(x, y) {
    const { box, runs } = this;
    if (x < box.x || y < box.y || x >= box.x + box.w || y >= box.y + box.h) return false;
    const pixel = y * this.width + x;
    // Binary search for the last run that starts at the pixel or before it.
    let low = 0, high = runs.length / 2 - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (runs[2 * middle] <= pixel) low = middle;
      else high = middle - 1;
    }
    return pixel >= runs[2 * low] && pixel < runs[2 * low] + runs[2 * low + 1];
  }
}

/** A short hash, so that outlines and thumbnails of unchanged masks outlive a new value. @param {Uint32Array} runs */
function fingerprint(runs) {
  let hash = 2166136261;
  for (let i = 0; i < runs.length; i++) hash = Math.imul(hash ^ runs[i], 16777619);
  return `${runs.length}:${hash}`;
}

/**
 * Reads layers, unpacked (see pack_layer in viewer/display.py). Shapes equal to the old ones are kept.
 *
 * @param {ArrayBuffer} buffer
 * @param {number} width of the display copy, px
 * @param {ReadonlyMap<number, Shape>} old
 * @returns {Map<number, Shape>} by mask id
 */
export function readLayers(buffer, width, old) {
  const words = new Uint32Array(buffer);
  const shapes = new Map();
  for (let at = 0; at < words.length; ) {
    const id = words[at], length = 2 * words[at + 1];
    const runs = words.slice(at + 2, at + 2 + length);
    for (let run = 2; run < length; run += 2) runs[run] += runs[run - 2];
    at += 2 + length;
    if (!length) continue;
    const shape = new Shape(runs, width);
    const before = old.get(id);
    shapes.set(id, before && before.key === shape.key && before.width === width ? before : shape);
  }
  return shapes;
}

let scratch = new Uint8Array(0); // kept between calls: allocating a frame for each would cost more than counting

/**
 * Share of the picture that the union of `shapes` covers, 0 to 1.
 *
 * @param {Iterable<Shape>} shapes
 * @param {number} pixels of the display copy
 */
export function coverage(shapes, pixels) {
  if (!pixels) return 0;
  if (scratch.length !== pixels) scratch = new Uint8Array(pixels);
  else scratch.fill(0);
  for (const { runs } of shapes) {
    for (let i = 0; i < runs.length; i += 2) scratch.fill(1, runs[i], runs[i] + runs[i + 1]);
  }
  let covered = 0;
  for (let i = 0; i < pixels; i++) covered += scratch[i];
  return covered / pixels;
}

/**
 * Ids of the masks under the display pixel (x, y), the last of `ids` first.
 *
 * @param {readonly number[]} ids
 * @param {ReadonlyMap<number, Shape>} shapes
 * @param {number} x
 * @param {number} y
 */
export function idsAt(ids, shapes, x, y) {
  return ids.filter((id) => shapes.get(id)?.has(x, y)).reverse();
}
