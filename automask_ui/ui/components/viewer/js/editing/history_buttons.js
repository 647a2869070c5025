// @ts-check
/** @import { Commands, Dom, Edits, Language, Signals } from "../types.d.ts" */

/**
 * The buttons that take back and do again, named after the step.
 *
 * @param {{ commands: Commands, dom: Dom, edits: Edits, language: Language, signals: Signals }} deps
 */
export function connectHistoryButtons({ commands, dom: { one }, edits, language: { text }, signals }) {
  one("[data-do=undo]").addEventListener("click", commands.undo);
  one("[data-do=redo]").addEventListener("click", commands.redo);

  /** @param {HTMLElement} button @param {boolean} isPossible @param {string} title */
  function draw(button, isPossible, title) {
    // Not disabled, which would throw the focus away with the last step.
    button.setAttribute("aria-disabled", String(!isPossible));
    button.title = title;
    button.setAttribute("aria-label", title);
  }

  signals.on(["labels"], () => {
    const { undo: last, redo: next, canUndo } = edits;
    const { actionName } = commands;
    draw(one("[data-do=undo]"), canUndo, last ? text("undo_what", { what: actionName(last) }) : text("undo_key"));
    draw(one("[data-do=redo]"), Boolean(next), next ? text("redo_what", { what: actionName(next) }) : text("redo_key"));
  });
}
