// @ts-check
/** @import { Combination, Edits, Language, Listing, Notices } from "../types.d.ts" */
/** @import { OnTop, Picture, Selection } from "../types.d.ts" */

const REACH_SHARE = 1 / 500; // of the longer side: how far one press grows, shrinks or smooths

/**
 * What makes new masks out of selected ones, or changes their pixels. The server does it; nothing shows before.
 *
 * @param {object} deps
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Notices} deps.notices
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 */
export function createShapeCommands({ edits, language: { text }, listing, notices, picture, selection }) {
  /** The selected masks, the one selected last first; too few are said, and none are given. @param {number} least */
  function selected(least) {
    const ids = [...selection.ids];
    if (ids.length < least) notices.flash(text(least > 1 ? "needs_two" : "needs_one"));
    if (ids.length < least) return [];
    return [selection.primary, ...ids.filter((id) => id !== selection.primary)];
  }

  /** Different labels of masks, "" for none not among them. @param {readonly number[]} ids */
  const labelsOf = (ids) => [...new Set(ids.map(edits.labelOf).filter(Boolean))];

  const commands = {
    /** How far masks grow, shrink and are smoothed, px of the original. */
    reach: () => Math.max(1, Math.round(REACH_SHARE * Math.max(picture.data.width, picture.data.height))),

    /** The labels to choose from before the selected masks are merged: none where they agree. */
    labelsToChoose() {
      const labels = labelsOf([...selection.ids]);
      return labels.length > 1 ? labels : [];
    },

    /** @param {Combination} how @param {string | null} [label] of what comes of it, where the masks do not agree */
    combine(how, label = null) {
      const ids = selected(2);
      // Subtracting: from the mask that was selected first.
      if (ids.length) edits.add({ do: "combine", how, ids: how === "subtract" ? [...selection.ids] : ids, label });
    },

    split() {
      const ids = selected(1);
      if (ids.length) edits.add({ do: "split", ids });
    },

    /** @param {string} how as in the rules of Python: "fill", "grow" … */
    reshape(how) {
      const ids = selected(1);
      if (ids.length) edits.add({ do: "reshape", how, ids, px: commands.reach() });
    },

    duplicate() {
      const ids = selected(1);
      if (ids.length) edits.add({ do: "duplicate", ids });
    },

    /** Gives every pixel to one of the shown masks at most. @param {OnTop} onTop */
    disjoint(onTop) {
      const ids = listing.shown();
      if (ids.length > 1) edits.add({ do: "disjoint", ids, on_top: onTop });
    },
  };
  return commands;
}
