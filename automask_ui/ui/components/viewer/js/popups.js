// @ts-check
/** @import { Dom, Language, Picture } from "./types.d.ts" */
/** @import { Popups } from "./types.d.ts" */
import { find, isTyping, make, targetOf } from "./dom.js";

const WINDOW_MARGIN = 8; // px
const KEY_HELP = [
  "click", "add", "band", "wheel", "zoom", "label", "search", "hide", "delete", "undo", "photo", "numbers", "rows",
  "all", "escape", "tools", "minus", "take", "cross", "brush", "shapes",
  "pictures", "find", "help",
];

/**
 * Owns which of the small panels is open; each stands beside the button that opens it.
 *
 * @param {{ dom: Dom, picture: Picture }} deps
 */
export function createPopups({ dom: { element, all }, picture }) {
  /** With what had the focus before. @type {{ button: HTMLElement, panel: HTMLElement, before: HTMLElement } | null} */
  let open = null;

  /** @param {HTMLElement} button */
  function toggle(button) {
    const panel = find(/** @type {HTMLElement} */ (button.parentElement), ".popup");
    const opens = panel.hidden;
    close();
    if (!opens) return;
    panel.hidden = false;
    // Above a button that stands high, as over the details of a mask, a long menu would leave the window.
    panel.style.translate = "";
    panel.style.translate = `0 ${Math.max(0, WINDOW_MARGIN - panel.getBoundingClientRect().top)}px`;
    button.setAttribute("aria-expanded", "true");
    const focused = document.activeElement;
    open = { button, panel, before: focused instanceof HTMLElement && element.contains(focused) ? focused : button };
    /** @type {HTMLElement} */ (panel.querySelector("[role=menuitem]:not([disabled])") ?? open.before).focus();
  }

  /** @param {boolean} refocus whether the focus goes back to where it was before */
  function close(refocus = false) {
    if (!open) return;
    open.panel.hidden = true;
    open.button.setAttribute("aria-expanded", "false");
    if (refocus) open.before.focus();
    open = null;
  }

  // The menu of labels opens only where there is a choice.
  for (const button of all("[data-popup]:not([data-popup=labels])")) {
    button.addEventListener("click", () => toggle(button));
  }
  picture.onSessionStarted(() => close());

  /**
   * Closes at a press elsewhere. Listens while capturing, since a press may never bubble up; ends with the element.
   *
   * @param {Event} event
   */
  function closeOutside(event) {
    if (!element.isConnected) return void document.removeEventListener("pointerdown", closeOutside, true);
    if (open && !open.panel.parentElement?.contains(targetOf(event))) close();
  }
  document.addEventListener("pointerdown", closeOutside, true);

  element.addEventListener("keydown", (event) => {
    if (!open) return;
    /** @type {HTMLElement[]} */
    const items = [...open.panel.querySelectorAll("[role=menuitem]")].filter((item) => item instanceof HTMLElement);
    const at = items.findIndex((item) => item === document.activeElement);
    const to = at < 0 ? undefined : { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    // A menu is left with Tab; in a dialog it goes from field to field.
    if (event.key === "Tab") return void (at >= 0 && close());
    if (event.key === "Escape") close(true);
    else if (to !== undefined) items[(to + items.length) % items.length].focus();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  return { close, toggle };
}

/**
 * The panel that says which key does what; ? opens and closes it from anywhere on the page.
 *
 * @param {{ dom: Dom, language: Language, popups: Popups }} deps
 */
export function connectKeyHelp({ dom: { element, one }, language: { text }, popups }) {
  for (const key of KEY_HELP) {
    one(".keys dl").append(make("dt", "", text(`key_${key}`)), make("dd", "", text(`key_${key}_does`)));
  }

  /** @param {KeyboardEvent} event */
  function helpKey(event) {
    if (!element.isConnected) return void document.removeEventListener("keydown", helpKey);
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    event.preventDefault();
    popups.toggle(one("[data-popup=keys]"));
  }
  document.addEventListener("keydown", helpKey);
}
