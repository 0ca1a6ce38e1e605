/** Server-sent events for a page: reconnects where it was, and lets go of the connection while nobody looks. */

import { get } from "./client.ts";

/** What a page shows of its connection. */
export type Connection = "connecting" | "live" | "away";

type Handlers = Readonly<Record<string, (data: unknown, id: string) => void>>;

/** A browser gives up on a stream that was answered with an error; this tries again. */
const retryMs = 3000;

/**
 * Opens `path` and calls the handler of each event's name with its parsed data. After a reconnection it resumes behind
 * the last id. A browser allows six connections to a host, so a hidden page closes its stream.
 * @returns ends it
 */
export function openStream(path: () => string, handlers: Handlers, onState: (state: Connection) => void): () => void {
  let source: EventSource | undefined;
  let lastId = "";
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    close();
    const url = new URL(path(), location.origin);
    if (lastId !== "") url.searchParams.set("after", lastId);
    const opened = (source = new EventSource(url));
    opened.addEventListener("open", () => onState("live"));
    opened.addEventListener("error", () => {
      onState("away");
      if (opened.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, retryMs);
      // an event source does not tell why it was refused: if the session has ended, asking for it says so to the page
      get("/api/auth/session").catch(() => undefined);
    });
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId !== "") lastId = event.lastEventId;
        handle(JSON.parse(event.data), event.lastEventId);
      });
    }
  }

  function close(): void {
    clearTimeout(timer);
    source?.close();
    source = undefined;
  }

  function followVisibility(): void {
    if (document.visibilityState === "hidden") close();
    else if (source === undefined) open();
  }

  onState("connecting");
  document.addEventListener("visibilitychange", followVisibility);
  if (document.visibilityState !== "hidden") open();
  return () => {
    document.removeEventListener("visibilitychange", followVisibility);
    close();
  };
}

/** Calls `run` once for all calls until the next frame. */
export function eachFrame(run: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      run();
    });
  };
}
