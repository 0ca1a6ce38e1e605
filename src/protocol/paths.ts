/** Where everything lies. Pure: the environment comes in as an argument. */

/** Absolute paths of all files of agent, hub and command line. */
export type Paths = {
  /** `config.json`, `scripts.json`, `buffer.jsonl` */
  readonly configDir: string;
  /** `agent.sock`, `agent.lock`, `scripts/` (pipes and state); gone after a reboot */
  readonly runDir: string;
  readonly config: string;
  readonly scripts: string;
  readonly buffer: string;
  readonly hubConfig: string;
  readonly socket: string;
  readonly logFile: string;
  /** the hub's data */
  readonly dataDir: string;
  /** of the trial: what a program needs to use it */
  readonly credentials: string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The paths for an environment. `dir` (the flag `--dir`, or `ORION_DIR`) puts everything below one folder:
 * `etc`, `run`, `log`, `data`. `ORION_CONFIG_DIR`, `ORION_RUN_DIR` and `ORION_LOG_FILE` move single ones.
 */
export function pathsFor(env: Environment, dir: string | undefined = env["ORION_DIR"]): Paths {
  const below = dir === undefined || dir === "" ? undefined : absolute(dir, env["PWD"] ?? "/");
  const configDir = env["ORION_CONFIG_DIR"] ?? (below === undefined ? "/etc/orion" : `${below}/etc`);
  const runDir = env["ORION_RUN_DIR"] ?? (below === undefined ? "/run/orion" : `${below}/run`);
  return {
    configDir,
    runDir,
    config: `${configDir}/config.json`,
    scripts: `${configDir}/scripts.json`,
    buffer: `${configDir}/buffer.jsonl`,
    hubConfig: `${configDir}/hub.json`,
    socket: `${runDir}/agent.sock`,
    logFile:
      env["ORION_LOG_FILE"] ?? (below === undefined ? "/var/log/orion-agent.log" : `${below}/log/orion-agent.log`),
    dataDir: below === undefined ? "/var/lib/orion" : `${below}/data`,
    credentials: `${below ?? "/var/lib/orion"}/credentials.json`,
  };
}

function absolute(path: string, cwd: string): string {
  const whole = path.startsWith("/") ? path : `${cwd}/${path}`;
  return whole.length > 1 ? whole.replace(/\/+$/, "") : whole;
}
