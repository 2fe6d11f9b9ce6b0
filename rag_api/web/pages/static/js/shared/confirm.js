// A question that must be answered before something is lost.

import { byId, el } from "./dom.js";

/** Whether the reader agrees. */
export function confirmed(title, text, word) {
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "confirm-title", text: title }),
    el("p", { id: "confirm-text", text }),
    el(
      "div",
      { class: "row end" },
      el("button", { class: "button", value: "", text: "Cancel", autofocus: true }),
      el("button", { class: "button danger", value: "yes", text: word }),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" }, form);
  byId("dialogs").append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
  });
}
