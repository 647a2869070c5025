// @ts-check
/** @import { Edits, Language, Listing, Notices, Selection, Signals, Table, ViewerAction } from "../types.d.ts" */

/**
 * What a person does to masks, by whatever way: says it, and does it.
 *
 * @param {object} deps
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Notices} deps.notices
 * @param {(sentence: string) => void} deps.say to a screen reader
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {HTMLElement} deps.stage
 * @param {Table} deps.table
 */
export function createCommands({ edits, language: { text }, listing, notices, say, selection, signals, stage, table }) {
  /** Ids that a key acts on: the selection, else the row that has the focus. */
  const targets = () => (selection.ids.size ? selection.inOrder() : table.focused());

  /** Hides masks, or shows them again when all of them are hidden. */
  function toggleHidden(ids = targets()) {
    if (!ids.length) return;
    const hidden = !ids.every(edits.isHidden);
    say(hidden ? text("said_hidden", { n: ids.length }) : text("said_shown", { n: ids.length }));
    edits.add({ do: "hide", ids, hidden });
  }

  function deleteMasks(ids = targets()) {
    if (!ids.length) return;
    // The focus would fall off with the row: it goes on to the next one that stays.
    const inTable = table.hasFocus(), next = neighbourOf(ids);
    say(text("said_deleted", { n: ids.length }));
    edits.add({ do: "delete", ids });
    signals.flush();
    if (!inTable || !next) stage.focus({ preventScroll: true });
    else table.focusRow(next);
  }

  /** Brings deleted masks back, and selects them. @param {number[]} ids */
  function restoreMasks(ids) {
    edits.add({ do: "restore", ids });
    signals.flush();
    selection.these(ids);
    say(text("said_restored", { n: ids.length }));
    stage.focus({ preventScroll: true });
  }

  /** The row after the last of `ids`, or else before it, that is none of them. @param {number[]} ids */
  function neighbourOf(ids) {
    const gone = new Set(ids), at = listing.listed.indexOf(ids[ids.length - 1]);
    const before = listing.listed.slice(0, at).reverse();
    return [...listing.listed.slice(at + 1), ...before].find((id) => !gone.has(id));
  }

  /** @param {string} label "" takes it off */
  function setLabel(label, ids = targets()) {
    if (!ids.length) return;
    say(label ? text("said_labelled", { n: ids.length, label }) : text("said_unlabelled"));
    edits.add({ do: "label", ids, label });
  }

  function undo() {
    if (edits.canUndo) edits.add({ do: "undo" });
  }

  function redo() {
    if (edits.redo) edits.add({ do: "redo" });
  }

  /** "hide 3 masks" @param {ViewerAction} action */
  const actionName = ({ kind, count, label }) => text(`act_${kind}`, { n: count, label });

  edits.onAnswered(({ steps, told, error, made }) => {
    // Of several steps that were asked for in quick succession, what the last one made.
    const newest = made.findLast((ids) => ids.length);
    if (newest) selection.await(newest);
    if (told) say(text(`said_${told.way}`, { what: actionName(told) }));
    // The class list says itself what is wrong with it.
    if (error && !steps.some((step) => step.do === "classes")) notices.flash(error);
  });
  edits.onLost(() => notices.flash(text("edit_lost")));

  return { targets, toggleHidden, deleteMasks, restoreMasks, setLabel, undo, redo, actionName };
}
