// @ts-check
/** @import { Draft, Edits, Language, Notices, Picture, Point } from "../types.d.ts" */
/** @import { Selection, Step, Stroke, Tool, Viewport, XY } from "../types.d.ts" */
/** @import { DraftLine } from "../model/draft.js" */

/** @typedef {{ line: DraftLine | null, outline: Point[] | null, cuts: boolean }} Pixels to add or to cut, display px */

const FIRST_SHARE = 0.025; // of the longer side: the brush to begin with
const GROWTH = 1.25; // of one press of a key or button
const MOST = 2000; // px of the original, the widest brush
const APART = 1.5; // stage px between two points of a line: more would not be seen

/**
 * Brush, eraser and lasso: pixels of the original are added to the selected mask, or to a new one, or cut from it.
 *
 * @param {object} deps
 * @param {Draft} deps.draft
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Notices} deps.notices
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Viewport} deps.viewport
 */
export function createPaintTools({ draft, edits, language: { text }, notices, picture, selection, viewport }) {
  /** Of the brush, px of the original; 0: not chosen yet. */
  let width = 0;
  /** Steps that are at the server, with what is drawn for them. @type {Map<Step, DraftLine | null>} */
  const sent = new Map();
  /** For a mask that the server is still making. @type {Pixels[]} */
  let held = [];
  const lasso = { cuts: false };

  const size = () => width || Math.max(1, Math.round(FIRST_SHARE * Math.max(picture.data.width, picture.data.height)));
  const inOriginal = (/** @type {readonly Point[]} */ points) => {
    const k = picture.enlargement();
    return points.map(({ x, y }) => /** @type {XY} */ ([x * k, y * k]));
  };

  /** @param {DraftLine | null} line @param {Point[] | null} outline @param {boolean} cuts */
  function paint(line, outline, cuts) {
    const id = selection.primary;
    if (cuts && !id) {
      notices.flash(text("cut_none"));
      return showLines(null);
    }
    const makes = !id && [...sent.keys()].some((step) => step.do === "paint" && !step.id);
    if (makes) held.push({ line, outline, cuts });
    else send(id, line, outline, cuts);
    showLines(null);
  }

  /** @param {number} id @param {DraftLine | null} line @param {Point[] | null} outline @param {boolean} cuts */
  function send(id, line, outline, cuts) {
    /** @type {Stroke[]} */
    const strokes = [];
    if (line) {
      strokes.push({ width: Math.min(MOST, line.width * picture.enlargement()), points: inOriginal(line.points) });
    }
    /** @type {Step} */
    const step = { do: "paint", id, cut: cuts, strokes, outline: outline && inOriginal(outline) };
    sent.set(step, line);
    edits.add(step);
  }

  /** What is drawn: lines that wait for the server, and the one that grows. @param {DraftLine | null} growing */
  function showLines(growing) {
    const lines = [...sent.values(), ...held.map(({ line }) => line), growing];
    draft.setStrokes(lines.filter((line) => line !== null));
  }

  edits.onAnswered(({ steps, made }) => {
    for (const step of steps) sent.delete(step);
    const waiting = held;
    held = [];
    for (const { line, outline, cuts } of waiting) send(made[0] ?? 0, line, outline, cuts);
    showLines(null);
  });
  edits.onLost(() => {
    sent.clear();
    held = [];
    showLines(null);
  });

  /** @param {number} factor */
  function resize(factor) {
    const next = Math.round(size() * factor);
    width = Math.max(1, Math.min(MOST, next === size() ? next + Math.sign(factor - 1) : next));
    draft.setPointer(draft.pointer, width / picture.enlargement(), draft.isCrossHair);
  }

  const smaller = () => resize(1 / GROWTH), larger = () => resize(GROWTH);

  /** @param {boolean} cuts @returns {Tool} */
  function brushTool(cuts) {
    const brush = () => size() / picture.enlargement();
    return {
      hover: ({ x, y }) => draft.setPointer(viewport.toPhoto(x, y), brush()),
      leave: () => draft.setPointer(null),
      click: (point) => paint({ points: [viewport.toPhoto(point.x, point.y)], width: brush(), cuts }, null, cuts),
      startDrag(point) {
        const points = [viewport.toPhoto(point.x, point.y)], line = { points, width: brush(), cuts };
        return {
          move({ x, y }) {
            addPoint(points, viewport.toPhoto(x, y), APART / viewport.scale);
            draft.setPointer(viewport.toPhoto(x, y), brush());
            showLines(line);
          },
          end: () => paint(line, null, cuts),
          cancel: () => showLines(null),
        };
      },
      key(key) {
        if (key === "[") smaller();
        else if (key === "]") larger();
        else return false;
        return true;
      },
    };
  }

  const outline = outlineTool({ draft, viewport, done: (points, minus) => paint(null, points, lasso.cuts !== minus) });
  return { brush: brushTool(false), eraser: brushTool(true), lassoTool: outline, lasso, size, resize, smaller, larger };
}

/**
 * Draws a closed outline: by dragging around it, or click by click, and Enter or a click on the first corner closes it.
 *
 * @param {object} deps
 * @param {Draft} deps.draft
 * @param {Viewport} deps.viewport
 * @param {(points: Point[], minus: boolean) => void} deps.done with at least three points, display px
 * @returns {Tool}
 */
export function outlineTool({ draft, viewport, done }) {
  let minus = false;

  function close() {
    const points = [...draft.outline];
    draft.clear();
    if (points.length > 2) done(points, minus);
  }

  return {
    hover: ({ x, y }) => draft.setPointer(viewport.toPhoto(x, y)),
    leave: () => draft.setPointer(null),
    click(point, how) {
      if (!draft.outline.length) minus = how.minus;
      const [first] = draft.outline, start = first && viewport.toStage(first.x, first.y);
      if (start && draft.outline.length > 2 && Math.hypot(start.x - point.x, start.y - point.y) < 8) return close();
      draft.setOutline([...draft.outline, viewport.toPhoto(point.x, point.y)]);
    },
    startDrag(point, how) {
      minus = how.altKey;
      const points = [viewport.toPhoto(point.x, point.y)];
      return {
        move({ x, y }) {
          addPoint(points, viewport.toPhoto(x, y), APART / viewport.scale);
          draft.setOutline([...points]);
        },
        end: close,
        cancel: draft.clear,
      };
    },
    stop: draft.clear,
    key(key) {
      if (!draft.outline.length) return false;
      if (key === "Enter") close();
      else if (key === "Escape") draft.clear();
      else if (key === "Backspace") draft.setOutline(draft.outline.slice(0, -1));
      else return false;
      return true;
    },
  };
}

/**
 * Adds a point to a line if it is far enough from the last one.
 *
 * @param {Point[]} points
 * @param {Point} point
 * @param {number} apart
 */
function addPoint(points, point, apart) {
  const last = points[points.length - 1];
  if (Math.hypot(last.x - point.x, last.y - point.y) >= apart) points.push(point);
}
