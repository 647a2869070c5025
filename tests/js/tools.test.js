// @ts-check
/** @import { Point, Step, ViewerEdits } from "../../automask_ui/ui/components/viewer/js/types.d.ts" */
import assert from "node:assert/strict";
import { test } from "node:test";
import { boxBetween, createDraft } from "../../automask_ui/ui/components/viewer/js/model/draft.js";
import { createEdits } from "../../automask_ui/ui/components/viewer/js/model/edits.js";
import { completeData } from "../../automask_ui/ui/components/viewer/js/model/picture.js";
import { createBrush } from "../../automask_ui/ui/components/viewer/js/tools/brush.js";
import { createPaintTools } from "../../automask_ui/ui/components/viewer/js/tools/paint_tools.js";
import { createRegionTool } from "../../automask_ui/ui/components/viewer/js/tools/region_tool.js";
import { fakeSignals } from "./helpers.js";

const KEYS = { ctrlKey: false, metaKey: false, shiftKey: false, altKey: false };
/** @type {ViewerEdits} */
const NO_EDITS = {
  session: "session", version: 0, renumbered: [], classes: [], class_lines: [], labels: [], hidden: [], deleted: [],
  undo: null, redo: null,
};
const PLAIN = { ...KEYS, minus: false };

/** Paint tools on a photo of 200 × 100 px, shown at half its size; stage px are display px. */
function started() {
  const signals = fakeSignals(), draft = createDraft({ signals });
  /** @type {(() => void)[]} */
  const restarts = [];
  /** @type {{ session: string, ticket: string, steps: Step[] }[]} */
  const sent = [];
  /** @type {string[]} */
  const flashed = [];
  const edits = createEdits({ signals, send: (parcel) => void sent.push(parcel) });
  edits.start("session");
  const selection = { primary: 0 };
  const toPhoto = (/** @type {number} */ x, /** @type {number} */ y) => ({ x, y });
  /** @type {any} */
  const picture = {
    session: "session", data: completeData({ width: 200, height: 100 }), enlargement: () => 2,
    inOriginal: (/** @type {Point[]} */ points) => points.map(({ x, y }) => [2 * x, 2 * y]),
    onSessionStarted: (/** @type {() => void} */ run) => void restarts.push(run),
  };
  const viewport = /** @type {any} */ ({ scale: 1, toPhoto, toStage: toPhoto });
  const brush = createBrush({ draft, picture, viewport });
  /** @type {any[]} */
  const looks = [];
  const { region, tool: regionTool } = createRegionTool({
    brush, draft, picture, viewport, trigger: (_, payload) => void looks.push(payload),
  });
  const { brushTool, ...tools } = createPaintTools({
    brush, draft, edits, language: /** @type {any} */ ({ text: (/** @type {string} */ key) => key }),
    notices: /** @type {any} */ ({ flash: (/** @type {string} */ sentence) => void flashed.push(sentence) }),
    picture, selection: /** @type {any} */ (selection), viewport,
  });
  /** @param {number[][]} made ids, of each step @param {string} error */
  const answer = (made = [], error = "") => {
    const { ticket } = sent[sent.length - 1];
    edits.take({ ...NO_EDITS, version: sent.length, answers: ticket, made, error });
  };
  /** @param {import("../../automask_ui/ui/components/viewer/js/types.d.ts").Tool} tool @param {Point[]} points */
  const drag = (tool, points, keys = KEYS) => {
    const [first, ...others] = points, gesture = tool.startDrag?.(first, keys);
    for (const point of others) gesture?.move(point);
    gesture?.end();
  };
  const restart = () => restarts.forEach((run) => run());
  const { size, resize } = brush, done = { sent, flashed, looks };
  return {
    ...tools, ...done, brush: brushTool, size, resize, region, regionTool, draft, edits, selection, answer, drag,
    restart,
  };
}

const steps = (/** @type {{ steps: Step[] }[]} */ sent) => sent.flatMap((parcel) => parcel.steps);

test("a stroke is sent in px of the original, and stays in sight until it is answered", () => {
  const { brush, draft, sent, selection, answer, drag, size } = started();
  selection.primary = 4;
  drag(brush, [{ x: 1, y: 1 }, { x: 1.2, y: 1 }, { x: 5, y: 1 }]);
  const points = [[2, 2], [10, 2]]; // points that nobody could tell apart are left out
  assert.deepEqual(steps(sent), [
    { do: "paint", id: 4, cut: false, strokes: [{ width: size(), points }], outline: null },
  ]);
  assert.equal(draft.strokes.length, 1);
  answer([[4]]);
  assert.equal(draft.strokes.length, 0);
});

test("strokes on a mask that is still being made wait for it", () => {
  const { brush, sent, answer } = started();
  brush.click({ x: 1, y: 1 }, PLAIN);
  brush.click({ x: 9, y: 1 }, PLAIN);
  assert.deepEqual(steps(sent).map((step) => step.do === "paint" && step.id), [0]);
  answer([[12]]);
  assert.deepEqual(steps(sent).map((step) => step.do === "paint" && step.id), [0, 12]);
});

