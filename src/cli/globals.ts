/** The flags that every command takes, wherever they stand on the line. */
import { usageFault } from "./exit.ts";

export type Globals = {
  readonly dir: string | undefined;
  readonly json: boolean;
  readonly plain: boolean;
  readonly help: boolean;
  readonly version: boolean;
  /** everything else, in order */
  readonly rest: readonly string[];
};

/** What they do, for the help and the completion. */
export const globalFlags = [
  { name: "dir", value: "folder", summary: "keep everything below this folder (as ORION_DIR does)" },
  { name: "json", summary: "answer with JSON on stdout" },
  { name: "no-color", summary: "no colours (as NO_COLOR does)" },
  { name: "help", short: "h", summary: "show how a command is used" },
  { name: "version", short: "v", summary: "show the version" },
] as const;

/** Takes the global flags out of a line; nothing after `--` is looked at. */
export function takeGlobals(argv: readonly string[]): Globals {
  const rest: string[] = [];
  let dir: string | undefined;
  let [json, plain, help, version] = [false, false, false, false];
  for (let i = 0; i < argv.length; i++) {
    const token = argv[i] ?? "";
    if (token === "--") {
      rest.push(...argv.slice(i));
      break;
    }
    if (token === "--json") json = true;
    else if (token === "--no-color") plain = true;
    else if (token === "--help" || token === "-h") help = true;
    else if ((token === "--version" && !isRelease(rest, argv[i + 1])) || token === "-v") version = true;
    else if (token === "--dir") dir = folder(argv[++i]);
    else if (token.startsWith("--dir=")) dir = folder(token.slice("--dir=".length));
    else rest.push(token);
  }
  return { dir, json, plain, help, version, rest };
}

/** `orion upgrade --version 1.2.3` names a release; everywhere else `--version` asks for ours. */
const isRelease = (words: readonly string[], next: string | undefined): boolean =>
  words[0] === "upgrade" && next !== undefined && !next.startsWith("-");

function folder(value: string | undefined): string {
  if (value === undefined || value === "" || value.startsWith("--")) {
    throw usageFault("--dir needs a folder", "Write --dir FOLDER");
  }
  return value;
}
