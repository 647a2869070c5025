// Outlines as paths, so that lines stay crisp at every zoom. Traced once per mask, simplified once per zoom octave.

// Directions up, right, down, left; beside each the two pixels ahead of a corner (left and right of the way).
const STEP = [[0, -1], [1, 0], [0, 1], [-1, 0]];
const AHEAD = [[[-1, -1], [0, -1]], [[0, -1], [0, 0]], [[0, 0], [-1, 0]], [[-1, 0], [-1, -1]]];

// px of the display copy: joins the stairs of a slanted edge into a line, and is below what can be seen
const TOLERANCE = 0.7;
const KEEP_WHOLE = 12; // corners: shapes this small would lose their form

let bitmap = new Uint8Array(0);

/** All borders of a mask, outer ones and holes: lists [x, y, x, y, ...] in display px. */
function traceOutline(shape) {
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
  const rings = [];
  // Every border passes the left edge of some run; 2 marks left edges already walked.
  for (const at of starts) if (bitmap[at] === 1) rings.push(walk(at % stride, Math.floor(at / stride), stride, box));
  return rings;
}

/** Follows one border with the mask on the right, from the left edge of pixel (x, y) of the bitmap. */
function walk(x, y, stride, box) {
  const inside = (dx, dy) => bitmap[(cy + dy) * stride + cx + dx] > 0;
  const points = [];
  let cx = x, cy = y + 1, way = 0, last = -1;
  do {
    const [dx, dy] = STEP[way];
    if (way === 0) bitmap[(cy - 1) * stride + cx] = 2;
    const midX = cx + dx / 2, midY = cy + dy / 2;
    cx += dx;
    cy += dy;
    const [left, right] = AHEAD[way];
    const next = !inside(...right) ? (way + 1) & 3 : inside(...left) ? (way + 3) & 3 : way;
    // The middles of the edges, not the corners: a staircase then lies on one straight line.
    if (way !== last || next !== way) points.push(midX + box.x - 1, midY + box.y - 1);
    last = way;
    way = next;
  } while (cx !== x || cy !== y + 1 || way !== 0);
  return points;
}

/** Douglas-Peucker on a closed ring. */
function simplify(ring, tolerance) {
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
    const end = stack.pop(), begin = stack.pop();
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
  const result = [];
  for (let i = 0; i < count; i++) if (keep[i]) result.push(ring[2 * i], ring[2 * i + 1]);
  return result.length >= 6 ? result : ring;
}

/** Path of a mask in display px, as fine as `scale` (device px per display px) can show. */
function pathOf(shape, scale) {
  const level = Math.max(0, Math.floor(Math.log2(1 / scale)));
  shape.paths ??= [];
  shape.rings ??= traceOutline(shape);
  shape.paths[level] ??= buildPath(shape.rings, TOLERANCE * 2 ** level, level === 0);
  return shape.paths[level];
}

function buildPath(rings, tolerance, close) {
  const path = new Path2D();
  for (const ring of rings) {
    const points = simplify(ring, tolerance);
    if (close) roundBends(path, points);
    else for (let i = 0; i < points.length; i += 2) path[goTo(i)](points[i], points[i + 1]);
    path.closePath();
  }
  return path;
}

/** How to get to corner i: the first one of a ring must not be joined to the ring before. */
const goTo = (i) => (i ? "lineTo" : "moveTo");

const BEND = Math.cos((35 * Math.PI) / 180); // turns below this are bends of a curve, others are corners
const BEND_REACH = 8; // display px beside a bend: it stays within half a pixel of the polygon

/** Seen close, a curve must not look like a polygon; a corner must stay one. */
function roundBends(path, points) {
  const count = points.length;
  for (let i = 0; i < count; i += 2) {
    const x = points[i], y = points[i + 1];
    const before = (i + count - 2) % count, after = (i + 2) % count;
    const ax = points[before] - x, ay = points[before + 1] - y;
    const bx = points[after] - x, by = points[after + 1] - y;
    const a = Math.hypot(ax, ay), b = Math.hypot(bx, by);
    if (-(ax * bx + ay * by) < BEND * a * b) path[goTo(i)](x, y);
    else {
      const s = Math.min(0.5, BEND_REACH / a), t = Math.min(0.5, BEND_REACH / b);
      path[goTo(i)](x + ax * s, y + ay * s);
      path.quadraticCurveTo(x, y, x + bx * t, y + by * t);
    }
  }
}

const LABEL_GRID = 24;

/** A point well inside the mask, for its number: the farthest from the border on a coarse grid. */
function labelPoint(shape) {
  if (shape.label) return shape.label;
  const { box } = shape;
  const step = Math.max(1, Math.max(box.w, box.h) / LABEL_GRID);
  const columns = Math.ceil(box.w / step) + 2, rows = Math.ceil(box.h / step) + 2;
  const depth = new Float32Array(columns * rows);
  const centre = (i, from) => from + (i - 0.5) * step;
  for (let j = 1; j < rows - 1; j++)
    for (let i = 1; i < columns - 1; i++)
      if (shape.has(Math.floor(centre(i, box.x)), Math.floor(centre(j, box.y)))) depth[j * columns + i] = 1e6;
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
  return (shape.label = { x, y });
}
