// @ts-check
/** @import { ColourBy, ViewerMask } from "../../automask_ui/ui/components/viewer/js/types.d.ts" */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createColours, ramp } from "../../automask_ui/ui/components/viewer/js/model/colours.js";
import { fakeSignals, maskOf } from "./helpers.js";

/** @param {ColourBy} colourBy @param {ViewerMask[]} masks */
function coloursBy(colourBy, masks) {
  /** @type {Function[]} */
  const derivations = [];
  const signals = {
    ...fakeSignals(),
    derive: (/** @type {unknown} */ _, /** @type {Function} */ run) => void derivations.push(run),
  };
  const labelOf = (/** @type {number} */ id) => (id === 1 ? "cat" : "");
  const colours = createColours({
    signals, picture: { masks }, edits: { labelOf, places: new Map([["dog", 0], ["cat", 4]]) }, look: { colourBy },
    palette: ["red", "blue", "green"], noClassColour: "grey",
  });
  for (const run of derivations) run();
  return colours;
}

test("the ramp goes from its first colour to its last", () => {
  assert.deepEqual([ramp(0), ramp(1), ramp(-1), ramp(2)], ["rgb(71,45,123)", "rgb(253,231,37)", ramp(0), ramp(1)]);
});

test("by object a mask has its own colour", () => {
  assert.equal(coloursBy("object", []).of(maskOf(1, { colour: "#abcdef" })), "#abcdef");
});

test("by class it has the palette's, which starts again after its end", () => {
  const colours = coloursBy("class", []);
  assert.deepEqual([maskOf(1), maskOf(2)].map(colours.of), ["blue", "grey"]);
  assert.deepEqual(["dog", "unknown", ""].map(colours.ofClass), ["red", "grey", "grey"]);
});

test("on a scale the least and the greatest have its ends", () => {
  const masks = [maskOf(1, { area: 10 }), maskOf(2, { area: 100 }), maskOf(3, { area: 1000 })];
  const colours = coloursBy("size", masks);
  assert.deepEqual(masks.map(colours.of), [ramp(0), ramp(0.5), ramp(1)]);
  assert.deepEqual(colours.range?.map(Math.exp).map(Math.round), [10, 1000]);
});

test("masks that are all alike have one colour, and no masks no scale", () => {
  assert.equal(coloursBy("quality", [maskOf(1), maskOf(2)]).of(maskOf(1)), ramp(1));
  assert.equal(coloursBy("quality", []).range, null);
});
