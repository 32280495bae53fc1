// The panel's script. It exchanges the launch token of its address for a panel token, keeps that in memory, sends it as
// a bearer, and merges each fresh view into the page part by part, so that nothing an agent is typing is ever replaced.
"use strict";
(() => {
  const main = document.getElementById("panel");
  const notice = document.getElementById("notice");
  let token = "";
  let isOver = false; // the session has ended; the page stays as it is
  let ahead = 0; // milliseconds that the server's clock is ahead of this one's

  const byId = (id) => document.getElementById(id);
  const on = (name, handler) => document.body.addEventListener(name, handler);

  function tell(words) {
    notice.textContent = words;
    notice.hidden = !words;
  }

  function say(slot, words, tone = "") {
    if (!slot) return;
    const line = document.createElement("p");
    line.textContent = words;
    line.className = tone;
    slot.replaceChildren(...(words ? [line] : []));
    slot.removeAttribute("data-print"); // so that the next view puts its own words here
  }

  const formOf = (element) => element.closest("form") || element;
  const slotOf = (element) => byId(formOf(element).dataset.says);

  // ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────

  async function open() {
    const launch = new URLSearchParams(location.hash.slice(1)).get("token");
    history.replaceState(null, "", location.pathname + location.search);
    if (!launch) {
      if (!token) tell("Open this panel from the ticket, or reload the ticket: only the ticket system can say who you are.");
      return;
    }
    try {
      const answer = await fetch(main.dataset.session, {
        method: "POST",
        credentials: "omit",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ token: launch }),
      });
      const said = await answer.json();
      if (!answer.ok) return tell(said.detail);
      token = said.token;
    } catch {
      return tell("The panel could not be reached. Reload the ticket to try again.");
    }
    isOver = false;
    tell("");
    htmx.ajax("GET", main.dataset.view, { source: main, target: "#view", swap: "merge" });
  }

  // ── merging ──────────────────────────────────────────────────────────────────────────────────────────────────

  const partsIn = (part) =>
    [...part.querySelectorAll("[data-part]")].filter((inner) => inner.parentElement.closest("[data-part]") === part);

  function isInUse(part) {
    const active = document.activeElement;
    return (
      (part.contains(active) && active.matches("input, textarea, select")) ||
      part.querySelector("[data-unsaved], [data-confirm]:not([hidden])") !== null
    );
  }

  function replace(present, incoming) {
    for (const { name } of [...present.attributes]) if (!incoming.hasAttribute(name)) present.removeAttribute(name);
    for (const { name, value } of [...incoming.attributes]) present.setAttribute(name, value);
    present.replaceChildren(...incoming.childNodes);
  }

  // Returns the parts that are new, for htmx to look through.
  function merge(present, incoming) {
    if (present.dataset.print !== incoming.dataset.print) {
      if (isInUse(present)) return [];
      replace(present, incoming);
      return [present];
    }
    return partsIn(incoming).flatMap((part) => {
      const mine = byId(part.id);
      if (mine) return merge(mine, part);
      present.append(part);
      return [part];
    });
  }

  let focusedIn = null; // where the focus was, should its element be replaced

  htmx.defineExtension("panel", {
    isInlineSwap: (style) => style === "merge",
    handleSwap(style, target, fragment) {
      const incoming = style === "merge" && fragment.querySelector("#view");
      if (!incoming) return false;
      ahead = incoming.dataset.now * 1000 - Date.now();
      focusedIn = document.activeElement.closest("form[id], article");
      const fresh = merge(byId("view"), incoming);
      tick();
      return fresh;
    },
  });

  on("htmx:afterSwap", () => {
    if (focusedIn && (document.activeElement === document.body || !document.activeElement)) {
      byId(focusedIn.id)?.querySelector("h2, input:not([type=hidden]), textarea")?.focus({ preventScroll: true });
    }
  });

  // ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

  on("input", ({ target }) => {
    if (target.name) target.dataset.unsaved = "typed";
  });

  on("htmx:configRequest", (event) => {
    const { elt, headers } = event.detail;
    headers.Authorization = `Bearer ${token}`;
    const lines = elt.matches(".item") ? [...elt.querySelectorAll("input[type=text]")] : [];
    const empty = lines.find((line) => line.required && !line.value.trim());
    if (empty && lines.some((line) => line.value.trim())) {
      event.preventDefault();
      say(slotOf(elt), `Saved once “${empty.labels[0].firstChild.textContent.trim()}” is filled in too.`);
    }
  });

  on("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (elt.matches("[data-poll]")) {
      if (isOver || document.hidden) event.preventDefault();
      return;
    }
    for (const slot of document.querySelectorAll("[data-slot]")) say(slot, "");
    for (const field of formOf(elt).querySelectorAll("[data-unsaved]")) field.dataset.unsaved = "sent";
    if (elt.matches("[data-confirm]")) hide(elt);
    say(slotOf(elt), formOf(elt).dataset.busy);
  });

  on("htmx:beforeSwap", ({ detail: { xhr, requestConfig } }) => {
    say(slotOf(requestConfig.elt), ""); // the view that comes has the words, if there are any
    if (xhr.status !== 200) return; // refused: what was typed stays
    for (const field of formOf(requestConfig.elt).querySelectorAll("[data-unsaved=sent]")) delete field.dataset.unsaved;
  });

  on("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
    token = xhr.getResponseHeader("X-Panel-Token") || token;
    if ([200, 409, 422].includes(xhr.status)) return;
    const words = detailOf(xhr);
    if (xhr.status === 401) {
      isOver = true;
      tell(words);
    }
    if (elt === main) tell(words);
    else if (!elt.matches("[data-poll]")) say(slotOf(elt), `Not done. ${words}`, "refused");
    if (!isOver && elt.matches(".item")) offerAgain(elt);
  });

  // An item is saved when it changes, so it has no button of its own to press again.
  function offerAgain(item) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "bare";
    button.textContent = "Try again";
    button.addEventListener("click", () => {
      item.querySelector("input").focus(); // the button goes away
      htmx.trigger(item, "change");
    });
    slotOf(item).firstChild.append(" ", button);
  }

  function detailOf(xhr) {
    try {
      return JSON.parse(xhr.responseText).detail;
    } catch {
      return "The panel could not be reached. What you typed is still here; try again.";
    }
  }

  // ── the confirmation, and the clock ──────────────────────────────────────────────────────────────────────────

  const opener = (confirm) => document.querySelector(`[data-reveals="${confirm.id}"]`);

  function hide(confirm) {
    confirm.hidden = true;
    opener(confirm).setAttribute("aria-expanded", "false");
    confirm.closest("article").querySelector("h2").focus();
  }

  on("click", ({ target }) => {
    const { reveals, hides } = target.dataset;
    if (reveals) {
      byId(reveals).hidden = false;
      target.setAttribute("aria-expanded", "true");
      byId(reveals).querySelector("[tabindex]").focus(); // not on “Yes”: a second Enter must not press it
    }
    if (hides) {
      hide(byId(hides));
      opener(byId(hides)).focus();
    }
  });

  function ago(seconds) {
    if (seconds < 10) return "just now";
    if (seconds < 90) return `${Math.round(seconds / 10) * 10} s ago`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
    return "";
  }

  function tick() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      time.dataset.absolute ||= time.textContent;
      time.textContent = ago((Date.now() + ahead) / 1000 - time.dataset.ago) || time.dataset.absolute;
    }
  }

  setInterval(tick, 5000);
  addEventListener("hashchange", open); // the ticket system may hand in a new launch token this way
  open();
})();
