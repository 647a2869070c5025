// @ts-check
/** @import { Language } from "./types.d.ts" */

/** Finds the parts of the component's constant template. @param {HTMLElement} element the component's own */
export function createDom(element) {
  /**
   * The first element that matches; it must be there.
   *
   * @template {Element} [T=HTMLElement]
   * @param {string} selector
   * @param {new () => T} [type]
   * @returns {T}
   */
  function one(selector, type) {
    return find(element, selector, type);
  }

  /** @param {string} selector */
  const all = (selector) => /** @type {HTMLElement[]} */ ([...element.querySelectorAll(selector)]);

  return { element, one, all };
}

/**
 * The first element in `root` that matches; it must be there.
 *
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [type] HTMLElement if left out
 * @returns {T}
 */
export function find(root, selector, type) {
  const found = root.querySelector(selector);
  if (found instanceof (type ?? HTMLElement)) return /** @type {T} */ (found);
  throw new Error(`no ${(type ?? HTMLElement).name} for ${selector}`);
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} className
 * @param {string} content
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, className = "", content = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (content) node.textContent = content;
  return node;
}

/** A button that submits nothing. @param {string} className @param {string} content */
export function makeButton(className = "", content = "") {
  const button = make("button", className, content);
  button.type = "button";
  return button;
}

/** The element that an event happened to. @param {Event} event */
export const targetOf = (event) => /** @type {Element} */ (event.target);

/** The nearest element around the target that matches. @param {Event} event @param {string} selector */
export const closest = (event, selector) => /** @type {HTMLElement | null} */ (targetOf(event).closest(selector));

/** Whether keys pressed here are meant as text. @param {Event} event */
export function isTyping(event) {
  const fields = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";
  return targetOf(event).matches(fields);
}

/**
 * Fills the template: data-text, data-label (name and tooltip), data-title, data-placeholder.
 *
 * @param {ReturnType<typeof createDom>} dom
 * @param {Language} language
 */
export function translateTemplate({ element, all }, { code, text }) {
  element.setAttribute("lang", code);
  for (const node of all("[data-text]")) node.textContent = text(node.dataset.text ?? "");
  for (const node of all("[data-placeholder]")) node.setAttribute("placeholder", text(node.dataset.placeholder ?? ""));
  for (const node of all("[data-title]")) node.title = text(node.dataset.title ?? "");
  for (const node of all("[data-label]")) {
    const label = text(node.dataset.label ?? "");
    node.setAttribute("aria-label", label);
    if (node.matches("button, select, input") && !node.title) node.title = label;
  }
}
