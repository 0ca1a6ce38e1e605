/** Whole numbers in as few bytes as they need (LEB128); signed ones zigzag, so that small negatives are short as well. */

export type NumberWriter = {
  readonly unsigned: (value: number) => void;
  readonly signed: (value: number) => void;
  readonly byte: (value: number) => void;
  readonly bytes: (value: Uint8Array) => void;
  /** a copy of what was written */
  readonly done: () => Uint8Array;
};

export function createNumberWriter(sizeHint: number): NumberWriter {
  let buffer = new Uint8Array(Math.max(64, sizeHint));
  let at = 0;

  function room(size: number): void {
    if (at + size <= buffer.length) return;
    const longer = new Uint8Array(Math.max(buffer.length * 2, at + size));
    longer.set(buffer);
    buffer = longer;
  }

  function unsigned(value: number): void {
    if (at + 10 > buffer.length) room(10);
    let rest = value;
    // beyond 31 bits JavaScript's bit operations don't reach
    while (rest >= 0x80000000) {
      buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      buffer[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    buffer[at++] = rest;
  }

  return {
    unsigned,
    // multiplied and not shifted: sequence numbers have more than 31 bits
    signed: (value) => unsigned(value < 0 ? -value * 2 - 1 : value * 2),
    byte(value) {
      room(1);
      buffer[at++] = value;
    },
    bytes(value) {
      room(value.length);
      buffer.set(value, at);
      at += value.length;
    },
    done: () => buffer.slice(0, at),
  };
}

export type NumberReader = {
  readonly unsigned: () => number;
  readonly signed: () => number;
  readonly byte: () => number;
  readonly bytes: (length: number) => Uint8Array;
  /** where it is, and to go on elsewhere */
  readonly at: () => number;
  readonly moveTo: (place: number) => void;
};

/** Throws RangeError when there is less than is asked for. */
export function createNumberReader(buffer: Uint8Array): NumberReader {
  let at = 0;

  function unsigned(): number {
    let byte = buffer[at++];
    if (byte === undefined) throw new RangeError("numbers end early");
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let factor = 128; ; factor *= 128) {
      byte = buffer[at++];
      if (byte === undefined || factor > 2 ** 56) throw new RangeError("a number ends early");
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  return {
    unsigned,
    signed() {
      const value = unsigned();
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    },
    byte() {
      const byte = buffer[at++];
      if (byte === undefined) throw new RangeError("bytes end early");
      return byte;
    },
    bytes(length) {
      if (at + length > buffer.length) throw new RangeError("bytes end early");
      at += length;
      return buffer.subarray(at - length, at);
    },
    at: () => at,
    moveTo(place) {
      at = place;
    },
  };
}
