"use strict";
// Asks for the page again every two seconds and puts what has changed in its place: what is open
// stays open, what has the focus keeps it, and nothing moves under text that is being selected.
// Without scripts the page reloads itself.
async function renew() {
  if (document.hidden || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    put(document.getElementById("summary"), fresh.getElementById("summary"));
    putApps(document.getElementById("main"), fresh.getElementById("main"));
    document.title = fresh.title;
    document.getElementById("lost").hidden = true;
  } catch {
    document.getElementById("lost").hidden = false;
  }
}

function putApps(old, fresh) {
  const names = (main) => [...main.children].map((one) => one.id).join();
  if (names(old) !== names(fresh)) return put(old, fresh);
  [...old.children].forEach((one, place) => {
    one.className = fresh.children[place].className;
    put(one, fresh.children[place]);
  });
}

function put(old, fresh) {
  for (const one of fresh.querySelectorAll("details")) {
    one.open = document.getElementById(one.id)?.open ?? false;
  }
  if (old.innerHTML === fresh.innerHTML) return;
  const focused = document.activeElement && document.activeElement.id;
  old.innerHTML = fresh.innerHTML;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

setInterval(renew, 2000);
document.addEventListener("visibilitychange", renew);
