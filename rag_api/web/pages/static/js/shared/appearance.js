// Light, dark, or as the system has it: one button that goes round.

import { icon } from "./dom.js";

const NAME = "rag.theme";
const ROUND = { auto: "light", light: "dark", dark: "auto" };
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const WORDS = { auto: "as the system", light: "light", dark: "dark" };

export function themeButton(button) {
  show(button, localStorage.getItem(NAME) ?? "auto");
  button.addEventListener("click", () => {
    const next = ROUND[localStorage.getItem(NAME) ?? "auto"];
    if (next === "auto") {
      localStorage.removeItem(NAME);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(NAME, next);
      document.documentElement.dataset.theme = next;
    }
    show(button, next);
  });
}

function show(button, theme) {
  button.replaceChildren(icon(ICONS[theme]));
  const label = `Colours: ${WORDS[theme]}`;
  button.title = label;
  button.setAttribute("aria-label", label);
}
