// @ts-check
/** @import { Dom, Language, Listing, Picture, Selection, Signals } from "../types.d.ts" */
import { find, make, makeButton } from "../dom.js";
import { createHook } from "../model/signals.js";

/** @typedef {"selected" | "shown" | "all"} ScopeName */

/**
 * Owns which masks are downloaded: the selected ones, those shown, or all.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 */
export function createScope({ dom: { one }, language: { formatted, text }, listing, picture, selection, signals }) {
  /** Ids of each scope, in table order. */
  const idsOf = {
    selected: () => selection.inOrder(),
    shown: () => listing.shown(),
    all: () => [...listing.sorted],
  };
  /** "": follows the selection. @type {ScopeName | ""} */
  let chosen = "";
  /** @type {ReturnType<typeof createHook<[]>>} */
  const chosenChanged = createHook();

  /**
   * The scope in force: the chosen one, else the selection if there is one, else what is shown.
   *
   * @returns {ScopeName}
   */
  function name() {
    const anySelected = selection.ids.size > 0;
    if (chosen && (chosen !== "selected" || anySelected)) return chosen;
    return anySelected ? "selected" : "shown";
  }

  /** Ids of the scope in force, in table order. */
  const ids = () => idsOf[name()]();

  const buttons = [newButton("selected"), newButton("shown"), newButton("all")];
  one(".scopes").append(...buttons.map(({ button }) => button));

  /** @param {ScopeName} scope */
  function newButton(scope) {
    const button = makeButton();
    button.setAttribute("role", "radio");
    button.dataset.scope = scope;
    button.append(make("span", "", text(`scope_${scope}`)), make("span", "amount"));
    button.addEventListener("click", () => {
      chosen = scope;
      draw();
      chosenChanged.emit();
    });
    return { scope, button };
  }

  function draw() {
    for (const { scope, button } of buttons) {
      const amount = idsOf[scope]().length, isChecked = scope === name();
      find(button, ".amount").textContent = formatted(amount);
      button.disabled = scope === "selected" && !amount;
      button.setAttribute("aria-checked", String(isChecked));
      button.tabIndex = isChecked ? 0 : -1;
    }
  }

  one(".scopes").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const usable = buttons.filter(({ button }) => !button.disabled);
    const at = usable.findIndex(({ scope }) => scope === name());
    const { button } = usable[(at + step + usable.length) % usable.length];
    button.click();
    button.focus();
  });

  picture.onSessionStarted(() => {
    chosen = "";
  });
  signals.on(["masks", "order", "shown", "selection"], draw);
  draw();
  return { name, ids, onChosen: chosenChanged.on };
}
