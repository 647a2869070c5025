// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { coordinates, createLanguage, score } from "../../automask_ui/ui/components/viewer/js/model/language.js";

const TEXTS = {
  en: { percent: "{number} %", count: "{n} mask|{n} masks", name: "{name}: {area} px", only: "English" },
  ko: { percent: "{number}%", count: "마스크 {n}개", name: "{name}: {area}픽셀" },
};
const english = createLanguage(TEXTS, "en-GB"), korean = createLanguage(TEXTS, "ko-KR");

test("the language is the browser's if there are texts, else English", () => {
  assert.deepEqual([english.code, korean.code], ["en", "ko"]);
  assert.equal(createLanguage(TEXTS, "fr").code, "en");
  assert.equal(createLanguage(TEXTS, "").code, "en");
});

test("one is singular, everything else plural", () => {
  const counts = [0, 1, 2, 1234].map((n) => english.text("count", { n }));
  assert.deepEqual(counts, ["0 masks", "1 mask", "2 masks", "1,234 masks"]);
  assert.deepEqual([1, 2].map((n) => korean.text("count", { n })), ["마스크 1개", "마스크 2개"]);
});

test("numbers get separators, text does not", () => {
  assert.equal(english.text("name", { name: "1234", area: 1234 }), "1234: 1,234 px");
});

test("a text that is missing is English, or else its key", () => {
  assert.deepEqual([korean.text("only"), korean.text("no such key")], ["English", "no such key"]);
});

test("shares never round to nothing", () => {
  /** @type {[number, number, number, string][]} */
  const cases = [
    [1, 8, 1, "12.5 %"], [1, 3, 0, "33 %"], [0, 8, 1, "0.0 %"], [1, 100_000, 1, "<0.1 %"], [1, 0, 1, "0.0 %"],
  ];
  for (const [part, all, digits, expected] of cases) assert.equal(english.percent(part, all, digits), expected);
  assert.equal(korean.percent(1, 8), "12.5%");
});

test("texts from Python come alone or by language", () => {
  assert.equal(korean.localized("COCO"), "COCO");
  assert.equal(korean.localized({ en: "Table", ko: "표" }), "표");
  assert.equal(korean.localized({ en: "Table" }), "Table");
  assert.equal(korean.localized(undefined), "");
});

test("scores and coordinates", () => {
  assert.deepEqual([score(0.9567), score(0.9567, 3), score(null), score(NaN)], ["0.96", "0.957", "–", "–"]);
  assert.equal(coordinates([1234.56, 2]), "1234.6, 2");
});
