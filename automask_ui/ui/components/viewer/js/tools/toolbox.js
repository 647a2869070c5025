// @ts-check
/** @import { Dom, Draft, Look, Picture, Signals, Tool, ToolName, Viewport } from "../types.d.ts" */

/** @type {Readonly<Record<string, ToolName>>} */
const KEYS = { v: "select", a: "add", c: "refine", b: "brush", e: "eraser", o: "lasso", r: "region" };
/** @type {Readonly<Record<string, [number, number]>>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 8; // stage px that an arrow moves the cross-hair; with Shift one

/**
 * Owns which tool is chosen, and works it by keys: a cross-hair stands for the pointer, Space for the click.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Draft} deps.draft
 * @param {Look} deps.look
 * @param {Picture} deps.picture
 * @param {Signals} deps.signals
 * @param {Viewport} deps.viewport
 */
export function createToolbox({ dom: { all, one }, draft, look, picture, signals, viewport }) {
  const stage = one(".stage");
  /** @type {Partial<Record<ToolName, Tool>>} */
  const tools = {};
  /** In stage px; null until an arrow is pressed, and once the mouse takes over. It moves with the photo. */
  function crossHair() {
    const { pointer, isCrossHair } = draft;
    return pointer && isCrossHair ? viewport.toStage(pointer.x, pointer.y) : null;
  }

  /** @param {ToolName} name */
  function choose(name) {
    if (name === toolbox.name || (!picture.photo && name !== "select")) return;
    toolbox.current().stop?.();
    toolbox.current().leave();
    toolbox.name = name;
    draft.setPointer(null);
    look.set({ isQuiet: name === "add" || name === "refine" });
    draw();
  }

  function draw() {
    for (const button of all("[data-tool]")) {
      const isChosen = button.dataset.tool === toolbox.name;
      button.setAttribute("aria-checked", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
    stage.dataset.chosenTool = toolbox.name;
    signals.changed("draft", "view");
  }

  /** @param {[number, number]} step @param {boolean} fine */
  function moveCrossHair([dx, dy], fine) {
    const pace = fine ? 1 : STEP;
    const { x, y } = crossHair() ?? { x: viewport.width / 2, y: viewport.height / 2 };
    const wanted = { x: x + dx * pace, y: y + dy * pace };
    const point = {
      x: Math.max(0, Math.min(viewport.width, wanted.x)), y: Math.max(0, Math.min(viewport.height, wanted.y)),
    };
    // At the edge the photo comes to meet it.
    viewport.moveBy(point.x - wanted.x, point.y - wanted.y);
    toolbox.current().hover(point);
    draft.setPointer(viewport.toPhoto(point.x, point.y), draft.brush, true);
  }

  const toolbox = {
    /** @type {ToolName} */
    name: "select",

    /** @param {ToolName} name @param {Tool} tool */
    add(name, tool) {
      tools[name] = tool;
    },

    /** @returns {Tool} */
    current: () => /** @type {Tool} */ (tools[toolbox.name]),

    choose,

    /**
     * A key that was pressed in the picture or on a button of ours, without Ctrl, Alt or Meta.
     *
     * @param {KeyboardEvent} event
     * @returns {boolean} whether the key was used
     */
    key(event) {
      const onStage = event.target === stage, arrow = ARROWS[event.key], point = crossHair();
      if (toolbox.current().key?.(event.key, event.shiftKey)) return true;
      if (event.key === "Escape" && toolbox.name !== "select") choose("select");
      else if (KEYS[event.key.toLowerCase()] && !event.shiftKey) choose(KEYS[event.key.toLowerCase()]);
      else if (toolbox.name === "select" || !onStage) return false;
      else if (arrow) moveCrossHair(arrow, event.shiftKey);
      else if (event.key === " " && point) {
        const { ctrlKey, metaKey, shiftKey, altKey } = event;
        toolbox.current().click(point, { ctrlKey, metaKey, shiftKey, altKey, minus: shiftKey });
      } else return false;
      return true;
    },
  };

  for (const button of all("[data-tool]")) {
    button.addEventListener("click", () => choose(/** @type {ToolName} */ (button.dataset.tool)));
    // Buttons of one group: arrows go from one to the next, Tab leaves.
    button.addEventListener("keydown", (event) => {
      const buttons = all("[data-tool]"), at = buttons.indexOf(button);
      const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const next = buttons[(to + buttons.length) % buttons.length];
      next.focus();
      next.click();
    });
  }
  picture.onSessionStarted(() => {
    if (toolbox.name !== "select") choose("select");
  });
  return toolbox;
}
