/** How eagerly the engine compiles: an idle daemon saves memory by interpreting, a busy one needs machine code. */

export type Tempo = {
  /** Much is to be done now. */
  busy(): void;
  /** A while is over; when nothing was busy in it, the engine takes it easy. */
  rest(): void;
};

/**
 * How many times longer than usual a function is interpreted before it is compiled. Measured on an idle agent with three
 * scripts: 1 takes 39.0 MiB and 0.61 CPU s an hour, 8 takes 37.4 and 0.52, 32 takes 35.5 and 0.53, 100 takes 34.8 and 0.68.
 */
const restfulScale = 32;

/** A tempo that begins at rest. `setScale` takes 1 for the engine's own measure, more for more patience. */
export function createTempo(setScale: (scale: number) => void = Bun.unsafe.setJITPolicy): Tempo {
  let scale = restfulScale;
  let wasBusy = false;
  setScale(scale);

  function change(next: number): void {
    if (next === scale) return;
    scale = next;
    setScale(scale);
  }

  return {
    busy() {
      wasBusy = true;
      change(1);
    },
    rest() {
      if (!wasBusy) change(restfulScale);
      wasBusy = false;
    },
  };
}
