// Small panels that open from a button.

let openPopup = null; // {button, panel}

function togglePopup(button) {
  const panel = button.parentElement.querySelector(".popup");
  const opens = panel.hidden;
  closePopup();
  if (!opens) return;
  panel.hidden = false;
  button.setAttribute("aria-expanded", "true");
  openPopup = { button, panel };
  panel.querySelector("[role=menuitem]:not([disabled])")?.focus();
}

function closePopup(refocus = false) {
  if (!openPopup) return;
  openPopup.panel.hidden = true;
  openPopup.button.setAttribute("aria-expanded", "false");
  if (refocus) openPopup.button.focus();
  openPopup = null;
}

for (const button of $$("[data-popup]")) button.addEventListener("click", () => togglePopup(button));

// Capturing, since a click elsewhere may never bubble up; gone together with the element.
function closeOutside(event) {
  if (!element.isConnected) return void document.removeEventListener("pointerdown", closeOutside, true);
  if (openPopup && !openPopup.panel.parentElement.contains(event.target)) closePopup();
}
document.addEventListener("pointerdown", closeOutside, true);

element.addEventListener("keydown", (event) => {
  if (!openPopup) return;
  const items = [...openPopup.panel.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = at >= 0 && { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  // A menu is left with Tab; in a dialog it goes from field to field.
  if (event.key === "Tab") return items.includes(document.activeElement) ? void closePopup() : undefined;
  if (event.key === "Escape") closePopup(true);
  else if (typeof to === "number") items[(to + items.length) % items.length].focus();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

// Keys and what they do

for (const key of ["click", "add", "wheel", "zoom", "label", "search", "hide", "delete", "undo", "photo", "numbers", "rows", "all", "escape"]) {
  $(".keys dl").append(make("dt", "", text(`key_${key}`)), make("dd", "", text(`key_${key}_does`)));
}
