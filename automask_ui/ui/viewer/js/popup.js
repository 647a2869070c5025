// Small panels that open from a button, and the download menu, which is one of them.

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
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") return void closePopup();
  if (event.key === "Escape") closePopup(true);
  else if (to !== undefined && items.length) items[(to + items.length) % items.length].focus();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

// Keys and what they do

for (const key of ["click", "add", "wheel", "zoom", "hide", "photo", "numbers", "rows", "all", "escape"]) {
  $(".keys dl").append(make("dt", "", text(`key_${key}`)), make("dd", "", text(`key_${key}_does`)));
}

// Download: which masks, then in which format

const SCOPES = ["selected", "shown", "all"];
let chosenScope = ""; // "": follows the selection

const scopeButtons = SCOPES.map((scope) => {
  const button = make("button");
  button.type = "button";
  button.setAttribute("role", "radio");
  button.dataset.scope = scope;
  button.append(make("span", "", text(`scope_${scope}`)), make("span", "amount"));
  button.addEventListener("click", () => {
    chosenScope = scope;
    drawScopes();
  });
  $(".scopes").append(button);
  return button;
});

/** The scope in force: the chosen one, else the selection if there is one, else what is shown. */
function currentScope() {
  const fallback = state.selected.size ? "selected" : "shown";
  return chosenScope && !(chosenScope === "selected" && !state.selected.size) ? chosenScope : fallback;
}

function drawScopes() {
  const scope = currentScope();
  for (const button of scopeButtons) {
    const amount = idsOf(button.dataset.scope).length, checked = button.dataset.scope === scope;
    button.querySelector(".amount").textContent = formatted(amount);
    button.disabled = button.dataset.scope === "selected" && !amount;
    button.setAttribute("aria-checked", String(checked));
    button.tabIndex = checked ? 0 : -1;
  }
  const count = idsOf(scope).length;
  $(".download").disabled = !count || !props.formats.length;
  $(".formats h3").textContent = text("download_as", { count: text("count", { n: count }) });
}
on("masks order shown selection", drawScopes);
drawScopes();

$(".scopes").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const usable = scopeButtons.filter((button) => !button.disabled);
  const at = usable.findIndex((button) => button.dataset.scope === currentScope());
  const next = usable[(at + step + usable.length) % usable.length];
  next.click();
  next.focus();
});

function drawFormats() {
  const items = props.formats.map((format) => {
    const item = make("button", "format");
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.dataset.format = format.id;
    item.append(make("span", "", spoken(format.label)), make("span", "hint", spoken(format.hint)));
    return item;
  });
  $(".formats [role=menu]").replaceChildren(...items);
  drawScopes();
}
drawFormats();

$(".formats").addEventListener("click", (event) => {
  const format = event.target.closest("[data-format]")?.dataset.format;
  if (!format) return;
  closePopup(true);
  const scope = currentScope();
  trigger("download", { run: state.value.run, format, scope, ids: idsOf(scope) });
});
