// @ts-check
/** @import { Constants, Props, Trigger, Watch } from "./types.d.ts" */
import { createDom, translateTemplate } from "./dom.js";
import { createScope } from "./download/scope.js";
import { connectDownload } from "./download/sheet.js";
import { connectClassEditor } from "./editing/class_editor.js";
import { createCommands } from "./editing/commands.js";
import { connectDeletedList } from "./editing/deleted_list.js";
import { connectHistoryButtons } from "./editing/history_buttons.js";
import { createLabelField } from "./editing/label_field.js";
import { connectShapeButtons } from "./editing/shape_buttons.js";
import { createShapeCommands } from "./editing/shape_commands.js";
import { connectKeys } from "./keys.js";
import { createLoader, unpackLayers } from "./loader.js";
import { createColours } from "./model/colours.js";
import { createDraft } from "./model/draft.js";
import { createEdits } from "./model/edits.js";
import { createLanguage } from "./model/language.js";
import { createListing } from "./model/listing.js";
import { createLook } from "./model/look.js";
import { createPicture } from "./model/picture.js";
import { createPrompt } from "./model/prompt.js";
import { createSelection } from "./model/selection.js";
import { createSignals } from "./model/signals.js";
import { createViewport } from "./model/viewport.js";
import { paintLayers } from "./picture/canvas.js";
import { draftLayers } from "./picture/drafts.js";
import { maskLayers, photoLayer, pointsLayer } from "./picture/layers.js";
import { connectLayout } from "./picture/layout.js";
import { connectLegend } from "./picture/legend.js";
import { markLayers } from "./picture/marks.js";
import { createNotes } from "./picture/notes.js";
import { createNotices } from "./picture/notices.js";
import { connectPointer } from "./picture/pointer.js";
import { connectStage } from "./picture/stage.js";
import { connectToolbar } from "./picture/toolbar.js";
import { connectKeyHelp, createPopups } from "./popups.js";
import { connectDetails } from "./table/details.js";
import { connectFilterField } from "./table/filter_field.js";
import { createTable } from "./table/table.js";
import { connectTableInput } from "./table/table_input.js";
import { connectTotals } from "./table/totals.js";
import { createBrush } from "./tools/brush.js";
import { createRegionTool } from "./tools/region_tool.js";
import { createToolbox } from "./tools/toolbox.js";
import { connectTools } from "./tools/tools.js";

/**
 * Puts the viewer together. What is made first knows nothing of what is made later; `create…` returns what others
 * use, `connect…` only listens.
 *
 * @param {object} gradio what Gradio gives to a component's script
 * @param {HTMLElement} gradio.element
 * @param {Props} gradio.props
 * @param {Trigger} gradio.trigger
 * @param {Watch} gradio.watch
 */
