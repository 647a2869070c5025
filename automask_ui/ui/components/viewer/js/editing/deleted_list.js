// @ts-check
/** @import { Commands, Dom, Edits, Language, Picture, Popups, Signals } from "../types.d.ts" */
import { makeButton } from "../dom.js";

/**
 * How many masks are deleted, under the table, and the menu that brings them back.
 *
 * @param {object} deps
 * @param {Commands} deps.commands
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Picture} deps.picture
 * @param {Popups} deps.popups
 * @param {Signals} deps.signals
 */
export function connectDeletedList({ commands, dom: { one }, edits, language: { text }, picture, popups, signals }) {
  const button = one("[data-popup=deleted]"), menu = one(".deleted-menu");

  /** @param {number[]} ids @param {string} name */
  function option(ids, name) {
    const node = makeButton("option", name);
    node.setAttribute("role", "menuitem");
    node.addEventListener("click", () => {
      popups.close();
      commands.restoreMasks(ids);
    });
    return node;
  }

  signals.on(["masks", "labels"], () => {
    const masks = picture.all.filter(({ id }) => edits.deleted.has(id)), n = masks.length;
    button.hidden = !n;
    button.textContent = n ? text("deleted", { n }) : "";
    const each = masks.map(({ id, area }) => {
      return option([id], [text("restore_one", { id, area }), edits.labelOf(id)].filter(Boolean).join(" · "));
    });
    const all = n > 1 ? [option(masks.map(({ id }) => id), text("restore_all", { n }))] : [];
    menu.replaceChildren(...all, ...each);
  });
}
