// @ts-check
/** @import { Combination, Dom, Language, OnTop, Popups } from "../types.d.ts" */
/** @import { Selection, ShapeCommands, Signals } from "../types.d.ts" */
import { makeButton } from "../dom.js";

/**
 * The row of buttons that change the pixels of the selected masks, their keys, and *One object a pixel*.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {Popups} deps.popups
 * @param {Selection} deps.selection
 * @param {ShapeCommands} deps.shapes
 * @param {Signals} deps.signals
 * @returns {{ key: (key: string) => boolean }} what does a button's work for its key, if it is one
 */
export function connectShapeButtons({ dom: { one, all }, language: { text }, popups, selection, shapes, signals }) {
  const labels = one(".merge-labels"), merge = one("[data-shape=merge]");
  /** What each key does, as the template says. */
  const byKey = new Map(all("[data-shape]").map((button) => [
    button.getAttribute("aria-keyshortcuts")?.toLowerCase(), button.dataset.shape ?? "",
  ]));

  /** @param {string} name of a button */
  function act(name) {
    if (name === "merge") return mergeOrAsk();
    if (name === "split") return shapes.split();
    if (name === "duplicate") return shapes.duplicate();
    if (name === "subtract" || name === "intersect") return shapes.combine(/** @type {Combination} */ (name));
    shapes.reshape(name);
  }

  /** Masks with different labels: asks once which one stays. */
  function mergeOrAsk() {
    const choices = shapes.labelsToChoose();
    if (!choices.length) return shapes.combine("merge");
    labels.replaceChildren(...["", ...choices].reverse().map((label) => {
      const button = makeButton("option", label || text("label_none"));
      button.setAttribute("role", "menuitem");
      button.addEventListener("click", () => {
        popups.close(true);
        shapes.combine("merge", label);
      });
      return button;
    }));
    popups.toggle(merge);
  }

  for (const button of all("[data-shape]")) {
    button.addEventListener("click", () => act(button.dataset.shape ?? ""));
  }
  for (const button of all("[data-on-top]")) {
    button.addEventListener("click", () => {
      popups.close(true);
      shapes.disjoint(/** @type {OnTop} */ (button.dataset.onTop));
    });
  }

  signals.on(["selection", "masks"], () => {
    const count = selection.ids.size, px = shapes.reach();
    for (const button of all("[data-shape]")) {
      const name = button.dataset.shape ?? "", title = text(`shape_${name}`, { px });
      const least = ["merge", "subtract", "intersect"].includes(name) ? 2 : 1;
      button.setAttribute("aria-disabled", String(count < least));
      button.title = title;
      button.setAttribute("aria-label", title);
    }
  });

  return {
    key(key) {
      const name = byKey.get(key);
      if (name) act(name);
      return Boolean(name);
    },
  };
}
