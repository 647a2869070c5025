"use strict";
// Words and numbers in the reader's language. The first file: everything below may use $, text and the formats.

const $ = (selector) => element.querySelector(selector);
const $$ = (selector) => [...element.querySelectorAll(selector)];

const browserLanguage = (navigator.language || "en").slice(0, 2).toLowerCase();
const language = browserLanguage in props.texts ? browserLanguage : "en";
const words = props.texts[language];

/** The text of `key` with {name} filled in; of "one|many" the form that `values.n` asks for. */
function text(key, values = {}) {
  const whole = words[key] ?? props.texts.en[key] ?? key;
  const forms = whole.split("|");
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, name) => formatted(values[name]));
}

/** A text that the server gave as one string or as {code: string}. */
const spoken = (either) => (typeof either === "object" && either ? either[language] ?? either.en ?? "" : either ?? "");

const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const formatted = (value) => (typeof value === "number" ? whole.format(value) : String(value ?? ""));

function percent(part, all, digits = 1) {
  const share = all ? (100 * part) / all : 0;
  const number = digits ? tenth.format(share > 0 ? Math.max(0.1, share) : 0) : whole.format(share);
  return text("percent", { number: share > 0 && share < 0.1 && digits ? "<" + number : number });
}

/** Scores keep their point in every language: people compare them with the sliders and with files. */
const score = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : "–");

/** Without separators, which would read as more commas. */
const coordinates = (list) => list.map((value) => String(Math.round(value * 10) / 10)).join(", ");

/** Fills the constant template: data-text, data-label (name and tooltip), data-title, data-placeholder. */
function translateTemplate() {
  element.setAttribute("lang", language);
  for (const node of $$("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of $$("[data-placeholder]")) node.placeholder = text(node.dataset.placeholder);
  for (const node of $$("[data-title]")) node.title = text(node.dataset.title);
  for (const node of $$("[data-label]")) {
    node.setAttribute("aria-label", text(node.dataset.label));
    if (node.matches("button, select, input") && !node.title) node.title = text(node.dataset.label);
  }
}
translateTemplate();

function make(tag, className = "", content = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (content) node.textContent = content;
  return node;
}

/** Says one sentence to a screen reader. */
const say = (sentence) => ($(".spoken").textContent = sentence);
