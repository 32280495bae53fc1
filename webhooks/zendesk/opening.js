// In the frame that Zendesk opens for the sidebar app: asks Zendesk's page which ticket it shows, and goes on to its panel.
"use strict";
(async () => {
  const opening = document.getElementById("opening");
  const client = window.ZAFClient && window.ZAFClient.init();
  if (!client || !opening.dataset.token) {
    opening.textContent = opening.dataset.failed;
    return;
  }
  try {
    const ticket = (await client.get("ticket.id"))["ticket.id"];
    // It need not be answered, and no height is no reason to show nothing.
    client.invoke("resize", { width: "100%", height: "640px" }).catch(() => {});
    location.replace(`${opening.dataset.panel}/${encodeURIComponent(ticket)}#token=${encodeURIComponent(opening.dataset.token)}`);
  } catch {
    opening.textContent = opening.dataset.failed;
  }
})();
