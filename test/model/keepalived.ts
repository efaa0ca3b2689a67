// The keepalived process of the model: reads a configuration, runs its instances, says what the agent listens for.
import type { ConfigView, InstanceView } from '../../agent/core/view.ts';
import type { Dump } from '../../agent/io/dump.ts';
import type { RenderConfig } from '../../agent/io/template.ts';
import type { Task } from './virtual-time.ts';
import { type Advert, identityOf, Router, type RouterConfig, type Track } from './vrrp.ts';

/** The node that it runs on. */
export interface Ground {
  now(): number;
  after(ms: number, run: () => void): Task;
  linkUp(): boolean;
  send(router: Router, advert: Advert): void;
  changed(): void;
  /** The text of keepalived.conf as it is now. */
  text(): string;
  track(group: string): Track;
  say(line: string): void;
  log(line: string): void;
  gone(): void;
}

/** The model's keepalived.conf is the view behind the template, which golden tests hold against the real text. */
export const renderView: RenderConfig = (view) => JSON.stringify(view);

const startMs = 40;
const reloadMs = 10;
/** keepalived's clean stop takes a second (F 6). */
const stopMs = 1000;

export class Keepalived {
  text = '';
  stopping = false;
  #routers = new Map<string, Router>();
  readonly #ground: Ground;
  #dead = false;

  constructor(ground: Ground) {
    this.#ground = ground;
    ground.after(startMs, () => {
      if (this.#dead || this.stopping) return;
      this.#load();
      ground.log('Startup complete');
    });
  }

  routers(): Router[] {
    return [...this.#routers.values()];
  }

  #load(): void {
    const ground = this.#ground;
    this.text = ground.text();
    const wanted = new Map(readConfig(this.text).map((config) => [identityOf(config), config]));
    for (const [identity, router] of this.#routers) {
      if (wanted.has(identity)) continue;
      this.#routers.delete(identity);
      router.stop('DELETED');
    }
    for (const [identity, config] of wanted) {
      const known = this.#routers.get(identity);
      if (known) known.reload(config, ground.track(config.name));
      else this.#routers.set(identity, new Router(config, ground.track(config.name), ground));
    }
    ground.changed();
  }

  reload(): void {
    this.#ground.after(2, () => {
      if (this.#dead || this.stopping) return;
      this.#load();
      this.#ground.after(reloadMs, () => !this.#dead && this.#ground.log('Reload complete'));
    });
  }

  terminate(): void {
    if (this.stopping) return;
    this.stopping = true;
    for (const router of this.routers()) router.stop('STOP');
    this.#routers.clear();
    this.#ground.changed();
    this.#ground.after(stopMs, () => this.die());
  }

  /** Leaves whatever it has put up. */
  die(): void {
    if (this.#dead) return;
    this.#dead = true;
    for (const router of this.routers()) router.kill();
    this.#routers.clear();
    this.#ground.gone();
  }

  /** A track file or the link has changed. */
  look(): void {
    for (const router of this.routers()) router.track(this.#ground.track(router.config.name));
  }

  receive(advert: Advert): void {
    for (const router of this.routers()) router.receive(advert);
  }

  dump(): Dump {
    return this.routers().map((router) => ({
      name: router.config.name,
      interface: router.config.interface,
      vrid: router.config.vrid,
      state: router.state,
      effectivePriority: router.effective,
      lastTransitionMs: null,
      garpDelay: 5,
      stats: { advert_rcvd: router.advertsReceived, pri_zero_rcvd: router.resignationsReceived },
    }));
  }
}

export function readConfig(text: string): RouterConfig[] {
  return text === '' ? [] : (JSON.parse(text) as ConfigView).instances.map(routerOf);
}

function routerOf(view: InstanceView): RouterConfig {
  const { name, vrid, version, priority, source, password } = view;
  return {
    ...{ name, vrid, version, priority, source, password },
    interface: view.interface,
    intervalMs: Math.round(Number(view.interval) * 1000),
    // keepalived takes an empty list for "use multicast" (F 6).
    peers: view.peers?.length ? view.peers : null,
    addresses: view.addresses.map((line) => line.split(' ')[0] ?? ''),
  };
}
