/** Which page: the address bar is the only state. Ordinary links inside the hub are followed without a new load. */
import { useEffect, useState } from "preact/hooks";

export type Place = {
  readonly path: string;
  readonly query: URLSearchParams;
  /** without its `#` */
  readonly hash: string;
};

const listeners = new Set<() => void>();

/** Goes to an address of this hub. `replace`: the present one is forgotten; `keepScroll`: it is the same page. */
export function navigate(
  to: string,
  options: { readonly replace?: boolean; readonly keepScroll?: boolean } = {},
): void {
  if (options.replace === true) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  if (options.keepScroll !== true) scrollTo(0, 0);
  announce();
}

/** Where the reader is, again whenever that changes. */
export function usePlace(): Place {
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const follow = () => setPlace(read());
    listeners.add(follow);
    // something may have gone elsewhere between the first drawing and now
    follow();
    return () => void listeners.delete(follow);
  }, []);
  return place;
}

/** Follows clicks on links and the browser's own back and forward. @returns ends it */
export function startRouter(): () => void {
  addEventListener("popstate", announce);
  document.addEventListener("click", follow);
  return () => {
    removeEventListener("popstate", announce);
    document.removeEventListener("click", follow);
  };
}

/**
 * Where to go after signing in: an address of this hub, whatever the query says. `//elsewhere` and `/\elsewhere` are
 * other hosts to a browser, and `/.//elsewhere` is a path that becomes one.
 */
export function ownAddress(next: string | null, origin: string): string {
  if (next === null || !next.startsWith("/") || !URL.canParse(next, origin)) return "/";
  const url = new URL(next, origin);
  if (url.origin !== origin || url.pathname.startsWith("//") || url.pathname === "/login") return "/";
  return url.pathname + url.search + url.hash;
}

/**
 * What stands for `:name` parts of `pattern`, or undefined when `path` is no such address. A part that does not decode
 * names nothing.
 */
export function bind(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const got = path.length > 1 && path.endsWith("/") ? path.slice(0, -1).split("/") : path.split("/");
  if (wanted.length !== got.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const value = got[i] ?? "";
    if (!part.startsWith(":")) {
      if (part !== value) return undefined;
      continue;
    }
    try {
      params[part.slice(1)] = decodeURIComponent(value);
    } catch {
      // a malformed escape is no page of ours: "not found" is the answer
      return undefined;
    }
    if (value === "") return undefined;
  }
  return params;
}

function read(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search), hash: location.hash.slice(1) };
}

function announce(): void {
  for (const listener of listeners) listener();
}

function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
  const to = link.pathname + link.search + link.hash;
  // a jump within the page is the browser's business; data of the API is no page
  if (link.hash !== "" && link.pathname === location.pathname && link.search === location.search) return;
  if (link.pathname.startsWith("/api/") && link.pathname !== "/api/docs") return;
  event.preventDefault();
  navigate(to);
}
