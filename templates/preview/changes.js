// Of `sitegen serve` alone: the page is loaded again when its report was built again, and a bar says
// when it could not be. No built site has it.
"use strict";
{
  const shown = new URL(document.currentScript.src).searchParams.get("v");
  let stream;
  let bar;

  const say = (error) => {
    bar?.remove();
    bar = undefined;
    if (!error) return;
    bar = document.createElement("p");
    bar.setAttribute("role", "alert");
    bar.textContent = `Not built: ${error}`;
    Object.assign(bar.style, {
      position: "fixed", inset: "auto 0 0 0", zIndex: 9, maxHeight: "40vh", overflow: "auto", margin: 0, padding: ".75rem 1.5rem",
      background: "var(--doubt, #ffe88c)", color: "var(--doubt-ink, #2b2300)", borderTop: "2px solid var(--doubt-line, #8a6900)",
      font: ".875rem/1.5 var(--mono, monospace)", overflowWrap: "anywhere",
    });
    document.body.append(bar);
  };

  const listen = () => {
    stream?.close();
    stream = undefined;
    // A browser has six connections to a server and no more: a page that is hidden holds none.
    if (document.hidden) return;
    stream = new EventSource("/-/changes");
    stream.onmessage = ({ data }) => {
      const { version, error } = JSON.parse(data);
      if (version === shown) say(error);
      else location.reload();
    };
  };

  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", ({ persisted }) => persisted && listen());
  listen();
}
