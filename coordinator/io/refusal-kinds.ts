// Close codes of the protocol → the kinds by which the metrics count refusals.
import { closeCode } from '../../shared/protocol.ts';

const kindByCode = {
  [closeCode.badFrame]: 'bad-frame',
  [closeCode.badVersion]: 'bad-version',
  [closeCode.unknownNode]: 'unknown-node',
  [closeCode.wrongAddress]: 'wrong-address',
  [closeCode.slowReader]: 'slow-reader',
  [closeCode.identityMismatch]: 'identity-mismatch',
} as const;
export type RefusalKind = (typeof kindByCode)[keyof typeof kindByCode] | 'handshake';
export const refusalKinds: readonly RefusalKind[] = [...Object.values(kindByCode), 'handshake'];

/** Without a close code the connection ended before there was one: no TLS, or not our key. */
export const refusalKind = (code: number): RefusalKind =>
  new Map<number, RefusalKind>(Object.entries(kindByCode).map(([key, kind]) => [Number(key), kind])).get(
    code,
  ) ?? 'handshake';
