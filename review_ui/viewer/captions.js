// How the class under each image of a page is written: never shortened, since the question is about that class.

const WRAPPED_LINE_PX = 13;
const WRAPPED_FONT_PX = 11;
const MOST_LINES = 4;
const MARGIN_PX = { single: 12, wrapped: 2 };

// One line of this height, then two small ones, three and four: { lines, height, font }.
function captionSettings(line) {
  const wrapped = [...Array(MOST_LINES - 1).keys()].map((index) => index + 2);
  return [
    { lines: 1, height: line, font: line / 2 },
    ...wrapped.map((lines) => ({ lines, height: lines * WRAPPED_LINE_PX + 2, font: WRAPPED_FONT_PX })),
  ];
}

function captionsFit(captions, { lines, font }, tileWidth, fontFamily) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `${font}px ${fontFamily}`;
  const width = tileWidth - (lines === 1 ? MARGIN_PX.single : MARGIN_PX.wrapped);
  const widthOf = (text) => context.measureText(text).width;
  if (width <= 0) return captions.every((caption) => caption === "");
  return [...new Set(captions)].every((caption) => linesOf(caption, width, widthOf) <= lines);
}

// As a browser breaks lines: at spaces, and inside a word that is wider than a line.
function linesOf(caption, width, widthOf) {
  let lines = 1;
  let begun = "";
  for (const word of caption.split(" ")) {
    const longer = begun ? `${begun} ${word}` : word;
    if (widthOf(longer) <= width) {
      begun = longer;
      continue;
    }
    const more = Math.ceil(widthOf(word) / width);
    lines += begun ? more : more - 1;
    begun = word;
  }
  return lines;
}
