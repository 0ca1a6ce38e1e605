/** The bar above every page of somebody who is signed in: where to go, which organization, and the way out. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { send, sentenceOf } from "./client.ts";
import { Logo } from "./parts/logo.tsx";
import { Menu } from "./parts/menu.tsx";
import { Notice } from "./parts/notice.tsx";
import { navigate, usePlace } from "./router.ts";
import { useSession } from "./session.ts";

/** `status` stands in the bar, right of the name. */
export function Frame({
  status,
  children,
}: {
  readonly status?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  const { session, manages } = useSession();
  const { path } = usePlace();
  const [problem, setProblem] = useState("");
  const links = [
    ["/", "Servers", path === "/" || path.startsWith("/servers/")],
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
        <div class="status">{status}</div>
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
      <button type="button" onClick={() => void signOut().catch((error) => onProblem(sentenceOf(error)))}>
        Sign out
      </button>
    </Menu>
  );
}
