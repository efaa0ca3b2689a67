// Why a connection or a frame is not taken, for people (words), for the other side (close code) and for metrics (kind).
import { closeCode } from '../../shared/protocol.ts';

/** Close code and words. 0: there is no WebSocket yet that could be closed with a code. */
export interface Refusal {
  code: number;
  reason: string;
}

export const refusalKinds = [
  /** TLS without the key, with a wrong one, or no TLS at all. */
  'handshake',
  /** Opened, and then nothing came in time: no TLS, no request, no hello. */
  'half_open',
  /** Too many connections of one address at once, or one after the other. */
  'too_many',
  'malformed',
  'oversized',
  'out_of_order',
  'wrong_version',
  'unknown_node',
  'wrong_address',
  'identity_mismatch',
  'too_fast',
  'slow_reader',
  /** By an agent, which does not believe this coordinator. */
  'unproven',
] as const;
export type RefusalKind = (typeof refusalKinds)[number];

/** RFC 6455 §7.4.1: message too big. */
export const oversizedCode = 1009;

const kinds = new Map<number, RefusalKind>([
  [closeCode.badFrame, 'malformed'],
  [closeCode.badVersion, 'wrong_version'],
  [closeCode.unknownNode, 'unknown_node'],
  [closeCode.wrongAddress, 'wrong_address'],
  [closeCode.slowReader, 'slow_reader'],
  [closeCode.identityMismatch, 'identity_mismatch'],
  [closeCode.tooFast, 'too_fast'],
  [closeCode.outOfOrder, 'out_of_order'],
  [oversizedCode, 'oversized'],
]);

export const refusalKind = ({ code }: Refusal): RefusalKind => kinds.get(code) ?? 'malformed';
