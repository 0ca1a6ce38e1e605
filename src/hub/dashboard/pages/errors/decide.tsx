/** Deciding about error groups: resolved, ignored for a while, opened again, made one. */
import { useState } from "preact/hooks";

import type { ErrorDecision, ErrorGroup } from "#src/protocol/error-group.ts";
import { address, send } from "../../client.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Choice, Field, Form } from "../../parts/form.tsx";
import { counted, titleOf } from "./words.ts";

/** @throws {ApiFault} @returns the group that it has become */
export const decide = (fingerprint: string, decision: ErrorDecision): Promise<ErrorGroup> =>
  send<ErrorGroup>("PATCH", address("/api/errors/:fingerprint", { fingerprint }), { body: decision });

/** Requests at the same time. */
const atOnce = 4;

/** The same about several, a few at a time. @throws {ApiFault} the first refusal; those before it are decided */
export async function decideAll(
  groups: readonly ErrorGroup[],
  decision: ErrorDecision,
  onDecided: (groups: readonly ErrorGroup[]) => void,
): Promise<void> {
  for (let i = 0; i < groups.length; i += atOnce) {
    onDecided(await Promise.all(groups.slice(i, i + atOnce).map(({ fingerprint }) => decide(fingerprint, decision))));
  }
}

const day = 24;
const untils: readonly (readonly [value: string, text: string])[] = [
  ["", "For good, until somebody opens it again"],
  ["1h", "For an hour"],
  [`${day}h`, "For a day"],
  [`${7 * day}h`, "For a week"],
  [`${30 * day}h`, "For 30 days"],
  ["time", "Until a time …"],
  ["10n", "Until 10 more have come"],
  ["100n", "Until 100 more have come"],
  ["1000n", "Until 1,000 more have come"],
  ["count", "Until so many more have come …"],
];

/** What a choice of the dialog asks for. `count` and `time` are what was typed. */
export function ignoreDecision(
  choice: string,
  typed: { readonly count?: string | undefined; readonly time?: string | undefined },
  nowMs: number,
): ErrorDecision {
  const number = Number.parseInt(choice, 10);
  if (choice === "time") return { action: "ignore", until: new Date(typed.time ?? "").toISOString() };
  if (choice === "count") return { action: "ignore", count: Number(typed.count) };
  if (choice.endsWith("n")) return { action: "ignore", count: number };
  if (choice.endsWith("h")) return { action: "ignore", until: new Date(nowMs + number * 3_600_000).toISOString() };
  return { action: "ignore" };
}

type Ask = {
  readonly groups: readonly ErrorGroup[];
  readonly onDecide: (decision: ErrorDecision) => Promise<void>;
  readonly onClose: () => void;
};

/** How long these are ignored. */
export function IgnoreDialog({ groups, onDecide, onClose }: Ask) {
  const [choice, setChoice] = useState("");
  return (
    <Dialog
      title={groups.length === 1 ? "Ignore this error" : `Ignore ${counted(groups.length, "error")}`}
      onClose={onClose}
    >
      <p>Ignored errors are counted, and shown only under "Ignored".</p>
      <Form
        submit="Ignore"
        onSubmit={({ count, time }) => onDecide(ignoreDecision(choice, { count, time }, Date.now()))}
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <Choice
          label="How long"
          name="until"
          options={untils}
          autofocus
          onChange={({ currentTarget }) => setChoice(currentTarget.value)}
        />
        {choice === "time" && <Field label="Until" name="time" type="datetime-local" required />}
        {choice === "count" && (
          <Field
            label="So many more"
            name="count"
            type="number"
            min={1}
            max={1_000_000_000}
            defaultValue="50"
            required
          />
        )}
      </Form>
    </Dialog>
  );
}

/** In which release these are mended. `releases`: those that are known, to choose from. */
export function ResolveDialog({ groups, onDecide, onClose, releases }: Ask & { readonly releases: readonly string[] }) {
  return (
    <Dialog title="Resolve in a release" onClose={onClose}>
      <p>Older releases may go on failing. Should that release or a later one fail so again, it is a regression.</p>
      <Form
        submit={groups.length === 1 ? "Resolve" : `Resolve ${groups.length}`}
        onSubmit={({ release = "" }) => onDecide({ action: "resolve", release: release.trim() })}
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <Field
          label="Release"
          name="release"
          list="known-releases"
          placeholder={releases[0] ?? "1.4.2"}
          maxLength={200}
          autoComplete="off"
          required
          autoFocus
        />
        <datalist id="known-releases">
          {releases.map((release) => (
            <option key={release} value={release} />
          ))}
        </datalist>
      </Form>
    </Dialog>
  );
}

/** Which of several goes on as the one. */
export function MergeDialog({
  groups,
  onMerge,
  onClose,
}: {
  readonly groups: readonly ErrorGroup[];
  /** `rest` into `into` */
  readonly onMerge: (rest: readonly ErrorGroup[], into: ErrorGroup) => Promise<void>;
  readonly onClose: () => void;
}) {
  const oldest = groups.toSorted((a, b) => Date.parse(a.firstSeen) - Date.parse(b.firstSeen))[0];
  return (
    <Dialog title={`Make ${groups.length} groups one`} onClose={onClose}>
      <p>Their events, past and future, become those of the one that stays. Splitting undoes it sample by sample.</p>
      <Form
        submit="Merge"
        onSubmit={async ({ into }) => {
          const kept = groups.find(({ fingerprint }) => fingerprint === into) ?? oldest;
          if (kept !== undefined)
            await onMerge(
              groups.filter((group) => group !== kept),
              kept,
            );
        }}
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <fieldset class="boxes choices">
          <legend>The one that stays</legend>
          {groups.map((group) => (
            <label key={group.fingerprint}>
              <input type="radio" name="into" value={group.fingerprint} defaultChecked={group === oldest} />
              <span>
                <bdi>{titleOf(group)}</bdi>
                <small>{counted(group.count, "event")}</small>
              </span>
            </label>
          ))}
        </fieldset>
      </Form>
    </Dialog>
  );
}
