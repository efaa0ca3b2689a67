// What the real agent touches on a machine of the model, instead of the files in agent/io.
import type { Checks } from '../../agent/checks.ts';
import type { PlacedAddress } from '../../agent/core/anchor.ts';
import { noChecks, type Verdict } from '../../agent/core/checks-verdict.ts';
import { pinSeconds } from '../../agent/core/transition.ts';
import type { KeepalivedIo } from '../../agent/io/keepalived-io.ts';
import type { Probe } from '../../agent/io/probe.ts';
import type { TrackFiles } from '../../agent/io/track-file.ts';
import type { OwnedAddresses } from '../../agent/owned-addresses.ts';
import type { Pins } from '../../agent/pins.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { holdLimitMs } from '../../shared/timers.ts';
import type { Machine, Surroundings } from './machine.ts';
import { groupOf } from './specs.ts';
import type { Life } from './virtual-time.ts';

export function filesOf(machine: Machine): TrackFiles {
  return {
    write: (group, paused, live) => machine.writeTrack(group, paused, live),
    read(group) {
      const found = machine.run.tracks.get(group);
      return { paused: found?.paused ?? true, live: found?.live };
    },
    keepOnly(groups) {
      for (const group of [...machine.run.tracks.keys()])
        if (!groups.has(group)) machine.run.tracks.delete(group);
    },
  };
}

export function checksOf(failing: ReadonlySet<string>): Checks {
  const fault: Verdict = { ...noChecks, faults: [{ name: 'check', output: '', sinceMs: 0 }] };
  return {
    run: () => undefined,
    keepOnly: () => undefined,
    verdict: (group) => (failing.has(groupOf(group)) ? fault : noChecks),
    results: () => new Map(),
    isRunning: () => false,
    stop: () => undefined,
  };
}

export function probeOf(machine: Machine, around: Surroundings, life: Life): Probe {
  const later = <T>(ms: number, value: T) =>
    new Promise<T>((resolve) => around.time.afterAs(life, ms, () => resolve(value)));
  return {
    ask(addresses) {
      for (const { address } of addresses) {
        const found = around.answers(machine, address);
        const mac = `02:00:00:00:00:0${found?.number}`;
        if (found) return later(10, { kind: 'answer', address: address.split('/')[0] ?? '', mac });
      }
      return later(1000, { kind: 'silence' });
    },
    listen(instance, onHeard) {
      if (instance.peers.length === 0) return () => undefined;
      let over = false;
      const listener = {
        instance,
        heard() {
          machine.listeners.delete(listener);
          around.time.afterAs(life, 5, () => over || onHeard());
        },
      };
      machine.listeners.add(listener);
      return () => {
        over = true;
        machine.listeners.delete(listener);
      };
    },
  };
}

interface DaemonEars {
  line(text: string): void;
  gone(): void;
}
const daemons = new WeakMap<Machine, DaemonEars>();
export const daemonOf = (machine: Machine): DaemonEars =>
  daemons.get(machine) ?? { line: () => undefined, gone: () => undefined };

export function ioOf(
  machine: Machine,
  { time }: Surroundings,
  life: Life,
  readLine: (line: string) => void,
): KeepalivedIo {
  return {
    daemon(events) {
      daemons.set(machine, { line: events.onLine, gone: events.onGone });
      return {
        adopt: () => machine.keepalived !== undefined,
        start: () => machine.startKeepalived(),
        signal: (signal) => machine.signal(signal),
        kill: () => machine.killKeepalived(),
        lastExit: () => null,
        detach: () => undefined,
      };
    },
    dumper: () => () =>
      new Promise((resolve) => time.afterAs(life, 5, () => resolve(machine.keepalived?.dump()))),
    readStates(onLine) {
      for (const line of machine.takeFifo()) time.afterAs(life, 0.5, () => onLine(line));
      machine.ears = {
        life,
        line: () => undefined,
        gone: () => undefined,
        kernel: () => undefined,
        fifo: readLine,
      };
    },
    record(config, settled) {
      machine.run.record = { config, settled };
    },
    install(text) {
      machine.run.text = text;
    },
  };
}

export function ownedOf(machine: Machine): OwnedAddresses {
  const placed = (address: string): PlacedAddress => ({ address, interface: 'eth0' });
  const all = () => (machine.disk.get('owned') as PlacedAddress[] | undefined) ?? [];
  return {
    record(instances) {
      const known = new Set(all().map(({ address }) => address));
      const added = instances.flatMap(({ addresses }) => addresses.filter((address) => !known.has(address)));
      if (added.length > 0) machine.disk.set('owned', [...all(), ...added.map(placed)]);
    },
    recordPlaced: () => undefined,
    forget: () => undefined,
    async sweep(keep) {
      const kept = new Set(keep.flatMap(({ addresses }) => addresses));
      for (const { address } of all()) {
        const found = machine.leased.get(address);
        if (found && !kept.has(address) && !(found.kind === 'pin' && keep.length > 0))
          machine.unlease(address);
      }
    },
    all,
  };
}

export function pinsOf(machine: Machine): Pins {
  const pinned = new Map<string, readonly string[]>();
  const pinOf = ({ group, version, intervalMs, addresses }: AssignedInstance) => {
    pinned.set(group, addresses);
    for (const address of addresses)
      machine.lease(address, 'pin', pinSeconds(holdLimitMs(version, intervalMs)) * 1000);
  };
  return {
    async pin(instances) {
      for (const instance of instances) pinOf(instance);
    },
    adopt(instances) {
      for (const { group, addresses } of instances) {
        if (addresses.some((address) => machine.leased.get(address)?.kind === 'pin'))
          pinned.set(group, addresses);
      }
    },
    heard(group, state) {
      if (state !== 'MASTER' || !pinned.has(group)) return;
      for (const address of pinned.get(group) ?? []) {
        if (machine.leased.get(address)?.kind === 'pin') machine.unlease(address);
      }
      pinned.delete(group);
    },
  };
}