test("strokes wait for their own mask, whatever else was answered or made", () => {
  const { brush, edits, sent, answer } = started();
  edits.add({ do: "label", ids: [1], label: "cat" });
  edits.add({ do: "duplicate", ids: [1] });
  brush.click({ x: 1, y: 1 }, PLAIN);
  brush.click({ x: 9, y: 1 }, PLAIN);
  answer([[]]); // of the label
  answer([[7], [8]]);
  const painted = steps(sent).filter((step) => step.do === "paint");
  assert.deepEqual(painted.map(({ id }) => id), [0, 8]);
});

test("of strokes for a mask that was refused, the first makes it and the others wait for that", () => {
  const { brush, eraser, flashed, sent, answer } = started();
  for (const x of [1, 9]) brush.click({ x, y: 1 }, PLAIN);
  eraser.click({ x: 20, y: 1 }, PLAIN);
  answer([[]], "refused");
  answer([[5]]);
  const painted = steps(sent).filter((step) => step.do === "paint");
  assert.deepEqual(painted.map(({ id, cut }) => [id, cut]), [[0, false], [0, false], [5, true]]);
  assert.deepEqual(flashed, []);
});

test("strokes of a photo that is left are forgotten", () => {
  const { brush, draft, sent, restart } = started();
  for (const x of [1, 9]) brush.click({ x, y: 1 }, PLAIN);
  restart();
  assert.equal(draft.strokes.length, 0);
  brush.click({ x: 5, y: 1 }, PLAIN);
  assert.deepEqual([draft.strokes.length, sent.length], [1, 1]);
});

test("the thinnest brush is a pixel of the original", () => {
  const { brush, sent, resize } = started();
  resize(0.01);
  brush.click({ x: 1, y: 1 }, PLAIN);
  const [step] = steps(sent);
  assert.equal(step.do === "paint" && step.strokes[0].width, 1);
});

test("a stroke that the server refuses goes", () => {
  const { brush, draft, answer } = started();
  brush.click({ x: 1, y: 1 }, PLAIN);
  answer([], "refused");
  assert.equal(draft.strokes.length, 0);
});

test("nothing is cut out of nothing", () => {
  const { eraser, lasso, lassoTool, sent, flashed, drag } = started();
  eraser.click({ x: 1, y: 1 }, PLAIN);
  drag(lassoTool, [{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: 9 }], { ...KEYS, altKey: true });
  lasso.cuts = true;
  drag(lassoTool, [{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: 9 }]);
  assert.deepEqual([sent, flashed], [[], ["cut_none", "cut_none", "cut_none"]]);
});

test("an outline corner by corner is closed by Enter, or by a click on its first corner", () => {
  const { lassoTool, sent, selection } = started();
  selection.primary = 3;
  const corners = [{ x: 0, y: 0 }, { x: 40, y: 0 }, { x: 40, y: 40 }];
  for (const corner of corners) lassoTool.click(corner, PLAIN);
  assert.equal(lassoTool.key?.("Enter"), true);
  for (const corner of [...corners, { x: 2, y: 1 }]) lassoTool.click(corner, { ...PLAIN, minus: true });
  const outline = [[0, 0], [80, 0], [80, 80]];
  assert.deepEqual(steps(sent.slice(0, 1)), [{ do: "paint", id: 3, cut: false, strokes: [], outline }]);
  assert.equal(lassoTool.key?.("Enter"), false); // nothing is open
});

test("corners are taken back, and an outline of two corners is not closed yet", () => {
  const { draft, lassoTool, sent } = started();
  for (const x of [0, 40, 60, 90]) lassoTool.click({ x, y: x }, PLAIN);
  lassoTool.key?.("Backspace");
  assert.equal(lassoTool.undo?.(), true);
  lassoTool.key?.("Enter");
  assert.deepEqual([sent.length, draft.outline.length], [0, 2]);
  lassoTool.key?.("Escape");
  assert.deepEqual([draft.outline, lassoTool.undo?.()], [[], false]);
});

test("a double click on the last corner closes an outline, and is one corner before that", () => {
  const { draft, lassoTool, sent } = started();
  for (const x of [0, 0, 40, 40]) lassoTool.click({ x, y: x }, PLAIN);
  assert.equal(draft.outline.length, 2);
  for (let i = 0; i < 2; i++) lassoTool.click({ x: 40, y: 0 }, PLAIN);
  assert.deepEqual([steps(sent).length, draft.outline], [1, []]);
});

test("a drag goes on from corners, and they stay where it is given up", () => {
  const { draft, lassoTool, sent, drag } = started();
  for (const x of [0, 40]) lassoTool.click({ x, y: x }, PLAIN);
  drag(lassoTool, [{ x: 40, y: 20 }, { x: 40, y: 0 }]);
  assert.equal(draft.outline.length, 4);
  const gesture = lassoTool.startDrag?.({ x: 30, y: 0 }, KEYS);
  gesture?.move({ x: 20, y: 0 });
  gesture?.cancel();
  assert.deepEqual([draft.outline.length, sent.length], [4, 0]);
  lassoTool.key?.("Enter");
  assert.equal(steps(sent).length, 1);
});

