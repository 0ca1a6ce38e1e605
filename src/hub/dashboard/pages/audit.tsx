/** The audit trail: who did what, when, from where. What is looked for stands in the address, so that it can be shared. */
import type { AuditAction, AuditEntry, AuditPage as Entries } from "#src/protocol/audit.ts";
import { address } from "../client.ts";
import { agentName } from "../format.ts";
import { usePaged } from "../loading.ts";
import { Notice } from "../parts/notice.tsx";
import { More, Page, Panel, Ready } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { navigate } from "../router.ts";
import { useSession } from "../session.ts";
import { actionTexts, detailsText } from "./audit-text.ts";

/** Entries a page. */
const pageSize = 50;
const actions = Object.entries(actionTexts) as [AuditAction, string][];

export function AuditPage({ query }: { readonly query: URLSearchParams }) {
  const { manages } = useSession();
  if (!manages) {
    return (
      <Page title="Audit">
        <Notice tone="quiet">Owners and admins may read what was done here.</Notice>
      </Page>
    );
  }
  return (
    <Trail action={query.get("action") ?? ""} actor={query.get("actor") ?? ""} target={query.get("target") ?? ""} />
  );
}

type Filter = { readonly action: string; readonly actor: string; readonly target: string };

function Trail(filter: Filter) {
  const list = usePaged<Entries, "entries">(address("/api/audit", {}, { ...filter, limit: pageSize }), "entries");
  const change = (part: Partial<Filter>) => navigate(address("/audit", {}, { ...filter, ...part }));
  const [first] = list.data ?? [];
  return (
    <Page
      title="Audit"
      tools={
        <>
          <select
            aria-label="What was done"
            value={filter.action}
            onChange={(event) => change({ action: event.currentTarget.value })}
          >
            <option value="">Everything</option>
            {actions.map(([action, text]) => (
              <option key={action} value={action}>
                {text}
              </option>
            ))}
          </select>
          <button type="button" onClick={list.reload}>
            Refresh
          </button>
        </>
      }
    >
      {(filter.actor !== "" || filter.target !== "") && (
        <p class="chips">
          {filter.actor !== "" && (
            <button type="button" class="chip" onClick={() => change({ actor: "" })}>
              by {first?.actor.name ?? filter.actor} <span aria-label="remove this filter">✕</span>
            </button>
          )}
          {filter.target !== "" && (
            <button type="button" class="chip" onClick={() => change({ target: "" })}>
              to {first?.target?.name ?? filter.target} <span aria-label="remove this filter">✕</span>
            </button>
          )}
        </p>
      )}
      <Ready from={list}>
        {(entries) => (
          <Panel empty={entries.length === 0 && "Nothing was done that matches."}>
            <table class="list audit">
              <thead>
                <tr>
                  <th>When</th>
                  <th>Who</th>
                  <th>What</th>
                  <th>From</th>
                </tr>
              </thead>
              <tbody>
                {entries.map((entry) => (
                  <Row key={entry.id} entry={entry} filter={filter} />
                ))}
              </tbody>
            </table>
            <More of={list} />
          </Panel>
        )}
      </Ready>
    </Page>
  );
}

function Row({ entry, filter }: { readonly entry: AuditEntry; readonly filter: Filter }) {
  const { at, action, actor, target, address: from, userAgent, requestId } = entry;
  const details = detailsText(entry);
  return (
    <tr title={requestId === null ? "" : `request ${requestId}`}>
      <td data-label="When">
        <Time at={at} />
      </td>
      <th scope="row">
        {actor.id === null ? (
          <span class="name">{actor.name}</span>
        ) : (
          <a class="name" href={address("/audit", {}, { ...filter, actor: actor.id })}>
            {actor.name}
          </a>
        )}
        {actor.kind !== "person" && actor.kind !== "nobody" && <span class="note">{kinds[actor.kind]}</span>}
      </th>
      <td data-label="What">
        <span class={action === "person.sign-in-failed" ? "bad" : ""}>{actionTexts[action]}</span>{" "}
        {target !== null && !(target.kind === "person" && target.id === actor.id) && (
          <>
            {target.id === null ? (
              <b>{target.name}</b>
            ) : (
              <a href={address("/audit", {}, { ...filter, target: target.id })}>{target.name}</a>
            )}
          </>
        )}
        {details !== "" && <span class="note">{details}</span>}
      </td>
      <td data-label="From">
        {from ?? "the hub's machine"}
        {userAgent !== null && (
          <span class="note" title={userAgent}>
            {agentName(userAgent)}
          </span>
        )}
      </td>
    </tr>
  );
}

const kinds: Readonly<Record<Exclude<AuditEntry["actor"]["kind"], "person" | "nobody">, string>> = {
  key: "API key",
  enrolment: "enrolment token",
  hub: "the hub's command line",
};
