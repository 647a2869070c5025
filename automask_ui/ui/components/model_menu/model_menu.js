// @ts-check
/**
 * A group, as MenuGroup in model_menu/__init__.py says.
 *
 * @typedef {object} Group
 * @property {string} label
 * @property {[label: string, name: string][]} choices
 */

const select = /** @type {HTMLSelectElement} */ (element.querySelector("select"));
const title = /** @type {HTMLElement} */ (element.querySelector("span"));
const language = (navigator.language || "en").slice(0, 2);
let shown = "";

title.textContent = (props.texts[language] || props.texts.en)["model"];

/** @param {Group} group */
function drawGroup({ label, choices }) {
  const group = document.createElement("optgroup");
  group.label = label;
  group.append(...choices.map(([text, name]) => new Option(text, name)));
  return group;
}

function show() {
  /** @type {Group[]} */
  const groups = props.groups || [];
  // Times are told anew after each run: a list that is open closes when its options are replaced by the same.
  const wanted = JSON.stringify(groups);
  if (wanted !== shown) select.replaceChildren(...groups.map(drawGroup));
  shown = wanted;
  select.value = props.value;
}

select.addEventListener("change", () => {
  props.value = select.value;
  trigger("input");
});
watch("groups", show);
watch("value", show);
show();
