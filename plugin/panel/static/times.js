// Times in the reader's own zone. The page comes with the site's times, which stay at hand: in the title of each, and in
// full for all of them by the button “Exact times”, since a title needs a mouse.
"use strict";
const Times = (() => {
  const texts = JSON.parse(document.getElementById("panel").dataset.texts);
  const { lang } = document.documentElement;
  const language = lang === "en" ? "en-GB" : lang;
  const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const day = { weekday: "short", day: "numeric", month: "short", ...hour };
  const clock = new Intl.DateTimeFormat(language, hour);
  const short = new Intl.DateTimeFormat(language, day);
  const exact = new Intl.DateTimeFormat(language, { ...day, year: "numeric", timeZoneName: "short" });
  let isExact = false;
  let ahead = 0; // milliseconds that the server's clock is ahead of this one's

  const now = () => Date.now() + ahead;

  function ago(seconds) {
    if (seconds < 10) return texts.justNow;
    if (seconds < 90) return texts.secondsAgo.replace("{n}", Math.round(seconds / 10) * 10);
    if (seconds < 5400) return texts.minutesAgo.replace("{n}", Math.round(seconds / 60));
    return "";
  }

  // Where the reader's clock shows what the site's does, the words stay as they came: as in the notes on the ticket.
  function learn(time) {
    const at = new Date(time.dateTime);
    time.dataset.shown = time.textContent;
    if (time.title.includes(clock.format(at))) return;
    const local = exact.format(at);
    const isToday = at.toDateString() === new Date(now()).toDateString();
    time.dataset.shown = "exact" in time.dataset ? local : isToday ? clock.format(at) : short.format(at);
    time.title = `${local} (${texts.siteTime.replace("{time}", time.title)})`;
  }

  function show(root = document) {
    for (const time of root.querySelectorAll("time")) {
      if (!("shown" in time.dataset)) learn(time);
      const since = "ago" in time.dataset && ago(now() / 1000 - time.dataset.ago);
      const words = isExact ? time.title : since || time.dataset.shown;
      if (time.textContent !== words) time.textContent = words;
    }
  }

  function toggle(button) {
    isExact = !isExact;
    button.setAttribute("aria-pressed", isExact);
    show();
  }

  // `date` is the header of an answer that has just come.
  function set(date) {
    const server = Date.parse(date);
    if (server) ahead = server - Date.now();
  }

  setInterval(show, 5000);
  return { set, show, toggle };
})();
