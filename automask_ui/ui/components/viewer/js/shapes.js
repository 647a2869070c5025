// Masks as runs at display size: reading the file, hit-testing, coverage. Runs are pairs (start, length) along the rows.

class Shape {
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
    this.box = { x: left, y: top, w: right - left, h: bottom - top };
  }

  /** Whether the display pixel (x, y) belongs to the mask: binary search for the run that starts at or before it. */
  has(x, y) {
    const { box, runs } = this;
    if (x < box.x || y < box.y || x >= box.x + box.w || y >= box.y + box.h) return false;
    const pixel = y * this.width + x;
    let low = 0, high = runs.length / 2 - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (runs[2 * middle] <= pixel) low = middle;
      else high = middle - 1;
    }
    return pixel >= runs[2 * low] && pixel < runs[2 * low] + runs[2 * low + 1];
  }
}

/** A short hash, so that outlines and thumbnails of unchanged masks outlive a new value. */
function fingerprint(runs) {
  let hash = 2166136261;
  for (let i = 0; i < runs.length; i++) hash = Math.imul(hash ^ runs[i], 16777619);
  return `${runs.length}:${hash}`;
}

/** The layers file (see automask_ui/display.py) as number -> Shape. Shapes equal to the old ones are kept. */
function readLayers(buffer, width, old) {
  const words = new Uint32Array(buffer);
  const shapes = new Map();
  let at = 1;
  for (let i = 0; i < words[0]; i++) {
    const id = words[at], length = 2 * words[at + 1];
    const runs = words.subarray(at + 2, at + 2 + length);
    at += 2 + length;
    if (!length) continue;
    const shape = new Shape(runs, width);
    const before = old.get(id);
    shapes.set(id, before && before.key === shape.key && before.width === width ? before : shape);
  }
  return shapes;
}

async function fetchLayers(url) {
  const response = await fetchFile(url);
  return new Response(response.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function fetchFile(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return response;
}

let coverMap = new Uint8Array(0);

/** Share of the picture that the union of `ids` covers, at display size. */
function coverage(ids) {
  const pixels = state.value.display_width * state.value.display_height;
  if (!pixels) return 0;
  if (coverMap.length !== pixels) coverMap = new Uint8Array(pixels);
  else coverMap.fill(0);
  for (const id of ids) {
    const { runs } = state.shapes.get(id);
    for (let i = 0; i < runs.length; i += 2) coverMap.fill(1, runs[i], runs[i] + runs[i + 1]);
  }
  let covered = 0;
  for (let i = 0; i < pixels; i++) covered += coverMap[i];
  return covered / pixels;
}

/** Shown masks under a display pixel, smallest first: the order in which clicks go through nested masks. */
function masksAt(x, y) {
  const found = [];
  for (let i = state.painted.length - 1; i >= 0; i--) {
    if (state.shapes.get(state.painted[i]).has(x, y)) found.push(state.painted[i]);
  }
  return found;
}

/** The smallest mask there that is not shown, or 0. */
function unseenAt(x, y) {
  const shown = new Set(state.painted);
  const there = state.all.filter((mask) => !shown.has(mask.id) && state.shapes.get(mask.id)?.has(x, y));
  return there.sort((a, b) => a.area - b.area)[0]?.id ?? 0;
}
