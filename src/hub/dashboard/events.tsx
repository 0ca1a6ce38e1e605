/** What happened, newest first; crashes stand out and open to their last lines. */
import type { StoredEvent } from "#src/protocol/api.ts";
import type { AgentEvent, DeathCause, ServerEvent } from "#src/protocol/event.ts";
import { piecesOf } from "./ansi.ts";
import { ago, clockTime, duration, fullTime } from "./format.ts";
import { exitText } from "./scripts.tsx";

const shown = 50;

type Told = { readonly tone: "bad" | "warn" | "quiet"; readonly title: string; readonly detail: string };

export function Events({
  events,
  manyServers,
  now,
}: {
  readonly events: readonly StoredEvent[];
  readonly manyServers: boolean;
  readonly now: number;
}) {
  return (
    <section aria-label="Events">
      <h2>Events</h2>
      <div class="panel">
        {events.length === 0 && <p class="nothing">Nothing has crashed.</p>}
        <ol class="events">
          {events.slice(0, shown).map((one) => (
            <Item key={one.id} one={one} host={manyServers ? one.hostname : ""} now={now} />
          ))}
        </ol>
      </div>
    </section>
  );
}

function Item({ one, host, now }: { readonly one: StoredEvent; readonly host: string; readonly now: number }) {
  const { tone, title, detail } = tell(one.event);
  const tail = "tail" in one.event ? one.event.tail : [];
  const head = (
    <>
      <span class={`dot ${tone}`} />
      <span class="title">{title}</span>
      <time dateTime={one.event.at} title={fullTime(one.event.at)}>
        {ago(one.event.at, now)}
      </time>
      <span class="detail">{[detail, host].filter((part) => part !== "").join(" · ")}</span>
    </>
  );
  return (
    <li class={tone}>
      {tail.length === 0 ? (
        <div class="event">{head}</div>
      ) : (
        <details>
          <summary class="event">{head}</summary>
          <pre>{tail.map(plain).join("\n")}</pre>
        </details>
      )}
    </li>
  );
}

const plain = (line: string) =>
  piecesOf(line)
    .map((piece) => piece.text)
    .join("");

function tell(event: ServerEvent): Told {
  switch (event.type) {
    case "script.crashed": {
      const next = event.willRestart
        ? `restart ${event.restarts} in ${duration(Math.max(1, Math.round((event.restartInMs ?? 0) / 1000)))}`
        : "not restarted";
      return { tone: "bad", title: `${event.script} crashed`, detail: `${why(event)} · ${next}` };
    }
    case "script.gave-up":
      return {
        tone: "bad",
        title: `${event.script} given up`,
        detail: `${why(event)} · ${event.restarts} crashes in a row`,
      };
    case "agent.started":
      return {
        tone: "quiet",
        title: "Agent started",
        detail: [event.version, event.reason].filter((part) => part !== "").join(" · "),
      };
    case "agent.stopped":
      return { tone: "quiet", title: "Agent stopped", detail: event.reason };
    case "logs.dropped":
      return {
        tone: "warn",
        title: `${event.total.toLocaleString("en")} lines dropped`,
        detail: event.sources.map((source) => source.source).join(", "),
      };
    case "container.died": {
      const bad = event.cause !== "exited" && event.cause !== "stopped";
      return { tone: bad ? "bad" : "quiet", title: `${event.container} ${deaths[event.cause]}`, detail: endOf(event) };
    }
    case "container.oom":
      return { tone: "warn", title: `${event.container} lost a process to its memory limit`, detail: event.image };
    case "container.unhealthy":
      return { tone: "warn", title: `${event.container} is unhealthy`, detail: event.check ?? event.image };
    case "container.healthy":
      return { tone: "quiet", title: `${event.container} is healthy again`, detail: event.image };
    case "agent.silent":
      return {
        tone: "warn",
        title: "Agent silent",
        detail: `since ${clockTime(event.since)} · ${event.watch === "ssh" ? "watched over SSH" : "not watched: no SSH details"}`,
      };
    case "agent.back": {
      const silent = Math.max(1, Math.round((Date.parse(event.at) - Date.parse(event.since)) / 1000));
      return { tone: "quiet", title: "Agent back", detail: `silent for ${duration(silent)}` };
    }
    case "watch.failed":
      return { tone: "bad", title: "Can't be watched over SSH", detail: event.problem };
    case "watch.restored":
      return { tone: "quiet", title: "Watched over SSH again", detail: "" };
  }
}

const deaths: Readonly<Record<DeathCause, string>> = {
  exited: "ended",
  failed: "failed",
  killed: "was killed",
  oom: "was killed for its memory limit",
  stopped: "was stopped",
};

function endOf(event: Extract<AgentEvent, { type: "container.died" }>): string {
  const end = event.signal ?? (event.exitCode === null ? "" : `code ${event.exitCode}`);
  return [end, event.image].filter((part) => part !== "").join(" · ");
}

function why(event: Extract<AgentEvent, { type: "script.crashed" | "script.gave-up" }>): string {
  return (
    event.reason ?? exitText({ code: event.exitCode, signal: event.signal, oom: event.oom, observed: event.observed })
  );
}
