// What this browser remembers between visits. One whose cookies are blocked refuses even to be asked.

/** @param {string} name @returns {string} "" where nothing is remembered, or nothing may be */
export function remembered(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name @param {string} value "" forgets it */
export function remember(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    // The next visit begins as the first one did.
  }
}
