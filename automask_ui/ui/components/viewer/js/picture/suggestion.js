// @ts-check
/** @import { Suggestion, Trigger } from "../types.d.ts" */

/**
 * A button that does what a sentence suggests: it sets a slider of the page.
 *
 * @param {HTMLElement} button
 * @param {Trigger} trigger
 * @returns {(suggestion: Suggestion | null) => void} shows a suggestion, or none
 */
export function suggestionButton(button, trigger) {
  /** @type {Suggestion | null} */
  let current = null;
  // The picture beneath must not take the press for a click of its own.
  for (const kind of ["pointerdown", "pointerup"]) button.addEventListener(kind, (event) => event.stopPropagation());
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    if (current) trigger("adjust", { option: current.option, value: current.value });
  });
  return (suggestion) => {
    current = suggestion;
    button.hidden = !suggestion;
    button.textContent = suggestion?.label ?? "";
  };
}
