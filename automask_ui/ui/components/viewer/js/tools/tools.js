// @ts-check
/** @import { Dom, Draft, Edits, Language, Listing, Look, Notes, Notices, Picture, Prompt } from "../types.d.ts" */
/** @import { Selection, Signals, Tool, Toolbox, ToolName, Trigger, Viewport } from "../types.d.ts" */
/** @import { Region } from "./region_tool.js" */
import { createPaintTools } from "./paint_tools.js";
import { createPromptTools } from "./prompt_tool.js";
import { createSelectTool } from "./select_tool.js";
import { connectToolBar } from "./tool_bar.js";

/**
 * Fills the toolbox, and shows the options of the tool that is chosen.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Draft} deps.draft
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Look} deps.look
 * @param {Notes} deps.notes
 * @param {Notices} deps.notices
 * @param {Picture} deps.picture
 * @param {Prompt} deps.prompt
 * @param {Region} deps.region
 * @param {Tool} deps.regionTool
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {Toolbox} deps.toolbox
 * @param {Trigger} deps.trigger
 * @param {Viewport} deps.viewport
 */
export function connectTools(deps) {
  const { region, toolbox } = deps;
  const { add, refine, sign, take, discard } = createPromptTools(deps);
  const { brush, eraser, lassoTool, lasso, ...painting } = createPaintTools(deps);
  /** @type {Record<ToolName, Tool>} */
  const tools = {
    select: createSelectTool(deps), add, refine, brush, eraser, lasso: lassoTool, region: deps.regionTool,
  };
  for (const [name, tool] of Object.entries(tools)) toolbox.add(/** @type {ToolName} */ (name), tool);

  const signs = {
    yes: "sign_plus", no: "sign_minus", isYes: () => sign.belongs,
    choose: (/** @type {boolean} */ yes) => void (sign.belongs = yes),
  };
  connectToolBar({
    ...deps, take, discard, brush: painting,
    choices: {
      add: signs, refine: signs,
      lasso: { yes: "lasso_add", no: "lasso_cut", isYes: () => !lasso.cuts, choose: (yes) => void (lasso.cuts = !yes) },
      region: { yes: "region_only", no: "region_not", isYes: () => region.isOnly, choose: region.setOnly },
    },
  });
}
