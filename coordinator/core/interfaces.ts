// Interfaces as an agent reports them → those parts that the plan can compute with. One agent that says nonsense must
// not end the coordinator on every manager.
import type { NetworkInterface } from '../../shared/protocol.ts';
import { canonicalAddress, familyOf } from '../../shared/words.ts';

/** Drops what is no canonical address with a prefix. */
export function usableInterfaces(reported: readonly NetworkInterface[]): NetworkInterface[] {
  return reported.map((each) => ({ ...each, addresses: each.addresses.filter(isCidr) }));
}

function isCidr(text: string): boolean {
  const [address = '', prefix = '', ...more] = text.split('/');
  if (more.length > 0 || canonicalAddress(address) !== address || !/^\d{1,3}$/.test(prefix)) return false;
  return Number(prefix) <= (familyOf(address) === 4 ? 32 : 128);
}
