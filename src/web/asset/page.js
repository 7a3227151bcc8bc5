// Keeps a page up to date: fetches it anew when the server says that it changed, and adds lines to a log as they come.
// Without it a page that goes on reloads itself.
"use strict";

(() => {
  // How long to wait where the server has no room for one more who listens.
  const REFUSED_MS = 30000;
  let busy = false;
  let again = false;

  // Takes over the part of the page that changes, with what was unfolded.
  const refresh = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("fresh");
      const before = document.getElementById("fresh");
      if (!now || !before) return;
      for (const details of before.querySelectorAll("details[id]")) {
        const same = now.querySelector("#" + CSS.escape(details.id));
        if (same) same.open = details.open;
      }
      before.replaceWith(now);
      document.title = page.title;
      if (!now.dataset.live) close();
    } finally {
      busy = false;
      if (again) {
        again = false;
        setTimeout(refresh, 500);
      }
    }
  };

  let changes = null;
  const close = () => {
    if (changes) changes.close();
    changes = null;
  };
  const listen = (address) => {
    changes = new EventSource(address);
    changes.addEventListener("changed", refresh);
    // Refused, because too many listen: it is looked at from time to time until there is room.
    changes.addEventListener("error", () => {
      if (!changes || changes.readyState !== EventSource.CLOSED) return;
      close();
      setTimeout(async () => {
        await refresh();
        const now = document.getElementById("fresh");
        if (now && now.dataset.live) listen(now.dataset.live);
      }, REFUSED_MS);
    });
  };
  const fresh = document.getElementById("fresh");
  if (fresh && fresh.dataset.live) {
    listen(fresh.dataset.live);
  }

  const log = document.getElementById("log");
  if (log && log.dataset.follow) {
    let last = log.dataset.from || log.querySelector("[data-from]")?.dataset.from || "0-1";
    const follow = () => {
      const lines = new EventSource(log.dataset.follow + "?from=" + encodeURIComponent(last));
      lines.addEventListener("lines", (event) => {
        const atEnd = window.innerHeight + window.scrollY >= document.body.offsetHeight - 40;
        // Written by the server, which escapes all that is not its own.
        log.insertAdjacentHTML("beforeend", JSON.parse(event.data));
        last = event.lastEventId;
        if (atEnd) window.scrollTo(0, document.body.scrollHeight);
      });
      lines.addEventListener("restarted", () => log.replaceChildren());
      lines.addEventListener("end", () => {
        lines.close();
        refresh();
      });
      lines.addEventListener("error", () => {
        if (lines.readyState === EventSource.CLOSED) setTimeout(follow, REFUSED_MS);
      });
    };
    follow();
  }
})();
