/** The empty page's one next step: register a server and show the command that starts its agent. */
import { useState } from "preact/hooks";

import type { ProblemDocument, RegisteredServer } from "#src/protocol/api.ts";

export function AddServer() {
  const [hostname, setHostname] = useState("");
  const [added, setAdded] = useState<RegisteredServer>();
  const [problem, setProblem] = useState("");

  async function add(event: Event): Promise<void> {
    event.preventDefault();
    const response = await fetch("/api/servers", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ hostname: hostname.trim() }),
    });
    const answer = (await response.json()) as RegisteredServer | ProblemDocument;
    if ("token" in answer) setAdded(answer);
    else setProblem(answer.detail ?? answer.title);
  }

  return (
    <section class="welcome">
      <h2>Add your first server</h2>
      {added === undefined ? (
        <>
          <p>Name it, and run the command you get on it. Its figures appear here within seconds.</p>
          <form onSubmit={(event) => void add(event).catch(() => setProblem("The hub does not answer."))}>
            <input
              aria-label="Host name"
              placeholder="web-1"
              value={hostname}
              required
              onInput={(event) => setHostname(event.currentTarget.value)}
            />
            <button type="submit">Add server</button>
          </form>
          {problem !== "" && <p class="bad">{problem}</p>}
        </>
      ) : (
        <>
          <p>
            Run this on <b>{added.hostname}</b>. The token is shown only now.
          </p>
          <pre>{commandFor(added)}</pre>
        </>
      )}
    </section>
  );
}

function commandFor({ id, token }: RegisteredServer): string {
  return [
    `ORION_ENDPOINT=${location.origin} \\`,
    `ORION_SERVER_ID=${id} \\`,
    `ORION_AGENT_TOKEN=${token} \\`,
    "orion agent",
  ].join("\n");
}