test("the brush grows and shrinks by keys, at least by one px, and never below it", () => {
  const { brush, size, resize } = started();
  assert.equal(size(), 5);
  brush.key?.("]");
  assert.equal(size(), 6);
  for (let i = 0; i < 20; i++) brush.key?.("[");
  assert.equal(size(), 1);
  brush.key?.("]");
  assert.equal(size(), 2);
  for (let i = 0; i < 60; i++) resize(1.25);
  assert.equal(size(), 2000);
});

test("with Alt the brush cuts, and the eraser adds", () => {
  const { brush, eraser, sent, selection, answer, drag } = started();
  selection.primary = 4;
  drag(brush, [{ x: 1, y: 1 }, { x: 5, y: 1 }], { ...KEYS, altKey: true });
  answer([[4]]);
  eraser.click({ x: 1, y: 1 }, { ...PLAIN, minus: true });
  assert.deepEqual(steps(sent).map((step) => step.do === "paint" && step.cut), [true, false]);
});

test("what is outlined, painted and cut out is where to look, one after the other, in px of the original", () => {
  const { region, regionTool, looks, draft, drag, size, restart } = started();
  region.setPainted(true);
  regionTool.click({ x: 1, y: 1 }, { ...PLAIN, minus: true }); // there is nothing yet to cut from
  assert.deepEqual([looks, region.pieces], [[], []]);
  drag(regionTool, [{ x: 1, y: 1 }, { x: 5, y: 1 }]);
  regionTool.click({ x: 3, y: 1 }, { ...PLAIN, minus: true });
  region.setPainted(false);
  region.cuts = true;
  drag(regionTool, [{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: 9 }]);
  const drawn = [
    { cut: false, strokes: [{ width: size(), points: [[2, 2], [10, 2]] }], outline: null },
    { cut: true, strokes: [{ width: size(), points: [[6, 2]] }], outline: null },
    { cut: true, strokes: [], outline: [[0, 0], [18, 0], [18, 18]] },
  ];
  assert.deepEqual(looks.map((look) => look.drawn.length), [1, 2, 3]);
  assert.deepEqual(looks[2], { session: "session", drawn, only: true });
  assert.deepEqual([draft.strokes, draft.outline], [[], []]);
  region.setOnly(false);
  assert.deepEqual(looks[3], { session: "session", drawn, only: false });
  region.clear();
  assert.deepEqual(looks[4].drawn, []);
  restart();
  assert.deepEqual([regionTool.undo?.(), regionTool.redo?.()], [false, false]); // of another picture
});

test("where to look is taken back piece by piece, open corners first, and comes again", () => {
  const { region, regionTool, looks, drag, draft } = started();
  const outline = [{ x: 0, y: 0 }, { x: 9, y: 0 }, { x: 9, y: 9 }];
  assert.equal(regionTool.undo?.(), false); // so that masks are what is taken back
  drag(regionTool, outline);
  drag(regionTool, outline, { ...KEYS, altKey: true });
  regionTool.click({ x: 1, y: 1 }, PLAIN);
  const counts = () => [looks.length, looks.at(-1).drawn.length];
  assert.equal(regionTool.undo?.(), true);
  assert.deepEqual([draft.outline, counts()], [[], [2, 2]]);
  assert.equal(regionTool.undo?.(), true);
  assert.deepEqual(counts(), [3, 1]);
  assert.equal(regionTool.redo?.(), true);
  assert.deepEqual(counts(), [4, 2]);
  assert.equal(regionTool.redo?.(), false);
  region.clear();
  assert.equal(regionTool.undo?.(), true);
  assert.deepEqual(counts(), [6, 2]);
  for (let left = 2; left > 0; left--) regionTool.undo?.();
  assert.deepEqual([counts(), regionTool.undo?.()], [[8, 0], false]);
  drag(regionTool, outline);
  assert.equal(regionTool.redo?.(), false); // something else was drawn since
});

test("the brush's keys work where it paints, and a stroke that is given up is none", () => {
  const { region, regionTool, looks, draft, size } = started();
  assert.equal(regionTool.key?.("]"), false);
  region.setPainted(true);
  assert.equal(regionTool.key?.("]"), true);
  assert.equal(size(), 6);
  const gesture = regionTool.startDrag?.({ x: 1, y: 1 }, KEYS);
  gesture?.move({ x: 9, y: 1 });
  assert.equal(draft.strokes.length, 1);
  gesture?.cancel();
  assert.deepEqual([draft.strokes, looks], [[], []]);
});

test("a box between two corners, whichever comes first", () => {
  assert.deepEqual(boxBetween({ x: 5, y: 1 }, { x: 2, y: 9 }), { x: 2, y: 1, w: 3, h: 8 });
});
