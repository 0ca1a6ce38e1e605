/** The first page: which servers need somebody, and how all of them are. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Project } from "#src/protocol/project.ts";
import { AddServer } from "../add-server.tsx";
import { Events } from "../events.tsx";
import { useShortcuts } from "../keys.tsx";
import { events, loaded, now, servers } from "../live.ts";
import { useLoad } from "../loading.ts";
import { Logs } from "../logs.tsx";
import { startHistory } from "../overview/history.ts";
import { type StateName, type View, listServers, readView, stateNames, writeView } from "../overview/list.ts";
import { type NeedSum, needsOf, sumNeeds } from "../overview/needs.ts";
import { newErrors, startNewErrors } from "../overview/new-errors.ts";
import { Rows } from "../overview/rows.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { useTitle } from "../parts/page.tsx";
import { navigate, usePlace } from "../router.ts";
import { Scripts } from "../scripts.tsx";
import { useSession } from "../session.ts";

/** With more servers than this, their scripts and lines are looked at one server at a time, or on pages of their own. */
const smallFleet = 12;

type Projects = { readonly projects: readonly Project[] };
const none: readonly Project[] = [];

export function OverviewPage() {
  useTitle("");
  const { manages } = useSession();
  const fleet = servers.value;
  useEffect(startHistory, []);
  useEffect(startNewErrors, []);
  const projects = useLoad<Projects>("/api/projects");
  const known = loaded.value && (projects.data !== undefined || projects.problem !== "");
  if (!known) {
    return (
      <main class="wide" tabIndex={-1} aria-busy="true">
        <h1 class="unseen">Servers</h1>
      </main>
    );
  }
  // until a first agent has reported there is one thing to do, and nothing else to see
  if (fleet.every((server) => server.latest === null)) {
    return (
      <main class="wide" tabIndex={-1}>
        <h1 class="unseen">Servers</h1>
        {manages ? <Welcome /> : <Nothing />}
      </main>
    );
  }
  return (
    <main class="wide" tabIndex={-1}>
      <h1 class="unseen">Servers</h1>
      <Fleet all={projects.data?.projects ?? none} />
      {fleet.length <= smallFleet && (
        <div class="columns">
          <div class="side">
            <Scripts servers={fleet} now={now.value} />
            <Events events={events.value} manyServers={fleet.length > 1} now={now.value} />
          </div>
          <Logs servers={fleet} />
        </div>
      )}
    </main>
  );
}

function Fleet({ all }: { readonly all: Projects["projects"] }) {
  const { manages } = useSession();
  const { query } = usePlace();
  const view = readView(query);
  const change = (part: Partial<View>) =>
    navigate(writeView({ ...view, ...part }), { replace: true, keepScroll: true });
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const [adding, setAdding] = useState(false);
  const fleet = servers.value;
  const projects = useMemo(() => new Map(all.map(({ id, name }) => [id, name])), [all]);
  const fresh = newErrors.value;
  const needs = useMemo(
    () => new Map(fleet.map((server) => [server.id, needsOf(server, fresh.get(server.id) ?? 0)])),
    [fleet, fresh],
  );
  const address = writeView(view);
  const items = useMemo(
    () => listServers(fleet, view, { needs, projects, collapsed }),
    [fleet, needs, projects, collapsed, address],
  );
  return (
    <section aria-label="Servers" class="fleet-section">
      <Sums sums={sumNeeds(needs.values())} view={view} change={change} total={fleet.length} />
      <div class="tools">
        <Find value={view.q} onChange={(q) => change({ q })} />
        <select
          aria-label="State"
          value={view.state}
          onChange={({ currentTarget: { value } }) =>
            change({ state: stateNames.find((name) => name === value) ?? "" })
          }
        >
          <option value="">All states</option>
          {stateNames.map((name) => (
            <option key={name} value={name}>
              {stateWords[name]}
            </option>
          ))}
        </select>
        {projects.size > 1 && (
          <select
            aria-label="Project"
            value={view.project}
            onChange={({ currentTarget }) => change({ project: currentTarget.value })}
          >
            <option value="">All projects</option>
            {[...projects].map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        )}
        {manages && (
          <button type="button" class="add" onClick={() => setAdding(true)}>
            Add server
          </button>
        )}
      </div>
      <Rows
        items={items}
        view={view}
        change={change}
        collapsed={collapsed}
        toggle={(id) =>
          setCollapsed(new Set(collapsed.has(id) ? [...collapsed].filter((one) => one !== id) : [...collapsed, id]))
        }
      />
      {items.length === 0 && (
        <p class="nothing">
          No server matches.{" "}
          <button type="button" class="link" onClick={() => navigate("/", { replace: true })}>
            Show all
          </button>
        </p>
      )}
      {adding && (
        <Dialog title="Add a server" onClose={() => setAdding(false)}>
          <AddServer />
        </Dialog>
      )}
    </section>
  );
}

const stateWords: Readonly<Record<StateName, string>> = {
  connected: "Connected",
  disconnected: "Disconnected",
  ssh: "Over SSH",
  waiting: "Waiting for the agent",
};

/** What needs somebody, over all servers; each is a filter. */
function Sums({
  sums,
  view,
  change,
  total,
}: {
  readonly sums: readonly NeedSum[];
  readonly view: View;
  readonly change: (part: Partial<View>) => void;
  readonly total: number;
}) {
  if (sums.length === 0) {
    return <p class="sums quiet">{total === 1 ? "Nothing needs you." : `Nothing needs you on ${total} servers.`}</p>;
  }
  return (
    <div class="sums" role="group" aria-label="What needs you">
      {sums.map(({ kind, tone, text }) => (
        <button
          key={kind}
          type="button"
          class={`sum ${tone}`}
          aria-pressed={view.need === kind}
          onClick={() => change({ need: view.need === kind ? "" : kind })}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

/** Typing waits a moment before the list follows. */
function Find({ value, onChange }: { readonly value: string; readonly onChange: (value: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const shortcuts = useMemo(() => [{ keys: "/", does: "find servers", run: () => field.current?.focus() }], []);
  useShortcuts("Servers", shortcuts);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), 120);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      ref={field}
      type="search"
      placeholder="Find by name, project, script, container"
      aria-label="Find servers"
      value={text}
      onInput={({ currentTarget }) => setText(currentTarget.value)}
      onKeyDown={({ key, currentTarget }) => {
        if (key === "Escape") currentTarget.blur();
      }}
    />
  );
}

function Welcome() {
  return (
    <section class="card welcome">
      <h2>Add your first server</h2>
      <p>Its figures appear here within seconds of its agent's start.</p>
      <AddServer />
    </section>
  );
}

function Nothing() {
  return (
    <section class="card welcome">
      <h2>No servers yet</h2>
      <p>An owner or admin of this organization can add the first one.</p>
    </section>
  );
}
