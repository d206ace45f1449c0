// Improves pages that work without it: forms answer at once, and a page tells when something new is recorded.
"use strict";

const fold = (text) => text.toLowerCase().replace(/[đð]/g, "d").normalize("NFD").replace(/\p{M}/gu, "")
  .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

async function replacePart(selector, address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(selector);
  const old = document.querySelector(selector);
  if (answer.ok && fresh && old) old.replaceWith(fresh);
}

let asked = 0;
function filterAtOnce(form) {
  const address = () => {
    const values = [...new FormData(form)].filter(([, value]) => value !== "");
    return form.action + (values.length ? "?" + new URLSearchParams(values) : "");
  };
  let timer;
  const show = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++asked;
      const answer = await fetch(address());
      const text = await answer.text();
      if (mine !== asked || !answer.ok) return;
      const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("#results");
      if (fresh) document.querySelector("#results").replaceWith(fresh);
      history.replaceState(null, "", address());
    }, 80);
  };
  form.addEventListener("input", show);
}

function filterRows(form) {
  const rows = [...document.querySelectorAll(form.dataset.rows)];
  const keys = rows.map((row) => row.dataset.key || fold(row.textContent));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const words = fold(form.elements.q.value).split("-");
    rows.forEach((row, place) => { row.hidden = !words.every((word) => keys[place].includes(word)); });
  });
}

function listen(address, revision) {
  const events = new EventSource(address);
  events.addEventListener("recorded", async (event) => {
    if (event.data === revision) return;
    revision = event.data;
    await replacePart(".fresh", location.href);
    await replacePart(document.querySelector("#results") ? "#results" : "#main", location.href);
  });
}

document.querySelectorAll("form[data-instant]").forEach(filterAtOnce);
document.querySelectorAll("form[data-rows]").forEach(filterRows);
if (document.body.dataset.events) listen(document.body.dataset.events, document.body.dataset.revision);
