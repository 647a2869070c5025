// @ts-check
/** @import { Commands, Listing, Picture, Selection, Table, Viewport } from "../types.d.ts" */
import { closest } from "../dom.js";

/**
 * Pointer and keys on the table's rows.
 *
 * @param {object} deps
 * @param {Commands} deps.commands
 * @param {Listing} deps.listing
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Table} deps.table
 * @param {Viewport} deps.viewport
 */
export function connectTableInput({ commands, listing, picture, selection, table, viewport }) {
  const { body } = table;

  /** Id of the row that an event happened to; 0: none. @param {Event} event */
  const idOf = (event) => Number(closest(event, ".body .row")?.dataset.id ?? 0);

  body.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch") selection.setHover(idOf(event));
  });
  body.addEventListener("pointerleave", () => selection.setHover(0));
  body.addEventListener("focusin", (event) => selection.setHover(idOf(event)));
  body.addEventListener("focusout", () => selection.setHover(0));

  body.addEventListener("click", (event) => {
    const id = idOf(event);
    if (!id) return;
    if (closest(event, ".eye")) return commands.toggleHidden([id]);
    table.setCurrent(id);
    closest(event, ".row")?.focus({ preventScroll: true });
    const adds = event.ctrlKey || event.metaKey;
    if (event.shiftKey && selection.anchor) selection.range(id, adds);
    else if (adds) selection.toggle(id);
    else selection.only(id);
    revealSelected();
  });

  body.addEventListener("keydown", (event) => {
    const id = idOf(event);
    if (!id || event.altKey) return;
    const to = rowAfter(event.key, id);
    if (to !== undefined) {
      table.focusRow(to);
      if (event.shiftKey) selection.extend(to, id);
    } else if (event.key === " ") selection.toggle(id);
    else if (event.key === "Enter") selection.only(id);
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) selection.all();
    else return;
    event.preventDefault();
    if (to === undefined) revealSelected();
  });

  /**
   * Id of the row that a key goes to.
   *
   * @param {string} key
   * @param {number} id of the row where it is pressed
   */
  function rowAfter(key, id) {
    const at = listing.listed.indexOf(id), last = listing.listed.length - 1;
    const page = table.rowsInSight();
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last, PageDown: at + page, PageUp: at - page }[key];
    return to === undefined ? undefined : listing.listed[Math.min(last, Math.max(0, to))];
  }

  /** For selections made in the table: a click in the picture must not move the picture. */
  function revealSelected() {
    const shape = picture.shapes.get(selection.primary);
    if (shape && selection.ids.size === 1) viewport.reveal(shape.box);
  }
}
