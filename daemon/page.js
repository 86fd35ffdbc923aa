"use strict";
// Asks for the page again every two seconds and puts what has changed in its place, keeping what
// is open open and what has the focus focused. Without scripts the page reloads itself.
const parts = ["main", "summary"];

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of parts) put(document.getElementById(id), fresh.getElementById(id));
    document.title = fresh.title;
    document.getElementById("lost").hidden = true;
  } catch {
    document.getElementById("lost").hidden = false;
  }
}

function put(old, fresh) {
  if (old.innerHTML === fresh.innerHTML) return;
  const focused = document.activeElement && document.activeElement.id;
  const open = new Set([...document.querySelectorAll("details[open]")].map((one) => one.id));
  for (const one of fresh.querySelectorAll("details")) one.open = open.has(one.id);
  old.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

setInterval(renew, 2000);
document.addEventListener("visibilitychange", renew);
