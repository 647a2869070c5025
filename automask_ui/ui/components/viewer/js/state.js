// All that can change, in one place, and who wants to hear of it. Work is done once a frame, however often it changes.

const state = {
  value: {}, // as the server sent it; `run`, sizes, name
  photo: null, // ImageBitmap at display size
  all: [], // rows, in the server's order
  masks: [], // those that are not deleted
  byId: new Map(),
  shapes: new Map(), // number -> Shape
  sorted: [], // all numbers in table order
  listed: [], // those that match the filter
  painted: [], // those shown in the picture, largest first
  covered: 0, // share of the picture under `painted`, 0 to 1
  selected: new Set(),
  primary: 0, // the one whose details are shown
  anchor: 0, // where a Shift range starts
  hover: 0,
  sort: { key: "id", step: 1 },
  matches: null, // (mask) => boolean, null: no filter
  mode: "both",
  opacity: 0.35,
  colourBy: "object",
  numbers: false,
  photoOnly: false,
  wide: false,
};

const listeners = [];
let pending = new Set();
let frame = 0;

/** Calls `run(topics)` in the next frame after one of `topics` changed; in the order of registration. */
function on(topics, run) {
  listeners.push({ topics: topics.split(" "), run });
}

/** Topics: masks, order, shown, labels, selection, hover, view, style, opacity. */
function changed(...topics) {
  for (const topic of topics) pending.add(topic);
  frame ||= requestAnimationFrame(flush);
}

function flush() {
  cancelAnimationFrame(frame);
  frame = 0;
  const now = pending;
  pending = new Set();
  for (const { topics, run } of listeners) if (topics.some((topic) => now.has(topic))) run(now);
}

const total = () => state.value.width * state.value.height;
const SORT_KEYS = {
  shown: (mask) => [isHidden(mask.id) ? 1 : 0],
  id: (mask) => [mask.id],
  // By name; masks without a label come after all others.
  label: (mask) => [labelRanks.get(labelOf(mask.id)) ?? labelRanks.size],
  area: (mask) => [mask.area],
  iou: (mask) => [mask.iou],
  stability: (mask) => [mask.stability ?? -1],
  bbox: (mask) => mask.bbox,
  point: (mask) => mask.point,
  crop: (mask) => mask.crop,
};

function compare(a, b) {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

let labelRanks = new Map();

function refreshOrder() {
  labelRanks = new Map([...edits.classes].sort((a, b) => a.localeCompare(b, language)).map((name, rank) => [name, rank]));
  const keyOf = SORT_KEYS[state.sort.key];
  const keyed = state.masks.map((mask) => [keyOf(mask), mask]);
  keyed.sort((a, b) => state.sort.step * compare(a[0], b[0]) || a[1].id - b[1].id);
  state.sorted = keyed.map(([, mask]) => mask.id);
  state.listed = state.matches ? state.sorted.filter((id) => state.matches(state.byId.get(id))) : state.sorted;
}

function refreshPainted() {
  const area = (id) => state.byId.get(id).area;
  state.painted = state.listed.filter((id) => !isHidden(id) && state.shapes.has(id));
  state.painted.sort((a, b) => area(b) - area(a) || a - b);
  state.covered = coverage(state.painted);
}

// First in line: whoever draws next reads lists that are already right.
on("masks order shown labels", (topics) => {
  const sortMoves = state.sort.key === "shown" || state.sort.key === "label";
  const moves = topics.has("masks") || topics.has("order") || sortMoves || state.matches;
  if (moves) refreshOrder();
  if (moves || topics.has("shown")) refreshPainted();
});

/** Numbers of a download's scope, in table order. */
function idsOf(scope) {
  if (scope === "selected") return state.sorted.filter((id) => state.selected.has(id));
  if (scope === "shown") return state.listed.filter((id) => !isHidden(id));
  return [...state.sorted];
}
