/** Text that grows; its memory is used again. */

export type TextRoom = {
  /** bytes in use */
  size: number;
  bytes: Buffer;
};

export function createTextRoom(bytes: number): TextRoom {
  return { size: 0, bytes: Buffer.allocUnsafeSlow(bytes) };
}

/** Makes room for so many bytes more. */
export function makeTextRoom(room: TextRoom, more: number): void {
  if (room.size + more <= room.bytes.length) return;
  const wider = Buffer.allocUnsafeSlow(Math.max(room.bytes.length * 2, room.size + more));
  room.bytes.copy(wider, 0, 0, room.size);
  room.bytes = wider;
}
