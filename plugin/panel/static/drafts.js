// What was typed and is not saved yet survives a reload: the browser keeps it for this tab alone, until it is saved or the
// tab is closed. Kept are answers to the checklist and the reply to the customer, which are to be saved on the ticket
// anyway, and for the same agent only; never a token. Where a browser keeps nothing for frames, it asks before it reloads.
"use strict";
const Drafts = (() => {
  const key = `m365-unblock ${document.getElementById("panel").dataset.place}`;
  const LONGEST = 12 * 3600 * 1000; // milliseconds: a shift; a tab may stay open for days
  let isKept = true;
  let agent = "";
  let drafts = {};

  function store() {
    try {
      if (Object.keys(drafts).length) sessionStorage.setItem(key, JSON.stringify({ agent, drafts }));
      else sessionStorage.removeItem(key);
    } catch {
      isKept = false;
    }
  }

  function load(login) {
    if (agent) return;
    agent = login;
    try {
      const kept = JSON.parse(sessionStorage.getItem(key) || "{}");
      if (kept.agent !== agent) return;
      const since = Date.now() - LONGEST;
      drafts = Object.fromEntries(Object.entries(kept.drafts).filter(([, draft]) => draft.at > since));
    } catch {
      isKept = false;
    }
  }

  function keep(form, isSent) {
    drafts[form.id] = { at: Date.now(), isSent, values: Object.fromEntries(new FormData(form)) };
    store();
  }

  function forget(form) {
    delete drafts[form.id];
    store();
  }

  // Puts a draft back into a form that is new on the page; what was on its way is true, what was still being typed false, none undefined.
  function restore(form) {
    const isKnown = "known" in form.dataset;
    form.dataset.known = "";
    const draft = drafts[form.id];
    if (!draft || isKnown) return undefined;
    for (const field of form.elements) {
      if (!field.name || field.disabled) continue;
      const value = draft.values[field.name];
      if (field.matches("[type=checkbox], [type=radio]")) field.checked = value === field.value;
      else if (value !== undefined) field.value = value;
      if (!field.matches("[type=hidden]")) field.dataset.unsaved = "typed";
    }
    return draft.isSent;
  }

  addEventListener("beforeunload", (event) => {
    if (!isKept && Object.keys(drafts).length) event.preventDefault();
  });

  return { load, keep, forget, restore };
})();
