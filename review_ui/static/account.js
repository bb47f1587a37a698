// Change the password or sign out: every write carries the session's token in a header.
const form = document.getElementById("password-form"); // null for who signs in by a provider only
const csrf = document.getElementById("sign-out").dataset.csrf;
const message = document.getElementById("message");

function say(text, failed) {
  message.textContent = text;
  message.className = failed ? "message error" : "message";
  message.hidden = false;
}

async function send(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.json()).error);
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const current = document.getElementById("current");
  const chosen = document.getElementById("new");
  try {
    await send("/rounds/api/password", { current: current.value, new: chosen.value });
    location.assign("/");
  } catch (error) {
    say(error.message, true);
  }
});

for (const how of ["sign-out", "sign-out-everywhere"]) {
  document.getElementById(how).addEventListener("click", async () => {
    try {
      await send(`/rounds/api/${how}`, {});
      location.assign("/rounds/sign-in");
    } catch (error) {
      say(error.message, true);
    }
  });
}

const theme = document.getElementById("theme");
const other = document.documentElement.dataset.theme === "light" ? "dark" : "light";
theme.textContent = `Use the ${other} theme`;
theme.addEventListener("click", () => {
  localStorage.setItem("rounds-theme", other);
  location.reload();
});
