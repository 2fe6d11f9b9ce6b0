// What can be done with an answer that is over: copy it, have it given anew, say what one thinks of it.

import { call } from "../shared/api.js";
import { copy } from "../shared/clipboard.js";
import { announce, el, icon, iconButton, toast } from "../shared/dom.js";
import { placeOf, titleOf } from "./words.js";

const LONGEST = 10_000;

export function actions(answer, { again }) {
  const copying = iconButton("copy", "Copy the answer with its sources", () => copyAnswer(answer, copying));
  if (!answer.answer_id) return []; // it never began; the box above offers to try again
  return [copying, iconButton("again", "Answer again", again), ...(answer.outcome === "failed" ? [] : rating(answer))];
}

async function copyAnswer(answer, button) {
  try {
    await copy(asText(answer));
    button.replaceChildren(icon("check"));
    announce("Copied");
    setTimeout(() => button.replaceChildren(icon("copy")), 2_000);
  } catch (error) {
    toast(`Not copied: ${error.message}`, "error");
  }
}

/** The answer as Markdown, its sources below. */
export function asText({ text, passages, citations }) {
  const cited = new Set(citations.map(({ n }) => n));
  const lines = passages
    .filter(({ n }) => cited.has(n))
    .map((passage) => {
      const names = [titleOf(passage), passage.source !== titleOf(passage) && passage.source, placeOf(passage)];
      return `[${passage.n}] ${names.filter(Boolean).join(", ")}`;
    });
  return lines.length ? `${text.trimEnd()}\n\n${lines.join("\n")}\n` : text;
}

function rating(answer) {
  const form = el("form", { class: "feedback", hidden: true });
  const buttons = new Map(
    [
      [1, "up", "A good answer"],
      [-1, "down", "A bad answer"],
    ].map(([value, name, label]) => [value, iconButton(name, label, () => rate(value), { "aria-pressed": "false" })]),
  );

  async function send(value, comment) {
    await call(`/answers/${answer.answer_id}/feedback`, { method: "POST", body: { rating: value, comment } });
    for (const [one, button] of buttons) button.setAttribute("aria-pressed", String(one === value));
  }

  async function rate(value) {
    try {
      await send(value, "");
    } catch (error) {
      toast(`Not noted: ${error.message}`, "error");
      return;
    }
    announce("Noted, thank you");
    ask(value);
  }

  function ask(value) {
    const input = el("textarea", {
      rows: "2",
      maxlength: String(LONGEST),
      "aria-label": "Comment",
      placeholder: value > 0 ? "What is good about it? (if you like)" : "What is wrong with it? (if you like)",
    });
    const close = () => {
      form.hidden = true;
      buttons.get(value).focus();
    };
    form.replaceChildren(
      input,
      el(
        "div",
        { class: "row end" },
        el("button", { type: "button", class: "button", text: "Close", onclick: close }),
        el("button", { class: "button primary", text: "Send comment" }),
      ),
    );
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await send(value, input.value.trim());
        toast("Noted, thank you.");
        close();
      } catch (error) {
        toast(`Not noted: ${error.message}`, "error");
      }
    };
    form.onkeydown = (event) => event.key === "Escape" && (event.stopPropagation(), close());
    form.hidden = false;
    input.focus();
  }

  return [...buttons.values(), form];
}
