// Instances → what lease.pl renews, and what it says of itself. Why there are leases: ARCHITECTURE.md.
import ipaddr from 'ipaddr.js';
import type { Instance } from '../../shared/protocol.ts';
import { addressesOn, anchorOf, type PlacedAddress, type Placing } from './anchor.ts';

export type Leased = Placing & Pick<Instance, 'intervalMs'>;

/** Four tries before an address goes. */
const rounds = 4;

export const renewalPeriodMs = (leaseSeconds: number) => (leaseSeconds * 1000) / rounds;

/**
 * One line of times, then a line for each instance: its anchor, which only a master has, and its addresses. Every
 * address is a /32 or /128 here, and no other ever gets a lease: a wider one takes routes and other addresses along.
 */
export function leaseList(instances: readonly Leased[], leaseSeconds: number): string {
  // A master wakes several times each interval, whatever the load.
  const patienceMs = 1000 + 2 * Math.max(0, ...instances.map((instance) => instance.intervalMs));
  const lines = instances.map((instance) =>
    [anchorOf(instance), ...addressesOn(instance)].map(leasedText).join(' '),
  );
  const times = `${leaseSeconds} ${renewalPeriodMs(leaseSeconds) / 1000} ${patienceMs / 1000}`;
  return `${[times, ...new Set(lines)].join('\n')}\n`;
}

function leasedText({ address, interface: link }: PlacedAddress): string {
  const [host = ''] = address.split('/');
  const bytes = ipaddr.parse(host).toByteArray();
  return `${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}@${link}`;
}

export interface LeaseStats {
  /** `unsafe`: this kernel would create an absent address on renewal, so nothing is renewed. */
  readonly phase: 'renewing' | 'idle' | 'unsafe';
  /** Lives of the renewer. */
  readonly starts: number;
  readonly rounds: number;
  readonly renewed: number;
  /** Renewals of an address that was not there: what a backup's list comes to. */
  readonly absent: number;
}

/** Undefined when it is not what lease.pl writes. */
export function parseLeaseStats(text: string): LeaseStats | undefined {
  const found = /^(renewing|idle|unsafe) absent (\d+) renewed (\d+) rounds (\d+) starts (\d+)\n$/.exec(text);
  if (!found) return undefined;
  const [, phase, absent, renewed, rounds, starts] = found;
  return {
    phase: phase as LeaseStats['phase'],
    starts: Number(starts),
    rounds: Number(rounds),
    renewed: Number(renewed),
    absent: Number(absent),
  };
}
