/** The events of a group that are kept as samples, one at a time: traceback, facts, and the lines around it. */
import { useEffect, useMemo, useState } from "preact/hooks";

import type { ErrorDetail, ErrorGroup, ErrorSample, SamplesPage } from "#src/protocol/error-group.ts";
import { plainText } from "../../ansi.ts";
import { address } from "../../client.ts";
import { useShortcuts } from "../../keys.tsx";
import { servers } from "../../live.ts";
import { usePaged } from "../../loading.ts";
import { Confirm } from "../../parts/dialog.tsx";
import { Section } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import { navigate } from "../../router.ts";
import { useSession } from "../../session.ts";
import { decide } from "./decide.tsx";
import { Surroundings } from "./surroundings.tsx";
import { Traceback } from "./trace.tsx";
import { counted } from "./words.ts";

/** Few enough are kept of a group that one page has nearly always all of them. */
const pageSize = 50;

export function Samples({
  detail,
  wanted,
  onSplit,
}: {
  readonly detail: ErrorDetail;
  /** id of the sample that the address names; empty: the newest */
  readonly wanted: string;
  readonly onSplit: (group: ErrorGroup) => void;
}) {
  const { manages } = useSession();
  const path = address("/api/errors/:fingerprint/events", { fingerprint: detail.fingerprint }, { limit: pageSize });
  const list = usePaged<SamplesPage, "events">(path, "events");
  // what is being read stays, though newer ones come
  const [pinned, setPinned] = useState(detail.sample);
  const samples = list.data ?? [];
  const shown = (wanted === "" ? undefined : samples.find(({ id }) => id === wanted)) ?? pinned;
  const newest = detail.sample;
  const isNewest = newest === null || shown === null || Number(newest.id) <= Number(shown.id);
  // a named sample may be on a later page
  useEffect(() => {
    if (wanted !== "" && list.data !== undefined && !samples.some(({ id }) => id === wanted)) list.more?.();
  }, [wanted, list.data]);

  function open(sample: ErrorSample): void {
    setPinned(sample);
    const here = { fingerprint: detail.fingerprint };
    navigate(address("/errors/:fingerprint", here, { sample: sample.id }), { replace: true, keepScroll: true });
  }
  const newer = samples.findLast(({ id }) => shown !== null && Number(id) > Number(shown.id));
  const older = samples.find(({ id }) => shown !== null && Number(id) < Number(shown.id));
  const shortcuts = useMemo(
    () => [
      { keys: "j", does: "older event", run: () => older !== undefined && open(older) },
      { keys: "k", does: "newer event", run: () => newer !== undefined && open(newer) },
    ],
    [newer, older],
  );
  useShortcuts("Error", shortcuts);

  if (shown === null) {
    return <p class="panel nothing">Its events are older than what is kept; only their number is known.</p>;
  }
  const alike = samples.filter(({ variant }) => variant === shown.variant).length;
  return (
    <>
      <Section
        title="Event"
        about={
          <>
            <Time at={shown.at} /> on <Host {...shown.server} />, <bdi>{shown.source}</bdi>
          </>
        }
        tools={
          <>
            {!isNewest && newest !== null && (
              <button
                type="button"
                class="on"
                onClick={() => {
                  open(newest);
                  list.reload();
                }}
              >
                Newest
              </button>
            )}
            <button type="button" disabled={newer === undefined} onClick={() => newer !== undefined && open(newer)}>
              Newer
            </button>
            <button type="button" disabled={older === undefined} onClick={() => older !== undefined && open(older)}>
              Older
            </button>
            {manages && samples.length > alike && (
              <Confirm
                label="Split off …"
                title="Make this a group of its own?"
                submit="Split"
                onConfirm={async () => onSplit(await decide(detail.fingerprint, { action: "split", sample: shown.id }))}
              >
                All events that are like this one in functions and message, past and future, become another group (
                {counted(alike, "sample")} of {samples.length}).
              </Confirm>
            )}
          </>
        }
      >
        <Facts sample={shown} />
        <div class="panel">
          {hasTraceback(shown) ? (
            <Traceback key={shown.variant} parts={shown.parts} />
          ) : (
            <pre class="raw" tabIndex={0}>
              {shown.lines.map(plainText).join("\n")}
            </pre>
          )}
        </div>
        {shown.cut && <p class="hint">It was longer than what is kept: 500 lines, 256 KiB.</p>}
        {hasTraceback(shown) && (
          <details class="as-printed">
            <summary>As it was printed</summary>
            <pre class="raw" tabIndex={0}>
              {shown.lines.map(plainText).join("\n")}
            </pre>
          </details>
        )}
      </Section>
      <Section title="Around it" about="What the same source logged before and after.">
        <Surroundings key={shown.id} sample={shown} />
      </Section>
    </>
  );
}

/** Applications that log without an agent are no servers, and have no page. */
function Host({ id, name }: ErrorSample["server"]) {
  if (!servers.value.some((server) => server.id === id)) return <bdi>{name}</bdi>;
  return <a href={address("/servers/:id", { id })}>{name}</a>;
}

const hasTraceback = ({ parts }: ErrorSample): boolean =>
  parts.length > 1 || parts.some(({ frames }) => frames.length > 0);

/** What the event says about itself. */
function Facts({ sample }: { readonly sample: ErrorSample }) {
  const facts = [
    ["Release", sample.release],
    ["Level", sample.level],
    ["Logger", sample.logger],
    ["Database", sample.database],
    ["Thread", sample.thread],
    ["Format", sample.format],
    ["Stream", sample.stream],
  ] as const;
  return (
    <dl class="event-facts">
      {facts.map(
        ([name, value]) =>
          value !== null && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{plainText(value)}</bdi>
              </dd>
            </div>
          ),
      )}
    </dl>
  );
}
