// The slim bar over the picture.

const ACTIONS = { "zoom-in": () => zoomBy(1.25), "zoom-out": () => zoomBy(0.8), "zoom-fit": fit, "zoom-actual": zoomActual };
for (const [name, act] of Object.entries(ACTIONS)) $(`[data-do=${name}]`).addEventListener("click", act);

for (const button of $$("[data-mode]")) {
  button.addEventListener("click", () => {
    state.mode = button.dataset.mode;
    changed("style");
  });
}

const opacity = $(".opacity");
opacity.value = String(100 * state.opacity);
opacity.addEventListener("input", () => {
  state.opacity = Number(opacity.value) / 100;
  changed("opacity");
});

const colourBy = $(".colour-by");
colourBy.addEventListener("change", () => {
  state.colourBy = colourBy.value;
  changed("style");
});

$("[data-toggle=numbers]").addEventListener("click", toggleNumbers);
$("[data-toggle=wide]").addEventListener("click", () => {
  state.wide = !state.wide;
  $(".grid").classList.toggle("wide", state.wide);
  changed("style");
});

// Held with the mouse it is a peek; Enter and Space come as clicks without a pointer.
const photoButton = $("[data-toggle=photoOnly]");
photoButton.addEventListener("pointerdown", pressPhotoOnly);
for (const type of ["pointerup", "pointercancel", "pointerleave"]) photoButton.addEventListener(type, releasePhotoOnly);
photoButton.addEventListener("click", (event) => {
  if (!event.detail) setPhotoOnly(!state.photoOnly);
});

function drawToolbar() {
  for (const button of $$("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
  for (const button of $$("[data-toggle]")) button.setAttribute("aria-pressed", String(state[button.dataset.toggle]));
  opacity.disabled = state.mode === "outline";
  opacity.setAttribute("aria-valuetext", percent(state.opacity, 1, 0));
  opacity.style.setProperty("--at", `${opacity.value}%`);
}
on("style opacity", drawToolbar);
drawToolbar();
