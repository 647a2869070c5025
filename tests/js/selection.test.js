// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { createLook } from "../../automask_ui/ui/components/viewer/js/model/look.js";
import { createSelection } from "../../automask_ui/ui/components/viewer/js/model/selection.js";
import { createSignals } from "../../automask_ui/ui/components/viewer/js/model/signals.js";
import { fakeSignals, maskOf } from "./helpers.js";

/** A selection among masks 1 to 5, in the table as 5, 4, 3, 2, 1; and what deletes some of them. */
function started() {
  /** @type {string[]} */
  const said = [];
  /** @type {(() => void)[]} */
  const replaced = [];
  /** @type {((newIds: ReadonlyMap<number, number>) => void)[]} */
  const renumber = [];
  const picture = {
    byId: new Map([1, 2, 3, 4, 5].map((id) => [id, maskOf(id)])),
    onRenumbered: (/** @type {(newIds: ReadonlyMap<number, number>) => void} */ run) => void renumber.push(run),
    onMasksReplaced: (/** @type {() => void} */ run) => void replaced.push(run),
    onSessionStarted() {},
  };
  const selection = createSelection({
    signals: fakeSignals(), picture, listing: { sorted: [5, 4, 3, 2, 1], listed: [5, 4, 3, 2, 1] },
    language: { text: (key) => key }, say: (sentence) => void said.push(sentence),
  });
  /** @param {number[]} ids */
  const drop = (...ids) => {
    picture.byId = new Map([...picture.byId].filter(([id]) => !ids.includes(id)));
    for (const run of replaced) run();
  };
  return { selection, said, drop };
}

test("one, then more, then fewer", () => {
  const { selection, said } = started();
  selection.only(2);
  selection.toggle(4);
  assert.deepEqual([[...selection.ids], selection.primary, selection.inOrder()], [[2, 4], 4, [4, 2]]);
  selection.toggle(4);
  assert.deepEqual([[...selection.ids], selection.primary], [[2], 2]);
  selection.clear();
  selection.clear();
  assert.deepEqual(said, ["said_selected", "said_many", "said_selected", "said_none"]);
});

test("a range goes from the anchor in table order, and may keep what was selected", () => {
  const { selection } = started();
  selection.only(4);
  selection.range(2);
  assert.deepEqual([...selection.ids], [4, 3, 2]);
  selection.range(5);
  assert.deepEqual([...selection.ids], [5, 4]);
  selection.only(1);
  selection.only(3);
  selection.toggle(1);
  selection.range(2, true);
  assert.deepEqual(selection.inOrder(), [3, 2, 1]);
});

test("extending starts where the focus was if nothing is selected", () => {
  const { selection } = started();
  selection.extend(3, 4);
  assert.deepEqual([...selection.ids], [4, 3]);
  selection.extend(2, 3);
  assert.deepEqual([...selection.ids], [4, 3, 2]);
});

test("masks that are gone are forgotten, without a word", () => {
  const { selection, said, drop } = started();
  selection.these([1, 2, 9]);
  selection.setHover(2);
  said.length = 0;
  drop(1, 2);
  assert.deepEqual([[...selection.ids], selection.primary, selection.hover, said], [[], 0, 0, []]);
});

test("a short press switches to the photo alone, a long one only shows it", () => {
  let time = 1;
  const look = createLook({ signals: fakeSignals(), now: () => time });
  look.pressPhotoOnly();
  time += 100;
  look.releasePhotoOnly();
  assert.equal(look.photoOnly, true);
  look.releasePhotoOnly(); // nothing was pressed
  look.pressPhotoOnly();
  time += 1000;
  look.releasePhotoOnly();
  assert.equal(look.photoOnly, false);
});

test("work is done once a frame, what others are computed from first", () => {
  /** @type {(() => void)[]} */
  const frames = [];
  /** @type {string[]} */
  const done = [];
  const signals = createSignals((run) => frames.push(run), () => {});
  signals.on(["masks", "view"], (topics) => done.push(`draw ${[...topics].join(" ")}`));
  signals.on(["labels"], () => done.push("labels"));
  signals.derive(["masks"], () => done.push("derive"));
  signals.changed("masks");
  signals.changed("masks", "view");
  assert.deepEqual([frames.length, done], [1, []]);
  frames[0]();
  assert.deepEqual(done, ["derive", "draw masks view"]);
  signals.changed("labels");
  signals.flush();
  assert.deepEqual(done.at(-1), "labels");
  signals.flush();
  assert.equal(done.length, 3);
});

test("what the server has made is selected once it is there", () => {
  const { selection, drop } = started();
  selection.only(2);
  selection.await([4, 9]);
  assert.deepEqual([...selection.ids], [2]);
  selection.await([3, 4]);
  assert.deepEqual([...selection.ids], [3, 4]);
  selection.await([9]);
  selection.clear();
  drop();
  assert.deepEqual([...selection.ids], []);
});
