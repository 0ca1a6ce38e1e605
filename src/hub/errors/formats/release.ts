/** The release that a plain line names: `release=1.4.2`, `version="2026.05.1"`, `git_sha=3f2a…`. */

const named =
  /(?:^|[\s,;[({])(?:release|version|service\.version|app_version|git_sha|git\.commit\.sha)[=:] ?"?([\w.+/@-]{1,128})/;

/** Null: the line doesn't say. */
export function releaseInLine(line: string): string | null {
  return named.exec(line)?.[1] ?? null;
}
