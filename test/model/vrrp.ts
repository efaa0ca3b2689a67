// One VRRP instance as keepalived 2.2.7 plays it: the state machine of RFC 5798 with what was measured of keepalived.
// Held against the real one by replay.test.ts.
import { masterDownMs, skewMs } from '../../shared/timers.ts';
import type { Task } from './virtual-time.ts';

export interface RouterConfig {
  readonly name: string;
  readonly vrid: number;
  readonly version: 2 | 3;
  readonly intervalMs: number;
  readonly priority: number;
  readonly interface: string;
  readonly source: string;
  /** Null: multicast. Adverts go to these, and come from these or count for nothing (check_unicast_src). */
  readonly peers: readonly string[] | null;
  readonly password: string | null;
  readonly addresses: readonly string[];
}

export type RouterState = 'BACKUP' | 'MASTER' | 'FAULT';

export interface Advert {
  readonly from: string;
  readonly vrid: number;
  readonly version: 2 | 3;
  readonly priority: number;
  readonly intervalMs: number;
  readonly password: string | null;
}

/** What an instance touches. */
export interface Wire {
  now(): number;
  after(ms: number, run: () => void): Task;
  send(router: Router, advert: Advert): void;
  linkUp(): boolean;
  /** A line of the notify FIFO. */
  say(line: string): void;
  /** State, peers or addresses have changed. */
  changed(): void;
}

export interface Track {
  paused: boolean;
  live: number;
}

/** What keepalived matches instances by on reload (F 6). */
export const identityOf = (config: RouterConfig): string =>
  [config.vrid, config.interface, config.source, config.peers === null ? 'multicast' : 'unicast'].join(' ');

export class Router {
  state: RouterState = 'FAULT';
  config: RouterConfig;
  advertsReceived = 0;
  resignationsReceived = 0;
  /** How often its state has changed, and when it did so last. */
  changes = 0;
  sinceMs = 0;
  /** When the last advert of any priority came. */
  lastAdvertMs = Number.NEGATIVE_INFINITY;
  /** The last one said that its sender stops. */
  resigned = false;
  readonly #wire: Wire;
  #track: Track;
  #timer: Task | undefined;
  /** As its holder said it last (version 3). */
  masterIntervalMs: number;
  #stopped = false;

  constructor(config: RouterConfig, track: Track, wire: Wire) {
    this.config = config;
    this.#track = { ...track };
    this.#wire = wire;
    this.masterIntervalMs = config.intervalMs;
    if (this.#faulty()) this.#enter('FAULT');
    else this.#becomeBackup();
  }

  get effective(): number {
    return Math.max(1, Math.min(254, this.config.priority + this.#track.live));
  }

  get paused(): boolean {
    return this.#track.paused;
  }

  #faulty(): boolean {
    return this.#track.paused || this.#track.live <= -254 || !this.#wire.linkUp();
  }

  #enter(state: RouterState): void {
    this.#cancel();
    if (state !== this.state) {
      this.changes += 1;
      this.sinceMs = this.#wire.now();
    }
    this.state = state;
    this.#wire.say(`INSTANCE "${this.config.name}" ${state} ${this.effective}`);
    this.#wire.changed();
  }

  #cancel(): void {
    if (this.#timer) this.#timer.cancelled = true;
    this.#timer = undefined;
  }

  #in(ms: number, run: () => void): void {
    this.#cancel();
    this.#timer = this.#wire.after(ms, run);
  }

