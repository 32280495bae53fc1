// The first script, before the large ones have come: it takes the launch token out of the address and exchanges it for a
// panel token and the first view, so that this is there by the time the others can show it.
"use strict";
const Launch = (() => {
  async function exchange(launch) {
    const answer = await fetch(`${location.pathname}/session`, {
      method: "POST",
      credentials: "omit",
      headers: { "Accept": "text/html", "Content-Type": "application/json" },
      body: JSON.stringify({ token: launch }),
    });
    if (!answer.ok) return { failure: (await answer.json()).detail };
    const header = (name) => answer.headers.get(name);
    return { token: header("X-Panel-Token"), seen: header("X-Panel-Seen"), date: header("Date"), html: await answer.text() };
  }

  // A promise of the token and the view, or of why not; null where the address holds no launch token.
  function begin() {
    const launch = new URLSearchParams(location.hash.slice(1)).get("token");
    history.replaceState(null, "", location.pathname + location.search);
    return launch ? exchange(launch).catch(() => ({})) : null;
  }

  return { begin, first: begin() };
})();
