/** The bar above every page of somebody who is signed in: where to go, which organization, and the way out. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { send, sentenceOf } from "./client.ts";
import { showShortcuts } from "./keys.tsx";
import { connection, servers } from "./live.ts";
import { Logo } from "./parts/logo.tsx";
import { Menu } from "./parts/menu.tsx";
import { Notice } from "./parts/notice.tsx";
import { navigate, usePlace } from "./router.ts";
import { useSession } from "./session.ts";
import type { Connection } from "./stream.ts";
import { chooseTheme, theme, themes } from "./theme.ts";

export function Frame({ children }: { readonly children: ComponentChildren }) {
  const { session, manages } = useSession();
  const { path } = usePlace();
  const [problem, setProblem] = useState("");
  const links = [
    ["/", "Servers", path === "/" || path.startsWith("/servers/")],
    ["/logs", "Logs", path === "/logs"],
    ["/errors", "Errors", path.startsWith("/errors")],
    ["/events", "Events", path === "/events"],
    ["/projects", "Projects", path.startsWith("/projects")],
    ["/organization", "Organization", path === "/organization"],
    ...(manages ? [["/audit", "Audit", path === "/audit"] as const] : []),
    ["/api/docs", "API", path === "/api/docs"],
  ] as const;
  return (
    <>
      <header class="bar">
        <a class="brand" href="/" aria-label="Orion, to the servers">
          <Logo />
          <span>Orion</span>
        </a>
        <nav aria-label="Pages">
          {links.map(([to, text, here]) => (
            <a key={to} href={to} {...(here ? { "aria-current": "page" as const } : {})}>
              {text}
            </a>
          ))}
        </nav>
        <Status />
        {session.organizations.length > 1 && <Switcher onProblem={setProblem} />}
        <Person onProblem={setProblem} />
      </header>
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      {children}
    </>
  );
}

const connectionText: Readonly<Record<Connection, string>> = {
  connecting: "Connecting",
  live: "Live",
  away: "Reconnecting",
};

/** How the fleet is, in two figures, and whether what is shown is current. */
function Status() {
  const fleet = servers.value;
  const up = fleet.filter((server) => server.agent.status === "connected").length;
  // counted, not listed in order: this is drawn again with every report of a thousand servers
  const crashed = fleet.reduce(
    (sum, { latest }) => sum + (latest?.scripts ?? []).filter(({ state }) => state === "crashed").length,
    0,
  );
  return (
    <div class="status">
      {fleet.length > 0 && (
        <p class="counts">
          <span>
            <b>{up}</b>
            {up === fleet.length ? "" : ` of ${fleet.length}`} {fleet.length === 1 ? "server" : "servers"} up
          </span>
          <span class={crashed > 0 ? "bad" : ""}>
            <b>{crashed}</b> {crashed === 1 ? "script" : "scripts"} crashed
          </span>
        </p>
      )}
      <p class={`connection ${connection.value}`} role="status">
        {connectionText[connection.value]}
      </p>
    </div>
  );
}

function Switcher({ onProblem }: { readonly onProblem: (problem: string) => void }) {
  const { session, reload } = useSession();
  async function change(id: string): Promise<void> {
    await send("PATCH", "/api/auth/session", { body: { id } });
    await reload();
    // what the address named belongs to the organization before
    navigate("/");
  }
  return (
    <select
      class="switcher"
      aria-label="Organization"
      value={session.organization.id}
      onChange={(event) => void change(event.currentTarget.value).catch((error) => onProblem(sentenceOf(error)))}
    >
      {session.organizations.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  );
}

function Person({ onProblem }: { readonly onProblem: (problem: string) => void }) {
  const { session, signOut } = useSession();
  const { name, email } = session.person;
  const shown = name === "" ? email : name;
  return (
    <Menu
      label={`Account of ${shown}`}
      name={<span class="initial">{String.fromCodePoint(shown.codePointAt(0) ?? 63).toUpperCase()}</span>}
    >
      <p>
        <b>{shown}</b>
        <span>{email}</span>
        <span>
          {session.organization.role} of {session.organization.name}
        </span>
      </p>
      <a href="/account">Account</a>
      <button type="button" onClick={showShortcuts}>
        Keyboard shortcuts
      </button>
      <div class="segments" role="group" aria-label="Colours">
        {themes.map((name) => (
          <button key={name} type="button" aria-pressed={theme.value === name} onClick={() => chooseTheme(name)}>
            {name}
          </button>
        ))}
      </div>
      <button type="button" onClick={() => void signOut().catch((error) => onProblem(sentenceOf(error)))}>
        Sign out
      </button>
    </Menu>
  );
}
