// @ts-check
/** @import { Box, Point, Signals } from "../types.d.ts" */

/** A stroke of the brush, in display px. @typedef {{ points: Point[], width: number, cuts: boolean }} DraftLine */

/**
 * Owns what a tool has drawn on the picture that is no mask yet, in display px.
 *
 * @param {{ signals: Pick<Signals, "changed"> }} deps
 */
export function createDraft({ signals }) {
  const draft = {
    /** A box that is being dragged. @type {Box | null} */
    box: null,
    /** Also those of which the server is making pixels; the last one may grow. @type {readonly DraftLine[]} */
    strokes: [],
    /** An outline that is not closed yet. @type {readonly Point[]} */
    outline: [],
    /** Where the pointer or the cross-hair is. @type {Point | null} */
    pointer: null,
    /** Of the brush at the pointer, display px; 0: no brush. */
    brush: 0,
    /** Whether `pointer` is moved by keys, and must be seen. */
    isCrossHair: false,

    /** @param {Box | null} box */
    setBox(box) {
      draft.box = box;
      signals.changed("draft");
    },

    /** @param {readonly DraftLine[]} strokes */
    setStrokes(strokes) {
      draft.strokes = strokes;
      signals.changed("draft");
    },

    /** @param {readonly Point[]} outline */
    setOutline(outline) {
      draft.outline = outline;
      signals.changed("draft");
    },

    /** @param {Point | null} pointer @param {number} [brush] its width */
    setPointer(pointer, brush = 0, isCrossHair = false) {
      Object.assign(draft, { pointer, brush, isCrossHair });
      signals.changed("draft");
    },

    /** Forgets all but the strokes, which the server may be at work on. */
    clear() {
      draft.box = null;
      draft.outline = [];
      signals.changed("draft");
    },
  };
  return draft;
}

/** The box between two corners. @param {Point} a @param {Point} b @returns {Box} */
export function boxBetween(a, b) {
  return { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), w: Math.abs(a.x - b.x), h: Math.abs(a.y - b.y) };
}
