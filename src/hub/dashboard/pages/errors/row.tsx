/** One error group as a row of the list. */
import { useMemo } from "preact/hooks";

import type { ErrorGroup } from "#src/protocol/error-group.ts";
import { plainText } from "../../ansi.ts";
import { address } from "../../client.ts";
import { Bars } from "../../parts/bars.tsx";
import { Time } from "../../parts/time.tsx";
import { counted, listed, many, stateWords, titleOf } from "./words.ts";

export type RowProps = {
  readonly group: ErrorGroup;
  /** lists of one state don't repeat it */
  readonly showState: boolean;
  /** null: the reader may decide nothing */
  readonly checked: boolean | null;
  /** the keyboard is at this row */
  readonly current: boolean;
  readonly onCheck: (fingerprint: string, checked: boolean) => void;
};

/** Drawn again only when its group is another object: a live list redraws what changed. */
export function GroupRow({ group, showState, checked, current, onCheck }: RowProps) {
  return useMemo(
    () => drawRow({ group, showState, checked, current, onCheck }),
    [group, showState, checked, current, onCheck],
  );
}

function drawRow({ group, showState, checked, current, onCheck }: RowProps) {
  const { fingerprint, type, value, culprit, sources, servers, releases } = group;
  const title = titleOf(group);
  const where = [listed(sources), servers.length === 0 ? "" : `on ${listed(servers.map(({ name }) => name))}`];
  const facts = [
    where.filter((part) => part !== "").join(" "),
    releases.length === 0 ? "" : `release ${listed(releases)}`,
  ];
  return (
    <tr class={`${current ? "current" : ""} ${checked === true ? "checked" : ""}`} data-fingerprint={fingerprint}>
      {checked !== null && (
        <td class="check">
          <label>
            <input
              type="checkbox"
              aria-label={`Choose ${title}`}
              checked={checked}
              onChange={({ currentTarget }) => onCheck(fingerprint, currentTarget.checked)}
            />
          </label>
        </td>
      )}
      <th scope="row">
        <a class="name" href={address("/errors/:fingerprint", { fingerprint })}>
          <bdi class={type === null ? "value" : "what"}>
            {plainText(type ?? (value === "" ? "(no message)" : value))}
          </bdi>{" "}
          {type !== null && <bdi class="value">{plainText(value)}</bdi>}
        </a>
        <span class="note">
          <Marks group={group} showState={showState} />
          {culprit !== null && <bdi class="culprit">{plainText(culprit)}</bdi>}
          {facts.map((fact) => fact !== "" && <bdi key={fact}>{fact}</bdi>)}
        </span>
      </th>
      <td class="trend">
        <Bars values={group.sparkline} />
        <span class="unseen">
          {counted(
            group.sparkline.reduce((a, b) => a + b, 0),
            "event",
          )}{" "}
          in 24 hours
        </span>
      </td>
      <td class="number" data-label="Events" title={counted(group.count, "event")}>
        {many(group.count)}
      </td>
      <td data-label="Last seen">
        <Time at={group.lastSeen} />
      </td>
      <td data-label="First seen">
        <Time at={group.firstSeen} />
      </td>
    </tr>
  );
}

/** What stands out about a group, in a word each. */
export function Marks({ group, showState }: { readonly group: ErrorGroup; readonly showState: boolean }) {
  const { state, kind, regressedAt, crashes } = group;
  return (
    <>
      {showState && <span class={`pill ${state}`}>{stateWords[state]}</span>}
      {state === "unresolved" && regressedAt !== null && <span class="pill crashed">Regressed</span>}
      {kind === "warning" && <span class="pill warn">Warning</span>}
      {crashes > 0 && <span class="pill crashed">{counted(crashes, "crash", "crashes")}</span>}
    </>
  );
}
