// @ts-check
/** @import { Dom, Edits, Language, Listing, Picture } from "../types.d.ts" */
import { parseFilter } from "../model/filter.js";

/**
 * The filter's field over the table.
 *
 * @param {{ dom: Dom, edits: Edits, language: Language, listing: Listing, picture: Picture }} deps
 */
export function connectFilterField({ dom: { one }, edits, language: { text }, listing, picture }) {
  const field = one(".filter", HTMLInputElement), error = one(".filter-error");
  const facts = { isHidden: edits.isHidden, labelOf: edits.labelOf, pixels: picture.pixels };

  field.addEventListener("input", () => {
    const { test, wrong } = parseFilter(field.value, facts);
    field.setAttribute("aria-invalid", String(Boolean(wrong)));
    error.hidden = !wrong;
    error.textContent = wrong ? text("filter_invalid", { word: wrong }) : "";
    listing.filterBy(test);
  });

  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    event.stopPropagation();
    event.preventDefault();
    field.value = "";
    field.dispatchEvent(new Event("input"));
  });
}
