// What macvlans need beside keepalived, which makes them, and removes them when it stops or when a reload drops them: the
// interface below speaks for itself alone, and what a killed keepalived left goes away.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance } from '../shared/protocol.ts';
import { isVirtual } from './core/kernel.ts';
import { type KernelWatch, removeInterfaces } from './io/addresses.ts';
import { announceBestAddress } from './io/arp.ts';
import type { Problems } from './io/problems.ts';
import { MacvlansFile, type StateStore } from './io/state-store.ts';

export interface Macvlans {
  /** Before keepalived makes them. */
  prepare(instances: readonly AssignedInstance[]): Promise<void>;
  /** keepalived runs these; what is recorded and not among them is removed. */
  settle(instances: readonly AssignedInstance[]): Promise<void>;
}

const where = 'interfaces below virtual MACs';

export function createMacvlans(
  file: string,
  deps: {
    readonly store: StateStore;
    readonly kernel: KernelWatch;
    readonly problems: Problems;
    readonly log: Log;
  },
): Macvlans {
  const { store, kernel, problems, log } = deps;
  let recorded: readonly string[] = store.read(file, MacvlansFile)?.macvlans ?? [];
  /** A reload must not wait for the same again. */
  let prepared = '';

  const record = (names: readonly string[]) => {
    if (names.join() === recorded.join()) return;
    recorded = names;
    store.write(file, { macvlans: names });
  };

  return {
    async prepare(instances) {
      const virtual = instances.filter((instance) => instance.vmac !== undefined);
      record([...new Set([...recorded, ...virtual.flatMap(({ vmac }) => vmac ?? [])])]);
      const below = [...new Set(virtual.map((instance) => instance.interface))];
      if (below.length === 0 || prepared === below.join()) return;
      const { code, stderr } = await announceBestAddress(below);
      prepared = code === 0 ? below.join() : '';
      if (code === 0) return problems.clear('arp-announce', where);
      problems.set({
        code: 'arp-announce',
        severity: 'warning',
        where,
        message: `cannot set arp_announce of ${below.join(', ')}: ${stderr.trim() || `exit code ${code}`}`,
        instead: 'a neighbour that this node asks learns the MAC of the interface instead of the virtual one',
        remedy: 'on this node: sysctl -w net.ipv4.conf.all.arp_announce=2',
      });
    },
    async settle(instances) {
      const kept = new Set(instances.flatMap(({ vmac }) => vmac ?? []));
      if (recorded.every((name) => kept.has(name))) return;
      const left = (await kernel.refresh())
        .filter((link) => isVirtual(link) && recorded.includes(link.name) && !kept.has(link.name))
        .map((link) => link.name);
      if (left.length > 0) {
        await removeInterfaces(left);
        await kernel.refresh();
        log.warn({ event: 'macvlans-removed', left }, 'removed macvlans nobody looks after');
      }
      record(recorded.filter((name) => kept.has(name)));
    },
  };
}
