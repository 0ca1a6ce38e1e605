/** What happened, newest first; crashes stand out and open to their last lines. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import type { StoredEvent } from "#src/protocol/api.ts";
import { subjectOf } from "#src/protocol/event-subject.ts";
import { plainText } from "./ansi.ts";
import { tailOf, tell } from "./events-text.ts";
import { address } from "./client.ts";
import { ago, clockTime, fullTime } from "./format.ts";

const shown = 50;

export function Events({
  events,
  manyServers,
  now,
}: {
  readonly events: readonly StoredEvent[];
  readonly manyServers: boolean;
  readonly now: number;
}) {
  return (
    <section aria-label="Events">
      <div class="list-head">
        <h2>Events</h2>
        <a href="/events">All events</a>
      </div>
      <div class="panel">
        {events.length === 0 && <p class="nothing">Nothing has crashed.</p>}
        <ol class="events">
          {events.slice(0, shown).map((one) => (
            <EventItem key={one.id} one={one} host={manyServers ? one.hostname : ""} now={now} />
          ))}
        </ol>
      </div>
    </section>
  );
}

/** One event; with its last lines it unfolds. `host`: empty where it is clear. `links`: to what belongs to it. */
export function EventItem({
  one,
  host,
  now,
  links,
}: {
  readonly one: StoredEvent;
  readonly host: string;
  /** null: the time of day is shown, not how long ago it was */
  readonly now: number | null;
  readonly links?: ComponentChildren;
}) {
  const { tone, title, detail } = tell(one.event);
  const tail = tailOf(one.event);
  const [open, setOpen] = useState(false);
  const head = (
    <>
      <span class={`dot ${tone}`} />
      <bdi class="title">{plainText(title)}</bdi>
      <time dateTime={one.event.at} title={fullTime(one.event.at)}>
        {now === null ? clockTime(one.event.at).slice(0, 8) : ago(one.event.at, now)}
      </time>
      <bdi class="detail">{[plainText(detail), host].filter((part) => part !== "").join(" · ")}</bdi>
    </>
  );
  return (
    <li class={tone}>
      {tail.length === 0 ? (
        <div class="event">{head}</div>
      ) : (
        <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
          <summary class="event">{head}</summary>
          {open && <pre tabIndex={0}>{tail.map(plainText).join("\n")}</pre>}
        </details>
      )}
      {links}
    </li>
  );
}

/** The log of what an event happened to, at its time. */
export function logOf({ serverId, event }: StoredEvent): string {
  return address("/logs", {}, { server: serverId, source: subjectOf(event), at: event.at });
}
