// @ts-check
/** @import { ClickKeys, Point, Step, ViewerMask } from "../../automask_ui/ui/components/viewer/js/types.d.ts" */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDraft } from "../../automask_ui/ui/components/viewer/js/model/draft.js";
import { createEdits } from "../../automask_ui/ui/components/viewer/js/model/edits.js";
import { createLanguage } from "../../automask_ui/ui/components/viewer/js/model/language.js";
import { createListing } from "../../automask_ui/ui/components/viewer/js/model/listing.js";
import { createLook } from "../../automask_ui/ui/components/viewer/js/model/look.js";
import { completeData, createPicture } from "../../automask_ui/ui/components/viewer/js/model/picture.js";
import { createSelection } from "../../automask_ui/ui/components/viewer/js/model/selection.js";
import { createSignals } from "../../automask_ui/ui/components/viewer/js/model/signals.js";
import { createViewport } from "../../automask_ui/ui/components/viewer/js/model/viewport.js";
import { createSelectTool } from "../../automask_ui/ui/components/viewer/js/tools/select_tool.js";
import { maskOf } from "./helpers.js";

/** Three masks on a display copy of 10 × 2 px: 1 is all of it, 2 its left half, 3 two pixels of that. */
const MASKS = [maskOf(1, { area: 80 }), maskOf(2, { area: 40 }), maskOf(3, { area: 8 })];
const LAYERS = Uint32Array.from([1, 2, 0, 10, 10, 10, 2, 2, 0, 5, 10, 5, 3, 1, 1, 2]).buffer;
const IN_ALL = { x: 1, y: 0 }, IN_FIRST = { x: 8, y: 1 }, BESIDE = { x: 30, y: 1 };
const NO_KEYS = { ctrlKey: false, metaKey: false, shiftKey: false, altKey: false };
const TEXTS = {
  en: { hidden_here: "{id} hidden", deleted_here: "{id} deleted", filtered_here: "{id} filtered", tip: "{id}" },
};

/** The viewer's state as after a finished run, without the page. @param {ViewerMask[]} masks */
function finishedRun(masks = MASKS) {
  const signals = createSignals(() => 1, () => {});
  const language = createLanguage(TEXTS, "en");
  /** @type {Step[]} */
  const sent = [];
  const edits = createEdits({ signals, send: ({ steps }) => void sent.push(...steps) });
  const picture = createPicture({ signals, edits });
  const listing = createListing({ signals, picture, edits, language });
  const selection = createSelection({ signals, picture, listing, language, say() {} });
  const look = createLook({ signals });
  const viewport = createViewport({ signals, picture, pixelRatio: () => 1 });
  const data = completeData({
    session: "session", image: { url: "photo" }, width: 20, height: 4, display_width: 10, display_height: 2, masks,
  });
  picture.start(data);
  picture.setMasks(data, LAYERS);
  viewport.resize(26, 18); // with the photo at its own size
  signals.flush();

  /** @type {[string, object][]} */
  const events = [];
  /** @type {string[]} */
  const notes = [];
  const tool = createSelectTool({
    draft: createDraft({ signals }), edits, language, listing, look, picture, selection, signals, viewport,
    notes: {
      showTip: (sentence) => void notes.push(sentence), showNote: (sentence) => void notes.push(sentence),
      hideTip() {}, hideNote() {}, isNoteShown: () => false,
    },
    trigger: (event, payload) => void events.push([event, payload]),
  });
  /** @param {Point} point display px @param {Partial<ClickKeys>} keys */
  const click = (point, keys = {}) => {
    tool.click(viewport.toStage(point.x + 0.5, point.y + 0.5), { ...NO_KEYS, minus: false, ...keys });
    signals.flush();
  };
  /** @param {Step} step */
  const add = (step) => {
    edits.add(step);
    signals.flush();
  };
  return { signals, edits, picture, listing, selection, look, viewport, tool, click, add, events, notes };
}

test("masks are listed by id and painted from the largest", () => {
  const { listing } = finishedRun();
  for (const ids of [listing.sorted, listing.listed, listing.painted]) assert.deepEqual(ids, [1, 2, 3]);
  assert.equal(listing.covered, 1);
  listing.sortBy("area");
  assert.deepEqual(listing.sort, { key: "area", step: -1 });
  listing.sortBy("area");
  assert.deepEqual(listing.sort, { key: "area", step: 1 });
});

test("hidden masks stay in the table and leave the picture", () => {
  const { listing, add } = finishedRun();
  add({ do: "hide", ids: [1], hidden: true });
  assert.deepEqual([listing.listed, listing.shown(), listing.painted], [[1, 2, 3], [2, 3], [2, 3]]);
  assert.equal(listing.covered, 0.5);
});

test("the filter holds for table and picture, and follows labels", () => {
  const { listing, signals, edits, add } = finishedRun();
  listing.filterBy((mask) => edits.labelOf(mask.id) === "cat");
  signals.flush();
  assert.deepEqual([listing.sorted, listing.listed, listing.painted], [[1, 2, 3], [], []]);
  add({ do: "label", ids: [2], label: "cat" });
  assert.deepEqual([listing.listed, listing.painted], [[2], [2]]);
});

test("an order by label follows labels", () => {
  const { listing, signals, add } = finishedRun();
  listing.sortBy("label");
  signals.flush();
  add({ do: "label", ids: [3], label: "cat" });
  assert.deepEqual(listing.sorted, [3, 1, 2]);
});

