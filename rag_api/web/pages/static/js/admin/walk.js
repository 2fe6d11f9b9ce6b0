// Files out of what was dropped, folders with all that is in them.

/** Each file with its path: `{file, path}`. What is hidden, as `.DS_Store`, is left out. */
export async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  const loose = [...transfer.files]; // both must be taken before the first wait: the browser empties them
  if (entries.some((entry) => entry === null || entry === undefined)) return chosen(loose);
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

/** The same of a file chooser. */
export function chosen(files) {
  const named = [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  return named.filter(({ path }) => !isHidden(path));
}

async function walk(entry, folder, found) {
  const path = folder + entry.name;
  if (isHidden(path)) return;
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const child of some) await walk(child, `${path}/`, found);
  }
}

function isHidden(path) {
  return path.split("/").some((part) => part.startsWith("."));
}
