// @ts-check
/** @import { Dom, Edits, Picture, Point, Signals, Suggestion, Trigger, Viewport } from "../types.d.ts" */
import { suggestionButton } from "./suggestion.js";

/**
 * Owns the two small boxes over the picture: the tip follows the mouse, the note stays at its spot of the photo.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Pick<Edits, "add">} deps.edits
 * @param {Picture} deps.picture
 * @param {Signals} deps.signals
 * @param {Trigger} deps.trigger
 * @param {Viewport} deps.viewport
 */
export function createNotes({ dom: { one }, edits, picture, signals, trigger, viewport }) {
  const tip = one(".tip"), note = one(".note"), sentenceOfNote = one(".note p");
  const suggest = suggestionButton(one(".note .suggestion"), trigger), keep = one(".note .keep");
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
   * @param {boolean} [keeps] whether a mask that was dropped there can be kept
   */
  function showNote(sentence, at, suggestion = null, keeps = false) {
    sentenceOfNote.textContent = sentence;
    suggest(suggestion);
    keep.hidden = !keeps;
    note.hidden = !sentence;
    spot = at;
    placeNote();
  }

  function hideNote() {
    note.hidden = true;
  }

  for (const kind of ["pointerdown", "pointerup"]) keep.addEventListener(kind, (event) => event.stopPropagation());
  keep.addEventListener("click", (event) => {
    event.stopPropagation();
    const k = picture.enlargement();
    edits.add({ do: "keep", x: Math.floor(spot.x * k), y: Math.floor(spot.y * k) });
    hideNote();
  });
  signals.on(["view"], placeNote);
  picture.onSessionStarted(() => {
    hideNote();
    hideTip();
  });
  return { showTip, hideTip, showNote, hideNote, isNoteShown: () => !note.hidden };
}
