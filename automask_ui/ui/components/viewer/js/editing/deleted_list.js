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
  let listed = "";

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
    /** @type {[number[], string][]} */
    const options = masks.map(({ id, area }) => {
      return [[id], [text("restore_one", { id, area }), edits.labelOf(id)].filter(Boolean).join(" · ")];
    });
    if (n > 1) options.unshift([masks.map(({ id }) => id), text("restore_all", { n })]);
    // The server's answer to a deletion may come while somebody is in the menu: the option in focus stays the same.
    const written = JSON.stringify(options);
    if (written === listed) return;
    listed = written;
    const hadFocus = menu.contains(document.activeElement);
    menu.replaceChildren(...options.map(([ids, name]) => option(ids, name)));
    if (hadFocus) menu.querySelector("button")?.focus();
  });
}
