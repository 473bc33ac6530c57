"use strict";
const form = document.querySelector("form");
const told = document.querySelector("output");
const session = new URLSearchParams(window.location.search).get("session");

function done() {
  form.hidden = true;
  told.textContent = "Thank you. You can close this page.";
  if (typeof window.onAuthDone === "function") {
    window.onAuthDone();
  } else if (window.opener) {
    window.opener.postMessage("authDone", "*");
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  const body = JSON.stringify({ session, ...fields });
  try {
    const answer = await fetch(window.location.pathname, { method: "POST", body });
    if (answer.ok) {
      done();
    } else {
      told.textContent = (await answer.json()).error;
    }
  } catch {
    told.textContent = "The server did not answer.";
  }
});
