// The panel's script. It keeps the panel token in memory, sends it as a bearer, and merges each fresh view into the page part
// by part, so that nothing an agent is typing is ever replaced.
"use strict";
(() => {
  const main = document.getElementById("panel");
  const notice = document.getElementById("notice");
  const texts = JSON.parse(main.dataset.texts);
  const KEPT = ".item, .reply"; // forms whose words outlive a dropped connection and a reload
  let token = "";
  let isOver = false; // the session has ended; the page stays as it is
  let seenView = ""; // which view the page shows as a whole; empty where a part of it was left as it was
  let shown = ""; // the one case that is shown of several
  const unsent = new Set(); // forms to be sent again once there is a connection

  const byId = (id) => document.getElementById(id);
  const on = (name, handler) => document.body.addEventListener(name, handler);
  const quoted = (id) => `#${CSS.escape(id)}`;

  function tell(words) {
    notice.textContent = words;
    notice.hidden = !words;
  }

  function line(words, tone = "") {
    const made = document.createElement("p");
    made.textContent = words;
    made.className = tone;
    return made;
  }

  function say(slot, words, tone) {
    if (!slot) return;
    slot.replaceChildren(...(words ? [line(words, tone)] : []));
    slot.removeAttribute("data-print"); // so that the next view puts its own words here
    seenView = "";
  }

  const formOf = (element) => element.closest("form") || element;
  const slotOf = (element) => byId(formOf(element).dataset.says);

  // What the page itself says at a form, which no view knows of: [label, what it does] are buttons.
  function sayHere(form, words, tone = "", buttons = []) {
    let place = form.querySelector(":scope > .here");
    if (!place) {
      place = document.createElement("div");
      place.className = "said here";
      place.setAttribute("role", "status");
      form.append(place);
    }
    place.replaceChildren(...(words ? [line(words, tone)] : []));
    for (const [label, act] of buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "bare";
      button.textContent = label;
      button.addEventListener("click", () => {
        form.querySelector("input:not([type=hidden]), textarea").focus(); // the button goes away
        act();
      });
      place.firstChild.append(" ", button);
    }
  }

  // ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────

  async function open(launch) {
    if (!launch) {
      if (!token) tell(texts.openFromTicket);
      return;
    }
    if (byId("opening")) byId("opening").hidden = false;
    const got = await launch;
    if (!got.html) return fail(got.failure || texts.notReached);
    token = got.token;
    isOver = false;
    tell("");
    Times.set(got.date);
    seenView = got.seen;
    htmx.swap("#view", got.html, { swapStyle: "merge" }, { contextElement: main });
  }

  function fail(words) {
    byId("opening")?.remove();
    tell(words);
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
      if (isInUse(present)) {
        seenView = "";
        return [];
      }
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
  let asked = null; // the form whose answer is being merged, and the answer's status

  htmx.defineExtension("panel", {
    isInlineSwap: (style) => style === "merge",
    handleSwap(style, target, fragment) {
      const incoming = style === "merge" && fragment.querySelector("#view");
      if (!incoming) return false;
      focusedIn = document.activeElement.closest("form[id], article");
      const before = new Set([...document.querySelectorAll("article")].map((article) => article.id));
      const settled = asked && settle(asked.form, asked.status, incoming);
      const fresh = merge(byId("view"), incoming);
      settled?.();
      if (asked?.form.matches("[data-opens]")) shown = newest(before) || shown;
      asked = null;
      showOne();
      Times.show();
      restoreDrafts();
      return fresh;
    },
  });

  const newest = (before) => [...document.querySelectorAll("article")].map(({ id }) => id).find((id) => !before.has(id));

  on("htmx:afterSwap", () => {
    if (focusedIn && (document.activeElement === document.body || !document.activeElement)) {
      byId(focusedIn.id)?.querySelector("h2, input:not([type=hidden]), textarea")?.focus({ preventScroll: true });
    }
  });

  // ── several cases ────────────────────────────────────────────────────────────────────────────────────────────

  function showOne() {
    const articles = [...document.querySelectorAll("article")];
    const buttons = [...document.querySelectorAll("[data-shows]")];
    if (!byId(shown)) shown = (buttons[0]?.dataset.shows ?? articles[0]?.id) || "";
    for (const article of articles) article.hidden = article.id !== shown;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.shows === shown);
  }

  // ── an item of the checklist that was answered ───────────────────────────────────────────────────────────────

  // Which answer was seen goes along with each answer: one of another agent that came meanwhile is never written over.
  // It stays what it was while somebody types, and follows only what they save themselves. Returns what is left to do
  // once the view is merged.
  function settle(form, status, incoming) {
    const seen = form.matches(".item") && byId(`seen-${form.id}`);
    const newer = seen && incoming.querySelector(quoted(seen.id))?.value;
    if (!seen || newer === undefined || newer === null) return null;
    if (status === 200) return () => (byId(seen.id).value = newer);
    if (newer === seen.value) return null;
    const theirs = incoming.querySelector(quoted(`fields-${form.id}`)).cloneNode(true);
    const refusal = incoming.querySelector(`${quoted(`said-${form.id}`)} .refused`);
    const words = refusal?.textContent;
    refusal?.remove(); // it stays here until it is settled, while the next view knows no more of it
    const take = () => {
      replace(byId(theirs.id), theirs);
      sayHere(form, "");
      Drafts.forget(form);
    };
    if (!form.querySelector("input[type=text]")) {
      return () => {
        take();
        sayHere(form, words, "refused");
        form.querySelector("input:not([type=hidden])").focus();
      };
    }
    const insist = () => {
      byId(seen.id).value = newer;
      htmx.trigger(form, "change");
    };
    return () => sayHere(form, words, "refused", [[texts.theirs, take], [texts.mine, insist]]);
  }

  function restoreDrafts() {
    Drafts.load(byId("view").dataset.agent);
    for (const form of document.querySelectorAll(KEPT)) {
      const wasSent = Drafts.restore(form);
      if (wasSent === undefined) continue;
      form.closest("details")?.setAttribute("open", "");
      if (form.matches(".reply")) sayHere(form, texts.restored);
      else if (wasSent) setTimeout(() => htmx.trigger(form, "change")); // once htmx knows the form
      else sayHere(form, texts.restored, "", [[texts.saveNow, () => htmx.trigger(form, "change")]]);
    }
  }

  function sendUnsent() {
    const forms = [...unsent].map(byId).filter(Boolean);
    unsent.clear();
    for (const form of forms) htmx.trigger(form, "change");
  }

  // ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

  on("input", ({ target }) => {
    if (!target.name || !target.closest(KEPT)) return;
    if (isAsItCame(target.form)) {
      for (const field of target.form.elements) delete field.dataset.unsaved;
      return Drafts.forget(target.form);
    }
    target.dataset.unsaved = "typed";
    Drafts.keep(target.form, false);
  });

  const isAsItCame = (form) =>
    [...form.elements].every((it) =>
      it.matches("[type=checkbox], [type=radio]") ? it.checked === it.defaultChecked : !it.name || it.value === it.defaultValue,
    );

  on("htmx:configRequest", (event) => {
    const { elt, headers } = event.detail;
    headers.Authorization = `Bearer ${token}`;
    if (elt.matches("[data-poll]")) headers["X-Panel-Seen"] = seenView;
    const lines = elt.matches(".item") ? [...elt.querySelectorAll("input[type=text]")] : [];
    const empty = lines.find((field) => field.required && !field.value.trim());
    if (empty && lines.some((field) => field.value.trim())) {
      event.preventDefault();
      say(slotOf(elt), texts.fillIn.replace("{line}", empty.labels[0].firstChild.textContent.trim()));
    }
  });

  on("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (elt.matches("[data-quiet]")) {
      if (elt.matches("[data-poll]") && (isOver || document.hidden)) event.preventDefault();
      return;
    }
    const form = formOf(elt);
    for (const slot of document.querySelectorAll("[data-slot]")) say(slot, "");
    for (const field of form.querySelectorAll("[data-unsaved]")) field.dataset.unsaved = "sent";
    if (form.matches(KEPT)) Drafts.keep(form, true);
    if (elt.matches("[data-confirm]")) hide(elt);
    say(slotOf(elt), form.dataset.busy);
  });

  on("htmx:beforeSwap", ({ detail: { xhr, requestConfig } }) => {
    const { elt } = requestConfig;
    Times.set(xhr.getResponseHeader("Date"));
    if (elt.matches("[data-quiet]:not([data-poll])")) return;
    const form = formOf(elt);
    say(slotOf(elt), ""); // the view that comes has the words, if there are any
    seenView = xhr.getResponseHeader("X-Panel-Seen") || "";
    asked = elt.matches("form, form *") ? { form, status: xhr.status } : null;
    if (xhr.status !== 200) return; // refused: what was typed stays
    for (const field of form.querySelectorAll("[data-unsaved=sent]")) delete field.dataset.unsaved;
    if (form.matches(KEPT) && !form.querySelector("[data-unsaved]")) {
      Drafts.forget(form);
      sayHere(form, "");
    }
  });

  on("htmx:afterSwap", ({ detail: { elt } }) => elt.matches?.(".found") && Times.show(elt));

  on("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
    if (xhr.status === 0) return; // no answer: `lost`, unless a newer look-up took its place
    token = xhr.getResponseHeader("X-Panel-Token") || token;
    if ([200, 204, 409, 422].includes(xhr.status)) {
      if (notice.textContent === texts.noConnection) tell("");
      return sendUnsent();
    }
    const words = detailOf(xhr);
    if (xhr.status === 401) {
      isOver = true;
      tell(words);
    }
    failed(elt, words);
  });

  const lost = ({ detail: { elt } }) => {
    if (!isOver) tell(texts.noConnection);
    failed(elt, texts.kept);
  };
  on("htmx:sendError", lost);
  on("htmx:timeout", lost);
  const look = () => document.hidden || (document.querySelector("[data-poll]") && htmx.trigger("[data-poll]", "look"));
  addEventListener("online", look);
  document.addEventListener("visibilitychange", look);

  function failed(elt, words) {
    const form = formOf(elt);
    if (elt.matches("[data-poll]")) return;
    if (elt.matches("[data-quiet]")) return byId(elt.getAttribute("hx-target").slice(1))?.replaceChildren(line(words, "refused"));
    say(slotOf(elt), "");
    if (!form.matches(".item")) return say(slotOf(elt), texts.notDone.replace("{why}", words), "refused");
    // An item is saved when it changes, so it has no button of its own to press again.
    const again = isOver ? [] : [[texts.tryAgain, () => htmx.trigger(form, "change")]];
    sayHere(form, texts.notDone.replace("{why}", words), "refused", again);
    if (!isOver) unsent.add(form.id);
  }

  function detailOf(xhr) {
    try {
      return JSON.parse(xhr.responseText).detail;
    } catch {
      return texts.kept;
    }
  }

  // ── the confirmation ─────────────────────────────────────────────────────────────────────────────────────────

  const opener = (confirm) => document.querySelector(`[data-reveals="${confirm.id}"]`);

  function hide(confirm) {
    confirm.hidden = true;
    opener(confirm).setAttribute("aria-expanded", "false");
    confirm.closest("article").querySelector("h2").focus();
  }

  on("click", ({ target }) => {
    const { reveals, hides } = target.dataset;
    const { shows } = target.closest("[data-shows]")?.dataset ?? {};
    if (reveals) {
      byId(reveals).hidden = false;
      target.setAttribute("aria-expanded", "true");
      byId(reveals).querySelector("[tabindex]").focus(); // not on “Yes”: a second Enter must not press it
    }
    if (hides) {
      hide(byId(hides));
      opener(byId(hides)).focus();
    }
    if (shows) {
      shown = shows;
      showOne();
    }
    if (target.id === "times") Times.toggle(target);
  });

  addEventListener("hashchange", () => open(Launch.begin())); // the ticket system may hand in a new launch token this way
  open(Launch.first);
})();
