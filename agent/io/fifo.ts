// Named pipes, made and opened so that neither side can block the other.
import { execFileSync } from 'node:child_process';
import { constants, lstatSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { createLineSplitter } from './lines.ts';

/** Makes the FIFO unless it is there: an adopted keepalived still writes to the old one. */
export function ensureFifo(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isFIFO()) return;
  if (stat) rmSync(path);
  execFileSync('mkfifo', ['-m', '600', path]);
}

/** Opened read-write: never blocks, never ends, and keeps what is written while nobody else has it open. */
export function openReadWrite(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** Opened for reading alone: ends when the last writer is gone. */
export function openReader(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

export function readLines(fd: number, onLine: (line: string) => void, onEnd: () => void): Socket {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('data', createLineSplitter(onLine));
  // A read error ends the stream as an end does; the owner looks at the processes then.
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    socket.destroy();
    onEnd();
  };
  socket.on('end', end).on('error', end).on('close', end);
  return socket;
}
