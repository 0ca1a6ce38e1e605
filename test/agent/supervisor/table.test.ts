import { expect, test } from "bun:test";
import fc from "fast-check";

import {
  type Effect,
  type Happening,
  type Machine,
  happenings,
  states,
  step,
  table,
} from "#src/agent/supervisor/table.ts";

const stopped: Machine = { state: "stopped", wanted: "down" };

/** What becomes of a machine that starts stopped. */
function follow(...told: Happening[]): { readonly path: string[]; readonly effects: Effect[] } {
  let machine = stopped;
  const path: string[] = [];
  const effects: Effect[] = [];
  for (const happening of told) {
    const taken = step(machine, happening);
    machine = taken.machine;
    path.push(`${machine.state}/${machine.wanted}`);
    effects.push(...taken.effects);
  }
  return { path, effects };
}

test("every state decides every happening", () => {
  for (const state of states) expect(Object.keys(table[state]).sort()).toEqual([...happenings].sort());
});

const stories: readonly [name: string, told: Happening[], path: string[], effects: Effect[]][] = [
  [
    "a start clears what is left of the run before, then spawns",
    ["start", "cleared", "spawned"],
    ["clearing/up", "starting/up", "running/up"],
    ["end-tree", "spawn"],
  ],
  [
    "a script that ends well is stopped and not wanted up",
    ["start", "cleared", "spawned", "ended"],
    ["clearing/up", "starting/up", "running/up", "stopped/down"],
    ["end-tree", "spawn"],
  ],
  [
    "a crash waits, and starts again when it is due",
    ["start", "cleared", "spawned", "crashed", "cleared", "due", "cleared", "spawned"],
    [
      "clearing/up",
      "starting/up",
      "running/up",
      "waiting/up",
      "waiting/up",
      "clearing/up",
      "starting/up",
      "running/up",
    ],
    ["end-tree", "spawn", "end-tree", "arm", "end-tree", "spawn"],
  ],
  [
    "the last crash is final",
    ["start", "cleared", "spawned", "crashed-last"],
    ["clearing/up", "starting/up", "running/up", "crashed/up"],
    ["end-tree", "spawn"],
  ],
  [
    "a stop ends the tree and takes any end as asked for",
    ["start", "cleared", "spawned", "stop", "crashed", "cleared"],
    ["clearing/up", "starting/up", "running/up", "stopping/down", "stopping/down", "stopped/down"],
    ["end-tree", "spawn", "end-tree"],
  ],
  [
    "a restart is a stop that is wanted up",
    ["start", "cleared", "spawned", "restart", "ended", "cleared", "spawned"],
    ["clearing/up", "starting/up", "running/up", "stopping/up", "stopping/up", "starting/up", "running/up"],
    ["end-tree", "spawn", "end-tree", "spawn"],
  ],
  [
    "a stop while it waits disarms the timer",
    ["start", "cleared", "crashed", "stop", "cleared"],
    ["clearing/up", "starting/up", "waiting/up", "stopping/down", "stopped/down"],
    ["end-tree", "spawn", "arm", "disarm", "end-tree"],
  ],
  [
    "a start during a stop starts once the stop is done",
    ["start", "cleared", "spawned", "stop", "start", "cleared"],
    ["clearing/up", "starting/up", "running/up", "stopping/down", "stopping/up", "starting/up"],
    ["end-tree", "spawn", "end-tree", "spawn"],
  ],
  [
    "what a stopped script left behind is ended by a stop",
    ["stop", "cleared"],
    ["stopping/down", "stopped/down"],
    ["end-tree"],
  ],
  ["a process that was found goes on", ["found-running"], ["running/up"], []],
  ["a wait that was found goes on", ["found-waiting"], ["waiting/up"], ["arm"]],
];
for (const [name, told, path, effects] of stories) {
  test(name, () => {
    expect(follow(...told)).toEqual({ path, effects });
  });
}

/** A world in which processes live, end, fail to start and are ended, in any order that can be. */
class Model {
  machine = stopped;
  live = 0;
  armed = false;
  ending = false;
  spawns = 0;

  tell(happening: Happening, spawnFails: boolean): void {
    const taken = step(this.machine, happening);
    if (taken.impossible) throw new Error(`${happening} while ${this.machine.state}`);
    this.machine = taken.machine;
    for (const effect of taken.effects) {
      if (effect === "arm") this.armed = true;
      if (effect === "disarm") this.armed = false;
      if (effect === "end-tree") this.ending = true;
      if (effect !== "spawn") continue;
      expect(this.machine.wanted).toBe("up");
      expect(this.live).toBe(0);
      this.spawns++;
      if (spawnFails) {
        this.tell("crashed", false);
      } else {
        this.live++;
        this.tell("spawned", false);
      }
    }
  }

  /** The process ends; whatever is told of it, it is told before the tree counts as gone. */
  end(how: Happening): void {
    if (this.live === 0) return;
    this.live = 0;
    this.tell(how, false);
  }

  clear(spawnFails: boolean): void {
    if (!this.ending) return;
    this.end("crashed");
    this.ending = false;
    this.tell("cleared", spawnFails);
  }

  due(): void {
    if (!this.armed) return;
    this.armed = false;
    this.tell("due", false);
  }
}

const acts: fc.Arbitrary<(model: Model) => void> = fc.oneof(
  fc.constantFrom<Happening>("start", "restart", "stop").map((order) => (m: Model) => m.tell(order, false)),
  fc.constantFrom<Happening>("ended", "crashed", "crashed-last").map((how) => (m: Model) => m.end(how)),
  fc.boolean().map((fails) => (m: Model) => m.clear(fails)),
  fc.constant((m: Model) => m.due()),
);

test("whatever happens, there is at most one process, none is started unwanted, and nothing impossible is told", () => {
  fc.assert(
    fc.property(fc.array(acts, { maxLength: 60 }), (told) => {
      const model = new Model();
      for (const act of told) act(model);
      expect(model.live).toBeLessThanOrEqual(1);
    }),
  );
});

test("whatever happened, a stop ends with nothing alive, nothing armed and no start to come", () => {
  fc.assert(
    fc.property(fc.array(acts, { maxLength: 60 }), (told) => {
      const model = new Model();
      for (const act of told) act(model);
      model.tell("stop", false);
      const before = model.spawns;
      model.clear(false);
      model.due();
      expect([model.machine, model.live, model.spawns]).toEqual([stopped, 0, before]);
    }),
  );
});

test("whatever happened, a start ends with a process", () => {
  fc.assert(
    fc.property(fc.array(acts, { maxLength: 60 }), (told) => {
      const model = new Model();
      for (const act of told) act(model);
      model.tell("start", false);
      model.clear(false);
      expect([model.machine, model.live]).toEqual([{ state: "running", wanted: "up" }, 1]);
    }),
  );
});
