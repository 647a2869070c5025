// @ts-check
/** @import { LocalText } from "../types.d.ts" */

/**
 * Words and numbers in the reader's language.
 *
 * @param {Record<string, Record<string, string>>} texts by language code; holds "en"
 * @param {string} preferred the browser's language, such as "ko-KR"
 */
export function createLanguage(texts, preferred) {
  const wanted = (preferred || "en").slice(0, 2).toLowerCase();
  const code = wanted in texts ? wanted : "en";
  const whole = new Intl.NumberFormat(code, { maximumFractionDigits: 0 });
  const tenth = new Intl.NumberFormat(code, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

  /** A number with separators; text as it is. @param {unknown} value */
  const formatted = (value) => (typeof value === "number" ? whole.format(value) : String(value ?? ""));

  /**
   * The text of `key` with {name} filled in; of "one|many" the form that `values.n` asks for.
   *
   * @param {string} key
   * @param {Record<string, unknown>} values
   */
  function text(key, values = {}) {
    const forms = (texts[code][key] ?? texts.en[key] ?? key).split("|");
    const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
    return form.replace(/\{(\w+)\}/g, (_, name) => formatted(values[name]));
  }

  /**
   * A share as "2.1 %"; "<0.1 %" for what is there but would round to nothing.
   *
   * @param {number} part
   * @param {number} all
   */
  function percent(part, all, digits = 1) {
    const share = all ? (100 * part) / all : 0;
    const number = digits ? tenth.format(share > 0 ? Math.max(0.1, share) : 0) : whole.format(share);
    return text("percent", { number: share > 0 && share < 0.1 && digits ? "<" + number : number });
  }

  /** A text that Python gave as one string or by language code. @param {LocalText | null} [either] */
  function localized(either) {
    return typeof either === "object" && either ? either[code] ?? either.en ?? "" : either ?? "";
  }

  return { code, text, formatted, percent, localized };
}

/**
 * Scores keep their point in every language: people compare them with the sliders and with files.
 *
 * @param {number | null} value
 */
export function score(value, digits = 2) {
  return value !== null && Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** Without separators, which would read as more commas. @param {number[]} list */
export function coordinates(list) {
  return list.map((value) => String(Math.round(value * 10) / 10)).join(", ");
}
