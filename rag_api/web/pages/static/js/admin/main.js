// The admin page: one view at a time, named by the address after #.

import { all } from "../shared/api.js";
import { themeButton } from "../shared/appearance.js";
import { byId, el } from "../shared/dom.js";
import { CollectionsView } from "./collections.js";
import { DocumentView } from "./document.js";
import { DocumentsView } from "./documents.js";
import { EvaluationView } from "./evaluation.js";
import { EvaluationsView } from "./evaluations.js";
import { FeedbackView } from "./feedback.js";
import { JobsView } from "./jobs.js";
import { KeysView } from "./keys.js";
import { failure } from "./parts.js";
import { SearchView } from "./search.js";
import { ServerView } from "./server.js";

const COLLECTION = "rag.collection"; // the chat page remembers the same
const TITLE = document.title;
const LISTS = { document: "documents", evaluation: "evaluations" }; // where single ones belong
const OF_A_COLLECTION = ["documents", "search"];
const chooser = byId("collection");

const app = {
  get collection() {
    return chooser.value || localStorage.getItem(COLLECTION) || "default";
  },

  choose(name) {
    chooser.value = name;
    localStorage.setItem(COLLECTION, name);
  },

  go(hash) {
    if (location.hash === `#${hash}`) return;
    location.hash = hash;
  },

  /** Those that there are; one that was just made is chosen. */
  async offerCollections(wanted = null) {
    const names = (await all("/collections")).map(({ name }) => name);
    chooser.replaceChildren(...names.map((name) => el("option", { value: name, text: name })));
    const chosen = [wanted, localStorage.getItem(COLLECTION), "default", names[0]].find((name) => names.includes(name));
    if (chosen) app.choose(chosen);
  },

  /** A document that was looked at is gone: back to the list, which shows the receipt. */
  deleted(name, receipt) {
    views.documents.receipt(name, receipt);
    app.go("documents");
  },
};

const views = {
  documents: new DocumentsView(app),
  document: new DocumentView(app),
  search: new SearchView(app),
  jobs: new JobsView(),
  collections: new CollectionsView(app),
  feedback: new FeedbackView(),
  evaluations: new EvaluationsView(app),
  evaluation: new EvaluationView(),
  keys: new KeysView(),
  server: new ServerView(),
};
let shown = null;

function route() {
  const [name, ...args] = location.hash.slice(1).split("/").map(decoded);
  const view = views[Object.hasOwn(views, name) ? name : "documents"];
  if (shown && name && !Object.hasOwn(views, name)) return; // a place on the page, not a view
  shown?.hide();
  shown = view;
  const isFirst = !byId("scroller").childNodes.length;
  byId("scroller").replaceChildren(view.element);
  byId("scroller").scrollTop = 0;
  if (!isFirst && document.activeElement === document.body) byId("scroller").focus();
  const isSingle = Object.hasOwn(LISTS, name);
  const current = isSingle ? LISTS[name] : Object.keys(views).find((key) => views[key] === view);
  for (const link of byId("views").querySelectorAll("a")) {
    if (link.hash === `#${current}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("collection-choice").hidden = isSingle || !OF_A_COLLECTION.includes(current);
  document.title = `${view.title} – ${TITLE}`;
  view.show(...args);
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // not written by this page
  }
}

themeButton(byId("theme"));
chooser.addEventListener("change", () => {
  app.choose(chooser.value);
  shown.show();
});
addEventListener("hashchange", route);
try {
  await app.offerCollections();
} catch (error) {
  byId("banner").hidden = false;
  byId("banner").replaceChildren(failure(error, () => location.reload()));
}
route();
