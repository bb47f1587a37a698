// What comes back with a verdict: in practice whether it was right, in an adjudication what the others said.

class Telling {
  constructor(node, goOn) {
    this.node = node;
    this.text = node.querySelector("[data-slot=told]");
    node.querySelector("button").addEventListener("click", goOn);
    this.button = node.querySelector("button span");
  }

  hide() {
    this.node.hidden = true;
  }

  wait(mode) {
    this.node.hidden = false;
    this.node.dataset.right = "";
    this.button.textContent = mode === "adjudicate" ? "Keep it, next image" : "Next image";
    this.text.replaceChildren(line("strong", "Kept"), line("span", "Waiting for the answer of the server."));
  }

  refuse(error) {
    this.text.replaceChildren(line("strong", "Not taken"), line("span", error));
  }

  feedback({ right, text }) {
    this.node.dataset.right = String(right);
    this.text.replaceChildren(line("strong", right ? "✓ Right" : "✕ Not so"), line("span", text));
  }

  // The others' verdicts, nameless and in the order the server gave.
  reveal(others, draft) {
    const list = document.createElement("ul");
    list.append(
      ...others.map((other) => {
        const comment = other.comment ? `: “${other.comment}”` : "";
        return line("li", `${MARKS[other.verdict]} ${draft.said(other)}${comment}`);
      }),
    );
    this.text.replaceChildren(line("strong", "The others said"), list, line("span", "Keep your verdict, or give another."));
  }
}

function line(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}
