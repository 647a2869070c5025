// @ts-check
/** @import { Dom, Edits, Language, Listing, Picture, Selection, Signals } from "../types.d.ts" */

/**
 * The line of counts under the table.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 */
export function connectTotals({ dom: { one }, edits, language, listing, picture, selection, signals }) {
  const { text, percent } = language;
  signals.on(["masks", "order", "shown", "labels", "selection"], () => {
    const { masks } = picture;
    const parts = [text("count", { n: masks.length })];
    const hidden = masks.filter((mask) => edits.isHidden(mask.id)).length;
    const labelled = masks.filter((mask) => edits.labelOf(mask.id)).length;
    if (listing.filter) parts.push(text("matching", { n: listing.listed.length }));
    if (selection.ids.size) parts.push(text("selected", { n: selection.ids.size }));
    if (hidden) parts.push(text("hidden", { n: hidden }));
    if (labelled) parts.push(text("labelled", { n: labelled }));
    parts.push(text("covered", { percent: percent(listing.covered, 1, 0) }));
    one(".totals").textContent = masks.length ? parts.join(" · ") : "";
  });
}
