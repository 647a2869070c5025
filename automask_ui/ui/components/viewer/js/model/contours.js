// @ts-check
/** @import { Box, Point } from "../types.d.ts" */
/** @import { Shape } from "./shapes.js" */

// Borders of masks as polygons, traced from runs.

/** @typedef {{ box: Box, runs: Uint32Array, width: number }} Runs as in Shape */

// Directions up, right, down, left; beside each the two pixels ahead of a corner (left and right of the way).
const STEP = [[0, -1], [1, 0], [0, 1], [-1, 0]];
const AHEAD = [[[-1, -1], [0, -1]], [[0, -1], [0, 0]], [[0, 0], [-1, 0]], [[-1, 0], [-1, -1]]];

const KEEP_WHOLE = 12; // corners: shapes this small would lose their form

let bitmap = new Uint8Array(0); // scratch, kept between calls

/**
 * All borders of a mask, outer ones and holes.
 *
 * @param {Runs} shape
 * @returns {number[][]} rings [x, y, x, y, ...] in display px, through the middles of the pixels' edges
 */
export function traceContours(shape) {
  const { box, runs, width } = shape;
  const stride = box.w + 2; // a blank frame spares all checks for the edge
  const size = stride * (box.h + 2);
  if (bitmap.length < size) bitmap = new Uint8Array(size);
  else bitmap.fill(0, 0, size);
  const starts = new Int32Array(runs.length / 2);
  for (let i = 0; i < runs.length; i += 2) {
    const y = Math.floor(runs[i] / width);
    const at = (y - box.y + 1) * stride + (runs[i] - y * width - box.x + 1);
    bitmap.fill(1, at, at + runs[i + 1]);
    starts[i / 2] = at;
  }
  /** @type {number[][]} */
  const rings = [];
  // Every border passes the left edge of some run; 2 marks left edges already walked.
  for (const at of starts) if (bitmap[at] === 1) rings.push(walk(at % stride, Math.floor(at / stride), stride, box));
  return rings;
}

/**
 * Follows one border with the mask on the right.
 *
 * @param {number} x of the pixel of `bitmap` at whose left edge to start
 * @param {number} y
 * @param {number} stride of `bitmap`
 * @param {Box} box of the mask, display px
 */
function walk(x, y, stride, box) {
  /** @param {number} dx @param {number} dy */
  const inside = (dx, dy) => bitmap[(cy + dy) * stride + cx + dx] > 0;
  /** @type {number[]} */
  const points = [];
  let cx = x, cy = y + 1, way = 0, last = -1;
  do {
    const [dx, dy] = STEP[way];
    if (way === 0) bitmap[(cy - 1) * stride + cx] = 2;
    const midX = cx + dx / 2, midY = cy + dy / 2;
    cx += dx;
    cy += dy;
    const [left, right] = AHEAD[way];
    const next = !inside(right[0], right[1]) ? (way + 1) & 3 : inside(left[0], left[1]) ? (way + 3) & 3 : way;
    // The middles of the edges, not the corners: a staircase then lies on one straight line.
    if (way !== last || next !== way) points.push(midX + box.x - 1, midY + box.y - 1);
    last = way;
    way = next;
  } while (cx !== x || cy !== y + 1 || way !== 0);
  return points;
}

/**
 * Leaves out the points that a line without them stays close to (Douglas-Peucker on a closed ring).
 *
 * @param {number[]} ring [x, y, x, y, ...]
 * @param {number} tolerance how far the line may be from a point, in the ring's unit
 */
export function simplify(ring, tolerance) {
  const count = ring.length / 2;
  if (count <= KEEP_WHOLE) return ring;
  let far = 0, farthest = -1;
  for (let i = 1; i < count; i++) {
    const d = (ring[2 * i] - ring[0]) ** 2 + (ring[2 * i + 1] - ring[1]) ** 2;
    if (d > farthest) [far, farthest] = [i, d];
  }
  const keep = new Uint8Array(count + 1);
  keep[0] = keep[far] = keep[count] = 1;
  const stack = [0, far, far, count];
  while (stack.length) {
    const end = /** @type {number} */ (stack.pop()), begin = /** @type {number} */ (stack.pop());
    const ax = ring[2 * begin], ay = ring[2 * begin + 1];
    const e = 2 * (end % count);
    const dx = ring[e] - ax, dy = ring[e + 1] - ay;
    const length = Math.hypot(dx, dy) || 1;
    let worst = tolerance, at = -1;
    for (let i = begin + 1; i < end; i++) {
      const d = Math.abs((ring[2 * i] - ax) * dy - (ring[2 * i + 1] - ay) * dx) / length;
      if (d > worst) [worst, at] = [d, i];
    }
    if (at >= 0) {
      keep[at] = 1;
      stack.push(begin, at, at, end);
    }
  }
  /** @type {number[]} */
  const result = [];
  for (let i = 0; i < count; i++) if (keep[i]) result.push(ring[2 * i], ring[2 * i + 1]);
  return result.length >= 6 ? result : ring;
}

const INNER_GRID = 24; // cells along the longer side of the mask's box

/**
 * A point well inside the mask, for its id: the farthest from the border on a coarse grid.
 *
 * @param {Shape} shape
 * @returns {Point} display px
 */
export function innerPoint(shape) {
  const { box } = shape;
  const step = Math.max(1, Math.max(box.w, box.h) / INNER_GRID);
  const columns = Math.ceil(box.w / step) + 2, rows = Math.ceil(box.h / step) + 2;
  const depth = new Float32Array(columns * rows);
  /** @param {number} i @param {number} from */
  const centre = (i, from) => from + (i - 0.5) * step;
  for (let j = 1; j < rows - 1; j++)
    for (let i = 1; i < columns - 1; i++)
      if (shape.has(Math.floor(centre(i, box.x)), Math.floor(centre(j, box.y)))) depth[j * columns + i] = 1e6;
  /** @param {number} at @param {[cell: number, cost: number][]} neighbours */
  const reach = (at, ...neighbours) => {
    for (const [other, cost] of neighbours) depth[at] = Math.min(depth[at], depth[other] + cost);
  };
  // Two sweeps give each cell its distance to the border.
  for (let at = columns; at < depth.length - columns; at++)
    if (depth[at]) reach(at, [at - 1, 1], [at - columns, 1], [at - columns - 1, 1.4], [at - columns + 1, 1.4]);
  let best = 0;
  for (let at = depth.length - columns - 1; at >= columns; at--) {
    if (depth[at]) reach(at, [at + 1, 1], [at + columns, 1], [at + columns + 1, 1.4], [at + columns - 1, 1.4]);
    if (depth[at] > depth[best]) best = at;
  }
  // A shape thinner than the grid has no cell: the middle of its first run will do.
  const x = depth[best] ? centre(best % columns, box.x) : (shape.runs[0] % shape.width) + shape.runs[1] / 2;
  const y = depth[best] ? centre(Math.floor(best / columns), box.y) : box.y + 0.5;
  return { x, y };
}
