// @ts-check
/** @import { Dom, Picture, Point, Signals, Suggestion, Trigger, Viewport } from "../types.d.ts" */
import { suggestionButton } from "./suggestion.js";

/**
 * Owns the two small boxes over the picture: the tip follows the mouse, the note stays at its spot of the photo.
 *
 * @param {{ dom: Dom, picture: Picture, signals: Signals, trigger: Trigger, viewport: Viewport }} deps
 */
export function createNotes({ dom: { one }, picture, signals, trigger, viewport }) {
  const tip = one(".tip"), note = one(".note"), sentenceOfNote = one(".note p");
  const suggest = suggestionButton(one(".note .suggestion"), trigger);
  /** Of the note, display px. @type {Point} */
  let spot = { x: 0, y: 0 };

  /**
   * Puts a box at (x, y) of the stage, pushed back inside.
   *
   * @param {HTMLElement} box
   * @param {number} x
   * @param {number} y
   */
  function place(box, x, y) {
    const left = Math.max(4, Math.min(x, viewport.width - box.offsetWidth - 4));
    const top = y + box.offsetHeight > viewport.height - 4 ? Math.max(4, y - box.offsetHeight - 30) : y;
    box.style.translate = `${Math.round(left)}px ${Math.round(top)}px`;
  }

  function placeNote() {
    if (note.hidden) return;
    const { x, y } = viewport.toStage(spot.x, spot.y);
    place(note, x - note.offsetWidth / 2, y + 12);
  }

  /** @param {string} sentence @param {Point} point stage px */
  function showTip(sentence, { x, y }) {
    tip.hidden = false;
    tip.textContent = sentence;
    place(tip, x + 14, y + 18);
  }

  function hideTip() {
    tip.hidden = true;
  }

  /**
   * @param {string} sentence
   * @param {Point} at display px
   * @param {Suggestion | null} [suggestion] a setting that would help
   */
  function showNote(sentence, at, suggestion = null) {
    sentenceOfNote.textContent = sentence;
    suggest(suggestion);
    note.hidden = !sentence;
    spot = at;
    placeNote();
  }

  function hideNote() {
    note.hidden = true;
  }

  signals.on(["view"], placeNote);
  picture.onSessionStarted(() => {
    hideNote();
    hideTip();
  });
  return { showTip, hideTip, showNote, hideNote, isNoteShown: () => !note.hidden };
}
