// The chat page: puts the parts together and keeps the address in step.

import { all, call } from "../shared/api.js";
import { themeButton } from "../shared/appearance.js";
import { announce, byId, el, icon, toast } from "../shared/dom.js";
import { Composer } from "./composer.js";
import { dropZone } from "./drop.js";
import { Run } from "./run.js";
import { Sidebar } from "./sidebar.js";
import { SourcePanel } from "./source.js";
import { Status } from "./status.js";
import { Thread } from "./thread.js";
import { welcome } from "./welcome.js";
import { endOf } from "./words.js";

const TITLE = document.title;
let current = null; // the conversation that is looked at; null before the first answer of a new one
let opened = null; // settles when what was said in it is shown
let cited = null; // the turn whose source is open

const status = new Status();
const composer = new Composer({ ask, stop, chosen: greet });
const sidebar = new Sidebar({ open: (id) => go(id), deleted: (id) => id === current && go(null) });
const source = new SourcePanel({ onclose: () => cited?.point(null) });
const thread = new Thread(byId("thread"), byId("scroller"), { cite, again, changed });

function cite(turn, passage, citation) {
  cited?.point(null);
  cited = turn;
  turn.point(citation ?? null);
  source.open({ answer: turn.answer, passage, citation });
}

function again(turn) {
  const { question, collection, answer_id } = turn.answer;
  const run = Run.ask({
    question,
    collection,
    conversation_id: current,
    again: current ? answer_id : "",
    reasoning: composer.reasoning,
    model: composer.model,
  });
  follow(run, answer_id ? turn : null);
}

async function ask(question) {
  const asked = current;
  const { collection, reasoning, model } = composer;
  composer.running(true); // one question at a time
  await opened; // else what was said before would take the new turn's place
  changed();
  if (thread.running || (current && current !== asked)) {
    composer.giveBack(question); // it was not meant for what is looked at now
    return;
  }
  const conversation_id = current;
  follow(Run.ask({ question, collection, conversation_id, reasoning, model }), null);
}

function follow(run, beside) {
  source.close();
  thread.add(run, beside);
  watch(run);
}

/** What the page itself does as an answer goes on. */
function watch(run) {
  announce("Answering");
  run.listen((name) => {
    if (name === "started" && thread.running?.run === run && current !== run.answer.conversation_id)
      settle(run.answer.conversation_id);
    if (name === "started") {
      sidebar.refresh();
      status.check(); // an answer that has to do without something is told to
    }
    if (name === "over" || name === "broken") {
      const end = name === "broken" ? "The connection is lost" : (endOf(run.answer)?.title ?? "The answer is there");
      announce(`${end}. ${run.answer.text.slice(0, 1_000)}`);
      if (run.answer.outcome === "failed" || name === "broken") status.check();
    }
    changed();
  });
}

/** A new conversation has got its id. */
function settle(id) {
  current = id;
  history.replaceState(null, "", `/?c=${encodeURIComponent(id)}`);
  sidebar.mark(id);
}

async function stop() {
  try {
    await thread.running?.run.stop();
  } catch (error) {
    toast(`Not stopped: ${error.message}`, "error");
  }
}

function changed() {
  composer.running(Boolean(thread.running));
  composer.note(
    thread.isLatest ? "" : "You are looking at an earlier answer; the next question goes on from the latest.",
  );
  byId("welcome").hidden = !thread.isEmpty;
  const question = thread.isEmpty ? "" : thread.last.answer.question;
  document.title = question ? `${question.slice(0, 60)} – ${TITLE}` : TITLE;
}

/** Another conversation, or a new one; the address follows. */
function go(id) {
  if (id === current && id) return;
  history.pushState(null, "", id ? `/?c=${encodeURIComponent(id)}` : "/");
  opened = open(id);
}

async function open(id) {
  byId("app").classList.remove("shows-sidebar");
  source.close();
  cited = null;
  current = id;
  sidebar.mark(id);
  thread.show([]);
  if (!id) {
    composer.focus();
    return;
  }
  try {
    const { answers } = await call(`/conversations/${encodeURIComponent(id)}`);
    if (current !== id) return; // meanwhile, another was opened
    thread.show(answers);
    if (answers.length) composer.choose(answers.at(-1).collection);
    if (thread.running) watch(thread.running.run);
  } catch (error) {
    if (current !== id) return;
    toast(error.status === 404 ? "This conversation is not there any more." : error.message, "error");
    go(null);
  }
}

function greet(collection) {
  welcome(byId("welcome"), collection);
}

function prepare() {
  for (const node of document.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
  themeButton(byId("theme"));
  byId("new").addEventListener("click", () => go(null));
  byId("menu").addEventListener("click", () => {
    const isShown = byId("app").classList.toggle("shows-sidebar");
    byId("menu").setAttribute("aria-expanded", String(isShown));
    if (isShown) byId("new").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    if (byId("app").classList.contains("shows-sidebar")) byId("menu").click();
    else if (source.isOpen) source.close();
    else stop();
  });
  addEventListener("popstate", () => (opened = open(wanted())));
  dropZone(() => composer.collection, greet);
}

function wanted() {
  return new URL(location.href).searchParams.get("c");
}

async function offerCollections() {
  try {
    composer.offer((await all("/collections")).map(({ name }) => name));
  } catch (error) {
    composer.offer(["default"]);
    byId("welcome").replaceChildren(el("p", { class: "note", text: error.message }));
    return;
  }
  greet(composer.collection);
}

async function offerModels() {
  try {
    composer.offerModels((await call("/models")).items);
  } catch {
    composer.offerModels([]); // the collections' list says what is wrong
  }
}

prepare();
opened = open(wanted());
status.check();
sidebar.refresh();
offerCollections();
offerModels();
