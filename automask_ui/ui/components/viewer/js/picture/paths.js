// @ts-check
/** @import { Shape } from "../model/shapes.js" */
import { simplify, traceContours } from "../model/contours.js";

// Contours as paths, so that lines stay crisp at every zoom.

// px of the display copy: joins the stairs of a slanted edge into a line, and is below what can be seen
const TOLERANCE = 0.9;

// device px: islands and holes smaller than this would be dots
const LEAST_RING = 4;

/** @typedef {Pick<Shape, "box" | "runs" | "width">} Outlined */

/**
 * Rings of each mask, traced once, and its paths, one for each zoom octave.
 *
 * @type {WeakMap<Outlined, { rings: number[][], paths: Path2D[] }>}
 */
const drawn = new WeakMap();

/**
 * Path of a mask in display px.
 *
 * @param {Outlined} shape
 * @param {number} scale device px per display px: the path is as fine as this can show
 */
export function pathOf(shape, scale) {
  let entry = drawn.get(shape);
  if (!entry) drawn.set(shape, (entry = { rings: traceContours(shape), paths: [] }));
  const level = Math.max(0, Math.floor(Math.log2(1 / scale)));
  if (!entry.paths[level]) {
    const rings = ringsToSee(entry.rings, LEAST_RING * 2 ** level);
    entry.paths[level] = buildPath(rings, TOLERANCE * 2 ** level, level === 0);
  }
  return entry.paths[level];
}

/**
 * The rings that are large enough to be seen as more than dots; the largest one in any case.
 *
 * @param {number[][]} rings
 * @param {number} least display px of the longer side
 */
function ringsToSee(rings, least) {
  const sizes = rings.map(longerSide);
  const largest = Math.max(...sizes);
  return rings.filter((_, i) => sizes[i] >= least || sizes[i] === largest);
}

/** @param {number[]} ring @returns {number} display px */
function longerSide(ring) {
  let [left, top] = ring, [right, bottom] = ring;
  for (let i = 0; i < ring.length; i += 2) {
    left = Math.min(left, ring[i]);
    right = Math.max(right, ring[i]);
    top = Math.min(top, ring[i + 1]);
    bottom = Math.max(bottom, ring[i + 1]);
  }
  return Math.max(right - left, bottom - top);
}

/**
 * @param {number[][]} rings
 * @param {number} tolerance display px
 * @param {boolean} near whether bends can be seen
 */
function buildPath(rings, tolerance, near) {
  const path = new Path2D();
  for (const ring of rings) {
    const points = simplify(ring, tolerance);
    if (near) roundBends(path, points);
    else for (let i = 0; i < points.length; i += 2) goTo(path, i, points[i], points[i + 1]);
    path.closePath();
  }
  return path;
}

/**
 * Goes on to (x, y), corner i of a ring: the first one must not be joined to the ring before.
 *
 * @param {Path2D} path
 * @param {number} i
 * @param {number} x
 * @param {number} y
 */
function goTo(path, i, x, y) {
  if (i) path.lineTo(x, y);
  else path.moveTo(x, y);
}

const BEND = Math.cos((35 * Math.PI) / 180); // turns below this are bends of a curve, others are corners
const BEND_REACH = 8; // display px beside a bend: it stays within half a pixel of the polygon

/**
 * Seen close, a curve must not look like a polygon; a corner must stay one.
 *
 * @param {Path2D} path
 * @param {number[]} points
 */
function roundBends(path, points) {
  const count = points.length;
  for (let i = 0; i < count; i += 2) {
    const x = points[i], y = points[i + 1];
    const before = (i + count - 2) % count, after = (i + 2) % count;
    const ax = points[before] - x, ay = points[before + 1] - y;
    const bx = points[after] - x, by = points[after + 1] - y;
    const a = Math.hypot(ax, ay), b = Math.hypot(bx, by);
    if (-(ax * bx + ay * by) < BEND * a * b) goTo(path, i, x, y);
    else {
      const s = Math.min(0.5, BEND_REACH / a), t = Math.min(0.5, BEND_REACH / b);
      goTo(path, i, x + ax * s, y + ay * s);
      path.quadraticCurveTo(x, y, x + bx * t, y + by * t);
    }
  }
}
