// Keeps the conversation up to date without touching the panel beside it. The page works without this.
"use strict";
(() => {
  const section = document.getElementById("conversation");
  const news = document.getElementById("news");
  const page = new DOMParser();
  let shown = null;

  async function look() {
    const answer = await fetch(section.dataset.from, { credentials: "same-origin" });
    if (!answer.ok) return;
    const html = await answer.text();
    if (shown !== null && html !== shown) {
      section.replaceChildren(...page.parseFromString(html, "text/html").body.childNodes);
      news.textContent = "The ticket has changed.";
    }
    shown = html;
  }

  const again = () => look().catch(() => {}).finally(() => setTimeout(again, 2000));
  again();
})();
