// @ts-check
/** @import { Draft, Picture, Point, Tool, Trigger, Viewport } from "../types.d.ts" */
/** @import { DraftLine } from "../model/draft.js" */
/** @import { Brush } from "./brush.js" */
import { outlineTool } from "./paint_tools.js";

/**
 * What is drawn at once, display px: inside a closed outline, or under a line of the brush.
 *
 * @typedef {{ cuts: boolean } & ({ outline: Point[], line: null } | { outline: null, line: DraftLine })} RegionPiece
 */
/** @typedef {Readonly<ReturnType<typeof createRegionTool>["region"]>} Region */

/**
 * Where the next run looks: what is outlined or painted, inside of which, or outside of which, the grid's points go.
 *
 * @param {{ brush: Brush, draft: Draft, picture: Picture, trigger: Trigger, viewport: Viewport }} deps
 */
export function createRegionTool({ brush, draft, picture, trigger, viewport }) {
  const region = {
    /** One after the other: each is added to those before, or cut out of them. @type {readonly RegionPiece[]} */
    pieces: [],
    /** Whether points go only inside; else only outside. */
    isOnly: true,
    /** Whether the next piece is painted; else it is outlined. */
    isPainted: false,
    /** Whether the next piece is cut out. */
    cuts: false,

    /** @param {boolean} isOnly */
    setOnly(isOnly) {
      region.isOnly = isOnly;
      if (region.pieces.length) send();
    },

    /** @param {boolean} isPainted */
    setPainted(isPainted) {
      tool.stop?.();
      region.isPainted = isPainted;
      draft.setPointer(null);
    },

    clear() {
      change([]);
    },
  };
  /** What was drawn before each change. @type {(readonly RegionPiece[])[]} */
  let past = [];
  /** What was drawn before changes were taken back, the last one last. @type {(readonly RegionPiece[])[]} */
  let future = [];

  /** @param {readonly RegionPiece[]} pieces */
  function setPieces(pieces) {
    region.pieces = pieces;
    // Nothing can be cut out of nothing, and the choice is not offered then.
    if (!pieces.length) region.cuts = false;
  }

  /** @param {readonly RegionPiece[]} pieces */
  function change(pieces) {
    past.push(region.pieces);
    future = [];
    setPieces(pieces);
    send();
  }

  /**
   * Goes to what was drawn before, or after.
   *
   * @param {(readonly RegionPiece[])[]} from
   * @param {(readonly RegionPiece[])[]} to where the way back leads
   * @returns {boolean} whether there is anything
   */
  function go(from, to) {
    const pieces = from.pop();
    if (!pieces) return false;
    to.push(region.pieces);
    setPieces(pieces);
    send();
    return true;
  }

  /** @param {RegionPiece} piece */
  function add(piece) {
    // Nothing can be cut out of nothing.
    if (!piece.cuts || region.pieces.length) change([...region.pieces, piece]);
  }

  function send() {
    const drawn = region.pieces.map(({ outline, line, cuts }) => ({
      cut: cuts, strokes: line ? [brush.strokeOf(line)] : [], outline: outline && picture.inOriginal(outline),
    }));
    trigger("look_at", { session: picture.session, drawn, only: region.isOnly });
    draft.clear();
  }

  picture.onSessionStarted(() => {
    setPieces([]);
    past = [];
    future = [];
  });

  /** @param {DraftLine | null} line */
  const showGrowing = (line) => draft.setStrokes(line ? [line] : []);
  const outlined = outlineTool({
    draft, viewport,
    done: (outline, minus) => add({ outline, line: null, cuts: region.cuts !== minus }),
  });
  const painted = brush.tool({
    cuts: () => region.cuts, showGrowing,
    done(line) {
      showGrowing(null);
      add({ outline: null, line, cuts: line.cuts });
    },
  });
  const current = () => (region.isPainted ? painted : outlined);
  /** @type {Tool} */
  const tool = {
    hover: (point) => current().hover(point),
    leave: () => current().leave(),
    click: (point, how) => current().click(point, how),
    startDrag: (point, how) => current().startDrag?.(point, how) ?? null,
    stop: () => outlined.stop?.(),
    undo: () => outlined.undo?.() || go(past, future),
    redo: () => go(future, past),
    key: (key) => current().key?.(key) ?? false,
  };
  return { region, tool };
}
