/** Where the events of a group came from, the crashes that followed, and what people did about it. */
import { useEffect, useRef } from "preact/hooks";

import type { ErrorDetail } from "#src/protocol/error-group.ts";
import type { AuditPage } from "#src/protocol/audit.ts";
import { address } from "../../client.ts";
import { useLoad } from "../../loading.ts";
import { Time } from "../../parts/time.tsx";
import { useSession } from "../../session.ts";
import { actionTexts } from "../audit-text.ts";
import { eventsAround } from "./links.ts";
import { counted, many } from "./words.ts";

type Counted = { readonly name: string; readonly count: number; readonly lastSeen: string; readonly id?: string };

/** Shares of the events by name, most first; each is a filter of the list. */
export function Shares({
  title,
  shares,
  filter,
}: {
  readonly title: string;
  readonly shares: readonly Counted[];
  readonly filter: "server" | "source" | "release";
}) {
  if (shares.length === 0) return null;
  const sum = shares.reduce((total, { count }) => total + count, 0);
  return (
    <section class="shares" aria-label={title}>
      <h3>{title}</h3>
      <ol>
        {shares.map(({ id, name, count, lastSeen }) => (
          <li key={id ?? name}>
            <a href={address("/errors", {}, { [filter]: id ?? name, state: "all" })}>
              <bdi>{name}</bdi>
            </a>
            <span class="number" title={counted(count, "event")}>
              {many(count)}
            </span>
            <Time at={lastSeen} />
            <span class="track">
              <span style={{ width: `${Math.max(1, (count / sum) * 100)}%` }} />
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** `exited 1, 3 times, after this error`, and each of the last. */
export function Crashes({ detail }: { readonly detail: ErrorDetail }) {
  const { crashSummary, recentCrashes } = detail;
  if (crashSummary.length === 0) return null;
  return (
    <section class="crashes" aria-label="Crashes">
      <h3>Crashes after this error</h3>
      {crashSummary.map(({ how, count, lastAt }) => (
        <p key={how}>
          <b>{how}</b>, {count === 1 ? "once" : `${many(count)} times`}, last <Time at={lastAt} />
        </p>
      ))}
      <ol>
        {recentCrashes.map((crash) => (
          <li key={crash.event}>
            <a href={eventsAround(crash)}>
              <bdi>{crash.source}</bdi>
            </a>{" "}
            on <bdi>{crash.server.name}</bdi>
            <Time at={crash.at} />
          </li>
        ))}
      </ol>
    </section>
  );
}

type Act = { readonly key: string; readonly at: string; readonly text: string; readonly by: string };

/** What happened to the group, newest first. Who decided what is told to those who may read the audit trail. */
export function Activity({ detail }: { readonly detail: ErrorDetail }) {
  const { manages } = useSession();
  const path = address("/api/audit", {}, { target: detail.fingerprint, limit: 20 });
  const trail = useLoad<AuditPage>(manages ? path : null);
  // again when somebody has decided; what is there stays until then, so that nothing below it moves up and down
  const told = useRef(detail.decidedAt);
  useEffect(() => {
    if (told.current === detail.decidedAt) return;
    told.current = detail.decidedAt;
    trail.reload();
  }, [detail.decidedAt]);
  const acts: Act[] = [
    { key: "first", at: detail.firstSeen, text: "first seen", by: "" },
    ...(detail.regressedAt === null
      ? []
      : [{ key: "back", at: detail.regressedAt, text: "came back: a regression", by: "" }]),
    ...(manages
      ? (trail.data?.entries ?? []).map(({ id, at, action, actor, details }) => ({
          key: id,
          at,
          text: `${actionTexts[action].replace(/ (?:into another one )?(?:again )?the error$/, "")}${extra(details)}`,
          by: actor.name,
        }))
      : detail.decidedAt === null || detail.state === "unresolved"
        ? []
        : [{ key: "decided", at: detail.decidedAt, text: detail.state, by: detail.decidedBy ?? "" }]),
  ];
  return (
    <section class="activity" aria-label="Activity">
      <h3>Activity</h3>
      <ol>
        {acts
          .toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at))
          .map(({ key, at, text, by }) => (
            <li key={key}>
              <span>
                {by !== "" && <b>{by}</b>} {text}
              </span>
              <Time at={at} />
            </li>
          ))}
      </ol>
    </section>
  );
}

function extra(details: Readonly<Record<string, unknown>> | undefined): string {
  const { release, count, until } = details ?? {};
  if (typeof release === "string") return ` in ${release}`;
  const ends = [
    ...(typeof count === "number" ? [`until ${many(count)} more`] : []),
    ...(typeof until === "string" ? [`until ${until.slice(0, 16).replace("T", " ")} UTC`] : []),
  ];
  return ends.length === 0 ? "" : ` ${ends.join(" or ")}`;
}