test("deleted masks are gone at once, and come back", () => {
  const { edits, picture, listing, selection, signals } = finishedRun();
  selection.only(2);
  edits.add({ do: "delete", ids: [2] });
  assert.deepEqual([[...picture.byId.keys()], [...selection.ids]], [[1, 3], []]);
  signals.flush();
  assert.deepEqual(listing.painted, [1, 3]);
  const nothing = { classes: [], class_lines: [], labels: [], hidden: [], deleted: [], undo: null, redo: null };
  edits.take({ session: "session", version: 1, renumbered: [], ...nothing, answers: "edit-1" });
  signals.flush();
  assert.deepEqual(listing.painted, [1, 2, 3]);
});

test("another session leaves nothing of the old one but how it is looked at", () => {
  const { edits, picture, listing, selection, signals, look } = finishedRun();
  look.set({ mode: "fill" });
  selection.only(2);
  edits.add({ do: "hide", ids: [3], hidden: true });
  picture.start(completeData({ session: "next" }));
  signals.flush();
  assert.deepEqual([listing.sorted, [...selection.ids], [...edits.hidden], picture.photoUrl], [[], [], [], ""]);
  assert.equal(look.mode, "fill");
});

test("clicks on one spot go through nested masks; elsewhere they start again", () => {
  const { click, selection } = finishedRun();
  const found = [];
  for (let i = 0; i < 4; i++) {
    click(IN_ALL);
    found.push(selection.primary);
  }
  assert.deepEqual(found, [3, 2, 1, 3]);
  click(IN_FIRST);
  assert.deepEqual([...selection.ids], [1]);
});

test("a click with a modifier adds, and beside everything it clears nothing", () => {
  const { click, selection } = finishedRun();
  click(IN_FIRST);
  click(IN_ALL, { shiftKey: true });
  click(BESIDE, { ctrlKey: true });
  assert.deepEqual([...selection.ids], [1, 3]);
  click(BESIDE);
  assert.deepEqual([...selection.ids], []);
});

test("a click on nothing says what was there, or asks", () => {
  const { add, click, events, listing, notes, signals } = finishedRun();
  add({ do: "hide", ids: [1], hidden: true });
  click(IN_FIRST);
  add({ do: "delete", ids: [1] });
  click(IN_FIRST);
  listing.filterBy(() => false);
  signals.flush();
  click(IN_ALL);
  assert.deepEqual([notes, events], [["1 hidden", "1 deleted", "3 filtered"], []]);
});

test("where no mask ever was, the server is asked, in px of the original", () => {
  const { click, events } = finishedRun([maskOf(2), maskOf(3)]);
  click(IN_FIRST);
  assert.deepEqual(events, [["why", { session: "session", x: 17, y: 3 }]]);
});

test("the photo alone shows no mask to point at", () => {
  const { look, selection, tool, viewport } = finishedRun();
  const point = viewport.toStage(1.5, 0.5);
  tool.hover(point);
  assert.equal(selection.hover, 3);
  look.set({ photoOnly: true });
  tool.hover(point);
  assert.equal(selection.hover, 0);
});

test("a rubber band selects what lies in it as a whole", () => {
  const { selection, signals, tool, viewport } = finishedRun();
  assert.equal(tool.startDrag?.({ x: 0, y: 0 }, NO_KEYS), null); // without Shift a drag moves the photo
  const drag = tool.startDrag?.(viewport.toStage(5.5, 3), { ...NO_KEYS, shiftKey: true });
  drag?.move(viewport.toStage(-1, -1));
  drag?.end();
  signals.flush();
  assert.deepEqual([...selection.ids], [2, 3]);
});

test("a band that is given up selects nothing", () => {
  const { selection, tool, viewport } = finishedRun();
  selection.only(1);
  const drag = tool.startDrag?.(viewport.toStage(5.5, 3), { ...NO_KEYS, shiftKey: true });
  drag?.move(viewport.toStage(-1, -1));
  drag?.cancel();
  assert.deepEqual([...selection.ids], [1]);
});

test("when a first run ends and masks are numbered, the selection follows, whichever word of it comes first", () => {
  /** @type {[number, number][]} */
  const renumbered = [[1, 3], [3, 1]];
  const said = {
    session: "session", version: 5, renumbered, classes: ["cat"], class_lines: ["cat"],
    labels: /** @type {[number, number][]} */ ([[1, 0]]), hidden: [], deleted: [], undo: null, redo: null,
  };
  const before = { ...said, version: 4, renumbered: [], labels: [] };
  const now = [maskOf(3, { area: 80 }), maskOf(2, { area: 40 }), maskOf(1, { area: 8 })];
  const layers = Uint32Array.from([3, 2, 0, 10, 10, 10, 2, 2, 0, 5, 10, 5, 1, 1, 1, 2]).buffer;
  for (const answerComesFirst of [true, false]) {
    const { edits, picture, selection } = finishedRun();
    const shape = picture.shapes.get(3);
    selection.these([3, 2]);
    if (answerComesFirst) edits.take(said);
    if (answerComesFirst) assert.deepEqual([...selection.ids], [1, 2]);
    picture.setMasks({ ...picture.data, masks: now, edits: said }, layers);
    assert.deepEqual([[...selection.ids], selection.primary], [[1, 2], 1]);
    assert.equal(picture.shapes.get(1), shape); // what was drawn of it is still good
    assert.equal(edits.labelOf(1), "cat");
    // A value from before, late.
    picture.setMasks({ ...picture.data, masks: MASKS, edits: before }, LAYERS);
    assert.deepEqual(picture.all.map(({ id }) => id), [3, 2, 1]);
  }
});
