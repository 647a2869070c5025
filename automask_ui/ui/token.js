() => {
  // Nobody else can guess it; without storage (a private window) there is none, and nothing is kept.
  const NAME = "automask-work";
  try {
    let token = localStorage.getItem(NAME) ?? "";
    if (!/^[0-9a-f]{32}$/.test(token)) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      token = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      localStorage.setItem(NAME, token);
    }
    return [token];
  } catch {
    return [""];
  }
}
