// @ts-check
/** @import { Language, Listing, Picture, Signals } from "../types.d.ts" */

/**
 * Owns which masks are selected, and which one the pointer or the focus is on.
 *
 * @param {object} deps
 * @param {Pick<Signals, "changed">} deps.signals
 * @param {Pick<Picture, "byId" | "onMasksReplaced" | "onRenumbered" | "onSessionStarted">} deps.picture
 * @param {Pick<Listing, "sorted" | "listed">} deps.listing
 * @param {Pick<Language, "text">} deps.language
 * @param {(sentence: string) => void} deps.say to a screen reader
 */
export function createSelection({ signals, picture, listing, language: { text }, say }) {
  /** @param {Iterable<number>} ids @param {number} primary */
  function select(ids, primary) {
    selection.ids = new Set(ids);
    selection.primary = primary;
    signals.changed("selection");
    const count = selection.ids.size;
    if (!count) say(text("said_none"));
    else if (count > 1) say(text("said_many", { n: count }));
    else say(text("said_selected", { id: primary, area: picture.byId.get(primary)?.area ?? 0 }));
  }

  /** Ids that are to be selected as soon as they are there. @type {number[]} */
  let awaited = [];

  /** Forgets ids that are gone; says nothing, since nobody did anything. */
  function prune() {
    const there = [...selection.ids].filter((id) => picture.byId.has(id));
    selection.ids = new Set(there);
    if (!picture.byId.has(selection.primary)) selection.primary = there.at(-1) ?? 0;
    if (!picture.byId.has(selection.anchor)) selection.anchor = 0;
    if (!picture.byId.has(selection.hover)) selection.hover = 0;
  }

  function takeAwaited() {
    if (!awaited.length || !awaited.every((id) => picture.byId.has(id))) return;
    const ids = awaited;
    awaited = [];
    selection.these(ids);
  }

  const selection = {
    /** In the order of selecting. @type {ReadonlySet<number>} */
    ids: new Set(),
    /** Id of the mask whose details are shown; 0: none. */
    primary: 0,
    /** Id where a range starts; 0: none. */
    anchor: 0,
    /** Id of the mask under the pointer or the focus; 0: none. */
    hover: 0,

    /** Ids of the selected masks in table order. */
    inOrder: () => listing.sorted.filter((id) => selection.ids.has(id)),

    /** @param {number} id */
    only(id) {
      selection.anchor = id;
      select([id], id);
    },

    /** Adds or removes a mask. @param {number} id */
    toggle(id) {
      const ids = new Set(selection.ids);
      if (!ids.delete(id)) ids.add(id);
      selection.anchor = id;
      select(ids, ids.has(id) ? id : [...ids].at(-1) ?? 0);
    },

    /**
     * Selects all rows from the anchor to `id`.
     *
     * @param {number} id
     * @param {boolean} keep what was selected before
     */
    range(id, keep = false) {
      const from = Math.max(0, listing.listed.indexOf(selection.anchor));
      const to = listing.listed.indexOf(id);
      const range = listing.listed.slice(Math.min(from, to), Math.max(from, to) + 1);
      select(keep ? [...selection.ids, ...range] : range, id);
    },

    /**
     * Selects the rows from the anchor to `id`, or from `start` if nothing is selected yet.
     *
     * @param {number} id
     * @param {number} start
     */
    extend(id, start) {
      if (!selection.anchor || !selection.ids.size) selection.anchor = start;
      selection.range(id);
    },

    /** Selects every mask that matches the filter. */
    all() {
      select(listing.listed, listing.listed[0] ?? 0);
    },

    /** Selects those of `ids` that are there. @param {number[]} ids */
    these(ids) {
      const there = ids.filter((id) => picture.byId.has(id));
      select(there, there[0] ?? 0);
    },

    /** Selects masks that the server has made, as soon as they are there. @param {number[]} ids */
    await(ids) {
      awaited = ids;
      takeAwaited();
    },

    clear() {
      awaited = [];
      if (selection.ids.size) select([], 0);
    },

    /** @param {number} id 0: none */
    setHover(id) {
      if (id === selection.hover) return;
      selection.hover = id;
      signals.changed("hover");
    },
  };

  picture.onRenumbered((newIds) => {
    /** @param {number} id */
    const now = (id) => newIds.get(id) ?? id;
    selection.ids = new Set([...selection.ids].map(now));
    selection.primary = now(selection.primary);
    selection.anchor = now(selection.anchor);
    selection.hover = now(selection.hover);
    awaited = awaited.map(now);
  });
  picture.onMasksReplaced(() => {
    prune();
    takeAwaited();
  });
  picture.onSessionStarted(() => {
    selection.hover = 0;
    awaited = [];
  });
  return selection;
}