export function createViewer({ element, props, trigger, watch }) {
  const dom = createDom(element);
  /** @type {Constants} */
  const constants = JSON.parse(props.constants);
  const language = createLanguage(constants.texts, navigator.language);
  const signals = createSignals();
  const pixelRatio = () => window.devicePixelRatio || 1;
  /** @param {string} sentence */
  const say = (sentence) => void (dom.one(".spoken").textContent = sentence);
  translateTemplate(dom, language);

  // State, without the page
  const edits = createEdits({ signals, send: (parcel) => trigger("edit", parcel) });
  const picture = createPicture({ signals, edits });
  const listing = createListing({ signals, picture, edits, language });
  const selection = createSelection({ signals, picture, listing, language, say });
  const look = createLook({ signals });
  const { palette, no_class_colour: noClassColour } = constants;
  const colours = createColours({ signals, picture, edits, look, palette, noClassColour });
  const viewport = createViewport({ signals, picture, pixelRatio });
  const draft = createDraft({ signals });
  const prompt = createPrompt({
    picture, send: (parcel) => trigger("predict", parcel), signals, unpack: unpackLayers,
  });

  // The picture
  const notes = createNotes({ dom, edits, picture, signals, trigger, viewport });
  const notices = createNotices({ dom, language, offersSample: constants.offer_sample, picture, trigger });
  const popups = createPopups({ dom, picture });
  const toolbox = createToolbox({ dom, draft, look, picture, signals, viewport });
  connectStage({ dom, language, picture, signals, toolbox, viewport });
  const masks = maskLayers({ colours, dom, edits, listing, look, picture, viewport });
  // Other masks leave the photo as it is: to shrink it well takes longer than to draw 200 of them.
  paintLayers({
    canvas: dom.one(".photo", HTMLCanvasElement),
    layers: [photoLayer({ picture })],
    topics: ["view"],
    signals, picture, viewport,
  });
  paintLayers({
    canvas: dom.one(".scene", HTMLCanvasElement),
    layers: [masks.fills, masks.outlines, pointsLayer({ picture, viewport }), masks.ids],
    topics: ["masks", "order", "shown", "view", "style", "opacity"],
    signals, picture, viewport,
  });
  // Hovering, selecting and drawing only touch this thin canvas over the scene.
  const marks = markLayers({ look, picture, selection, toolbox, viewport });
  const brush = createBrush({ draft, picture, viewport });
  const { region, tool: regionTool } = createRegionTool({ brush, draft, picture, trigger, viewport });
  const drafts = draftLayers({ draft, picture, prompt, region, toolbox, viewport });
  paintLayers({
    canvas: dom.one(".marks", HTMLCanvasElement),
    layers: [drafts.region, marks.veil, marks.selected, marks.hovered, drafts.preview, drafts.strokes, drafts.guides],
    topics: ["masks", "order", "shown", "view", "style", "hover", "selection", "draft"],
    signals, picture, viewport,
  });
  connectPointer({ dom, notes, picture, viewport, tool: toolbox.current });
  connectLayout({ dom, look, picture, signals });
  connectLegend({ colours, dom, language, look, signals });
  connectToolbar({ dom, language, look, signals, viewport });

  connectTools({
    brush, dom, draft, edits, language, listing, look, notes, notices, picture, prompt, region, regionTool, selection,
    signals, toolbox, trigger, viewport,
  });

  // The table, and what is done to masks
  const stage = dom.one(".stage");
  const table = createTable({ colours, dom, edits, language, listing, look, picture, selection, signals, viewport });
  const commands = createCommands({ edits, language, listing, notices, say, selection, signals, stage, table });
  connectTableInput({ commands, listing, picture, selection, table, viewport });
  connectFilterField({ dom, edits, language, listing, picture });
  connectTotals({ dom, edits, language, listing, picture, selection, signals });
  connectDetails({ commands, dom, edits, language, picture, selection, signals, viewport });
  connectDeletedList({ commands, dom, edits, language, picture, popups, signals });
  connectHistoryButtons({ commands, dom, edits, language, signals });
  const labelField = createLabelField({
    colours, commands, dom, edits, language, notices, popups, selection, signals, table,
  });
  connectClassEditor({ dom, edits, notices, popups, props, trigger, watch });
  const shapes = createShapeCommands({ edits, language, listing, notices, picture, selection });
  const shapeButtons = connectShapeButtons({ dom, language, popups, selection, shapes, signals });
  connectKeys({ commands, dom, labelField, look, notes, selection, shapeButtons, toolbox, viewport });
  connectKeyHelp({ dom, language, popups });

  // Download
  const scope = createScope({ dom, language, listing, picture, selection, signals });
  connectDownload({
    dom, edits, formats: constants.formats, language, look, picture, popups, props, scope, selection, signals, trigger,
    viewport, watch,
  });

  // What Python sets
  const load = createLoader({ language, notes, notices, picture, props, viewport });
  watch("value", load);
  watch("edits", async () => {
    const said = props.edits;
    // New pixels come with the answer: they are there when it says which masks are gone.
    if (said?.redraws) await load();
    edits.take(said);
  });
  watch("prediction", () => void prompt.take(props.prediction));
  watch("note", () => {
    if (!props.note?.text) return notes.hideNote();
    const { text, x, y, suggestion, keeps } = props.note, k = picture.enlargement();
    notes.showNote(text, { x: x / k, y: y / k }, suggestion, keeps);
  });
  void load();
}
