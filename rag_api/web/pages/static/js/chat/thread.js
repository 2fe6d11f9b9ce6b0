// A conversation on the page: its turns on the branch that is looked at.

import { el } from "../shared/dom.js";
import { isOver } from "./answer.js";
import { Run } from "./run.js";
import { Turn } from "./turn.js";

const NEAR_PX = 90;

export class Thread {
  #root;
  #scroller;
  #hooks;
  #turns = []; // all branches, as they were asked
  #tip = null;
  #isNear = true;

  constructor(root, scroller, hooks) {
    this.#root = root;
    this.#scroller = scroller;
    this.#hooks = {
      ...hooks,
      pick: (turn, step) => this.#pick(turn, step),
      drawn: () => this.#keepUp(),
    };
    scroller.addEventListener("scroll", () => (this.#isNear = this.#distance() < NEAR_PX), { passive: true });
  }

  get isEmpty() {
    return this.#turns.length === 0;
  }

  /** The answer that is being given, if one is. */
  get running() {
    return this.#turns.findLast((turn) => turn.run && !turn.run.isOver && !turn.run.isBroken);
  }

  get last() {
    return this.#turns.at(-1);
  }

  /** Whether the branch that is shown is the one that the next question goes on from. */
  get isLatest() {
    return this.#turns.length === 0 || this.#path().at(-1) === this.last;
  }

  /** What was said; answers that are still being given are followed. */
  show(answers) {
    for (const turn of this.#turns) turn.gone();
    this.#turns = answers.map((answer) => {
      const turn = new Turn(answer, this.#hooks);
      if (!isOver(answer)) turn.follow(Run.follow(answer));
      return turn;
    });
    this.#tip = this.last ?? null;
    this.#draw();
    this.#isNear = true;
    this.#keepUp();
  }

  /** A turn for an answer that has been asked for; `again` is the turn beside which it stands. */
  add(run, again) {
    run.answer.parent_id = again
      ? again.answer.parent_id
      : (this.#turns.findLast((turn) => turn.answer.answer_id)?.answer.answer_id ?? null);
    const turn = new Turn(run.answer, this.#hooks);
    turn.follow(run);
    this.#turns.push(turn);
    this.#tip = turn;
    this.#draw();
    this.#isNear = true;
    this.#keepUp();
    return turn;
  }

  #find(answer_id) {
    return answer_id && this.#turns.find((turn) => turn.answer.answer_id === answer_id);
  }

  #siblings(turn) {
    return this.#turns.filter((one) => one.answer.parent_id === turn.answer.parent_id);
  }

  #path() {
    const path = [];
    for (let turn = this.#tip; turn && !path.includes(turn); turn = this.#find(turn.answer.parent_id))
      path.unshift(turn);
    return path;
  }

  #pick(turn, step) {
    const siblings = this.#siblings(turn);
    let tip = siblings[siblings.indexOf(turn) + step];
    if (!tip) return;
    const chosen = tip;
    const after = () => this.#turns.findLast((one) => one.answer.parent_id === tip.answer.answer_id);
    while (tip.answer.answer_id && after()) tip = after();
    this.#tip = tip;
    this.#draw();
    chosen.element.querySelector(".place button:not(:disabled)")?.focus();
  }

  #draw() {
    const path = this.#path();
    for (const turn of path) {
      const siblings = this.#siblings(turn);
      turn.place(siblings.indexOf(turn), siblings.length);
    }
    const lost = path[0]?.answer.parent_id
      ? [
          el("p", {
            class: "note",
            text: "What was said before rested on a document that has been deleted, and is gone with it.",
          }),
        ]
      : [];
    this.#root.replaceChildren(...lost, ...path.map((turn) => turn.element));
    this.#hooks.changed();
  }

  #distance() {
    return this.#scroller.scrollHeight - this.#scroller.scrollTop - this.#scroller.clientHeight;
  }

  /** Who reads the end sees it grow; who has scrolled away is left alone. */
  #keepUp() {
    if (this.#isNear) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
