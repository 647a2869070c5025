// @ts-check
/** @import { Dom, Language, Prompt, Selection, Signals, Toolbox, ToolName } from "../types.d.ts" */
import { score } from "../model/language.js";

/**
 * A choice of two that some tools have.
 *
 * @typedef {{ yes: string, no: string, isYes: () => boolean, choose: (yes: boolean) => void }} Choice texts' keys
 */

/**
 * The bar under the picture's edge that says what the chosen tool does, and holds its options.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {{ size: () => number, smaller: () => void, larger: () => void }} deps.brush
 * @param {Readonly<Partial<Record<ToolName, Choice>>>} deps.choices
 * @param {Prompt} deps.prompt
 * @param {{ outlines: readonly unknown[], clear: () => void }} deps.region
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {() => void} deps.discard
 * @param {() => void} deps.take
 * @param {Toolbox} deps.toolbox
 */
export function connectToolBar(deps) {
  const { dom: { all, one }, language: { text }, brush, choices, prompt, region, selection, toolbox } = deps;
  const bar = one(".tool-bar");

  /** What to do next with the tool. */
  function hint() {
    const { name } = toolbox;
    if (name !== "add" && name !== "refine") return prompt.isOpen() ? "" : text(`hint_${name}`);
    if (prompt.error) return prompt.error === "lost" ? text("edit_lost") : prompt.error;
    if (prompt.isOpen()) return prompt.candidates.length ? "" : text("asking");
    return text(name === "refine" && selection.ids.size !== 1 ? "refine_none" : `hint_${name}`);
  }

  function draw() {
    const { name } = toolbox, paints = name === "brush" || name === "eraser", choice = choices[name];
    const mask = prompt.isOpen() ? prompt.current() : undefined;
    bar.hidden = name === "select";
    if (bar.hidden) return;
    bar.setAttribute("aria-busy", String(prompt.isWaiting()));
    const sentence = hint();
    one(".tool-hint").hidden = !sentence;
    one(".tool-hint").textContent = sentence;
    one(".choice").hidden = !choice;
    for (const [selector, isYes] of /** @type {const} */ ([["[data-choice=yes]", true], ["[data-choice=no]", false]])) {
      if (!choice) break;
      one(selector).textContent = text(isYes ? choice.yes : choice.no);
      one(selector).setAttribute("aria-pressed", String(choice.isYes() === isYes));
    }
    one(".candidates").hidden = prompt.candidates.length < 2 || !mask;
    one(".candidates output").textContent = `${prompt.chosen + 1} / ${prompt.candidates.length}`;
    one(".candidate-score").hidden = !mask;
    if (mask) one(".candidate-score").textContent = text("candidate", { score: score(mask.score) });
    one(".brush-size").hidden = !paints;
    one(".brush-size output").textContent = text("brush_size", { px: brush.size() });
    one("[data-do=take]").hidden = one("[data-do=discard]").hidden = !prompt.isOpen();
    one("[data-do=take]").toggleAttribute("disabled", !mask);
    one("[data-do=clear-region]").hidden = name !== "region" || !region.outlines.length;
  }

  /** @type {Record<string, () => void>} */
  const buttons = {
    "candidate-before": () => prompt.step(-1),
    "candidate-next": () => prompt.step(1),
    smaller: brush.smaller,
    larger: brush.larger,
    take: deps.take,
    discard: deps.discard,
    "clear-region": region.clear,
  };
  for (const [name, act] of Object.entries(buttons)) {
    const button = one(`.tool-bar [data-do=${name}]`);
    button.addEventListener("click", () => {
      act();
      draw();
      // A button that goes would take the focus with it, and keys would be heard no more.
      if (button.hidden) one(".stage").focus({ preventScroll: true });
    });
  }
  for (const button of all("[data-choice]")) {
    button.addEventListener("click", () => {
      choices[toolbox.name]?.choose(button.dataset.choice === "yes");
      draw();
    });
  }
  deps.signals.on(["draft", "selection", "masks"], draw);
}
