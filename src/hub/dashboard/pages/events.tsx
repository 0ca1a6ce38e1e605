/** Everything that happened, newest first: crashes, deaths, silences, losses, starts. */
import { useMemo } from "preact/hooks";

import type { EventsPage as Answer, StoredEvent } from "#src/protocol/api.ts";
import { subjectOf } from "#src/protocol/event-subject.ts";
import { address } from "../client.ts";
import { EventItem, logOf } from "../events.tsx";
import { eventKinds, typeWords } from "../events-text.ts";
import { dayOf, fullTime } from "../format.ts";
import { events, now, servers } from "../live.ts";
import { usePaged } from "../loading.ts";
import { Pick } from "../parts/filters.tsx";
import { OriginFilters } from "../parts/origin-filters.tsx";
import { More, Page, Ready } from "../parts/page.tsx";
import { spans } from "../parts/since.ts";
import { navigate, usePlace } from "../router.ts";
import { type View, apiAddress, everything, matches, merge, readView, writeView } from "./events/view.ts";

/** Events a page. */
const pageSize = 100;

export function EventsPage() {
  const { query } = usePlace();
  const view = readView(query);
  const change = (part: Partial<View>) => navigate(writeView({ ...view, ...part }), { keepScroll: true });
  return (
    <Page title="Events">
      <Filters view={view} change={change} />
      <List view={view} change={change} />
    </Page>
  );
}

type Changes = { readonly view: View; readonly change: (part: Partial<View>) => void };

const typeOptions = [
  ["", "All events"],
  ...eventKinds.map(({ key, text }) => [key, text] as const),
  ...Object.entries(typeWords),
] as const;

function Filters({ view, change }: Changes) {
  return (
    <div class="filters" role="search" aria-label="Events">
      <Pick label="What happened" value={view.type} options={typeOptions} onChange={(type) => change({ type })} />
      <OriginFilters origin={view} onChange={change} />
      {view.from === "" && view.to === "" ? (
        <Pick
          label="Since"
          value={view.since}
          options={[["", "Any time"], ...spans]}
          onChange={(since) => change({ since })}
        />
      ) : (
        <button type="button" class="chip on" onClick={() => change({ from: "", to: "" })}>
          {view.from !== "" && `from ${fullTime(view.from).slice(0, -26)}`}{" "}
          {view.to !== "" && `to ${fullTime(view.to)}`}
          <span aria-label="remove this filter">✕</span>
        </button>
      )}
      {writeView(view) !== "/events" && (
        <button type="button" class="plain" onClick={() => change(everything)}>
          Clear
        </button>
      )}
    </div>
  );
}

function List({ view, change }: Changes) {
  const here = writeView(view);
  const path = useMemo(() => apiAddress(view, Date.now(), pageSize), [here]);
  const page = usePaged<Answer, "events">(path, "events");
  const live = events.value;
  const fleet = servers.value;
  const list = useMemo(() => {
    if (page.data === undefined) return undefined;
    const projects = new Map(fleet.map(({ id, projectId }) => [id, projectId]));
    const fresh = live.filter((one) => matches(one, view, (id) => projects.get(id) ?? ""));
    return merge(page.data, fresh, page.more === undefined);
  }, [page.data, page.more === undefined, live, here]);
  return (
    <Ready from={{ data: list, problem: page.problem, reload: page.reload }}>
      {(found) =>
        found.length === 0 ? (
          <p class="panel nothing">
            {here === "/events" ? (
              "Nothing has happened yet: crashes, deaths of containers, silent agents and lost lines will stand here."
            ) : (
              <>
                Nothing matches.{" "}
                <button type="button" class="link" onClick={() => change(everything)}>
                  Show all
                </button>
              </>
            )}
          </p>
        ) : (
          <>
            {[...Map.groupBy(found, ({ event }) => dayOf(event.at, now.peek()))].map(([day, ofDay]) => (
              <section key={day} class="day" aria-label={day}>
                <h2>{day}</h2>
                <div class="panel">
                  <ol class="events all">
                    {ofDay.map((one) => (
                      <EventItem key={one.id} one={one} host="" now={null} links={<Links one={one} />} />
                    ))}
                  </ol>
                </div>
              </section>
            ))}
            <More of={page} />
          </>
        )
      }
    </Ready>
  );
}

/** To the server, to the error that led to it, to its lines. */
function Links({ one }: { readonly one: StoredEvent }) {
  return (
    <p class="links">
      <a href={address("/servers/:id", { id: one.serverId })}>{one.hostname}</a>
      {one.error !== undefined && <a href={address("/errors/:fingerprint", { fingerprint: one.error })}>Error</a>}
      {subjectOf(one.event) !== null && <a href={logOf(one)}>Log</a>}
    </p>
  );
}
