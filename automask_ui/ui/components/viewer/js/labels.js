// The label field under the table: type to search, Enter to label; and the class list behind its button.

const labelField = $(".label-field"), labelList = $(".label-list"), labelSwatch = $(".label-row .swatch");
const MOST_OPTIONS = 200;
let options = []; // {label, add}
let active = -1;
let cameFrom = null; // has the focus again afterwards

const classColour = (name) => (name && edits.places.has(name) ? props.palette[edits.places.get(name) % props.palette.length] : props.no_class_colour);

/** The label that all selected masks share; null where they differ. */
function sharedLabel() {
  const labels = new Set(idsOf("selected").map(labelOf));
  return labels.size > 1 ? null : [...labels][0] ?? "";
}

function drawLabelField() {
  const shared = sharedLabel(), any = state.selected.size > 0;
  labelField.disabled = !any;
  labelField.placeholder = text(!any ? "label_none_selected" : shared === null ? "label_several" : "label_none");
  labelSwatch.style.background = shared ? classColour(shared) : "none";
  if (labelList.hidden) labelField.value = shared ?? "";
}

function drawOptions() {
  const typed = labelField.value.trim(), search = labelList.dataset.typed ? typed.toLowerCase() : "";
  const found = edits.classes.filter((name) => name.toLowerCase().includes(search)).slice(0, MOST_OPTIONS);
  options = found.map((label) => ({ label }));
  if (search && !edits.classes.some((name) => name.toLowerCase() === search)) options.push({ label: typed, add: true });
  if (!search && sharedLabel() !== "") options.push({ label: "" });
  active = search ? 0 : Math.max(0, options.findIndex(({ label }) => label && label === sharedLabel()));
  labelList.replaceChildren(...options.map(newOption), ...(options.length ? [] : [make("p", "quiet-line", text("label_no_classes"))]));
  drawActive();
}

function newOption({ label, add }, index) {
  const option = make("div", "option");
  option.setAttribute("role", "option");
  option.id = `${labelList.id}-${index}`;
  option.dataset.index = index;
  const swatch = make("span", "swatch");
  if (label && !add) swatch.style.background = classColour(label);
  const place = edits.places.get(label);
  const key = label === "" ? "0" : place < 9 ? String(place + 1) : "";
  option.append(swatch, make("span", "name", add ? text("label_add", { label }) : label || text("label_clear")), make("kbd", "", key));
  if (key) option.setAttribute("aria-keyshortcuts", key);
  return option;
}

function drawActive() {
  active = Math.min(active, options.length - 1);
  for (const [index, option] of [...labelList.querySelectorAll(".option")].entries()) {
    option.setAttribute("aria-selected", String(index === active));
    if (index === active) option.scrollIntoView({ block: "nearest" });
  }
  if (active < 0 || labelList.hidden) labelField.removeAttribute("aria-activedescendant");
  else labelField.setAttribute("aria-activedescendant", `${labelList.id}-${active}`);
}

function openLabelList() {
  if (!labelList.hidden) return;
  closePopup();
  labelList.hidden = false;
  labelList.dataset.typed = "";
  labelField.setAttribute("aria-expanded", "true");
  labelField.select();
  drawOptions();
}

function closeLabelList() {
  labelList.hidden = true;
  labelField.setAttribute("aria-expanded", "false");
  labelField.removeAttribute("aria-activedescendant");
  drawLabelField();
}

/** L: to the field, and back to where one was once it is done. */
function openLabelField() {
  if (!state.selected.size && focusedRow().length) selectOnly(focusedRow()[0]);
  if (!state.selected.size) return flashNotice(text("label_nothing"));
  flush();
  cameFrom = document.activeElement;
  labelField.focus();
  openLabelList();
}

function leaveLabelField() {
  closeLabelList();
  (cameFrom?.isConnected ? cameFrom : stage).focus({ preventScroll: true });
  cameFrom = null;
}

function takeOption(index) {
  const option = options[index];
  if (option) setLabel(option.label, idsOf("selected"));
  leaveLabelField();
}

labelField.addEventListener("focus", openLabelList);
labelField.addEventListener("click", openLabelList);
labelField.addEventListener("blur", closeLabelList);
labelField.addEventListener("input", () => {
  openLabelList();
  labelList.dataset.typed = labelField.value.trim() ? "yes" : "";
  drawOptions();
});
labelField.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // Enter ends a Korean syllable first
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && labelList.hidden) openLabelList();
  else if (step && options.length) active = (active + step + options.length) % options.length;
  else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) takeOption(labelList.hidden ? -1 : active);
  else if (event.key === "Escape") leaveLabelField();
  else return;
  event.preventDefault();
  event.stopPropagation();
  if (!labelList.hidden) drawActive();
});
// The field keeps the focus while the mouse is used on its list.
labelList.addEventListener("pointerdown", (event) => event.preventDefault());
labelList.addEventListener("click", (event) => takeOption(Number(event.target.closest(".option")?.dataset.index ?? -1)));

on("masks selection labels", drawLabelField);
drawLabelField();

// The class list: a name a line

const classText = $(".class-text"), classError = $(".class-error");

function openClasses() {
  classText.value = edits.classes.join("\n");
  showClassError("");
  classText.focus();
}

function showClassError(sentence) {
  classError.textContent = sentence;
  classError.hidden = !sentence;
}

const applyClasses = () => edit({ do: "classes", text: classText.value });

$("[data-do=apply-classes]").addEventListener("click", applyClasses);
classText.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.stopPropagation(); // on the page it starts a run
  applyClasses();
});
$("[data-do=pick-classes]").addEventListener("click", () => trigger("pick_classes", {}));
$("[data-popup=classes]").addEventListener("click", () => $(".class-editor").hidden || openClasses());

/** The answer to a parcel of edits: an open class list closes when it was taken, or says why not. */
function answered(error, steps) {
  const ofClasses = !$(".class-editor").hidden && steps.some((step) => step.do === "classes");
  if (error) ofClasses ? showClassError(error) : flashNotice(error);
  else if (ofClasses) closePopup(true);
}

watch("class_list", () => {
  if (!props.class_list) return;
  classText.value = props.class_list.names.join("\n");
  showClassError("");
});
