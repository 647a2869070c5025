// @ts-check
/** @import { Sort } from "../../automask_ui/ui/components/viewer/js/types.d.ts" */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sortedIds } from "../../automask_ui/ui/components/viewer/js/model/sorting.js";
import { maskOf } from "./helpers.js";

const LABELS = new Map([[1, "b"], [2, "a"]]);
const FACTS = {
  isHidden: (/** @type {number} */ id) => id === 1,
  labelOf: (/** @type {number} */ id) => LABELS.get(id) ?? "",
  classes: ["b", "a"],
  language: "en",
};
const MASKS = [
  maskOf(1, { area: 5, stability: null, bbox: [1, 2, 3, 4] }),
  maskOf(2, { area: 7, bbox: [1, 1, 9, 9] }),
  maskOf(3, { area: 5, bbox: [0, 9, 9, 9] }),
];

/** @type {[Sort["key"], Sort["step"], number[]][]} */
const CASES = [
  ["id", 1, [1, 2, 3]],
  ["id", -1, [3, 2, 1]],
  ["area", 1, [1, 3, 2]], // equal ones by id
  ["area", -1, [2, 1, 3]], // upwards in both directions
  ["stability", 1, [1, 2, 3]], // not measured comes first
  ["shown", 1, [2, 3, 1]],
  ["label", 1, [2, 1, 3]], // by name, not by place in the list; none comes last
  ["bbox", 1, [3, 2, 1]], // number by number
  ["iou", -1, [1, 2, 3]],
];
for (const [key, step, ids] of CASES) {
  test(`sorted by ${key}, ${step > 0 ? "up" : "down"}`, () => {
    assert.deepEqual(sortedIds(MASKS, { key, step }, FACTS), ids);
  });
}
