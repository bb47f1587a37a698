// The first visit: draw the display check, send what was said, and go on to the images.
const form = document.getElementById("consent-form");

if (form) {
  const shown = { dark: drawSquares("dark"), light: drawSquares("light") };
  form.addEventListener("change", () => warn(shown));
  for (const group of form.querySelectorAll(".check")) group.addEventListener("keydown", chooseByDigit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    leave("/rounds/api/consent", agreement(shown), "/");
  });
  document.getElementById("sign-out").addEventListener("click", () => leave("/rounds/api/sign-out", {}, "/rounds/sign-in"));
}

// Three to five squares at random places, so that the number has to be counted. The faintest one is at 5 % of the range.
function drawSquares(name) {
  const places = [...form.querySelectorAll(`.field.${name} span`)];
  const count = 3 + Math.floor(Math.random() * 3);
  for (let step = 1; step <= count; step += 1) {
    const [square] = places.splice(Math.floor(Math.random() * places.length), 1);
    square.className = `step-${step}`;
  }
  return count;
}

function counted(name) {
  const chosen = form.querySelector(`input[name=${name}]:checked`);
  return chosen && Number(chosen.value);
}

function chooseByDigit(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const radio = event.currentTarget.querySelector(`input[value="${CSS.escape(event.key)}"]`);
  if (!radio) return;
  event.preventDefault();
  radio.checked = true;
  radio.focus();
  radio.dispatchEvent(new Event("change", { bubbles: true }));
}

function warn(shown) {
  const hides = ["dark", "light"].filter((name) => counted(name) !== null && counted(name) !== shown[name]);
  const fields = { dark: "black", light: "white" };
  const warning = document.getElementById("screen-warning");
  warning.hidden = hides.length === 0;
  warning.textContent = hides.length
    ? `The ${hides.map((name) => fields[name]).join(" and the ")} field has another number. Raise the brightness or darken ` +
      "the room, and count again. You may go on as it is; the count is kept."
    : "";
}

function agreement(shown) {
  const steps = (name) => ({ shown: shown[name], seen: counted(name) });
  const { width, height } = window.screen;
  return {
    agreed: true,
    version: form.dataset.version,
    experience: {
      profession: document.getElementById("profession").value,
      years_reading: Number(document.getElementById("years").value),
      specialty: document.getElementById("specialty").value,
    },
    display: { dark: steps("dark"), light: steps("light"), width, height, pixel_ratio: window.devicePixelRatio },
  };
}

async function leave(path, body, next) {
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  const message = document.getElementById("message");
  message.hidden = true;
  try {
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": form.dataset.csrf };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error((await response.json()).error);
    location.assign(next);
  } catch (error) {
    message.textContent = error instanceof TypeError ? "The server did not answer. Try again." : error.message;
    message.hidden = false;
    for (const button of buttons) button.disabled = false;
  }
}
