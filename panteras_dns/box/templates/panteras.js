"use strict";
// Asks for news with a question that stays open, and puts the new list in place of the old. Without JavaScript the page is whole, too.
(async () => {
  const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  const state = document.getElementById("state");
  let version = document.body.dataset.version;
  let said = state.textContent;
  for (;;) {
    try {
      const news = await (await fetch("/news?since=" + version)).json();
      state.textContent = said;
      if (String(news.version) === version) {
        await wait(1);
        continue;
      }
      const text = await (await fetch("/")).text();
      const fresh = new DOMParser().parseFromString(text, "text/html");
      const open = new Set([...document.querySelectorAll("details[open]")].map((one) => one.closest("section").querySelector("h2").textContent));
      const list = fresh.getElementById("services");
      for (const one of list.querySelectorAll("details"))
        if (open.has(one.closest("section").querySelector("h2").textContent)) one.open = true;
      document.getElementById("services").replaceWith(list);
      said = state.textContent = fresh.getElementById("state").textContent;
      version = fresh.body.dataset.version;
    } catch {
      state.textContent = "no connection; trying again";
      await wait(3);
    }
  }
})();
