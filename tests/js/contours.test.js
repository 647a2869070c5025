// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { innerPoint, simplify, traceContours } from "../../automask_ui/ui/components/viewer/js/model/contours.js";
import { shapeOf } from "./helpers.js";

/** Area of a ring [x, y, …]; holes go the other way round. @param {number[]} ring */
function signedArea(ring) {
  let sum = 0;
  for (let i = 0; i < ring.length; i += 2) {
    const j = (i + 2) % ring.length;
    sum += ring[i] * ring[j + 1] - ring[j] * ring[i + 1];
  }
  return sum / 2;
}

test("one pixel has one ring around its middle", () => {
  const [ring, ...others] = traceContours(shapeOf(["...", ".#.", "..."]));
  assert.equal(others.length, 0);
  assert.deepEqual([Math.min(...ring), Math.max(...ring)], [1, 2]);
});

test("parts and holes are rings of their own", () => {
  const shape = shapeOf([
    "#######..##",
    "#.....#..##",
    "#.....#....",
    "#.....#....",
    "#######....",
  ]);
  const areas = traceContours(shape).map(signedArea);
  // A ring goes through the middles of the pixels' edges, which cuts off 1/8 of a pixel at each of four corners.
  assert.deepEqual(areas, [35 - 0.5, 4 - 0.5, -(15 - 0.5)]);
});

test("pixels that touch at a corner are two rings", () => {
  assert.equal(traceContours(shapeOf(["#.", ".#"])).length, 2);
});

test("a staircase becomes one line", () => {
  const rows = Array.from({ length: 40 }, (_, i) => "#".repeat(i + 1).padEnd(40, "."));
  const [ring] = traceContours(shapeOf(rows));
  const simple = simplify(ring, 0.7);
  assert.ok(simple.length / 2 <= 8, `${simple.length / 2} corners`);
  assert.ok(Math.abs(signedArea(simple) - signedArea(ring)) < 40);
});

test("small rings keep every corner", () => {
  const ring = [0, 0, 5, 0.2, 10, 0, 10, 10, 0, 10];
  assert.equal(simplify(ring, 3), ring);
});

for (const [name, rows] of /** @type {[string, string[]][]} */ ([
  ["a block", ["....", ".##.", ".##.", "...."]],
  ["a ring", ["#######", "#.....#", "#.....#", "#.....#", "#######"]],
  ["a line", ["..........", "##########"]],
  ["one pixel", ["..", ".#"]],
])) {
  test(`the point for the id lies inside ${name}`, () => {
    const shape = shapeOf(rows);
    const { x, y } = innerPoint(shape);
    assert.ok(shape.has(Math.floor(x), Math.floor(y)), `${x}, ${y}`);
  });
}

test("the point for the id is far from the border", () => {
  const block = ".".padEnd(40, "#").padEnd(80, "."), line = "#".repeat(80);
  const rows = Array.from({ length: 41 }, (_, y) => (y === 20 ? line : block));
  const { x, y } = innerPoint(shapeOf(rows));
  assert.ok(Math.hypot(x - 20, y - 20) < 8, `${x}, ${y}`);
});
