// How wide texts are in drawings: SVG neither wraps them nor cuts them short.

const ruler = document.createElement("canvas").getContext("2d");

/** A text, cut short if it is wider than `width` pixels as drawings write it. */
function fitted(text, width, weight = 400) {
  ruler.font = `${weight} 12px ${getComputedStyle(document.body).fontFamily}`;
  const fits = (part) => ruler.measureText(part).width <= width;
  if (fits(text)) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fits(`${text.slice(0, middle)}…`)) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}
