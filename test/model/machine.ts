// One node of the model: network, kernel addresses, the volume that outlives a container, and what runs on it.
import type { KernelInterface } from '../../agent/core/kernel.ts';
import type { Listening } from '../../agent/io/probe.ts';
import type { RunConfig } from '../../agent/run-config.ts';
import type { NodeId } from '../../shared/words.ts';
import { Keepalived } from './keepalived.ts';
import type { Life, Task, VirtualTime } from './virtual-time.ts';
import type { Advert, Router, Track } from './vrrp.ts';

/** What a machine needs of the world around it. */
export interface Surroundings {
  readonly time: VirtualTime;
  readonly random: () => number;
  send(from: Machine, router: Router, advert: Advert): void;
  /** Who else answers for the address. */
  answers(asker: Machine, address: string): Machine | undefined;
  changed(machine: Machine): void;
  reloaded(machine: Machine, before: string, after: string): void;
}

/** What an agent lets the machine tell it. */
export interface Ears {
  readonly life: Life;
  line(text: string): void;
  fifo(line: string): void;
  gone(): void;
  kernel(): void;
}

/** The container's tmpfs: gone with it. */
interface RunDirectory {
  text: string;
  record: { readonly config: RunConfig; readonly settled: boolean } | undefined;
  readonly tracks: Map<string, Track>;
}

interface Listener {
  readonly instance: Listening;
  readonly heard: () => void;
}

const emptyRun = (): RunDirectory => ({ text: '', record: undefined, tracks: new Map() });
/** Of a kernel lease: renewed four times within (agent/lease.pl). */
const leaseMs = { least: 3000, most: 4500 } as const;

export class Machine {
  readonly number: number;
  id: NodeId;
  readonly address: string;
  powered = true;
  /** How often it has lost power: what was on its way from it then never arrives. */
  losses = 0;
  linkUp = true;
  readonly disk = new Map<string, unknown>();
  run = emptyRun();
  keepalived: Keepalived | undefined;
  ears: Ears | undefined;
  /** Addresses that nothing looks after, or that are pinned on lo: the kernel takes them away in time. */
  readonly leased = new Map<string, { readonly kind: 'orphan' | 'pin'; readonly expiry: Task }>();
  readonly listeners = new Set<Listener>();
  readonly #around: Surroundings;
  #fifo: string[] = [];
  #kernelTold = false;

  constructor(number: number, id: NodeId, around: Surroundings) {
    this.number = number;
    this.id = id;
    this.address = `10.0.0.${10 + number}`;
    this.#around = around;
  }

  routers(): Router[] {
    return this.keepalived?.routers() ?? [];
  }

  /** "10.0.0.100/32": what answers on this machine, apart from its own address. */
  held(): string[] {
    const masters = this.routers().flatMap(({ state, config }) =>
      state === 'MASTER' ? config.addresses : [],
    );
    return this.leased.size === 0 ? masters : [...new Set([...masters, ...this.leased.keys()])];
  }

  kernel(): KernelInterface[] {
    const entry = (text: string) => {
      const [address = '', prefix] = text.split('/');
      return { address, prefix: Number(prefix), linkLocal: false };
    };
    const own = entry(`${this.address}/24`);
    return [
      { name: 'lo', up: true, loopback: true, addresses: [] },
      { name: 'eth0', up: this.linkUp, loopback: false, addresses: [own, ...this.held().map(entry)] },
    ];
  }

  // ── keepalived ──

  startKeepalived(): void {
    const { time } = this.#around;
    this.#fifo = [];
    const keepalived: Keepalived = new Keepalived({
      now: () => time.nowMs,
      after: (ms, run) => time.after(ms, run),
      linkUp: () => this.linkUp,
      send: (router, advert) => this.#around.send(this, router, advert),
      changed: () => this.changed(),
      text: () => this.run.text,
      track: (group) => this.run.tracks.get(group) ?? { paused: false, live: 0 },
      say: (line) => this.#say(line),
      log: (line) => this.tell(2, (ears) => ears.line(line)),
      gone: () => {
        if (this.keepalived !== keepalived) return;
        this.keepalived = undefined;
        this.tell(100, (ears) => ears.gone());
        this.changed();
      },
    });
    this.keepalived = keepalived;
  }

