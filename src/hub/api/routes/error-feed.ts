/** The feed of a page that shows error groups: each group that changes, as it is when its reader takes it. */
import type { GroupGone, GroupNews, News } from "#src/protocol/error-group.ts";
import type { ErrorGroups } from "../error-ports.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";

/** Groups of one piece of text. */
const maxGroups = 50;
/** Changed groups that wait for their reader. Beyond it is told to read the list again. */
const maxWaiting = 2000;

/** `projects`: whose groups may be told; asked each time, because projects come and go. */
export function createErrorFeed(
  groups: Pick<ErrorGroups, "get" | "onChange">,
  projects: () => readonly string[],
): Feed {
  // a group that changes faster than the reader reads is sent once, as it is then
  const changed = new Map<string, Set<News>>();
  const gone = new Map<string, string | null>();
  let ready = false;
  let lost = false;
  const bell = createBell();

  const cancel = groups.onChange((told) => {
    if (told.kind === "all") {
      lose();
      return;
    }
    if (!projects().includes(told.project)) return;
    const { fingerprint } = told;
    if (told.kind === "gone") {
      changed.delete(fingerprint);
      gone.set(fingerprint, told.mergedInto);
    } else {
      gone.delete(fingerprint);
      const news = changed.get(fingerprint) ?? new Set();
      for (const one of told.news) news.add(one);
      changed.set(fingerprint, news);
    }
    if (changed.size + gone.size > maxWaiting) lose();
    else bell.ring();
  });

  /** The reader is to read its list again. */
  function lose(): void {
    changed.clear();
    gone.clear();
    lost = true;
    bell.ring();
  }

  return {
    next() {
      if (!ready) {
        ready = true;
        return sseEvent("ready", "{}");
      }
      let text = "";
      if (lost) {
        lost = false;
        text += sseEvent("lost", "{}");
      }
      for (const [fingerprint, mergedInto] of gone) {
        gone.delete(fingerprint);
        text += sseEvent("gone", JSON.stringify({ fingerprint, mergedInto } satisfies GroupGone));
      }
      const visible = projects();
      let count = 0;
      for (const [fingerprint, news] of changed) {
        changed.delete(fingerprint);
        const group = groups.get(visible, fingerprint);
        if (group === undefined) continue;
        text += sseEvent("group", JSON.stringify({ group, news: [...news] } satisfies GroupNews));
        if (++count >= maxGroups) break;
      }
      return text === "" ? undefined : text;
    },
    wait: bell.wait,
    close: cancel,
  };
}
