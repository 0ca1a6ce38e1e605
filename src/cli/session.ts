/** What every command gets: the global flags and the world around it. */
import { type Paths, pathsFor } from "#src/protocol/paths.ts";

import { type Environment, folderOf, readEnvironment } from "./environment.ts";
import type { Globals } from "./globals.ts";

export type Session = {
  readonly environment: Environment;
  readonly paths: Paths;
  /** `--dir` or ORION_DIR, absolute */
  readonly dir: string | undefined;
  /** one JSON document instead of text */
  readonly json: boolean;
  /** colours are not wanted; whether stdout could show them is another question, see colour.ts */
  readonly plain: boolean;
};

export function openSession(globals: Globals): Session {
  const environment = readEnvironment();
  const dir = folderOf(environment, globals.dir);
  return {
    environment,
    paths: pathsFor(environment.variables, dir),
    dir,
    json: globals.json,
    plain: globals.plain || environment.plain,
  };
}
