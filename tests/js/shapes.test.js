// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { coverage, idsAt, readLayers } from "../../automask_ui/ui/components/viewer/js/model/shapes.js";
import { shapeOf } from "./helpers.js";

const RING = ["........", ".####...", ".#..#...", ".####..#"];

test("a shape has exactly its pixels", () => {
  const shape = shapeOf(RING);
  assert.deepEqual(shape.box, { x: 1, y: 1, w: 7, h: 3 });
  for (let y = -1; y <= RING.length; y++) {
    for (let x = -1; x <= 8; x++) assert.equal(shape.has(x, y), RING[y]?.[x] === "#", `${x}, ${y}`);
  }
});

/** Layers, unpacked. @param {[id: number, runs: number[]][]} layers with starts and lengths */
function packed(layers) {
  const words = layers.flatMap(([id, runs]) => [
    id, runs.length / 2, ...runs.map((word, i) => (i % 2 || i === 0 ? word : word - runs[i - 2])),
  ]);
  return Uint32Array.from(words).buffer;
}

test("layers are read by id, without empty masks", () => {
  const shapes = readLayers(packed([[7, [1, 3, 11, 2, 22, 1]], [8, []], [9, [25, 5]]]), 10, new Map());
  assert.deepEqual([...shapes.keys()], [7, 9]);
  assert.deepEqual([...(shapes.get(7)?.runs ?? [])], [1, 3, 11, 2, 22, 1]);
  assert.deepEqual(shapes.get(9)?.box, { x: 5, y: 2, w: 5, h: 1 });
});

test("a shape that has not changed is kept, so that what was drawn of it is kept too", () => {
  const before = readLayers(packed([[1, [0, 3]], [2, [5, 2]]]), 10, new Map());
  const after = readLayers(packed([[1, [0, 3]], [2, [5, 3]]]), 10, before);
  assert.equal(after.get(1), before.get(1));
  assert.notEqual(after.get(2), before.get(2));
  assert.notEqual(readLayers(packed([[1, [0, 3]]]), 20, before).get(1), before.get(1)); // of another width
});

test("coverage counts the union", () => {
  const shapes = [shapeOf(["##..", "...."]), shapeOf([".##.", "...#"])];
  assert.equal(coverage(shapes, 8), 0.5);
  assert.equal(coverage([], 8), 0);
  assert.equal(coverage([], 0), 0);
});

test("masks under a pixel: the last of the list first", () => {
  const shapes = new Map([[1, shapeOf(["###"])], [2, shapeOf([".#."])], [3, shapeOf(["..#"])]]);
  assert.deepEqual(idsAt([1, 2, 3, 4], shapes, 1, 0), [2, 1]);
  assert.deepEqual(idsAt([1, 2, 3], shapes, 0, 0), [1]);
});
