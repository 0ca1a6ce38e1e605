/** The list of error groups, and what is done with those that are chosen. */
import { useEffect, useMemo, useState } from "preact/hooks";

import type { ErrorDecision, ErrorGroup } from "#src/protocol/error-group.ts";
import { address } from "../../client.ts";
import { useShortcuts } from "../../keys.tsx";
import { useAction } from "../../parts/action.ts";
import { Notice } from "../../parts/notice.tsx";
import { More, Ready } from "../../parts/page.tsx";
import { Copyable } from "../../parts/secret.tsx";
import { navigate } from "../../router.ts";
import { useSession } from "../../session.ts";
import { IgnoreDialog, MergeDialog, decide, decideAll } from "./decide.tsx";
import { useGroups } from "./groups.ts";
import { GroupRow } from "./row.tsx";
import { type Done, Toolbar } from "./toolbar.tsx";
import { type View, isNarrowed, usual, writeView } from "./view.ts";
import { counted } from "./words.ts";

export type Changes = { readonly view: View; readonly change: (part: Partial<View>) => void };

type Asking = { readonly kind: "ignore" | "merge"; readonly groups: readonly ErrorGroup[] };

const doneWords = { resolve: "resolved", ignore: "ignored", reopen: "opened again" } as const;

export function GroupList({ view, change }: Changes) {
  const { manages } = useSession();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  // the row that the keyboard is at
  const [current, setCurrent] = useState("");
  const [pointed, setPointed] = useState(false);
  const [asking, setAsking] = useState<Asking | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  const { problem, busy, run } = useAction();
  const groups = useGroups(view, chosen.size > 0 || pointed || current !== "");
  const list = groups.list ?? [];
  const picked = list.filter(({ fingerprint }) => chosen.has(fingerprint));
  const here = writeView(view);

  useEffect(() => {
    setChosen(new Set());
    setCurrent("");
    setDone(null);
  }, [here]);

  // the same function every time, so that rows are not drawn again
  const [check] = useState(() => (fingerprint: string, checked: boolean) => {
    setChosen(
      (before) => new Set(checked ? [...before, fingerprint] : [...before].filter((one) => one !== fingerprint)),
    );
  });

  function finish(said: Done): void {
    setDone(said);
    setChosen(new Set());
    setAsking(null);
  }

  async function apply(to: readonly ErrorGroup[], decision: ErrorDecision): Promise<void> {
    const { action } = decision;
    if (action === "merge" || action === "split") return;
    await decideAll(to, decision, groups.put);
    finish({ text: `${counted(to.length, "error")} ${doneWords[action]}`, undo: action === "reopen" ? [] : to });
  }

  async function merge(rest: readonly ErrorGroup[], into: ErrorGroup): Promise<void> {
    for (const { fingerprint } of rest) {
      const whole = await decide(fingerprint, { action: "merge", into: into.fingerprint });
      groups.drop(fingerprint);
      groups.put([whole]);
    }
    finish({ text: `${rest.length + 1} groups are one`, undo: [] });
  }

  function move(by: number): void {
    const at = list.findIndex(({ fingerprint }) => fingerprint === current);
    const to = list[at === -1 ? (by > 0 ? 0 : list.length - 1) : Math.max(0, Math.min(list.length - 1, at + by))];
    if (to === undefined) return;
    setCurrent(to.fingerprint);
    const row = document.querySelector(`tr[data-fingerprint="${CSS.escape(to.fingerprint)}"]`);
    row?.scrollIntoView({ block: "nearest" });
  }

  // what a key is about: the chosen ones, else the row that the keyboard is at
  const meant = picked.length > 0 ? picked : list.filter(({ fingerprint }) => fingerprint === current);
  const shortcuts = useMemo(() => {
    const at = current === "" ? undefined : current;
    const deciding = [
      { keys: "x", does: "choose the error, or not", run: () => at !== undefined && check(at, !chosen.has(at)) },
      {
        keys: "e",
        does: "resolve what is chosen",
        run: () => meant.length > 0 && run(() => apply(meant, { action: "resolve" })),
      },
      {
        keys: "i",
        does: "ignore what is chosen",
        run: () => meant.length > 0 && setAsking({ kind: "ignore", groups: meant }),
      },
    ];
    return [
      { keys: "j", does: "next error", run: () => move(1) },
      { keys: "k", does: "previous error", run: () => move(-1) },
      {
        keys: "Enter",
        does: "open the error",
        run: () => at !== undefined && navigate(address("/errors/:fingerprint", { fingerprint: at })),
      },
      {
        keys: "Escape",
        does: "choose none",
        run: () => {
          setChosen(new Set());
          setCurrent("");
        },
      },
      ...(manages ? deciding : []),
    ];
  }, [list, current, chosen, manages, busy]);
  useShortcuts("Errors", shortcuts);

  return (
    <section aria-label="Error groups" class="groups">
      <Toolbar
        list={list}
        picked={picked}
        waiting={groups.waiting}
        done={done}
        busy={busy}
        sort={view.sort}
        onSort={(sort) => change({ sort })}
        onChoose={(which) => setChosen(new Set(which.map(({ fingerprint }) => fingerprint)))}
        onApply={(to, decision) => run(() => apply(to, decision))}
        onAsk={(kind) => setAsking({ kind, groups: picked })}
        onLetGo={() => {
          setChosen(new Set());
          setCurrent("");
          setPointed(false);
        }}
      />
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      <Ready from={{ data: groups.list, problem: groups.problem, reload: groups.reload }}>
        {() =>
          list.length === 0 ? (
            <Empty view={view} change={change} />
          ) : (
            <div class="panel" onPointerEnter={() => setPointed(true)} onPointerLeave={() => setPointed(false)}>
              <table class="list errors">
                <thead>
                  <tr>
                    {manages && (
                      <th>
                        <span class="unseen">Choose</span>
                      </th>
                    )}
                    <th>Error</th>
                    <th>24 hours</th>
                    <th class="number">Events</th>
                    <th>Last seen</th>
                    <th>First seen</th>
                  </tr>
                </thead>
                <tbody>
                  {list.map((group) => (
                    <GroupRow
                      key={group.fingerprint}
                      group={group}
                      showState={view.state === ""}
                      checked={manages ? chosen.has(group.fingerprint) : null}
                      current={group.fingerprint === current}
                      onCheck={check}
                    />
                  ))}
                </tbody>
              </table>
              <More of={groups} />
            </div>
          )
        }
      </Ready>
      {asking?.kind === "ignore" && (
        <IgnoreDialog
          groups={asking.groups}
          onDecide={(decision) => apply(asking.groups, decision)}
          onClose={() => setAsking(null)}
        />
      )}
      {asking?.kind === "merge" && (
        <MergeDialog groups={asking.groups} onMerge={merge} onClose={() => setAsking(null)} />
      )}
    </section>
  );
}

function Empty({ view, change }: Changes) {
  if (isNarrowed(view)) {
    return (
      <p class="panel nothing">
        Nothing matches.{" "}
        <button type="button" class="link" onClick={() => change({ ...usual, state: view.state, sort: view.sort })}>
          Show all
        </button>
      </p>
    );
  }
  if (view.state === "resolved" || view.state === "ignored") {
    return <p class="panel nothing">Nothing is {view.state}.</p>;
  }
  return (
    <div class="card welcome">
      <h2>{view.state === "" ? "No errors yet" : "No errors to look at"}</h2>
      <p>
        Tracebacks and error lines are found in what every script, container and source prints, and stand here within
        two seconds. Nothing needs to be set up. To see one:
      </p>
      <Copyable label="On a server with an agent" text={`orion log error "Payment gateway answered 502"`} />
    </div>
  );
}
