// Withdraw consent on the account page, in two steps; account.js has `send` and `say`.
const asked = document.getElementById("withdraw");
const confirmation = document.getElementById("withdraw-confirm");

function ask(open) {
  confirmation.hidden = !open;
  asked.hidden = open;
  (open ? document.getElementById("withdraw-not") : asked).focus();
}

asked.addEventListener("click", () => ask(true));
document.getElementById("withdraw-not").addEventListener("click", () => ask(false));
document.getElementById("withdraw-now").addEventListener("click", async () => {
  try {
    await send("/rounds/api/consent/withdraw", {});
    document.getElementById("consent").hidden = true;
    confirmation.hidden = true;
    say("You have withdrawn. You get no more images; your verdicts stay in the record.", false);
  } catch (error) {
    say(error.message, true);
  }
});
