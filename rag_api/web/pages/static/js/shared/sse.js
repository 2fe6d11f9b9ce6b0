// Server-sent events from a response that is being read.

/** The complete events of a stream; gives up when nothing at all, not even a comment, comes for `silence_ms`. */
export async function* events(response, silence_ms = 45_000) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const decoder = new Decoder();
  try {
    for (;;) {
      const { value, done } = await within(reader.read(), silence_ms);
      if (done) return;
      yield* decoder.feed(value);
    }
  } finally {
    reader.cancel().catch(() => {}); // it is broken already, or nobody wants the rest
  }
}

async function within(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TypeError(`nothing came for ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** To the letter of the HTML standard, from text cut anywhere. */
export class Decoder {
  #begun = "";
  #event = "";
  #id = "";
  #data = [];

  *feed(piece) {
    const text = this.#begun + piece;
    const isOpen = text.endsWith("\r"); // may be the first half of a CRLF
    const lines = (isOpen ? text.slice(0, -1) : text).split(/\r\n|\n|\r/);
    this.#begun = lines.pop() + (isOpen ? "\r" : "");
    for (const line of lines) {
      const event = this.#take(line);
      if (event) yield event;
    }
  }

  #take(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch() {
    const event = this.#data.length
      ? { name: this.#event || "message", id: this.#id, data: this.#data.join("\n") }
      : null;
    this.#event = "";
    this.#data = [];
    return event;
  }
}
