// While a holder changes its identity, keepalived takes its addresses off and puts them back a master-down time later.
// Meanwhile they live on lo, with a kernel lease: the node goes on answering, and if everything dies here, the kernel
// removes them. A pin on the interface itself would demote keepalived when it goes.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, VrrpState } from '../shared/protocol.ts';
import { holdLimitMs } from '../shared/timers.ts';
import type { PlacedAddress } from './core/anchor.ts';
import { pinSeconds } from './core/transition.ts';
import { addLeased, type KernelWatch, removeAddresses } from './io/addresses.ts';
import type { OwnedAddresses } from './owned-addresses.ts';

export interface Pins {
  /** Before the reload that changes these instances. */
  pin(instances: readonly AssignedInstance[]): Promise<void>;
  /** Pins of an earlier life. */
  adopt(instances: readonly AssignedInstance[]): void;
  /** MASTER again: keepalived has put the addresses back itself. */
  heard(group: string, state: VrrpState): void;
}

export function createPins(deps: { owned: OwnedAddresses; kernel: KernelWatch; log: Log }): Pins {
  const { owned, kernel, log } = deps;
  const pinned = new Map<string, readonly PlacedAddress[]>();

  const release = async (group: string) => {
    const pins = pinned.get(group) ?? [];
    pinned.delete(group);
    await removeAddresses(pins);
    owned.forget(pins);
    log.info({ event: 'unpinned', group, addresses: pins.map((pin) => pin.address) }, 'took the pins off lo');
  };

  return {
    async pin(instances) {
      const loopback = (await kernel.refresh()).find((link) => link.loopback);
      // Whatever is on lo already belongs to somebody else, and does what a pin does.
      const taken = new Set(loopback?.addresses.map((entry) => `${entry.address}/${entry.prefix}`));
      for (const { group, version, intervalMs, addresses } of instances) {
        const pins = addresses
          .filter((address) => !taken.has(address))
          .map((address) => ({ address, interface: 'lo', pin: true }) as const);
        owned.recordPlaced(pins);
        pinned.set(group, pins);
        await addLeased(pins, pinSeconds(holdLimitMs(version, intervalMs)));
        log.info({ event: 'pinned', group, addresses }, 'keeps the addresses on lo while keepalived changes');
      }
    },
    adopt(instances) {
      for (const { group, addresses } of instances) {
        const pins = owned.all().filter((placed) => placed.pin && addresses.includes(placed.address));
        if (pins.length > 0) pinned.set(group, pins);
      }
    },
    heard(group, state) {
      // On the way the old instance says FAULT, the new one BACKUP; should it stay there, the lease ends.
      if (!pinned.has(group) || state !== 'MASTER') return;
      release(group).catch((error: unknown) =>
        log.error({ event: 'unpin-failed', group, error: String(error) }, 'the kernel removes them in time'),
      );
    },
  };
}
