// @ts-check
/** @import { Dom, Language, Prompt, Selection, Signals, Toolbox, ToolName } from "../types.d.ts" */
/** @import { Region } from "./region_tool.js" */
import { score } from "../model/language.js";

/**
 * A choice of two that some tools have; `yes` and `no` are texts' keys.
 *
 * @typedef {object} Choice
 * @property {string} yes
 * @property {string} no
 * @property {() => boolean} isYes
 * @property {(yes: boolean) => void} choose
 * @property {() => boolean} [isOffered] left out: always
 */

/**
 * The bar under the picture's edge that says what the chosen tool does, and holds its options.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {{ size: () => number, smaller: () => void, larger: () => void }} deps.brush
 * @param {Readonly<Partial<Record<ToolName, readonly Choice[]>>>} deps.choices at most as many as the bar has room for
 * @param {Prompt} deps.prompt
 * @param {Region} deps.region
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {() => void} deps.discard
 * @param {() => void} deps.take
 * @param {Toolbox} deps.toolbox
 */
export function connectToolBar(deps) {
  const { dom: { all, one }, language: { text }, brush, choices, prompt, region, selection, toolbox } = deps;
  const bar = one(".tool-bar"), groups = all(".tool-bar .choice");
  const buttonsOf = (/** @type {HTMLElement} */ group) => /** @type {HTMLElement[]} */ ([...group.children]);

  /** What to do next with the tool. */
  function hint() {
    const { name } = toolbox;
    // Who has drawn something knows how; the bar has one line.
    if (name === "region" && region.pieces.length) return "";
    if (name === "region" && region.isPainted) return text("hint_region_paint");
    if (name !== "add" && name !== "refine") return prompt.isOpen() ? "" : text(`hint_${name}`);
    if (prompt.error) return prompt.error === "lost" ? text("edit_lost") : prompt.error;
    if (prompt.isOpen()) return prompt.candidates.length ? "" : text("asking");
    return text(name === "refine" && selection.ids.size !== 1 ? "refine_none" : `hint_${name}`);
  }

  function draw() {
    const { name } = toolbox;
    const paints = name === "brush" || name === "eraser" || (name === "region" && region.isPainted);
    const mask = prompt.isOpen() ? prompt.current() : undefined;
    bar.hidden = name === "select";
    if (bar.hidden) return;
    bar.setAttribute("aria-busy", String(prompt.isWaiting()));
    const sentence = hint();
    one(".tool-hint").hidden = !sentence;
    one(".tool-hint").textContent = sentence;
    for (const [place, group] of groups.entries()) {
      const choice = choices[name]?.[place];
      group.hidden = !choice || choice.isOffered?.() === false;
      if (!choice) continue;
      for (const button of buttonsOf(group)) {
        const isYes = button.dataset.choice === "yes";
        button.textContent = text(isYes ? choice.yes : choice.no);
        button.setAttribute("aria-pressed", String(choice.isYes() === isYes));
      }
    }
    one(".candidates").hidden = prompt.candidates.length < 2 || !mask;
    one(".candidates output").textContent = `${prompt.chosen + 1} / ${prompt.candidates.length}`;
    one(".candidate-score").hidden = !mask;
    if (mask) one(".candidate-score").textContent = text("candidate", { score: score(mask.score) });
    one(".brush-size").hidden = !paints;
    one(".brush-size output").textContent = text("brush_size", { px: brush.size() });
    one("[data-do=take]").hidden = one("[data-do=discard]").hidden = !prompt.isOpen();
    one("[data-do=take]").toggleAttribute("disabled", !mask);
    one("[data-do=clear-region]").hidden = name !== "region" || !region.pieces.length;
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
  for (const [place, group] of groups.entries()) {
    for (const button of buttonsOf(group)) {
      button.addEventListener("click", () => {
        choices[toolbox.name]?.[place]?.choose(button.dataset.choice === "yes");
        draw();
      });
    }
  }
  deps.signals.on(["draft", "selection", "masks"], draw);
}
