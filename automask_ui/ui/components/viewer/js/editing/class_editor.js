// @ts-check
/** @import { Dom, Edits, Notices, Popups, Props, Trigger, Watch } from "../types.d.ts" */

/**
 * The panel with the list of classes, a name a line.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {Notices} deps.notices
 * @param {Popups} deps.popups which opens and closes it
 * @param {Pick<Props, "class_list">} deps.props
 * @param {Trigger} deps.trigger
 * @param {Watch} deps.watch
 */
export function connectClassEditor({ dom: { one }, edits, notices, popups, props, trigger, watch }) {
  const panel = one(".class-editor"), names = one(".class-text", HTMLTextAreaElement), error = one(".class-error");

  /** @param {string} sentence */
  function showError(sentence) {
    error.textContent = sentence;
    error.hidden = !sentence;
  }

  const apply = () => edits.add({ do: "classes", text: names.value });

  one("[data-do=apply-classes]").addEventListener("click", apply);
  one("[data-do=pick-classes]").addEventListener("click", () => trigger("pick_classes", {}));
  names.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation(); // on the page it starts a run
    apply();
  });

  // After the panel was opened by the same click.
  one("[data-popup=classes]").addEventListener("click", () => {
    if (panel.hidden) return;
    names.value = edits.classLines.join("\n");
    showError("");
    names.focus();
  });

  // The list closes when it was taken, or says why not; what was left out of it is said first, with what was taken.
  edits.onAnswered(({ steps, error: refusal, note, classLines }) => {
    if (!steps.some((step) => step.do === "classes")) return;
    if (panel.hidden) {
      if (refusal || note) notices.flash(refusal || note);
    } else if (refusal) showError(refusal);
    else if (note && note !== error.textContent) {
      names.value = classLines.join("\n");
      showError(note);
    } else popups.close(true);
  });

  watch("class_list", () => {
    if (!props.class_list) return;
    names.value = props.class_list.lines.join("\n");
    showError(props.class_list.note);
  });
}
