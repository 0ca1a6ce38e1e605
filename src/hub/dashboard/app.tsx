/** From an address to its page; who is not signed in is sent to sign in first, and comes back to where they wanted to go. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import type { Session } from "#src/protocol/account.ts";
import { ApiFault, onSignedOut, send, sentenceOf } from "./client.ts";
import { Frame } from "./frame.tsx";
import { ShortcutList, showShortcuts, startKeys, useShortcuts } from "./keys.tsx";
import { startLive } from "./live.ts";
import { AccountPage } from "./pages/account.tsx";
import { ApiDocsPage } from "./pages/api-docs.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { DevicePage } from "./pages/device.tsx";
import { ErrorPage } from "./pages/error.tsx";
import { ErrorsPage } from "./pages/errors.tsx";
import { EventsPage } from "./pages/events.tsx";
import { InvitePage } from "./pages/invite.tsx";
import { LoginPage } from "./pages/login.tsx";
import { LogsPage } from "./pages/logs.tsx";
import { OrganizationPage } from "./pages/organization.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { ProjectPage } from "./pages/project.tsx";
import { ProjectsPage } from "./pages/projects.tsx";
import { ServerPage } from "./pages/server.tsx";
import { SetupPage } from "./pages/setup.tsx";
import { Card, Page } from "./parts/page.tsx";
import { type Place, bind, navigate, startRouter, usePlace } from "./router.ts";
import { SessionContext, loadSession } from "./session.ts";

type Params = Readonly<Record<string, string>>;

type Row = {
  readonly path: string;
  /** shown to everybody, signed in or not, and without the frame */
  readonly open?: boolean;
  readonly draw: (params: Params, place: Place) => ComponentChildren;
};

const rows: readonly Row[] = [
  { path: "/", draw: () => <OverviewPage /> },
  { path: "/login", open: true, draw: (_, { query }) => <LoginPage next={query.get("next")} /> },
  { path: "/setup", open: true, draw: (_, { hash }) => <SetupPage token={hash} /> },
  { path: "/invite/:token", open: true, draw: ({ token = "" }) => <InvitePage token={token} /> },
  { path: "/device", draw: (_, { query }) => <DevicePage code={query.get("code") ?? ""} /> },
  { path: "/logs", draw: () => <LogsPage /> },
  { path: "/errors", draw: () => <ErrorsPage /> },
  {
    path: "/errors/:fingerprint",
    draw: ({ fingerprint = "" }, { query }) => (
      <ErrorPage key={fingerprint} fingerprint={fingerprint} sample={query.get("sample") ?? ""} />
    ),
  },
  { path: "/events", draw: () => <EventsPage /> },
  { path: "/account", draw: () => <AccountPage /> },
  { path: "/organization", draw: () => <OrganizationPage /> },
  { path: "/projects", draw: () => <ProjectsPage /> },
  { path: "/projects/:id", draw: ({ id = "" }) => <ProjectPage key={id} id={id} /> },
  { path: "/servers/:id", draw: ({ id = "" }) => <ServerPage key={id} id={id} /> },
  { path: "/audit", draw: (_, { query }) => <AuditPage query={query} /> },
  { path: "/api/docs", draw: () => <ApiDocsPage /> },
];

const shortcuts = [
  { keys: "g s", does: "go to the servers", run: () => navigate("/") },
  { keys: "g e", does: "go to the errors", run: () => navigate("/errors") },
  { keys: "g v", does: "go to the events", run: () => navigate("/events") },
  { keys: "g l", does: "go to the logs", run: () => navigate("/logs") },
  { keys: "g p", does: "go to the projects", run: () => navigate("/projects") },
  { keys: "g o", does: "go to the organization", run: () => navigate("/organization") },
  { keys: "g a", does: "go to your account", run: () => navigate("/account") },
  { keys: "?", does: "show this list", run: showShortcuts },
] as const;

type Who =
  | { readonly kind: "asking" }
  | { readonly kind: "nobody" }
  | { readonly kind: "away"; readonly problem: string }
  | { readonly kind: "person"; readonly session: Session };

export function App() {
  const place = usePlace();
  const [who, setWho] = useState<Who>({ kind: "asking" });

  async function load(): Promise<void> {
    try {
      const session = await loadSession();
      setWho({ kind: "person", session });
    } catch (error) {
      const nobody = error instanceof ApiFault && error.status === 401;
      setWho(nobody ? { kind: "nobody" } : { kind: "away", problem: sentenceOf(error) });
    }
  }

  useEffect(() => {
    const stop = startRouter();
    onSignedOut(() => setWho({ kind: "nobody" }));
    void load();
    return stop;
  }, []);

  const found = find(place.path);
  const goesToSignIn = who.kind === "nobody" && found?.row.open !== true;
  useEffect(() => {
    if (!goesToSignIn) return;
    const { pathname, search, hash } = location;
    const next = pathname === "/" ? "" : `?next=${encodeURIComponent(pathname + search + hash)}`;
    navigate(`/login${next}`, { replace: true });
  }, [goesToSignIn]);

  // who listens or goes by keyboard starts at the page that was gone to, not at a link that is no longer there
  useEffect(() => {
    const main = document.querySelector("main");
    if (main !== null && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
  }, [place.path]);

  if (who.kind === "asking" || goesToSignIn) return null;
  if (who.kind === "away") return <Away problem={who.problem} again={load} />;
  const drawn = found === undefined ? <Nowhere /> : found.row.draw(found.params, place);
  const door =
    who.kind === "person"
      ? {
          session: who.session,
          manages: who.session.organization.role !== "viewer",
          owns: who.session.organization.role === "owner",
          reload: load,
          signOut: async () => {
            await send("POST", "/api/auth/sign-out", { anonymous: true });
            setWho({ kind: "nobody" });
            navigate("/login");
          },
        }
      : null;
  const framed = found?.row.open !== true;
  return (
    <SessionContext.Provider
      // nothing of one organization stays when another is chosen
      key={who.kind === "person" ? who.session.organization.id : ""}
      value={door}
    >
      {framed && door !== null ? <SignedIn>{drawn}</SignedIn> : drawn}
    </SessionContext.Provider>
  );
}

/** What stays from page to page: the bar, the live connection, the keyboard. */
function SignedIn({ children }: { readonly children: ComponentChildren }) {
  useEffect(startLive, []);
  useEffect(startKeys, []);
  useShortcuts("Everywhere", shortcuts);
  return (
    <>
      <Frame>{children}</Frame>
      <ShortcutList />
    </>
  );
}

function find(path: string): { readonly row: Row; readonly params: Params } | undefined {
  for (const row of rows) {
    const params = bind(row.path, path);
    if (params !== undefined) return { row, params };
  }
  return undefined;
}

function Nowhere() {
  return (
    <Page title="There is nothing here">
      <p class="text">
        The address may be mistyped, or what it led to is gone. <a href="/">To the servers</a>
      </p>
    </Page>
  );
}

function Away({ problem, again }: { readonly problem: string; readonly again: () => Promise<void> }) {
  return (
    <Card title="The hub can't be reached">
      <p>{problem}</p>
      <div class="actions">
        <button type="button" class="primary" onClick={() => void again()}>
          Try again
        </button>
      </div>
    </Card>
  );
}
