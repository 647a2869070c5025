// @ts-check
/** @import { Draft, Edits, Language, Notices, Prompt, Selection, Tool, Viewport } from "../types.d.ts" */
import { boxBetween } from "../model/draft.js";

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
 * @param {Viewport} deps.viewport
 */
export function createPromptTools({ draft, edits, language: { text }, notices, prompt, selection, viewport }) {
  /** What a plain click means: that the place belongs to the mask, or that it does not. */
  const sign = { belongs: true };

  function take() {
    const mask = prompt.current();
    if (!prompt.isOpen() || !mask) return;
    edits.add({ do: "take", ticket: prompt.ticket, candidate: mask.place, id: prompt.id });
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
        prompt.click(viewport.toPhoto(point.x, point.y), sign.belongs !== minus);
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

      stop: () => prompt.start(0),

      key(key) {
        if (!prompt.isOpen()) return false;
        if (key === "Enter") take();
        else if (key === "Escape") prompt.start(prompt.id);
        else if (key === "Tab") prompt.step(1);
        else if (key === "Backspace") prompt.undo();
        else return false;
        return true;
      },
    };
  }

  const refined = () => (selection.ids.size === 1 ? selection.primary : -1);
  return { add: promptTool(() => 0), refine: promptTool(refined), sign, take };
}
