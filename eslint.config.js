import js from "@eslint/js";
import globals from "globals";

const COMPONENTS = "automask_ui/ui/components", VIEWER = `${COMPONENTS}/viewer/js`;
const CLOCKS = {
  setTimeout: "readonly", clearTimeout: "readonly", performance: "readonly",
  requestAnimationFrame: "readonly", cancelAnimationFrame: "readonly",
};

export default [
  { ignores: ["**/.venv/**", "**/build/**"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "eqeqeq": "error",
      "max-len": ["error", { code: 120 }],
      "max-lines": ["error", 400],
      "no-shadow": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: [`${VIEWER}/**/*.js`],
    ignores: [`${VIEWER}/model/**`],
    languageOptions: { sourceType: "module", globals: globals.browser },
  },
  {
    // What the page knows is kept apart from what is seen of it: no document, no element, nothing from other folders.
    files: [`${VIEWER}/model/**/*.js`],
    languageOptions: { sourceType: "module", globals: CLOCKS },
    rules: { "no-restricted-imports": ["error", { patterns: ["../*"] }] },
  },
  {
    // Gradio runs these as the body of a function with these parameters.
    files: [`${COMPONENTS}/!(viewer)/*.js`],
    languageOptions: {
      sourceType: "script",
      globals: { ...globals.browser, element: "readonly", props: "readonly", trigger: "readonly", watch: "readonly" },
    },
  },
  {
    // Each of these is one function, which Gradio or a script tag calls.
    files: ["automask_ui/ui/*.js"],
    languageOptions: { sourceType: "script", globals: globals.browser },
    rules: { "no-unused-expressions": "off" },
  },
  {
    files: ["tests/js/**/*.js", "eslint.config.js"],
    languageOptions: { sourceType: "module", globals: globals.node },
  },
];
