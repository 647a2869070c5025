// @ts-check
/** @import { Box, Edits, Language, Picture, Signals, Sort, SortKey, ViewerMask } from "../types.d.ts" */
/** @import { Shape } from "./shapes.js" */
import { coverage, idsAt } from "./shapes.js";
import { sortedIds } from "./sorting.js";

/** What people look for comes first: large, good. @type {Partial<Record<SortKey, 1 | -1>>} */
const FIRST_STEP = { area: -1, iou: -1, stability: -1 };

/**
 * Owns the order and the filter, and with them the lists that the table and the picture show.
 *
 * @param {object} deps
 * @param {Signals} deps.signals
 * @param {Picture} deps.picture
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 */
export function createListing({ signals, picture, edits, language }) {
  function refreshOrder() {
    const { isHidden, labelOf, classes } = edits;
    const { filter, sort } = listing;
    listing.sorted = sortedIds(picture.masks, sort, { isHidden, labelOf, classes, language: language.code });
    listing.listed = filter ? listing.sorted.filter((id) => filter(maskOf(id))) : listing.sorted;
  }

  function refreshPainted() {
    const painted = listing.listed.filter((id) => !edits.isHidden(id) && picture.shapes.has(id));
    listing.painted = painted.sort((a, b) => maskOf(b).area - maskOf(a).area || a - b);
    const { display_width: width, display_height: height } = picture.data;
    listing.covered = coverage(listing.painted.map(shapeOf), width * height);
  }

  /** @param {number} id of a mask that is there */
  const maskOf = (id) => /** @type {ViewerMask} */ (picture.byId.get(id));
  /** @param {number} id of a mask that has a shape */
  const shapeOf = (id) => /** @type {Shape} */ (picture.shapes.get(id));

  const listing = {
    /** @type {Sort} */
    sort: { key: "id", step: 1 },
    /** null: no filter. @type {((mask: ViewerMask) => boolean) | null} */
    filter: null,
    /** Ids of all masks in table order. @type {readonly number[]} */
    sorted: [],
    /** Ids of those that match the filter, in table order. @type {readonly number[]} */
    listed: [],
    /** Ids of those shown in the picture, largest first. @type {readonly number[]} */
    painted: [],
    /** Share of the picture under `painted`, 0 to 1. */
    covered: 0,

    /** Sorts by a key; by the same one again, the other way round. @param {SortKey} key */
    sortBy(key) {
      const step = listing.sort.key === key ? /** @type {1 | -1} */ (-listing.sort.step) : FIRST_STEP[key] ?? 1;
      listing.sort = { key, step };
      signals.changed("order");
    },

    /** @param {((mask: ViewerMask) => boolean) | null} test null: no filter */
    filterBy(test) {
      listing.filter = test;
      signals.changed("order");
    },

    /** Ids in table order: those that match the filter and are not hidden. */
    shown: () => listing.listed.filter((id) => !edits.isHidden(id)),

    /**
     * Shown masks under a display pixel, smallest first: the order in which clicks go through nested masks.
     *
     * @param {number} x
     * @param {number} y
     */
    shownAt: (x, y) => idsAt(listing.painted, picture.shapes, x, y),

    /** Shown masks that lie in a box (display px) as a whole, largest first. @param {Box} box */
    within: ({ x, y, w, h }) => listing.painted.filter((id) => {
      const { box } = shapeOf(id);
      return box.x >= x && box.y >= y && box.x + box.w <= x + w && box.y + box.h <= y + h;
    }),

    /** The smallest mask there that is not shown, or 0. @param {number} x @param {number} y */
    unseenAt(x, y) {
      const shown = new Set(listing.painted);
      const there = picture.all.filter((mask) => !shown.has(mask.id) && picture.shapes.get(mask.id)?.has(x, y));
      return there.sort((a, b) => a.area - b.area)[0]?.id ?? 0;
    },
  };

  signals.derive(["masks", "order", "shown", "labels"], (topics) => {
    const { sort, filter } = listing;
    const orderDependsOnEdits = sort.key === "shown" || sort.key === "label" || filter !== null;
    const moves = topics.has("masks") || topics.has("order") || orderDependsOnEdits;
    if (moves) refreshOrder();
    if (moves || topics.has("shown")) refreshPainted();
  });

  return listing;
}