  signal(signal: string | number): boolean {
    const { keepalived } = this;
    if (!keepalived) return false;
    if (signal === 'SIGHUP') {
      this.#around.reloaded(this, keepalived.text, this.run.text);
      keepalived.reload();
    } else if (signal === 'SIGTERM') keepalived.terminate();
    return true;
  }

  /** SIGKILL to every process of it: its addresses stay until somebody or the kernel takes them away. */
  killKeepalived(): void {
    for (const { state, config } of this.routers()) {
      if (state === 'MASTER')
        for (const address of config.addresses) this.lease(address, 'orphan', this.#leaseLeft());
    }
    this.keepalived?.die();
  }

  #leaseLeft = () => leaseMs.least + this.#around.random() * (leaseMs.most - leaseMs.least);

  lease(address: string, kind: 'orphan' | 'pin', ms: number): void {
    this.unlease(address);
    const expiry = this.#around.time.after(ms, () => this.unlease(address));
    this.leased.set(address, { kind, expiry });
    this.changed();
  }

  unlease(address: string): void {
    const found = this.leased.get(address);
    if (!found) return;
    found.expiry.cancelled = true;
    this.leased.delete(address);
    this.changed();
  }

  writeTrack(group: string, paused: boolean, live: number | undefined): void {
    const before = this.run.tracks.get(group);
    const next = { paused, live: live ?? before?.live ?? 0 };
    if (before && before.paused === next.paused && before.live === next.live) return;
    this.run.tracks.set(group, next);
    this.#around.time.after(0.5, () => this.keepalived?.look());
  }

  // ── the agent ──

  /** The FIFO keeps what nobody reads. */
  #say(line: string): void {
    if (this.ears?.life.alive) this.tell(0.5, (ears) => ears.fifo(line));
    else this.#fifo.push(line);
  }

  tell(ms: number, what: (ears: Ears) => void): void {
    const { ears } = this;
    if (ears?.life.alive) this.#around.time.afterAs(ears.life, ms, () => what(ears));
  }

  takeFifo(): string[] {
    const lines = this.#fifo;
    this.#fifo = [];
    return lines;
  }

  changed(): void {
    this.#around.changed(this);
    if (this.#kernelTold || !this.ears?.life.alive) return;
    this.#kernelTold = true;
    this.#around.time.after(5, () => {
      this.#kernelTold = false;
      this.tell(0, (ears) => ears.kernel());
    });
  }

  // ── the wire ──

  receive(advert: Advert): void {
    if (!this.powered || !this.linkUp) return;
    this.keepalived?.receive(advert);
    for (const { instance, heard } of this.listeners) if (concerns(instance, advert)) heard();
  }

  setLink(up: boolean): void {
    if (this.linkUp === up) return;
    this.linkUp = up;
    this.#around.time.after(3, () => this.keepalived?.look());
    this.changed();
  }

  // ── lives and deaths ──

  endAgent(): void {
    if (this.ears) this.ears.life.alive = false;
    this.ears = undefined;
    this.listeners.clear();
  }

  killContainer(): void {
    this.endAgent();
    this.killKeepalived();
    this.run = emptyRun();
  }

  powerOff(): void {
    this.powered = false;
    this.losses += 1;
    this.killContainer();
    for (const address of [...this.leased.keys()]) this.unlease(address);
    this.changed();
  }
}

/** As the raw socket's listener decides (agent/io/probe.ts). */
function concerns(instance: Listening, advert: Advert): boolean {
  return (
    advert.priority > 0 &&
    advert.vrid === instance.vrid &&
    advert.version === instance.version &&
    instance.peers.some(({ address }) => address === advert.from) &&
    (instance.version === 3 ||
      (advert.intervalMs === instance.intervalMs && advert.password === (instance.password ?? null)))
  );
}
