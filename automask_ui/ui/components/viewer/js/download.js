// Download: which masks, in which format; then what the finished file holds, before it is saved. Where nothing is lost
// and nothing is to be chosen, it is saved at once.

const SCOPES = ["selected", "shown", "all"];
let chosenScope = ""; // "": follows the selection
const CHIPS = 60; // masks that are named; the button selects all
let wanted = null; // {format, ticket}: the file that is being written or can be saved

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
  $(".formats .menu h3").textContent = text("download_as", { count: text("count", { n: count }) });
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

// The sheet

const sheet = $(".sheet"), withoutLabel = $(".leave-out input");
const saveButton = $("[data-do=save]");

$("[data-popup=formats]").addEventListener("click", () => showSheet(false));

function showSheet(shown) {
  sheet.hidden = !shown;
  $(".formats .menu").hidden = shown;
}

$(".formats").addEventListener("click", (event) => {
  const id = event.target.closest("[data-format]")?.dataset.format;
  if (!id) return;
  const labelled = idsOf(currentScope()).filter(labelOf).length, unlabelled = idsOf(currentScope()).length - labelled;
  $(".leave-out").hidden = !labelled || !unlabelled;
  $(".leave-out span").textContent = text("leave_out", { n: unlabelled });
  withoutLabel.checked = false;
  $(".sheet h3").textContent = spoken(props.formats.find((format) => format.id === id).label);
  showSheet(true);
  prepare(id);
});

function prepare(format) {
  const scope = currentScope();
  const ids = idsOf(scope).filter((id) => !withoutLabel.checked || labelOf(id));
  wanted = { format, ticket: `file-${++ticket}` };
  sheet.dataset.state = "busy";
  $(".proof-line").textContent = text("preparing");
  for (const part of [".proof-more", ".proof-masks"]) $(part).replaceChildren();
  $("[data-do=select-changed]").hidden = true;
  saveButton.disabled = true;
  saveButton.textContent = text("save");
  if (document.activeElement !== withoutLabel) $("[data-do=back]").focus();
  trigger("prepare", { run: state.value.run, ticket: wanted.ticket, format, scope, ids, colour_by: state.colourBy });
}

withoutLabel.addEventListener("change", () => wanted && prepare(wanted.format));

/** What the file holds, once it has been read back. Answers for a file that is no longer wanted are passed over. */
function showProof() {
  const { proof } = props;
  if (!proof || proof.ticket !== wanted?.ticket) return;
  sheet.dataset.state = proof.error ? "failed" : proof.exact ? "exact" : "changed";
  $(".proof-line").textContent = proof.sentence;
  if (proof.error) return;
  $(".proof-more").replaceChildren(...proof.more.map((sentence) => make("p", "", sentence)));
  $(".proof-masks").replaceChildren(...proof.masks.slice(0, CHIPS).map(newChip));
  const several = proof.masks.length > 1 && proof.masks.every(({ id }) => state.byId.has(id));
  $("[data-do=select-changed]").hidden = !several;
  $("[data-do=select-changed]").textContent = text("select_changed", { n: proof.masks.length });
  saveButton.disabled = false;
  saveButton.textContent = text("save_size", { size: proof.size });
  saveButton.title = proof.file;
  if (document.activeElement === $("[data-do=back]")) saveButton.focus();
  if (proof.exact && $(".leave-out").hidden) save();
}

function newChip({ id, iou }) {
  const chip = make("button", "chip");
  chip.type = "button";
  chip.dataset.id = id;
  chip.title = text("chip", { id: String(id), iou });
  chip.append(make("span", "number", `#${id}`), make("span", "", iou));
  return chip;
}

$(".proof-masks").addEventListener("click", (event) => {
  const id = Number(event.target.closest(".chip")?.dataset.id);
  if (!state.byId.has(id)) return;
  selectOnly(id);
  revealSelected();
});

$("[data-do=select-changed]").addEventListener("click", () => {
  state.selected = new Set(props.proof.masks.map(({ id }) => id).filter((id) => state.byId.has(id)));
  state.primary = [...state.selected][0] ?? 0;
  closePopup(true);
  selectionChanged();
});

$("[data-do=back]").addEventListener("click", () => {
  wanted = null;
  showSheet(false);
  $(".formats [role=menuitem]").focus();
});

function save() {
  saveButton.textContent = text("save_again");
  trigger("save", { ticket: wanted.ticket });
}

saveButton.addEventListener("click", () => {
  save();
  closePopup(true);
});

watch("proof", showProof);
