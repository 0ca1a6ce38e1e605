/**
 * What a script does next: state x event -> next state and effects, every cell decided (after s6-supervise.c). Pure.
 * What a person wants (up or down) is kept apart from what is so; where it decides, the cell has a branch for each.
 */

/** What is so. `clearing`: about to start, once nothing is left of the run before. `waiting`: for its restart. */
export const states = ["stopped", "clearing", "starting", "running", "stopping", "waiting", "crashed"] as const;
export type State = (typeof states)[number];

export const happenings = [
  // orders of a person
  "start",
  "restart",
  "stop",
  // what an earlier daemon left behind
  "found-running",
  "found-waiting",
  "found-crashed",
  // what became of the effects
  "cleared",
  "spawned",
  // the process ended (or could not be started: a crash as well)
  "ended",
  "crashed",
  "crashed-last",
  // the time of the restart has come
  "due",
] as const;
export type Happening = (typeof happenings)[number];

export type Wanted = "up" | "down";

/**
 * `end-tree`: stop everything that belongs to the script, then say `cleared`; joins one that is under way.
 * `spawn`: start the process, then say `spawned`, `crashed` or `crashed-last`.
 * `arm` and `disarm`: the timer that says `due`.
 */
export type Effect = "end-tree" | "spawn" | "arm" | "disarm";

export type Outcome = { readonly next: State; readonly effects: readonly Effect[]; readonly wanted?: Wanted };
/** `stay` keeps the state; `impossible` stays too, and is a mistake of the program that is worth a log line. */
export type Cell = Outcome | { readonly up: Outcome; readonly down: Outcome } | "stay" | "impossible";

const to = (next: State, ...effects: Effect[]): Outcome => ({ next, effects });
const wanting = (wanted: Wanted, next: State, ...effects: Effect[]): Outcome => ({ next, effects, wanted });

const atRest = {
  start: wanting("up", "clearing", "end-tree"),
  restart: wanting("up", "clearing", "end-tree"),
  // a grandchild that lives on after its parent is stopped too
  stop: wanting("down", "stopping", "end-tree"),
  cleared: "stay",
  spawned: "impossible",
  ended: "impossible",
  crashed: "impossible",
  "crashed-last": "impossible",
  due: "impossible",
} as const;

const neverFound = {
  "found-running": "impossible",
  "found-waiting": "impossible",
  "found-crashed": "impossible",
} as const;

export const table: Record<State, Record<Happening, Cell>> = {
  stopped: {
    ...atRest,
    "found-running": wanting("up", "running"),
    "found-waiting": wanting("up", "waiting", "arm"),
    "found-crashed": wanting("up", "crashed"),
  },
  crashed: { ...atRest, ...neverFound },
  clearing: {
    ...neverFound,
    start: wanting("up", "clearing"),
    restart: wanting("up", "clearing"),
    stop: wanting("down", "stopping", "end-tree"),
    cleared: to("starting", "spawn"),
    spawned: "impossible",
    // the last process of the run before ended while it was cleared away
    ended: "stay",
    crashed: "stay",
    "crashed-last": "stay",
    due: "stay",
  },
  starting: {
    ...neverFound,
    start: wanting("up", "starting"),
    restart: wanting("up", "starting"),
    stop: wanting("down", "starting"),
    cleared: "stay",
    spawned: { up: to("running"), down: to("stopping", "end-tree") },
    ended: "impossible",
    crashed: { up: to("waiting", "arm"), down: to("stopped") },
    "crashed-last": { up: to("crashed"), down: to("stopped") },
    due: "stay",
  },
  running: {
    ...neverFound,
    start: "stay",
    restart: wanting("up", "stopping", "end-tree"),
    stop: wanting("down", "stopping", "end-tree"),
    cleared: "stay",
    spawned: "impossible",
    // a script that ended well is done: nobody wants it up any more
    ended: wanting("down", "stopped"),
    // what it left behind is ended while it waits
    crashed: to("waiting", "end-tree", "arm"),
    "crashed-last": to("crashed"),
    due: "stay",
  },
  stopping: {
    ...neverFound,
    start: wanting("up", "stopping"),
    restart: wanting("up", "stopping"),
    stop: wanting("down", "stopping"),
    cleared: { up: to("starting", "spawn"), down: to("stopped") },
    spawned: "impossible",
    // an end that was asked for is no crash, whatever its code
    ended: "stay",
    crashed: "stay",
    "crashed-last": "stay",
    due: "stay",
  },
  waiting: {
    ...neverFound,
    start: wanting("up", "clearing", "disarm", "end-tree"),
    restart: wanting("up", "clearing", "disarm", "end-tree"),
    stop: wanting("down", "stopping", "disarm", "end-tree"),
    cleared: "stay",
    spawned: "impossible",
    ended: "impossible",
    crashed: "impossible",
    "crashed-last": "impossible",
    due: to("clearing", "end-tree"),
  },
};

export type Machine = { readonly state: State; readonly wanted: Wanted };
export type Step = { readonly machine: Machine; readonly effects: readonly Effect[]; readonly impossible: boolean };

/** One step of the machine. */
export function step(machine: Machine, happening: Happening): Step {
  const cell = table[machine.state][happening];
  if (cell === "stay" || cell === "impossible") return { machine, effects: [], impossible: cell === "impossible" };
  const outcome = "next" in cell ? cell : cell[machine.wanted];
  const wanted = outcome.wanted ?? machine.wanted;
  return { machine: { state: outcome.next, wanted }, effects: outcome.effects, impossible: false };
}
