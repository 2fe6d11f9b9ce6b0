// Where a link of an answer may lead: out to the web or to a mail program, nowhere else.

/** The address, made whole, or null for one that is not followed. */
export function address(text) {
  try {
    const url = new URL(text.trim());
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null; // relative, or none at all
  }
}