  #becomeBackup(): void {
    this.#enter('BACKUP');
    this.masterIntervalMs = this.config.intervalMs;
    this.#waitForMaster();
  }

  #waitForMaster(): void {
    const { version, intervalMs } = this.config;
    if (version === 2) this.masterIntervalMs = intervalMs;
    this.#in(masterDownMs(version, this.masterIntervalMs, this.effective), () => this.#becomeMaster());
  }

  #becomeMaster(): void {
    this.#enter('MASTER');
    this.#advertise();
  }

  #advertise(): void {
    this.#send(this.effective);
    this.#in(this.config.intervalMs, () => this.#advertise());
  }

  #send(priority: number): void {
    const { vrid, version, source, password, intervalMs } = this.config;
    this.#wire.send(this, { from: source, vrid, version, priority, intervalMs, password });
  }

  /** Whether keepalived takes this for an advert of its own virtual router. */
  accepts(advert: Advert): boolean {
    const { vrid, version, intervalMs, password, peers } = this.config;
    if (advert.vrid !== vrid || advert.version !== version) return false;
    if (peers !== null && !peers.includes(advert.from)) return false;
    return version === 3 || (advert.password === password && advert.intervalMs === intervalMs);
  }

  receive(advert: Advert): void {
    if (this.#stopped || !this.accepts(advert)) return;
    this.advertsReceived += 1;
    this.lastAdvertMs = this.#wire.now();
    this.resigned = advert.priority === 0;
    if (this.resigned) this.resignationsReceived += 1;
    if (this.state === 'BACKUP') this.#receiveAsBackup(advert);
    else if (this.state === 'MASTER') this.#receiveAsMaster(advert);
  }

  #receiveAsBackup(advert: Advert): void {
    if (advert.priority === 0) {
      this.#in(skewMs(this.config.version, this.masterIntervalMs, this.effective), () =>
        this.#becomeMaster(),
      );
      return;
    }
    if (advert.priority < this.effective) return;
    if (this.config.version === 3) this.masterIntervalMs = advert.intervalMs;
    this.#waitForMaster();
  }

  #receiveAsMaster(advert: Advert): void {
    if (advert.priority === 0) {
      this.#send(this.effective);
      return;
    }
    if (advert.priority < this.effective) {
      this.#send(this.effective);
      this.#wire.say(`INSTANCE "${this.config.name}" MASTER_RX_LOWER_PRI ${this.effective}`);
      return;
    }
    if (advert.priority === this.effective && compareAddresses(advert.from, this.config.source) <= 0) return;
    // vrrp_higher_prio_send_advert
    this.#send(this.effective);
    this.#enter('BACKUP');
    if (this.config.version === 3) this.masterIntervalMs = advert.intervalMs;
    this.#waitForMaster();
  }

  /** A track file was written, or the link has changed. */
  track(track: Track): void {
    if (this.#stopped) return;
    const before = this.effective;
    this.#track = { ...track };
    if (this.#faulty()) {
      if (this.state === 'FAULT') return;
      if (this.state === 'MASTER') this.#send(0);
      this.#enter('FAULT');
    } else if (this.state === 'FAULT') this.#becomeBackup();
    else if (this.effective !== before) {
      const word = this.state === 'MASTER' ? 'MASTER_PRIORITY' : 'BACKUP_PRIORITY';
      this.#wire.say(`INSTANCE "${this.config.name}" ${word} ${this.effective}`);
      this.#wire.changed();
    }
  }

  /** A MASTER goes on; a BACKUP begins to wait anew (rule R8). */
  reload(config: RouterConfig, track: Track): void {
    this.config = config;
    this.track(track);
    this.#wire.changed();
    if (this.state === 'MASTER') return;
    if (this.state === 'BACKUP') {
      this.masterIntervalMs = config.intervalMs;
      this.#waitForMaster();
    }
    this.#wire.say(`INSTANCE "${config.name}" ${this.state} ${this.effective}`);
  }

  /** @param word what the FIFO says: a stop of keepalived, or an instance that a reload has taken away */
  stop(word: 'STOP' | 'DELETED'): void {
    if (this.state === 'MASTER') this.#send(0);
    this.kill();
    this.#wire.say(`INSTANCE "${this.config.name}" ${word} ${this.effective}`);
    this.#wire.changed();
  }

  kill(): void {
    this.#stopped = true;
    this.#cancel();
    this.state = 'FAULT';
  }
}

const compareAddresses = (a: string, b: string): number => numberOf(a) - numberOf(b);
const numberOf = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
