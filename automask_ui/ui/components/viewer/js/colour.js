// What colour a mask has: its own, that of its class, or its place on a scale. The scale (viridis without its black end, which dark photos
// would swallow) is read alike with any colour vision.

const RAMP = [[71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128],
  [94, 201, 98], [173, 220, 48], [253, 231, 37]];

function ramp(share) {
  const at = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
  const i = Math.min(RAMP.length - 2, Math.floor(at));
  const mixed = RAMP[i].map((from, k) => Math.round(from + (at - i) * (RAMP[i + 1][k] - from)));
  return `rgb(${mixed.join(",")})`;
}

const SCALES = {
  // Sizes differ by orders of magnitude: a linear scale would paint nearly all masks in one colour.
  size: { measure: (mask) => Math.log(Math.max(1, mask.area)), name: "legend_size", show: (x) => whole.format(Math.exp(x)) + " px" },
  quality: { measure: (mask) => mask.iou, name: "legend_quality", show: (x) => score(x) },
};

let scaleRange = [0, 1];

function refreshScale() {
  const scale = SCALES[state.colourBy];
  $(".legend").hidden = !scale || !state.masks.length || state.photoOnly;
  if (!scale) return;
  let low = Infinity, high = -Infinity;
  for (const mask of state.masks) {
    const x = scale.measure(mask);
    low = Math.min(low, x);
    high = Math.max(high, x);
  }
  scaleRange = [low, high];
  $(".legend-name").textContent = text(scale.name);
  $(".legend-low").textContent = scale.show(low);
  $(".legend-high").textContent = scale.show(high);
}

function colourOf(mask) {
  if (state.colourBy === "class") return classColour(labelOf(mask.id));
  const scale = SCALES[state.colourBy];
  if (!scale) return mask.colour;
  const [low, high] = scaleRange;
  return ramp(high > low ? (scale.measure(mask) - low) / (high - low) : 1);
}

$(".ramp").style.background = `linear-gradient(90deg, ${RAMP.map((_, i) => ramp(i / (RAMP.length - 1))).join(", ")})`;
on("masks style", refreshScale);
on("labels", () => state.colourBy === "class" && changed("style"));
