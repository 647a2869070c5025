// @ts-check
/** @import { EditsAnswer, Step } from "../../automask_ui/ui/components/viewer/js/types.d.ts" */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { applySteps, createEdits } from "../../automask_ui/ui/components/viewer/js/model/edits.js";
import { fakeSignals } from "./helpers.js";

/** @param {Partial<EditsAnswer>} changes @returns {EditsAnswer} */
function told(changes = {}) {
  return {
    session: "session", version: 1, renumbered: [], classes: [], class_lines: [],
    labels: [], hidden: [], deleted: [], undo: null, redo: null,
    ...changes,
  };
}

test("steps are done on top of what the server told", () => {
  const edits = told({ classes: ["cat", "dog"], labels: [[1, 1], [2, 0]], hidden: [3], deleted: [9] });
  const now = applySteps(edits, [
    { do: "label", ids: [2, 4], label: "bird" },
    { do: "label", ids: [1], label: "" },
    { do: "hide", ids: [5], hidden: true },
    { do: "hide", ids: [3], hidden: false },
    { do: "delete", ids: [6, 7] },
    { do: "restore", ids: [7] },
    { do: "undo" },
    { do: "classes", text: "a" },
  ]);
  assert.deepEqual(now.classes, ["cat", "dog", "bird"]);
  assert.deepEqual([...now.labels], [[2, "bird"], [4, "bird"]]);
  assert.deepEqual([...now.places], [["cat", 0], ["dog", 1], ["bird", 2]]);
  assert.deepEqual([...now.hidden], [5]);
  assert.deepEqual([...now.deleted], [9, 6]);
  assert.deepEqual(edits.classes, ["cat", "dog"]); // left as it was
});

/** Edits of the session "session", and the parcels that were sent. */
function started() {
  /** @type {{ session: string, ticket: string, renumbered: boolean, steps: Step[] }[]} */
  const sent = [];
  const signals = fakeSignals();
  const edits = createEdits({ signals, send: (parcel) => void sent.push(parcel) });
  edits.start("session");
  return { edits, sent, topics: signals.topics };
}

/** @type {Step} */
const HIDE_1 = { do: "hide", ids: [1], hidden: true };
/** @type {Step} */
const HIDE_2 = { do: "hide", ids: [2], hidden: true };

test("a step shows at once and is sent; those after it wait for the answer, and go together", () => {
  const { edits, sent } = started();
  edits.add(HIDE_1);
  edits.add(HIDE_2);
  edits.add({ do: "label", ids: [1], label: "cat" });
  assert.deepEqual([edits.isHidden(1), edits.isHidden(2), edits.labelOf(1)], [true, true, "cat"]);
  assert.deepEqual(sent, [{ session: "session", ticket: "edit-1", renumbered: false, steps: [HIDE_1] }]);

  edits.take(told({ hidden: [1], answers: "edit-1" }));
  assert.deepEqual(sent[1], {
    session: "session", ticket: "edit-2", renumbered: false, steps: [HIDE_2, { do: "label", ids: [1], label: "cat" }],
  });
  assert.deepEqual([edits.isHidden(1), edits.isHidden(2), edits.labelOf(1)], [true, true, "cat"]);
});

test("a value that comes in between takes nothing back", () => {
  const { edits } = started();
  edits.add(HIDE_1);
  edits.take(told({ hidden: [] })); // from before the step
  assert.equal(edits.isHidden(1), true);
});

test("what the server says last holds, whatever was foreseen", () => {
  const { edits } = started();
  edits.add(HIDE_1);
  edits.take(told({ version: 2, hidden: [7], answers: "edit-1" }));
  assert.deepEqual([...edits.hidden], [7]);
  edits.take(told({ version: 1, hidden: [8] })); // older: late
  assert.deepEqual([...edits.hidden], [7]);
});

test("another session's word is passed over, and another session starts with nothing", () => {
  const { edits, sent } = started();
  edits.add(HIDE_1);
  edits.take(told({ session: "other", version: 9, hidden: [5] }));
  assert.deepEqual([...edits.hidden], [1]);
  edits.start("other");
  assert.deepEqual([...edits.hidden], []);
  edits.take(told({ answers: "edit-1" })); // the old session's answer
  edits.add(HIDE_2);
  assert.deepEqual(sent.at(-1), { session: "other", ticket: "edit-2", renumbered: false, steps: [HIDE_2] });
});

test("undo is there as soon as there is a step, redo only when the server says so", () => {
  const { edits } = started();
  assert.equal(edits.canUndo, false);
  edits.add(HIDE_1);
  assert.equal(edits.canUndo, true);
  const action = { kind: "hide", count: 1, label: "" };
  edits.take(told({ undo: null, redo: action, answers: "edit-1" }));
  assert.deepEqual([edits.canUndo, edits.undo, edits.redo], [false, null, action]);
});

test("an answer is told with its steps, once", () => {
  const { edits } = started();
  /** @type {object[]} */
  const answers = [];
  edits.onAnswered((answer) => answers.push(answer));
  edits.add({ do: "undo" });
  const way = /** @type {const} */ ({ kind: "hide", count: 1, label: "", way: "undone" });
  edits.take(told({ answers: "edit-1", told: way, error: "" }));
  edits.take(told({ answers: "edit-1", told: way }));
  assert.deepEqual(answers, [{ steps: [{ do: "undo" }], told: way, error: "", made: [], note: "", classLines: [] }]);
});

test("who uses ids hears at once of masks that are deleted or come back, and of nothing else", () => {
  const { edits, topics } = started();
  let heard = 0;
  edits.onDeletedChanged(() => heard++);
  edits.add(HIDE_1);
  assert.equal(heard, 0);
  assert.ok(topics.includes("shown"));
  edits.add({ do: "delete", ids: [1] });
  assert.equal(heard, 1);
  edits.take(told({ hidden: [1], answers: "edit-1" }));
  assert.equal(heard, 1); // still foreseen
});

test("without an answer, everything that was asked for is undone", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { edits, sent } = started();
  const lost = mock.fn();
  edits.onLost(lost);
  edits.add(HIDE_1);
  edits.add(HIDE_2);
  context.mock.timers.tick(20_000);
  assert.equal(lost.mock.callCount(), 1);
  assert.deepEqual([...edits.hidden], []);
  assert.equal(sent.length, 1);
  edits.add(HIDE_2);
  assert.equal(sent.length, 2);
});

test("masks that are renumbered while steps are on their way: all go on with the masks that were meant", () => {
  const { edits, sent } = started();
  edits.add({ do: "label", ids: [1], label: "cat" });
  edits.add({ do: "hide", ids: [1, 2, 9], hidden: true });
  /** @type {[number, number][][]} */
  const heard = [];
  edits.onRenumbered((newIds) => heard.push([...newIds]));
  const before = told({ version: 0 }), renumbered = told({ version: 2, renumbered: [[1, 3], [2, 0]] });
  assert.equal(edits.isOutdated(before), false);
  edits.take(renumbered);
  edits.take(renumbered);
  assert.deepEqual(heard, [[[1, 3], [2, 0]]]);
  assert.deepEqual([...edits.labels], [[3, "cat"]]);
  assert.deepEqual(sent[0].steps, [{ do: "label", ids: [1], label: "cat" }]); // the server knows what was meant
  assert.equal(edits.isOutdated(before), true);

  edits.take(told({ version: 3, renumbered: [[1, 3], [2, 0]], answers: "edit-1" }));
  const next = { do: "hide", ids: [3, 0, 9], hidden: true };
  assert.deepEqual(sent[1], { session: "session", ticket: "edit-2", renumbered: true, steps: [next] });
});
