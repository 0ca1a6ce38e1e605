/** What floats over the lines: how many are new, that only samples are shown, that something was copied. */
import type { BookState } from "./book.ts";

export function EdgeStatus({
  state: { following, missed, flood, connection, damaged },
  live,
  onFollow,
  said,
}: {
  readonly state: BookState;
  readonly live: boolean;
  readonly onFollow: () => void;
  readonly said: string;
}) {
  const count = missed.lines.toLocaleString("en");
  return (
    <div class="over">
      {live && !following && (missed.lines > 0 || missed.more) && (
        <button type="button" class="primary" onClick={onFollow}>
          ↓{" "}
          {missed.lines === 0
            ? "New lines"
            : `${count}${missed.more ? "+" : ""} new ${missed.lines === 1 ? "line" : "lines"}`}
        </button>
      )}
      {following && flood !== null && (
        <p class="said warn" role="status">
          {Math.round(flood).toLocaleString("en")} lines a second: samples are shown
        </p>
      )}
      {live && connection === "away" && (
        <p class="said warn" role="status">
          No connection: new lines come when it is back
        </p>
      )}
      {damaged > 0 && (
        <p class="said bad" role="status">
          {damaged.toLocaleString("en")} {damaged === 1 ? "block" : "blocks"} can't be read: some lines are missing
        </p>
      )}
      <p class="said" role="status" hidden={said === ""}>
        {said}
      </p>
    </div>
  );
}
