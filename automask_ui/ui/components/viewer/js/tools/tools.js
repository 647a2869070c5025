// @ts-check
/** @import { Dom, Draft, Edits, Language, Listing, Look, Notes, Notices, Picture, Prompt } from "../types.d.ts" */
/** @import { Selection, Signals, Tool, Toolbox, ToolName, Trigger, Viewport } from "../types.d.ts" */
/** @import { Brush } from "./brush.js" */
/** @import { Region } from "./region_tool.js" */
import { createPaintTools } from "./paint_tools.js";
import { createPromptTools } from "./prompt_tool.js";
import { createSelectTool } from "./select_tool.js";
import { connectToolBar } from "./tool_bar.js";

/**
 * Fills the toolbox, and shows the options of the tool that is chosen.
 *
 * @param {object} deps
 * @param {Brush} deps.brush
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
  const { brushTool, eraser, lassoTool, lasso } = createPaintTools(deps);
  /** @type {Record<ToolName, Tool>} */
  const tools = {
    select: createSelectTool(deps), add, refine, brush: brushTool, eraser, lasso: lassoTool, region: deps.regionTool,
  };
  for (const [name, tool] of Object.entries(tools)) toolbox.add(/** @type {ToolName} */ (name), tool);

  const signs = {
    yes: "sign_plus", no: "sign_minus", isYes: () => sign.belongs,
    choose: (/** @type {boolean} */ yes) => void (sign.belongs = yes),
  };
  /** Whether drawing adds or cuts. @param {{ cuts: boolean }} owner */
  const addOrCut = (owner) => ({
    yes: "lasso_add", no: "lasso_cut", isYes: () => !owner.cuts,
    choose: (/** @type {boolean} */ yes) => void (owner.cuts = !yes),
  });
  connectToolBar({
    ...deps, take, discard,
    choices: {
      add: [signs], refine: [signs], lasso: [addOrCut(lasso)],
      region: [
        {
          yes: "region_outline", no: "region_paint", isYes: () => !region.isPainted,
          choose: (yes) => region.setPainted(!yes),
        },
        // Nothing can be cut out of nothing.
        { ...addOrCut(region), isOffered: () => region.pieces.length > 0 },
        { yes: "region_only", no: "region_not", isYes: () => region.isOnly, choose: region.setOnly },
      ],
    },
  });
}
