"use strict";
const form = document.querySelector("form");
const told = document.querySelector("output");

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
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  try {
    const answer = await fetch(window.location.href, { method: "POST", body });
    if (answer.ok) {
      done();
    } else {
      told.textContent = (await answer.json()).error;
    }
  } catch {
    told.textContent = "The server did not answer.";
  }
});
