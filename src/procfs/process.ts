/** One process: `/proc/PID/stat` and what identifies a process beyond its pid. See proc_pid_stat(5). */
import { parseCount } from "./text.ts";

export type ProcessStat = {
  readonly pid: number;
  /** the executable's name cut to 15 bytes, or what the process calls itself: any bytes but NUL */
  readonly comm: string;
  /** one letter: R running, S sleeping, D disk sleep, T stopped, t traced, Z zombie, X dead, I idle kernel thread */
  readonly state: string;
  readonly parent: number;
  /** process group */
  readonly group: number;
  readonly session: number;
  /** user and system time of all its threads, in clock ticks (USER_HZ, 100 a second); waited-for children excluded */
  readonly cpuTicks: number;
  /** when it started, in clock ticks after boot; with the pid and the boot id it names a process for ever */
  readonly startTicks: number;
  /** resident pages; approximate on newer kernels, which count per thread */
  readonly rssPages: number;
};

// positions after the closing parenthesis, which is followed by field 3
const at = { state: 0, parent: 1, group: 2, session: 3, userTicks: 11, systemTicks: 12, startTicks: 19, rssPages: 21 };

/** Parses `/proc/PID/stat`; undefined when the text is not that: the process ended while it was read, or a torn read. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  // comm may hold spaces and parentheses, so it ends at the last ") ", as proc_pid_stat(5) implies
  const open = text.indexOf(" (");
  const close = text.lastIndexOf(") ");
  if (open < 1 || close < open) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const state = fields[at.state];
  if (state === undefined || state.length !== 1) return undefined;
  const stat = {
    pid: parseCount(text.slice(0, open)) ?? Number.NaN,
    comm: text.slice(open + 2, close),
    state,
    parent: count(fields, at.parent),
    group: groupOf(fields[at.group]),
    session: groupOf(fields[at.session]),
    cpuTicks: count(fields, at.userTicks) + count(fields, at.systemTicks),
    startTicks: count(fields, at.startTicks),
    rssPages: count(fields, at.rssPages),
  };
  const { pid, parent, group, session, cpuTicks, startTicks, rssPages } = stat;
  return Number.isNaN(pid + parent + group + session + cpuTicks + startTicks + rssPages) ? undefined : stat;
}

/** A whole number of the line, NaN for anything else. */
function count(fields: readonly string[], index: number): number {
  return parseCount(fields[index]) ?? Number.NaN;
}

/** A process that is just being reaped shows -1; that reads as 0, what processes of another pid namespace show. */
function groupOf(field: string | undefined): number {
  return field === "-1" ? 0 : (parseCount(field) ?? Number.NaN);
}
