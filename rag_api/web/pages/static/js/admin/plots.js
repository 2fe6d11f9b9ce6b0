// Small plots, drawn as SVG: bars in layers, and lines.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 170, 52, 22, 8];

function svg(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** `layers`: `{name, kind, values}`, one value a column, upon one another. `word(value)` says a value on the axis. */
export function bars(title, labels, layers, word) {
  const sums = labels.map((_, i) => layers.reduce((sum, { values }) => sum + (values[i] ?? 0), 0));
  const { frame, x, y, step } = axes(title, labels, Math.max(...sums), word);
  labels.forEach((label, i) => {
    let base = 0;
    for (const { name, kind, values } of layers) {
      if (!values[i]) continue;
      const [top, bottom] = [y(base + values[i]), y(base)];
      const hint = svg("title", {}, `${label}: ${name} ${word(values[i])}`);
      frame.append(
        svg(
          "rect",
          {
            class: `plot-${kind}`,
            x: x(i) - step * 0.38,
            width: step * 0.76,
            y: top,
            height: Math.max(bottom - top, 1),
          },
          hint,
        ),
      );
      base += values[i];
    }
  });
  return figure(title, frame, layers);
}

/** `layers` as above, each a line of its own; null where there is no value. */
export function lines(title, labels, layers, word) {
  const { frame, x, y } = axes(
    title,
    labels,
    Math.max(...layers.flatMap(({ values }) => values.map((value) => value ?? 0))),
    word,
  );
  for (const { name, kind, values } of layers) {
    const points = values
      .map((value, i) => (value === null ? null : [x(i), y(value), value, labels[i]]))
      .filter(Boolean);
    frame.append(
      svg("polyline", { class: `plot-line plot-${kind}`, points: points.map(([px, py]) => `${px},${py}`).join(" ") }),
    );
    for (const [px, py, value, label] of points)
      frame.append(
        svg(
          "circle",
          { class: `plot-${kind}`, cx: px, cy: py, r: 3 },
          svg("title", {}, `${label}: ${name} ${word(value)}`),
        ),
      );
  }
  return figure(title, frame, layers);
}

function axes(title, labels, most, word) {
  const top = rounded(most || 1);
  const frame = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  const step = (WIDTH - LEFT) / Math.max(labels.length, 1);
  const x = (i) => LEFT + step * (i + 0.5);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  for (const value of [0, top / 2, top]) {
    frame.append(svg("line", { class: "plot-grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    frame.append(svg("text", { class: "plot-word", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, word(value)));
  }
  const every = Math.ceil(labels.length / 8);
  labels.forEach((label, i) => {
    if (i % every === 0)
      frame.append(svg("text", { class: "plot-word", x: x(i), y: HEIGHT - 6, "text-anchor": "middle" }, label));
  });
  return { frame, x, y, step };
}

/** The next number above that people like to read. */
function rounded(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 5, 10].map((factor) => factor * power).find((value) => value >= most);
}

function figure(title, frame, layers) {
  const node = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.append(Object.assign(document.createElement("strong"), { textContent: title }));
  for (const { name, kind } of layers) {
    const key = svg(
      "svg",
      { class: "plot-key", viewBox: "0 0 10 10", "aria-hidden": "true" },
      svg("rect", { class: `plot-${kind}`, width: 10, height: 10, rx: 2 }),
    );
    const legend = document.createElement("span");
    legend.append(key, ` ${name}`);
    caption.append(" ", legend);
  }
  node.append(caption, frame);
  return node;
}
