/** The only place of the command line that reads the process's environment. */
/** Facts about who typed the command, and where. */
export type Environment = {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** the home folder, or `/` when nobody says */
  readonly home: string;
  /** the script that this command runs in, when the agent started it */
  readonly script: string | undefined;
  /** the user does not want colours: https://no-color.org, or a terminal that has none */
  readonly plain: boolean;
};

export function readEnvironment(): Environment {
  const variables = process.env;
  const noColor = variables["NO_COLOR"];
  return {
    variables,
    cwd: process.cwd(),
    home: variables["HOME"] ?? "/",
    script: variables["ORION_SCRIPT"],
    plain: (noColor !== undefined && noColor !== "") || variables["TERM"] === "dumb",
  };
}

/** The folder that everything lies below, absolute: `--dir`, else ORION_DIR, else none. */
export function folderOf({ variables, cwd }: Environment, flag: string | undefined): string | undefined {
  const dir = flag ?? variables["ORION_DIR"];
  if (dir === undefined || dir === "") return undefined;
  return dir.startsWith("/") ? dir : `${cwd}/${dir}`;
}
