// Env ADDRESS_POOLS of the coordinator services → which addresses service labels may ask for. Whoever may deploy a
// service must not be able to take any address of the network; without pools labels define nothing.
//   ADDRESS_POOLS="192.168.1.200-192.168.1.220, fd00::/120, 192.168.1.50"
import ipaddr from 'ipaddr.js';
import type { Problem } from '../../shared/problem.ts';
import { canonicalAddress } from '../../shared/words.ts';
import { readable } from './readable.ts';
import type { Snapshot } from './snapshot.ts';

export const poolsKey = 'ADDRESS_POOLS';

/** Both ends belong to it; canonical text. */
export interface AddressPool {
  first: string;
  last: string;
}

const maxPools = 64;

export function readPools({ services }: Snapshot): { pools: AddressPool[]; problems: Problem[] } {
  const pools: AddressPool[] = [];
  const problems: Problem[] = [];
  for (const { env, name } of services) {
    const items = (env[poolsKey] ?? '').split(/[\s,]+/).filter((item) => item !== '');
    for (const item of items.slice(0, maxPools)) {
      const pool = readPool(item);
      if (pool) pools.push(pool);
      else {
        problems.push({
          code: 'address-pool-invalid',
          severity: 'error',
          where: `service ${name}, env ${poolsKey}`,
          value: readable(item),
          message: 'expected FIRST-LAST, a subnet such as 192.168.1.192/27, or one address',
          instead: 'this pool is left out, the others count',
          remedy: 'correct or remove it',
        });
      }
    }
  }
  return { pools, problems };
}

function readPool(item: string): AddressPool | undefined {
  if (item.includes('/')) return readSubnet(item);
  const [from = '', to = from, ...more] = item.split('-');
  const [first, last] = [canonicalAddress(from), canonicalAddress(to)];
  if (first === undefined || last === undefined || more.length > 0) return undefined;
  return isWithin(first, { first, last }) ? { first, last } : undefined;
}

function readSubnet(item: string): AddressPool | undefined {
  const [address = '', prefix = '', ...more] = item.split('/');
  const host = canonicalAddress(address);
  if (host === undefined || more.length > 0 || !/^\d{1,3}$/.test(prefix)) return undefined;
  const bytes = ipaddr.parse(host).toByteArray();
  const bits = Number(prefix);
  if (bits > bytes.length * 8) return undefined;
  const edge = (fill: number) =>
    ipaddr
      .fromByteArray(
        bytes.map((byte, index) => {
          const own = Math.max(0, Math.min(8, bits - index * 8));
          const mask = (0xff << (8 - own)) & 0xff;
          return (byte & mask) | (fill & ~mask & 0xff);
        }),
      )
      .toString();
  const [first, last] = [canonicalAddress(edge(0)), canonicalAddress(edge(0xff))];
  return first !== undefined && last !== undefined ? { first, last } : undefined;
}

/** @param address canonical, without a prefix */
export const inPools = (address: string, pools: readonly AddressPool[]): boolean =>
  pools.some((pool) => isWithin(address, pool));

function isWithin(address: string, { first, last }: AddressPool): boolean {
  const [at, from, to] = [address, first, last].map((text) => ipaddr.parse(text).toByteArray());
  if (!at || !from || !to || at.length !== from.length || at.length !== to.length) return false;
  return compare(from, at) <= 0 && compare(at, to) <= 0;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((byte, place) => byte !== b[place]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}
