// The record of addresses that keepalived may have put on this node on our behalf, and their removal when nothing
// looks after them. Nothing else is ever removed.
import type { Log } from '../shared/io/log.ts';
import { addressesOf, type PlacedAddress } from './core/anchor.ts';
import { orphansOf } from './core/kernel.ts';
import { type KernelWatch, removeAddresses } from './io/addresses.ts';
import { OwnedFile, type StateStore } from './io/state-store.ts';
import type { Leases } from './leases.ts';

type Instances = Parameters<Leases['add']>[0];

export interface OwnedAddresses {
  /** Before keepalived may add them: a crash in between leaves a record too much, never one too few. */
  record(instances: Instances): void;
  recordPlaced(addresses: readonly PlacedAddress[]): void;
  /** They are removed already. */
  forget(addresses: readonly PlacedAddress[]): void;
  /** Removes what is recorded and not kept. Pins stay while anything does: they go by themselves. */
  sweep(keep: Instances): Promise<void>;
  all(): readonly PlacedAddress[];
}

export function createOwnedAddresses(
  file: string,
  deps: {
    readonly store: StateStore;
    readonly kernel: KernelWatch;
    readonly leases: Leases;
    readonly log: Log;
  },
): OwnedAddresses {
  const { store, kernel, leases, log } = deps;
  let owned: readonly PlacedAddress[] = store.read(file, OwnedFile)?.addresses ?? [];
  const recordPlaced = (addresses: readonly PlacedAddress[]) => {
    const known = new Set(owned.map(keyOf));
    const added = addresses.filter((placed) => !known.has(keyOf(placed)));
    if (added.length === 0) return;
    owned = [...owned, ...added];
    store.write(file, { addresses: owned });
  };
  return {
    record(instances) {
      recordPlaced(addressesOf(instances));
      leases.add(instances);
    },
    recordPlaced,
    forget(addresses) {
      const gone = new Set(addresses.map(keyOf));
      owned = owned.filter((placed) => !gone.has(keyOf(placed)));
      store.write(file, { addresses: owned });
    },
    async sweep(keep) {
      leases.only(keep);
      const kept = new Set(addressesOf(keep).map(keyOf));
      if (keep.length > 0) for (const placed of owned) if (placed.pin) kept.add(keyOf(placed));
      const candidates = owned.filter((placed) => !kept.has(keyOf(placed)));
      if (candidates.length === 0) return;
      const orphans = orphansOf(await kernel.refresh(), candidates);
      let left: readonly PlacedAddress[] = [];
      if (orphans.length > 0) {
        await removeAddresses(orphans);
        left = orphansOf(await kernel.refresh(), candidates);
        log.warn(
          { event: 'orphans-removed', removed: orphans, left },
          'removed addresses nobody looks after',
        );
      }
      owned = [...owned.filter((placed) => kept.has(keyOf(placed))), ...left];
      store.write(file, { addresses: owned });
    },
    all: () => owned,
  };
}

const keyOf = (placed: PlacedAddress) => `${placed.address} ${placed.interface} ${placed.pin ?? ''}`;
