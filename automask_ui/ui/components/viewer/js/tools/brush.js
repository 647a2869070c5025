// @ts-check
/** @import { Draft, Picture, Point, Tool, Viewport } from "../types.d.ts" */
/** @import { DraftLine } from "../model/draft.js" */

/** @typedef {ReturnType<typeof createBrush>} Brush */

const FIRST_SHARE = 0.025; // of the longer side: the brush to begin with
const GROWTH = 1.25; // of one press of a key or button
const MOST = 2000; // px of the original, the widest brush
const APART = 1.5; // stage px between two points of a line: more would not be seen

/**
 * Owns the size of the brush, and paints lines with it. With Alt, a line cuts instead of adding, or adds instead of
 * cutting.
 *
 * @param {{ draft: Draft, picture: Picture, viewport: Viewport }} deps
 */
export function createBrush({ draft, picture, viewport }) {
  /** Px of the original; 0: not chosen yet. */
  let width = 0;
  const size = () => width || Math.max(1, Math.round(FIRST_SHARE * Math.max(picture.data.width, picture.data.height)));
  const inDisplay = () => size() / picture.enlargement();

  /** @param {number} factor */
  function resize(factor) {
    const next = Math.round(size() * factor);
    width = Math.max(1, Math.min(MOST, next === size() ? next + Math.sign(factor - 1) : next));
    draft.setPointer(draft.pointer, inDisplay(), draft.isCrossHair);
  }

  const smaller = () => resize(1 / GROWTH), larger = () => resize(GROWTH);

  /**
   * A line in px of the original, as the server takes it.
   *
   * @param {DraftLine} line
   */
  function strokeOf(line) {
    // A pixel of the original, there and back, may be a hair less.
    const inPhoto = Math.max(1, Math.min(MOST, line.width * picture.enlargement()));
    return { width: inPhoto, points: picture.inOriginal(line.points) };
  }

  /**
   * Makes a tool that paints with the brush.
   *
   * @param {object} how
   * @param {() => boolean} how.cuts
   * @param {(line: DraftLine) => void} how.done
   * @param {(line: DraftLine | null) => void} how.showGrowing
   * @returns {Tool}
   */
  function tool({ cuts, done, showGrowing }) {
    return {
      hover: ({ x, y }) => draft.setPointer(viewport.toPhoto(x, y), inDisplay()),
      leave: () => draft.setPointer(null),
      click({ x, y }, { minus }) {
        done({ points: [viewport.toPhoto(x, y)], width: inDisplay(), cuts: cuts() !== minus });
      },
      startDrag(point, { altKey }) {
        const points = [viewport.toPhoto(point.x, point.y)];
        const line = { points, width: inDisplay(), cuts: cuts() !== altKey };
        return {
          move({ x, y }) {
            addPoint(points, viewport.toPhoto(x, y), viewport);
            draft.setPointer(viewport.toPhoto(x, y), inDisplay());
            showGrowing(line);
          },
          end: () => done(line),
          cancel: () => showGrowing(null),
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

  return { size, resize, smaller, larger, strokeOf, tool };
}

/**
 * Adds a point to a line if it is far enough from the last one to be told from it.
 *
 * @param {Point[]} points display px
 * @param {Point} point
 * @param {Viewport} viewport
 */
export function addPoint(points, point, viewport) {
  const last = points[points.length - 1];
  if (Math.hypot(last.x - point.x, last.y - point.y) >= APART / viewport.scale) points.push(point);
}
