// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { createViewport } from "../../automask_ui/ui/components/viewer/js/model/viewport.js";
import { fakeSignals } from "./helpers.js";

/** A stage of 416 × 216 px with a photo of 400 × 100 px, shown from one of 800 × 200 px. */
function fitted(pixelRatio = 1) {
  const picture = { size: () => ({ w: 400, h: 100 }), enlargement: () => 2 };
  const view = createViewport({ signals: fakeSignals(), picture, pixelRatio: () => pixelRatio });
  view.resize(416, 216);
  return view;
}

test("a photo that fits has air around it and lies in the middle", () => {
  const { scale, x, y } = fitted();
  assert.deepEqual([scale, x, y], [1, 8, 58]);
});

test("points go to the photo and back", () => {
  const view = fitted();
  view.zoomBy(3, 100, 80);
  const { x, y } = view.toPhoto(33, 44);
  assert.deepEqual(view.toStage(x, y), { x: 33, y: 44 });
});

test("zooming keeps the spot under the pointer", () => {
  const view = fitted();
  const before = view.toPhoto(100, 80);
  view.zoomBy(2, 100, 80);
  const after = view.toPhoto(100, 80);
  assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < 1e-9);
  assert.equal(view.fitted, false);
});

test("zooming has ends: the fitted size, and 24 px a display px", () => {
  const view = fitted();
  view.zoomBy(1e-6);
  assert.equal(view.scale, 1);
  view.zoomBy(1e6);
  assert.equal(view.scale, 24);
});

test("actual pixels: one px of the original on one of the screen", () => {
  const view = fitted(2);
  view.zoomActual();
  assert.equal(view.scale, 1);
});

test("the photo cannot be pushed out of sight", () => {
  const view = fitted();
  view.moveBy(-5000, 5000);
  assert.deepEqual([view.x, view.y], [64 - 400, 216 - 64]);
});

test("the pixel under a point", () => {
  const view = fitted();
  assert.deepEqual(view.pixelAt({ x: 8.9, y: 58 }), { x: 0, y: 0 });
  assert.equal(view.pixelAt({ x: 7, y: 60 }), null);
  assert.equal(view.pixelAt({ x: 408, y: 60 }), null);
});

test("what is in sight does not move when it is revealed; what is not comes to the middle", () => {
  const view = fitted();
  view.zoomBy(4, 8, 58);
  const before = { ...view };
  view.reveal({ x: 10, y: 10, w: 20, h: 10 });
  assert.deepEqual([view.x, view.y], [before.x, before.y]);
  view.reveal({ x: 300, y: 50, w: 20, h: 10 });
  assert.deepEqual(view.toStage(310, 55), { x: 208, y: 108 });
  assert.equal(view.scale, 4);
});

test("a box too large for the stage is zoomed out for", () => {
  const view = fitted();
  view.zoomBy(20, 8, 58);
  view.reveal({ x: 200, y: 0, w: 100, h: 100 });
  assert.equal(view.scale, 2);
});

test("another size of the stage keeps the fit, or the middle", () => {
  const view = fitted();
  view.resize(816, 216);
  assert.equal(view.scale, 2);
  view.zoomBy(2, 300, 100);
  const middle = view.toPhoto(408, 108);
  view.resize(600, 300);
  const now = view.toPhoto(300, 150);
  assert.ok(Math.hypot(now.x - middle.x, now.y - middle.y) < 1e-9);
});
