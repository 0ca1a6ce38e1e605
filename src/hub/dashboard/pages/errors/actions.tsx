/** What may be decided about one error group, on its page. */
import { useMemo, useState } from "preact/hooks";

import type { ErrorDecision, ErrorDetail, ErrorGroup, ErrorsPage } from "#src/protocol/error-group.ts";
import { address } from "../../client.ts";
import { useShortcuts } from "../../keys.tsx";
import { useLoad } from "../../loading.ts";
import { useAction } from "../../parts/action.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Find } from "../../parts/filters.tsx";
import { Form } from "../../parts/form.tsx";
import { Notice } from "../../parts/notice.tsx";
import { Ready } from "../../parts/page.tsx";
import { IgnoreDialog, ResolveDialog, decide } from "./decide.tsx";
import { counted, titleOf } from "./words.ts";

type Asking = "nothing" | "ignore" | "release" | "merge";

/** `onDecided` is given the group that it has become. */
export function Decisions({
  detail,
  onDecided,
}: {
  readonly detail: ErrorDetail;
  readonly onDecided: (group: ErrorGroup) => void;
}) {
  const [asking, setAsking] = useState<Asking>("nothing");
  const { busy, problem, run } = useAction();
  const close = () => setAsking("nothing");
  const { fingerprint, state } = detail;

  async function apply(decision: ErrorDecision): Promise<void> {
    onDecided(await decide(fingerprint, decision));
    close();
  }

  const shortcuts = useMemo(
    () => [
      state === "unresolved"
        ? { keys: "e", does: "resolve the error", run: () => run(() => apply({ action: "resolve" })) }
        : { keys: "e", does: "open the error again", run: () => run(() => apply({ action: "reopen" })) },
      { keys: "i", does: "ignore the error", run: () => setAsking("ignore") },
    ],
    [fingerprint, state, busy],
  );
  useShortcuts("Error", shortcuts);

  return (
    <>
      {state === "unresolved" ? (
        <>
          <button type="button" class="primary" disabled={busy} onClick={() => run(() => apply({ action: "resolve" }))}>
            Resolve
          </button>
          <button type="button" disabled={busy} onClick={() => setAsking("release")}>
            Resolve in …
          </button>
        </>
      ) : (
        <button
          type="button"
          class="primary"
          disabled={busy}
          // on a phone it stands where "Resolve" stood: the second click of a double one is not meant for it
          onClick={({ detail: clicks }) => clicks < 2 && run(() => apply({ action: "reopen" }))}
        >
          Reopen
        </button>
      )}
      <button type="button" disabled={busy} onClick={() => setAsking("ignore")}>
        Ignore …
      </button>
      <button type="button" disabled={busy} onClick={() => setAsking("merge")}>
        Merge …
      </button>
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      {asking === "ignore" && <IgnoreDialog groups={[detail]} onDecide={apply} onClose={close} />}
      {asking === "release" && (
        <ResolveDialog groups={[detail]} onDecide={apply} onClose={close} releases={detail.releases} />
      )}
      {asking === "merge" && <MergeInto detail={detail} onDecide={apply} onClose={close} />}
    </>
  );
}

/** Groups that a search shows. */
const maxFound = 20;

function MergeInto({
  detail,
  onDecide,
  onClose,
}: {
  readonly detail: ErrorDetail;
  readonly onDecide: (decision: ErrorDecision) => Promise<void>;
  readonly onClose: () => void;
}) {
  const [q, setQ] = useState("");
  const { kind, project } = detail;
  const found = useLoad<ErrorsPage>(
    address("/api/errors", {}, { q, project, kind: kind === "warning" ? kind : "", limit: maxFound }),
  );
  return (
    <Dialog title="Merge into another error" onClose={onClose}>
      <p>The events of this one, past and future, become those of the other.</p>
      <Find
        title="Merge"
        label="Find the other error"
        placeholder="Find in type, message, function"
        value={q}
        onChange={setQ}
      />
      <Ready from={found}>
        {({ groups }) => {
          const others = groups.filter(({ fingerprint }) => fingerprint !== detail.fingerprint);
          if (others.length === 0) return <p class="nothing">No other error matches.</p>;
          return (
            <Form
              submit="Merge"
              onSubmit={({ into = "" }) => onDecide({ action: "merge", into })}
              aside={
                <button type="button" onClick={onClose}>
                  Cancel
                </button>
              }
            >
              <fieldset class="boxes choices">
                <legend class="unseen">The other error</legend>
                {others.map((group) => (
                  <label key={group.fingerprint}>
                    <input type="radio" name="into" value={group.fingerprint} required />
                    <span>
                      <bdi>{titleOf(group)}</bdi>
                      <small>{counted(group.count, "event")}</small>
                    </span>
                  </label>
                ))}
              </fieldset>
            </Form>
          );
        }}
      </Ready>
    </Dialog>
  );
}
