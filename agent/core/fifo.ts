// Lines of keepalived's vrrp_notify_fifo → what happened to an instance.
import type { VrrpState } from '../../shared/protocol.ts';

export type FifoEvent =
  | { readonly kind: 'state'; readonly name: string; readonly state: VrrpState; readonly priority: number }
  | { readonly kind: 'priority'; readonly name: string; readonly priority: number }
  | { readonly kind: 'deleted'; readonly name: string }
  /** An advert of a master with a lower priority: two masters, for a moment or for good. Can flood. */
  | { readonly kind: 'lower-master'; readonly name: string }
  | { readonly kind: 'unknown'; readonly line: string };

const shape = /^INSTANCE "([A-Za-z0-9][A-Za-z0-9_.-]{0,62})" ([A-Z_]{2,32}) (\d{1,3})$/;

/** Never throws: an unknown line is counted by the caller, not fatal. */
export function parseFifoLine(line: string): FifoEvent {
  const [, name, word, digits] = shape.exec(line) ?? [];
  if (name === undefined || word === undefined || digits === undefined) return { kind: 'unknown', line };
  const priority = Number(digits);
  if (priority > 255) return { kind: 'unknown', line };
  switch (word) {
    case 'MASTER':
    case 'BACKUP':
    case 'FAULT':
    case 'STOP':
      return { kind: 'state', name, state: word, priority };
    case 'MASTER_PRIORITY':
    case 'BACKUP_PRIORITY':
      return { kind: 'priority', name, priority };
    case 'DELETED':
      return { kind: 'deleted', name };
    case 'MASTER_RX_LOWER_PRI':
      return { kind: 'lower-master', name };
    default:
      return { kind: 'unknown', line };
  }
}
