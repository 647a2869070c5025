// @ts-check
/** @import { ViewerMask } from "../../automask_ui/ui/components/viewer/js/types.d.ts" */
import { mock } from "node:test";
import { Shape } from "../../automask_ui/ui/components/viewer/js/model/shapes.js";

// Timers that wait for answers would keep the tests running until they are due.
mock.timers.enable({ apis: ["setTimeout"] });

/**
 * A mask with made-up facts.
 *
 * @param {number} id
 * @param {Partial<ViewerMask>} facts
 * @returns {ViewerMask}
 */
export function maskOf(id, facts = {}) {
  return {
    id, colour: "#123456", area: 10 * id, bbox: [id, 0, 5, 7], iou: 0.9, stability: 0.95, point: [id, 2],
    crop: [0, 0, 100, 50], origin: "found", ...facts,
  };
}

/**
 * A shape drawn with signs: "#" is inside.
 *
 * @param {string[]} rows of equal length
 */
export function shapeOf(rows) {
  const width = rows[0].length;
  /** @type {number[]} */
  const runs = [];
  rows.forEach((row, y) => {
    for (const { 0: run, index } of row.matchAll(/#+/g)) runs.push(y * width + index, run.length);
  });
  return new Shape(Uint32Array.from(runs), width);
}

/** Signals that note what has changed and draw when told. */
export function fakeSignals() {
  /** @type {string[]} */
  const topics = [];
  return {
    topics,
    /** @param {string[]} changed */
    changed: (...changed) => void topics.push(...changed),
    on() {},
    derive() {},
    flush() {},
  };
}
