/** What every page is made of: a title, sections, and what to show while data is on its way. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import type { Loaded, Paged } from "../loading.ts";
import { Logo } from "./logo.tsx";
import { Notice } from "./notice.tsx";

/** Names the browser's tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "Orion" : `${title} · Orion`;
  }, [title]);
}

/** A page in the middle of the screen, as wide as text should be. */
export function Page({
  title,
  above,
  tools,
  wide = false,
  children,
}: {
  readonly title: string;
  /** lists and figures want all the room there is; text doesn't */
  readonly wide?: boolean;
  /** a link to where it belongs */
  readonly above?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  useTitle(title);
  return (
    <main class={wide ? "page wide" : "page"} tabIndex={-1}>
      <header class="title">
        <div>
          {above !== undefined && <p class="above">{above}</p>}
          <h1>{title}</h1>
        </div>
        {tools !== undefined && <div class="tools">{tools}</div>}
      </header>
      {children}
    </main>
  );
}

/** A card alone on the screen: signing in and what comes before it. */
export function Card({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  useTitle(title);
  return (
    <main class="alone" tabIndex={-1}>
      <p class="brand">
        <Logo />
        Orion
      </p>
      <section class="card">
        <h1>{title}</h1>
        {children}
      </section>
    </main>
  );
}

/** A subject of a page. `tools` stand beside its heading. */
export function Section({
  title,
  about,
  tools,
  children,
}: {
  readonly title: string;
  readonly about?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <section aria-label={title} class="subject">
      <header>
        <div>
          <h2>{title}</h2>
          {about !== undefined && <p>{about}</p>}
        </div>
        {tools !== undefined && <div class="tools">{tools}</div>}
      </header>
      {children}
    </section>
  );
}

/** Draws what has been loaded; before that a quiet line, and what went wrong if anything did. */
export function Ready<T>({
  from,
  children,
}: {
  readonly from: Pick<Loaded<T>, "data" | "problem" | "reload">;
  readonly children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      {from.problem !== "" && (
        <Notice tone="bad" alert>
          {from.problem}{" "}
          <button type="button" class="link" onClick={from.reload}>
            Try again
          </button>
        </Notice>
      )}
      {from.data === undefined ? from.problem === "" && <p class="nothing loading">Loading…</p> : children(from.data)}
    </>
  );
}

/** A list that may be empty, in a panel. */
export function Panel({ empty, children }: { readonly empty?: string | false; readonly children: ComponentChildren }) {
  return <div class="panel">{empty !== undefined && empty !== false ? <p class="nothing">{empty}</p> : children}</div>;
}

/** The way to the rest of a list. */
export function More({ of }: { readonly of: Pick<Paged<unknown>, "more" | "busy"> }) {
  if (of.more === undefined) return null;
  return (
    <p class="more">
      <button type="button" disabled={of.busy} onClick={of.more}>
        Show more
      </button>
    </p>
  );
}
