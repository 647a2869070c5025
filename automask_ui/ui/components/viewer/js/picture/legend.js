// @ts-check
/** @import { Colours, Dom, Language, Look, Signals } from "../types.d.ts" */
import { rampGradient } from "../model/colours.js";
import { score } from "../model/language.js";

/**
 * Shows the ends of the colour scale, where colours are on one.
 *
 * @param {object} deps
 * @param {Colours} deps.colours
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {Look} deps.look
 * @param {Signals} deps.signals
 */
export function connectLegend({ colours, dom: { one }, language: { formatted, text }, look, signals }) {
  one(".ramp").style.background = rampGradient();
  signals.on(["masks", "style"], () => {
    const { range } = colours;
    one(".legend").hidden = !range || look.photoOnly;
    if (!range) return;
    const bySize = look.colourBy === "size";
    const [low, high] = range.map((x) => (bySize ? formatted(Math.exp(x)) + " px" : score(x)));
    one(".legend-name").textContent = bySize ? text("legend_size") : text("legend_quality");
    one(".legend-low").textContent = low;
    one(".legend-high").textContent = high;
  });
}
