// @ts-check
/** @import { Commands, Dom, LabelField, Look, Notes, Selection, Toolbox, Viewport } from "./types.d.ts" */
import { closest, isTyping } from "./dom.js";

const ARROW = 48; // stage px

/**
 * Keys of the picture and of the whole viewer; fields, the table and panels see to their own.
 *
 * @param {object} deps
 * @param {Commands} deps.commands
 * @param {Dom} deps.dom
 * @param {LabelField} deps.labelField
 * @param {Look} deps.look
 * @param {Notes} deps.notes
 * @param {Selection} deps.selection
 * @param {{ key: (key: string) => boolean }} deps.shapeButtons
 * @param {Toolbox} deps.toolbox
 * @param {Viewport} deps.viewport
 */
export function connectKeys(deps) {
  const { commands, dom: { element, one }, labelField, look, notes, selection, viewport } = deps;
  const { shapeButtons, toolbox } = deps;
  const stage = one(".stage");
  /** @type {Record<string, () => void>} */
  const stageKeys = {
    "+": viewport.zoomIn,
    "=": viewport.zoomIn,
    "-": viewport.zoomOut,
    f: viewport.fit,
    z: viewport.zoomActual,
    ArrowLeft: () => viewport.moveBy(ARROW, 0),
    ArrowRight: () => viewport.moveBy(-ARROW, 0),
    ArrowUp: () => viewport.moveBy(0, ARROW),
    ArrowDown: () => viewport.moveBy(0, -ARROW),
  };

  // The chosen tool comes first: arrows move its cross-hair, Enter takes what it has made. In the table keys are the
  // table's, and only letters choose a tool.
  element.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (closest(event, ".popup, .side") && !/^[a-z]$/i.test(event.key)) return;
    if (closest(event, "button") && (event.key === "Enter" || event.key === "Tab")) return;
    if (!toolbox.key(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  element.addEventListener("keydown", (event) => {
    const isArrow = event.key.startsWith("Arrow"), act = stageKeys[isArrow ? event.key : event.key.toLowerCase()];
    // A tool's button that was clicked has the focus; there arrows go from one button to the next.
    const isHeard = event.target === stage || (closest(event, ".tool-group, .tool-bar") && !isArrow);
    if (!isHeard || event.ctrlKey || event.metaKey || event.altKey || !act) return;
    event.preventDefault();
    act();
  });

  // Typing in a field is left alone, and so are open panels.
  element.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || closest(event, ".popup")) return;
    const key = event.key.toLowerCase();
    if (key === "escape" && (selection.ids.size || notes.isNoteShown())) {
      // Only what was used up here stops here: the page has its own use for Escape.
      event.stopPropagation();
      notes.hideNote();
      selection.clear();
    } else if (key === "h") commands.toggleHidden();
    // Held down, it would go on from the clicks of a tool to masks.
    else if ((key === "delete" || key === "backspace") && !event.repeat) commands.deleteMasks();
    else if (/^[0-9]$/.test(key)) labelField.labelByDigit(Number(key));
    else if (key === "l") {
      event.preventDefault(); // the field opens empty, not with an l
      labelField.open();
    } else if (shapeButtons.key(key)) event.preventDefault();
    else if (key === "n") look.set({ numbers: !look.numbers });
    else if (key === "p" && !event.repeat) look.pressPhotoOnly();
  });
  element.addEventListener("keyup", (event) => {
    if (event.key.toLowerCase() === "p") look.releasePhotoOnly();
  });

  /**
   * Taking back works from anywhere on the page but a field, whose own undo it would be.
   *
   * @param {KeyboardEvent} event
   */
  function historyKeys(event) {
    if (!element.isConnected) return void document.removeEventListener("keydown", historyKeys);
    if (!(event.ctrlKey || event.metaKey) || event.altKey || isTyping(event)) return;
    const key = event.key.toLowerCase();
    const isUndo = key === "z" && !event.shiftKey;
    if (key !== "y" && key !== "z") return;
    event.preventDefault();
    // What a tool has in hand comes before what was done.
    const tool = toolbox.current();
    if (isUndo) void (tool.undo?.() || commands.undo());
    else void (tool.redo?.() || commands.redo());
  }
  document.addEventListener("keydown", historyKeys);
}
