// @ts-check
/** @import { Draft, Edits, Language, Notices, Picture, Point } from "../types.d.ts" */
/** @import { Selection, Step, Tool, Viewport } from "../types.d.ts" */
/** @import { DraftLine } from "../model/draft.js" */
/** @import { Brush } from "./brush.js" */
import { addPoint } from "./brush.js";

/** @typedef {{ line: DraftLine | null, outline: Point[] | null, cuts: boolean }} Pixels to add or to cut, display px */

const NEAR = 8; // stage px from a corner at which a click means that corner

/**
 * Brush, eraser and lasso: pixels of the original are added to the selected mask, or to a new one, or cut from it.
 *
 * @param {object} deps
 * @param {Brush} deps.brush
 * @param {Draft} deps.draft
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Notices} deps.notices
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Viewport} deps.viewport
 */
export function createPaintTools({ brush, draft, edits, language: { text }, notices, picture, selection, viewport }) {
  /** Steps that are at the server, with what is drawn for them. @type {Map<Step, DraftLine | null>} */
  const sent = new Map();
  /** For a mask that the server is still making. @type {Pixels[]} */
  let held = [];
  const lasso = { cuts: false };

  /** Whether a step makes a mask. @param {Step} step */
  const isNew = (step) => step.do === "paint" && !step.id;
  const isMaking = () => [...sent.keys()].some(isNew);

  /** @param {DraftLine | null} line @param {Point[] | null} outline @param {boolean} cuts */
  function paint(line, outline, cuts) {
    const id = selection.primary;
    if (cuts && !id && !isMaking()) notices.flash(text("cut_none"));
    else paintOn(id, { line, outline, cuts });
    showLines(null);
  }

  /** @param {number} id 0: the mask that is being made, or else a new one @param {Pixels} pixels */
  function paintOn(id, pixels) {
    if (!id && isMaking()) held.push(pixels);
    else send(id, pixels);
  }

  /** @param {number} id @param {Pixels} pixels */
  function send(id, { line, outline, cuts }) {
    const strokes = line ? [brush.strokeOf(line)] : [];
    /** @type {Step} */
    const step = { do: "paint", id, cut: cuts, strokes, outline: outline && picture.inOriginal(outline) };
    sent.set(step, line);
    edits.add(step);
  }

  /** What is drawn: lines that wait for the server, and the one that grows. @param {DraftLine | null} growing */
  function showLines(growing) {
    const lines = [...sent.values(), ...held.map(({ line }) => line), growing];
    draft.setStrokes(lines.filter((line) => line !== null));
  }

  edits.onAnswered(({ steps, made }) => {
    const at = steps.findIndex((step) => sent.has(step) && isNew(step));
    for (const step of steps) sent.delete(step);
    if (at >= 0) {
      const waiting = held;
      held = [];
      for (const pixels of waiting) paintOn(made[at]?.[0] ?? 0, pixels);
    }
    showLines(null);
  });

  function forget() {
    sent.clear();
    held = [];
    showLines(null);
  }
  edits.onLost(forget);
  picture.onSessionStarted(forget);

  /** @param {boolean} cuts */
  const brushTool = (cuts) => brush.tool({
    cuts: () => cuts, showGrowing: showLines, done: (line) => paint(line, null, line.cuts),
  });
  const outline = outlineTool({ draft, viewport, done: (points, minus) => paint(null, points, lasso.cuts !== minus) });
  return { brushTool: brushTool(false), eraser: brushTool(true), lassoTool: outline, lasso };
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

  function undo() {
    const { length } = draft.outline;
    if (length) draft.setOutline(draft.outline.slice(0, -1));
    return length > 0;
  }

  /** @param {Point | undefined} corner display px @param {Point} point stage px */
  function isAt(corner, point) {
    const there = corner && viewport.toStage(corner.x, corner.y);
    return there !== undefined && Math.hypot(there.x - point.x, there.y - point.y) < NEAR;
  }

  return {
    hover: ({ x, y }) => draft.setPointer(viewport.toPhoto(x, y)),
    leave: () => draft.setPointer(null),
    click(point, how) {
      if (!draft.outline.length) minus = how.minus;
      const { outline } = draft, isLast = isAt(outline.at(-1), point);
      // The first corner again, or the last one, as with a double click.
      if (outline.length > 2 && (isLast || isAt(outline[0], point))) close();
      else if (!isLast) draft.setOutline([...outline, viewport.toPhoto(point.x, point.y)]);
    },
    startDrag(point, how) {
      // After corners it draws on from them.
      const corners = draft.outline;
      if (!corners.length) minus = how.altKey;
      const points = [...corners, viewport.toPhoto(point.x, point.y)];
      return {
        move({ x, y }) {
          addPoint(points, viewport.toPhoto(x, y), viewport);
          draft.setOutline([...points]);
        },
        end: () => void (corners.length || close()),
        cancel: () => draft.setOutline(corners),
      };
    },
    stop: draft.clear,
    undo,
    key(key) {
      if (!draft.outline.length) return false;
      if (key === "Enter") void (draft.outline.length > 2 && close());
      else if (key === "Escape") draft.clear();
      else if (key === "Backspace" || key === "Delete") undo();
      else return false;
      return true;
    },
  };
}
