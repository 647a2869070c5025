// @ts-check
/** @import { Parcel } from "../../automask_ui/ui/components/viewer/js/model/prompt.js" */
import assert from "node:assert/strict";
import { test } from "node:test";
import { completeData } from "../../automask_ui/ui/components/viewer/js/model/picture.js";
import { createPrompt } from "../../automask_ui/ui/components/viewer/js/model/prompt.js";
import { fakeSignals } from "./helpers.js";

/** Two candidates on a display copy of 10 px: one of three pixels and one of ten. */
const LAYERS = Uint32Array.from([1, 1, 0, 3, 2, 1, 10, 10]).buffer;
const ROWS = [{ score: 0.9, stability: 0.8, area: 12 }, { score: 0.7, stability: null, area: 40 }];

/** A prompt on a photo twice as large as its display copy; what it asks; and how to answer. */
function started() {
  /** @type {Parcel[]} */
  const asked = [];
  /** @type {(() => void)[]} */
  const restarts = [];
  const picture = {
    session: "session", data: completeData({ display_width: 10 }), enlargement: () => 2,
    onRenumbered() {},
    onSessionStarted: (/** @type {() => void} */ run) => void restarts.push(run),
  };
  const prompt = createPrompt({
    picture, send: (parcel) => void asked.push(parcel), signals: fakeSignals(), unpack: async () => LAYERS,
  });
  const answer = async (at = asked.length - 1, candidates = ROWS, error = "") => {
    const layers = candidates.length ? "packed" : "";
    await prompt.take({ session: "session", ticket: asked[at].ticket, error, layers, candidates });
  };
  return { prompt, asked, answer, picture, restart: () => restarts.forEach((run) => run()) };
}

test("a click is asked in px of the original, and its candidates can be stepped through", async () => {
  const { prompt, asked, answer } = started();
  prompt.click({ x: 3, y: 1.5 }, true);
  assert.deepEqual(asked, [{ session: "session", ticket: "prompt-1", id: 0, clicks: [[6, 3, 1]], box: null }]);
  assert.equal(prompt.current(), undefined);
  await answer();
  assert.deepEqual([prompt.current()?.place, prompt.current()?.area, prompt.isWaiting()], [0, 12, false]);
  prompt.step(1);
  assert.equal(prompt.current()?.place, 1);
  prompt.step(1);
  assert.equal(prompt.current()?.place, 0);
  prompt.step(-1);
  assert.equal(prompt.current()?.place, 1);
});

test("while a question is under way the pointer's next places wait, and only the last one is asked", async () => {
  const { prompt, asked, answer } = started();
  for (const x of [1, 2, 3, 4]) prompt.hoverAt({ x, y: 0 });
  assert.equal(asked.length, 1);
  await answer(0);
  assert.deepEqual(asked.map(({ clicks }) => clicks[0][0]), [2, 8]);
  // The pointer has moved on a little: the last answer stays until the next one is there.
  assert.equal(prompt.candidates.length, 2);
});

test("a click where the pointer rests uses the answer that is there already", async () => {
  const { prompt, asked, answer } = started();
  prompt.hoverAt({ x: 3, y: 1 });
  await answer();
  prompt.click({ x: 3, y: 1 }, true);
  assert.equal(asked.length, 1);
  assert.equal(prompt.isOpen(), true);
  assert.equal(prompt.candidates.length, 2);
});

test("an answer to clicks that have changed meanwhile is not shown", async () => {
  const { prompt, asked, answer } = started();
  prompt.click({ x: 3, y: 1 }, true);
  prompt.click({ x: 8, y: 1 }, false);
  assert.equal(asked.length, 1);
  await answer(0);
  assert.equal(prompt.candidates.length, 0);
  assert.deepEqual(asked[1].clicks, [[6, 2, 1], [16, 2, 0]]);
  await answer(0); // twice, or late: it is no answer to what is asked now
  assert.equal(prompt.candidates.length, 0);
  await answer(1);
  assert.equal(prompt.candidates.length, 2);
});

test("clicks are taken back one by one, and nothing is asked of nothing", async () => {
  const { prompt, asked, answer } = started();
  prompt.setBox({ x: 1, y: 0, w: 4, h: 1 });
  await answer();
  prompt.click({ x: 3, y: 1 }, false);
  await answer();
  assert.deepEqual([asked[1].clicks, asked[1].box], [[[6, 2, 0]], [2, 0, 10, 2]]);
  prompt.undo();
  assert.deepEqual(asked[2].clicks, []);
  await answer();
  prompt.undo();
  assert.deepEqual([prompt.isOpen(), asked.length, prompt.candidates.length], [false, 3, 0]);
});

test("a refusal is told, and another picture forgets everything", async () => {
  const { prompt, answer, asked, picture, restart } = started();
  prompt.start(7);
  prompt.click({ x: 3, y: 1 }, true);
  assert.equal(asked[0].id, 7);
  await answer(0, [], "no mask here");
  assert.deepEqual([prompt.error, prompt.candidates.length], ["no mask here", 0]);
  picture.session = "another";
  restart();
  assert.deepEqual([prompt.error, prompt.isOpen(), prompt.id], ["", false, 0]);
});

test("a candidate too small for the display copy leaves the others their places", async () => {
  const { prompt, answer } = started();
  prompt.click({ x: 3, y: 1 }, true);
  await answer(0, [...ROWS, { score: 0.5, stability: 0.1, area: 1 }]);
  assert.deepEqual(prompt.candidates.map(({ place }) => place), [0, 1]);
});
