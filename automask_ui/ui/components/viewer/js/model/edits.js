// @ts-check
/** @import { EditsAnswer, Signals, Step, ViewerAction, ViewerEdits } from "../types.d.ts" */
import { createHook } from "./signals.js";

// What was done to the masks. The server keeps the history; here is its last word, with the steps on top of it that it
// has not answered yet, so that everything shows at once. Steps go out in order, one parcel at a time.

/**
 * @typedef {{
 *   steps: Step[], told: EditsAnswer["told"], error: string, made: number[][], note: string, classLines: string[]
 * }} Answer `made` by each
 */
/**
 * @typedef {{ session: string, ticket: string, renumbered: boolean, steps: Step[] }} Parcel `renumbered`: whether the
 *   ids are those that masks have since they were renumbered
 */

/** @type {ViewerEdits} */
const NO_EDITS = {
  session: "", version: -1, renumbered: [], classes: [], class_lines: [], labels: [], hidden: [], deleted: [],
  undo: null, redo: null,
};
const ANSWER_WITHIN = 20_000; // ms

/**
 * The edits as the server told them, with `steps` done on top. The class list, the way back and pixels are not
 * foreseen: they are for the server to tell.
 *
 * @param {ViewerEdits} told
 * @param {readonly Step[]} steps
 */
export function applySteps(told, steps) {
  const classes = [...told.classes], classLines = [...told.class_lines];
  const labels = new Map(told.labels.map(([id, place]) => [id, told.classes[place]]));
  const hidden = new Set(told.hidden);
  const deleted = new Set(told.deleted);
  for (const step of steps) {
    if (step.do === "label") {
      if (step.label && !classes.includes(step.label)) {
        classes.push(step.label);
        classLines.push(step.label);
      }
      for (const id of step.ids) {
        if (step.label) labels.set(id, step.label);
        else labels.delete(id);
      }
    } else if (step.do === "hide") {
      for (const id of step.ids) {
        if (step.hidden) hidden.add(id);
        else hidden.delete(id);
      }
    } else if (step.do === "delete") {
      for (const id of step.ids) deleted.add(id);
    } else if (step.do === "restore") {
      for (const id of step.ids) deleted.delete(id);
    }
  }
  /** Place of each class in the list. */
  const places = new Map(classes.map((name, place) => [name, place]));
  return {
    /** @type {readonly string[]} */ classes,
    /** @type {readonly string[]} */ classLines,
    /** @type {ReadonlyMap<string, number>} */ places,
    /** Label of each mask that has one. @type {ReadonlyMap<number, string>} */ labels,
    /** @type {ReadonlySet<number>} */ hidden,
    /** @type {ReadonlySet<number>} */ deleted,
  };
}

/**
 * Owns the edits of the session that is shown, as they look with all that was asked for.
 *
 * @param {object} deps
 * @param {Pick<Signals, "changed">} deps.signals
 * @param {(parcel: Parcel) => void} deps.send to the server, which answers with `take`
 */
export function createEdits({ signals, send }) {
  let session = "";
  let known = NO_EDITS;
  /** @type {Step[]} */
  let unsent = [];
  /** The parcel under way. @type {{ ticket: string, steps: Step[], timer: ReturnType<typeof setTimeout> } | null} */
  let asked = null;
  let tickets = 0;

  /** @type {ReturnType<typeof createHook<[]>>} */
  const deletedChanged = createHook();
  /** @type {ReturnType<typeof createHook<[answer: Answer]>>} */
  const answered = createHook();
  /** @type {ReturnType<typeof createHook<[]>>} */
  const lost = createHook();
  /** @type {ReturnType<typeof createHook<[newIds: ReadonlyMap<number, number>]>>} */
  const renumbered = createHook();

  const isRenumbered = () => known.renumbered.length > 0;

  function refresh() {
    const { hidden, deleted } = edits;
    Object.assign(edits, applySteps(known, [...(asked?.steps ?? []), ...unsent]));
    edits.canUndo = Boolean(known.undo || asked || unsent.length);
    edits.undo = known.undo;
    edits.redo = known.redo;
    signals.changed("labels");
    if (!isSame(hidden, edits.hidden)) signals.changed("shown");
    if (!isSame(deleted, edits.deleted)) deletedChanged.emit();
  }

  function sendNext() {
    if (asked || !unsent.length) return;
    asked = { ticket: `edit-${++tickets}`, steps: unsent, timer: setTimeout(giveUp, ANSWER_WITHIN) };
    unsent = [];
    // Copies: what was sent says what was meant then.
    const steps = asked.steps.map((step) => ({ ...step }));
    send({ session, ticket: asked.ticket, renumbered: isRenumbered(), steps });
  }

  /** No answer came: what the server last said is what holds. */
  function giveUp() {
    asked = null;
    unsent = [];
    refresh();
    lost.emit();
  }

  /** Steps that the server has not taken up go on with the ids that masks have now. @param {ViewerEdits} said */
  function renumber(said) {
    const newIds = new Map(said.renumbered);
    for (const step of [...(asked?.steps ?? []), ...unsent]) {
      if ("ids" in step) step.ids = step.ids.map((id) => newIds.get(id) ?? id);
      if ("id" in step) step.id = newIds.get(step.id) ?? step.id;
    }
    known = said;
    renumbered.emit(newIds);
  }

  const edits = {
    ...applySteps(NO_EDITS, []),
    canUndo: false,
    /** The step that undo takes back, as far as the server has told. @type {ViewerAction | null} */
    undo: null,
    /** @type {ViewerAction | null} */
    redo: null,

    /** @param {number} id */
    isHidden: (id) => edits.hidden.has(id),

    /** "" for none. @param {number} id */
    labelOf: (id) => edits.labels.get(id) ?? "",

    /** Forgets everything: another session is shown. @param {string} next its id */
    start(next) {
      clearTimeout(asked?.timer);
      session = next;
      known = NO_EDITS;
      unsent = [];
      asked = null;
      refresh();
    },

    /** Does a step: it shows at once, and goes to the server. @param {Step} step */
    add(step) {
      unsent.push(step);
      refresh();
      sendNext();
    },

    /**
     * Takes the server's word, which came with a value or as the answer to a parcel.
     *
     * @param {EditsAnswer | null} said
     */
    take(said) {
      if (!said || said.session !== session) return;
      if (asked && said.answers === asked.ticket) {
        const { steps, timer } = asked;
        clearTimeout(timer);
        asked = null;
        const { told, error = "", made = [], note = "", class_lines: classLines } = said;
        answered.emit({ steps, told, error, made, note, classLines });
      }
      if (said.version >= known.version) {
        if (said.renumbered.length && !isRenumbered()) renumber(said);
        known = said;
      }
      refresh();
      sendNext();
    },

    /** Whether `said` is from before masks got the ids that they keep. @param {ViewerEdits | null} said */
    isOutdated: (said) => isRenumbered() && said?.session === session && !said.renumbered.length,

    /** Masks have other ids, and 0 stands for none: heard at once, before anything else is said of them. */
    onRenumbered: renumbered.on,
    /** Masks were deleted or came back: heard at once, since ids that are gone must not be used. */
    onDeletedChanged: deletedChanged.on,
    /** The server has answered a parcel; `error` is its sentence if it refused, else "". */
    onAnswered: answered.on,
    /** The server has not answered, and what was asked for is undone. */
    onLost: lost.on,
  };
  return edits;
}

/** @param {ReadonlySet<number>} one @param {ReadonlySet<number>} other */
const isSame = (one, other) => one.size === other.size && [...one].every((id) => other.has(id));
