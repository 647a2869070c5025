// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFilter } from "../../automask_ui/ui/components/viewer/js/model/filter.js";
import { maskOf } from "./helpers.js";

const LABELS = new Map([[2, "Traffic light"], [3, "car"]]);
const MASKS = [
  maskOf(1, { area: 100, iou: 0.8, stability: null }),
  maskOf(2, { area: 5000, iou: 0.9, bbox: [0, 0, 40, 20] }),
  maskOf(3, { area: 20_000, iou: 0.95, point: [7, 9] }),
];
const FACTS = {
  labelOf: (/** @type {number} */ id) => LABELS.get(id) ?? "",
  isHidden: (/** @type {number} */ id) => id === 3,
  pixels: () => 100_000,
};

/** @param {string} typed */
function idsFor(typed) {
  const { test: holds, wrong } = parseFilter(typed, FACTS);
  assert.equal(wrong, "", typed);
  return MASKS.filter((mask) => !holds || holds(mask)).map(({ id }) => id);
}

/** @type {[string, number[]][]} */
const UNDERSTOOD = [
  ["", [1, 2, 3]],
  ["2", [2]],
  ["#3", [3]],
  ["2-3", [2, 3]],
  ["area>=5000", [2, 3]],
  ["area > 5,000", [3]], // spaces and thousands separators
  ["area<=5%", [1, 2]], // of the photo
  ["AREA>1000 iou<0.95", [2]], // all must hold
  ["id!=2, 1-2", [1]], // commas between words
  ["stability>0", [2, 3]], // not measured: never true
  ["stability_score>0", [2, 3]], // SAM's own name
  ["면적>1000", [2, 3]],
  ["width=40", [2]],
  ["x=7 y=9", [3]],
  ["hidden=1", [3]],
  ["car", [3]], // part of a label
  ["light", [2]],
  ["label=car", [3]],
  ["label=traffic light", [2]], // a label with a space
  ["label=“traffic light” area>10", [2]],
  ["label!=car", [1, 2]],
  ["label=none", [1]],
  ["레이블=없음", [1]],
  ["iou>.85", [2, 3]],
];
for (const [typed, ids] of UNDERSTOOD) {
  test(`the filter “${typed}”`, () => assert.deepEqual(idsFor(typed), ids));
}

for (const word of ["area>>5", "colour=3", "iou>5%", "area>", "constructor>1", "=5"]) {
  test(`“${word}” is not understood, and hides nothing`, () => {
    assert.deepEqual(parseFilter(word, FACTS), { test: null, wrong: word });
  });
}

test("the first word that is not understood is named", () => {
  assert.deepEqual(parseFilter("area>5 colour=3 size=2", FACTS), { test: null, wrong: "colour=3" });
});

test("facts are asked for when a mask is tested, not when the filter is read", () => {
  let pixels = 100;
  const { test: holds } = parseFilter("area>50%", { ...FACTS, pixels: () => pixels });
  assert.equal(holds?.(maskOf(1, { area: 60 })), true);
  pixels = 200;
  assert.equal(holds?.(maskOf(1, { area: 60 })), false);
});
