/** When the agent of a server came and went, and who watched meanwhile: newest first. */
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { EventsPage, StoredEvent } from "#src/protocol/api.ts";
import { momentOf } from "../../charts/marks.ts";
import { address } from "../../client.ts";
import { tell } from "../../events-text.ts";
import { events } from "../../live.ts";
import { useLoad } from "../../loading.ts";
import { Ready, Section } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";

const types = [
  "agent.started",
  "agent.stopped",
  "agent.silent",
  "agent.back",
  "watch.failed",
  "watch.restored",
  "logs.dropped",
];
const shown = 12;

export function Transitions({ serverId }: { readonly serverId: string }) {
  const query = { server: serverId, type: types.join(","), limit: shown };
  const loaded = useLoad<EventsPage>(address("/api/events", {}, query));
  const live = events.value;
  const latest = useRef("");
  // what has come since is in the live list; once that holds something new, ask again for the whole
  const newest = useMemo(
    () => live.find((one) => one.serverId === serverId && types.includes(one.event.type))?.id ?? "",
    [live, serverId],
  );
  useEffect(() => {
    if (newest !== "" && latest.current !== "" && newest !== latest.current) loaded.reload();
    latest.current = newest;
  }, [newest]);
  const all = address("/events", {}, { server: serverId });
  return (
    <Section title="Connection" tools={<a href={all}>All events</a>}>
      <div class="panel turns-panel">
        <Ready from={loaded}>
          {(page) =>
            page.events.length === 0 ? (
              <p class="nothing">Nothing has happened yet.</p>
            ) : (
              <ol class="turns">
                {page.events.map((one) => (
                  <Turn key={one.id} one={one} />
                ))}
              </ol>
            )
          }
        </Ready>
      </div>
    </Section>
  );
}

const dots = { bad: "bad", warn: "warn", quiet: "" } as const;

function Turn({ one: { serverId, event } }: { readonly one: StoredEvent }) {
  const { tone, title, detail } = tell(event);
  return (
    <li>
      <span class={`dot ${dots[tone]}`} />
      <a href={momentOf(serverId, event.at, event.at)}>{title}</a>
      <span class="detail">{detail}</span>
      <Time at={event.at} />
    </li>
  );
}
