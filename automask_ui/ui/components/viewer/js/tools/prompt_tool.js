// @ts-check
/** @import { Draft, Edits, Language, Notices, Prompt, Selection, Signals, Tool, Viewport } from "../types.d.ts" */
import { boxBetween } from "../model/draft.js";

const SAME_SPOT = 4; // stage px between two clicks of which the second tells the model nothing, as of a double click

/**
 * The tools that ask the model: *Add* makes a new mask from clicks or a box, *Refine* goes on from a selected one.
 *
 * @param {object} deps
 * @param {Draft} deps.draft
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Notices} deps.notices
 * @param {Prompt} deps.prompt
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {Viewport} deps.viewport
 */
export function createPromptTools({ draft, edits, language: { text }, notices, prompt, selection, signals, viewport }) {
  /** What a plain click means: that the place belongs to the mask, or that it does not. */
  const sign = { belongs: true };

  function take() {
    const mask = prompt.current();
    if (!prompt.isOpen() || !mask) return;
    edits.add({ do: "take", ticket: prompt.ticket, candidate: mask.place, id: prompt.id });
    discard();
  }

  /** Begins anew, with a click on what is meant. */
  function discard() {
    sign.belongs = true;
    prompt.start(prompt.id);
  }

  /** @param {() => number} idOf the mask to start from; -1 where one is needed and none is there @returns {Tool} */
  function promptTool(idOf) {
    /** Says what is missing; whether all is there. */
    function isReady() {
      const id = idOf();
      if (id < 0) notices.flash(text("refine_none"));
      else if (id !== prompt.id) prompt.start(id);
      return id >= 0;
    }

    return {
      hover(point) {
        if (!viewport.pixelAt(point) || idOf() < 0) return prompt.hoverAt(null);
        if (!prompt.isOpen() && idOf() !== prompt.id) prompt.start(idOf());
        // A mask that is to be refined is seen as it is; only a click changes it.
        if (!prompt.id) prompt.hoverAt(viewport.toPhoto(point.x, point.y));
      },

      leave: () => prompt.hoverAt(null),

      click(point, { minus }) {
        if (!viewport.pixelAt(point)) return;
        if (!prompt.isOpen() && !isReady()) return;
        const belongs = sign.belongs !== minus, last = prompt.clicks.at(-1);
        const before = last && last.label === Number(belongs) && viewport.toStage(last.x, last.y);
        if (before && Math.hypot(before.x - point.x, before.y - point.y) < SAME_SPOT) return;
        prompt.click(viewport.toPhoto(point.x, point.y), belongs);
      },

      startDrag(point) {
        const from = viewport.toPhoto(point.x, point.y);
        if (!prompt.isOpen() && !isReady()) return null;
        prompt.hoverAt(null);
        return {
          move: ({ x, y }) => draft.setBox(boxBetween(from, viewport.toPhoto(x, y))),
          end() {
            const { box } = draft;
            draft.clear();
            if (box) prompt.setBox(box);
          },
          cancel: draft.clear,
        };
      },

      stop() {
        sign.belongs = true;
        prompt.start(0);
      },

      undo() {
        const isOpen = prompt.isOpen();
        if (isOpen) prompt.undo();
        return isOpen;
      },

      key(key, isShifted) {
        if (!prompt.isOpen()) return false;
        if (key === "Enter") take();
        else if (key === "Escape") discard();
        else if (key === "Tab") prompt.step(isShifted ? -1 : 1);
        // Neither may reach the selected masks while something else is at hand.
        else if (key === "Backspace" || key === "Delete") prompt.undo();
        else return false;
        return true;
      },
    };
  }

  // Clicks belong to the mask that they began with: nobody expects them to change it once another one is selected. A
  // mask that only fails the thresholds now is no longer selected, but taking the clicks brings it back.
  signals.on(["selection", "labels"], () => {
    const { ids } = selection, isOther = ids.size > 0 && !(ids.size === 1 && ids.has(prompt.id));
    if (prompt.id && prompt.isOpen() && (isOther || edits.deleted.has(prompt.id))) prompt.start(0);
  });

  const refined = () => (selection.ids.size === 1 ? selection.primary : -1);
  return { add: promptTool(() => 0), refine: promptTool(refined), sign, take, discard };
}
