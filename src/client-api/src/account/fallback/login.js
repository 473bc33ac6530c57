"use strict";
const form = document.querySelector("form");
const told = document.querySelector("output");
const query = new URLSearchParams(window.location.search);

// Some apps put their function here, and do not make the object.
window.matrixLogin = window.matrixLogin || {};

function done(session) {
  form.hidden = true;
  told.textContent = "You are logged in.";
  if (typeof window.onLogin === "function") {
    window.onLogin(session);
  } else if (typeof window.matrixLogin.onLogin === "function") {
    window.matrixLogin.onLogin(session);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const body = {
    type: "m.login.password",
    identifier: { type: "m.id.user", user: fields.get("user") },
    password: fields.get("password"),
  };
  for (const name of ["device_id", "initial_device_display_name"]) {
    if (query.has(name)) {
      body[name] = query.get(name);
    }
  }
  try {
    const answer = await fetch("/_matrix/client/v3/login", {
      method: "POST",
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    if (answer.ok) {
      done(said);
    } else {
      told.textContent = said.error;
    }
  } catch {
    told.textContent = "The server did not answer.";
  }
});
