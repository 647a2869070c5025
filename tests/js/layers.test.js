// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { besideFills } from "../../automask_ui/ui/components/viewer/js/picture/layers.js";

test("outlines beside fills are plain where masks are few, and fade where they would be a tangle", () => {
  assert.equal(besideFills(1), besideFills(20));
  assert.ok(besideFills(20) > 0.7);
  assert.ok(besideFills(170) < 0.4);
  assert.ok(besideFills(1000) < 0.15);
  assert.ok(besideFills(1000) > 0.1, "borders of things of one colour can still be seen");
});
