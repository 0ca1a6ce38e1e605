/** What was searched for lately, in this browser. */

const key = "orion.searches";
const most = 8;

/** Newest first. */
export function recentQueries(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string").slice(0, most) : [];
  } catch {
    // a browser that keeps nothing, or something else under our name: there are none
    return [];
  }
}

/** @returns all, with this one first */
export function keepRecent(query: string): readonly string[] {
  const wanted = query.trim();
  const all = [wanted, ...recentQueries().filter((one) => one !== wanted)].slice(0, most);
  try {
    localStorage.setItem(key, JSON.stringify(all));
  } catch {
    // they last until the page is closed
  }
  return all;
}
