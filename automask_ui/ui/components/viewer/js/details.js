// Totals under the table, and the selected mask with all that SAM says about it.

function drawTotals() {
  const parts = [text("count", { n: state.masks.length })];
  const hidden = state.masks.filter((mask) => isHidden(mask.id)).length;
  if (state.matches) parts.push(text("matching", { n: state.listed.length }));
  if (state.selected.size) parts.push(text("selected", { n: state.selected.size }));
  if (hidden) parts.push(text("hidden", { n: hidden }));
  const labelled = state.masks.filter((mask) => labelOf(mask.id)).length;
  if (labelled) parts.push(text("labelled", { n: labelled }));
  parts.push(text("covered", { percent: percent(state.covered, 1, 0) }));
  $(".totals").textContent = state.masks.length ? parts.join(" · ") : "";
}

// The seven fields of SamAutomaticMaskGenerator; the tooltip has SAM's own name.
const FIELDS = [
  ["field_area", "area", (mask) => `${formatted(mask.area)} px · ${percent(mask.area, total())}`],
  ["field_iou", "predicted_iou", (mask) => score(mask.iou, 3)],
  ["field_stability", "stability_score", (mask) => score(mask.stability, 3)],
  ["field_bbox", "bbox", (mask) => coordinates(mask.bbox)],
  ["field_point", "point_coords", (mask) => coordinates(mask.point)],
  ["field_crop", "crop_box", (mask) => coordinates(mask.crop)],
  ["field_segmentation", "segmentation", () => text("pixels", state.value)],
];

const fieldValues = FIELDS.map(([label, name]) => {
  const term = make("dt", "", text(label)), value = make("dd");
  term.title = name;
  $(".details-body dl").append(term, value);
  return value;
});

const CUT_OUT = 96; // px

function drawDetails(topics) {
  const mask = state.byId.get(state.primary);
  $(".details-hint").hidden = Boolean(mask) || !state.masks.length;
  $(".details-card").hidden = !mask;
  if (!mask) return;
  const ids = idsOf("selected");
  const many = ids.length > 1;
  const name = text("mask_number", { id: String(mask.id) });
  // Of several, the one selected last is shown.
  $(".details-head h3").textContent = many ? `${text("masks_selected", { n: ids.length })} · ${name}` : name;
  $("[data-do=hide]").textContent = text(ids.every(isHidden) ? "show" : "hide");
  fieldValues.forEach((node, i) => (node.textContent = FIELDS[i][2](mask)));
  const canvas = $(".cut-out");
  canvas.setAttribute("aria-label", text("cut_out", { id: String(mask.id) }));
  const drawn = `${mask.id} ${state.shapes.get(mask.id)?.key} ${state.value.image?.url}`;
  if (canvas.drawn === drawn && !topics.has("view")) return;
  canvas.drawn = drawn;
  drawCutOut(canvas, mask.id, CUT_OUT, 0);
}

$("[data-do=hide]").addEventListener("click", () => toggleHidden(idsOf("selected")));
$("[data-do=delete]").addEventListener("click", () => deleteMasks(idsOf("selected")));
$("[data-do=clear]").addEventListener("click", clearSelection);

on("masks order shown labels selection", drawTotals);
on("masks shown selection", drawDetails);
