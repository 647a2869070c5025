// @ts-check
/** @import { Box, Picture, Point, PredictionAnswer, Signals } from "../types.d.ts" */
/** @import { Shape } from "./shapes.js" */
import { readLayers } from "./shapes.js";

// What the model is asked about a place: while the pointer rests there, or with clicks and a box that stay until they
// are taken. One question at a time is under way; what changes meanwhile is asked when the answer is there.

const ANSWER_WITHIN = 60_000; // ms: a large model may have to read the picture first

/** @typedef {Point & { label: 0 | 1 }} Click in display px; 1 belongs to the mask, 0 does not */
/** `place` is the server's. @typedef {PredictionAnswer["candidates"][0] & { place: number, shape: Shape }} Candidate */
/** @typedef {{ clicks: readonly Click[], box: Box | null, id: number }} Question */
/** In px of the original. @typedef {{ clicks: [number, number, number][], box: number[] | null, id: number }} Asked */
/** @typedef {Asked & { session: string | null, ticket: string }} Parcel */

/**
 * Owns the prompt in the making, and the masks that the model has offered for it.
 *
 * @param {object} deps
 * @param {Pick<Picture, "session" | "data" | "enlargement" | "onRenumbered" | "onSessionStarted">} deps.picture
 * @param {(parcel: Parcel) => void} deps.send to the server, which answers with `take`
 * @param {Pick<Signals, "changed">} deps.signals
 * @param {(layers: string) => Promise<ArrayBuffer>} deps.unpack
 */
export function createPrompt({ picture, send, signals, unpack }) {
  /** @type {Point | null} */
  let hover = null;
  /** The question under way. @type {{ ticket: string, key: string, timer: ReturnType<typeof setTimeout> } | null} */
  let asked = null;
  /** The question that the candidates answer. */
  let answeredKey = "";
  let tickets = 0;

  /** @returns {Question | null} */
  function question() {
    if (prompt.isOpen()) return { clicks: prompt.clicks, box: prompt.box, id: prompt.id };
    return hover && { clicks: [{ ...hover, label: 1 }], box: null, id: prompt.id };
  }

  /** Asks what is not answered yet, and drops what answers nothing any more. */
  function refresh() {
    const wanted = question(), key = wanted ? JSON.stringify(wanted) : "";
    // While the pointer moves on, the last answer stays until the next one is there.
    if (!wanted || (prompt.isOpen() && key !== answeredKey)) forget();
    if (wanted && key !== answeredKey && !asked) ask(wanted, key);
    signals.changed("draft");
  }

  function forget() {
    Object.assign(prompt, { candidates: [], chosen: 0, error: "" });
    answeredKey = "";
  }

  /** @param {Question} wanted @param {string} key */
  function ask({ clicks, box, id }, key) {
    const k = picture.enlargement(), ticket = `prompt-${++tickets}`;
    asked = { ticket, key, timer: setTimeout(giveUp, ANSWER_WITHIN) };
    send({
      session: picture.session, ticket, id,
      clicks: clicks.map(({ x, y, label }) => [x * k, y * k, label]),
      box: box && [box.x * k, box.y * k, (box.x + box.w) * k, (box.y + box.h) * k],
    });
  }

  function giveUp() {
    asked = null;
    prompt.error = "lost";
    signals.changed("draft");
  }

  const prompt = {
    /** @type {readonly Click[]} */
    clicks: [],
    /** @type {Box | null} */
    box: null,
    /** Id of the mask that is refined; 0: a new one. */
    id: 0,
    /** @type {readonly Candidate[]} */
    candidates: [],
    /** Place in `candidates`. */
    chosen: 0,
    /** Names the answer for the server. */
    ticket: "",
    /** The server's sentence; "lost" if it did not answer. */
    error: "",

    /** Whether something was clicked that is not taken yet. */
    isOpen: () => prompt.clicks.length > 0 || prompt.box !== null,
    isWaiting: () => asked !== null,
    /** @returns {Candidate | undefined} */
    current: () => prompt.candidates[prompt.chosen],

    /** The pointer rests at a place of the photo, or has left it. @param {Point | null} point display px */
    hoverAt(point) {
      if (prompt.isOpen()) return;
      hover = point;
      refresh();
    },

    /** @param {Point} point display px @param {boolean} belongs */
    click({ x, y }, belongs) {
      prompt.clicks = [...prompt.clicks, { x, y, label: belongs ? 1 : 0 }];
      refresh();
    },

    /** @param {Box | null} box display px */
    setBox(box) {
      prompt.box = box;
      refresh();
    },

    /** Takes the last click back, then the box. */
    undo() {
      if (prompt.clicks.length) prompt.clicks = prompt.clicks.slice(0, -1);
      else prompt.box = null;
      refresh();
    },

    /** Goes to the next candidate, or the one before. @param {1 | -1} step */
    step(step) {
      const { length } = prompt.candidates;
      if (length) prompt.chosen = (prompt.chosen + step + length) % length;
      signals.changed("draft");
    },

    /** Begins anew. @param {number} id of the mask to refine; 0: none */
    start(id) {
      Object.assign(prompt, { clicks: [], box: null, id });
      hover = null;
      forget();
      refresh();
    },

    /** @param {PredictionAnswer | null} answer */
    async take(answer) {
      if (!answer || !asked || answer.ticket !== asked.ticket) return;
      const { key, timer } = asked, { session } = picture;
      const shapes = readLayers(await unpack(answer.layers), picture.data.display_width, new Map());
      if (session !== picture.session || asked?.ticket !== answer.ticket) return;
      clearTimeout(timer);
      asked = null;
      // An answer to clicks that have changed since is none; a pointer that has moved a little still wants to see it.
      const isWanted = prompt.isOpen() ? key === JSON.stringify(question()) : hover !== null;
      if (isWanted) {
        const rows = answer.candidates.map((row, place) => ({ ...row, place, shape: shapes.get(place + 1) }));
        Object.assign(prompt, {
          candidates: rows.filter((row) => row.shape), chosen: 0, error: answer.error, ticket: answer.ticket,
        });
        answeredKey = key;
      }
      refresh();
    },
  };

  picture.onSessionStarted(() => {
    clearTimeout(asked?.timer);
    asked = null;
    prompt.start(0);
  });
  picture.onRenumbered((newIds) => {
    prompt.id = newIds.get(prompt.id) ?? prompt.id;
  });
  return prompt;
}
