// Assignment → what the template shows. All decisions about keepalived.conf are here; the template only lays out.
import type { Instance } from '../../shared/protocol.ts';
import { familyOf } from '../../shared/words.ts';
import { anchorOf, placeholderPeer } from './anchor.ts';

export interface InstanceView {
  readonly name: string;
  readonly interface: string;
  readonly vrid: number;
  readonly version: 2 | 3;
  readonly priority: number;
  /** Seconds, as keepalived wants them: "0.1", "1". */
  readonly interval: string;
  readonly source: string;
  readonly peers: readonly string[];
  readonly password: string | null;
  readonly track: string;
  readonly trackFile: string;
  /** Complete lines for virtual_ipaddress and virtual_ipaddress_excluded. */
  readonly anchor: string;
  readonly addresses: readonly string[];
}

export interface ConfigView {
  readonly routerId: string;
  readonly notifyFifo: string;
  readonly instances: readonly InstanceView[];
}

export interface ViewPlaces {
  readonly hostname: string;
  readonly nodeId: string;
  readonly notifyFifo: string;
  readonly pauseDir: string;
}

/** Sorted throughout, so that an assignment in another order renders to the same text and causes no reload. */
export function configView(instances: readonly Instance[], places: ViewPlaces): ConfigView {
  return {
    routerId: /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(places.hostname) ? places.hostname : places.nodeId,
    notifyFifo: places.notifyFifo,
    instances: [...instances]
      .sort((a, b) => (a.group < b.group ? -1 : 1))
      .map((instance) => instanceView(instance, places.pauseDir)),
  };
}

function instanceView(instance: Instance, pauseDir: string): InstanceView {
  const anchor = anchorOf(instance);
  const family = familyOf(instance.source);
  const peers = instance.peers.map((peer) => peer.address).sort();
  return {
    name: instance.group,
    interface: instance.interface,
    vrid: instance.vrid,
    version: instance.version,
    priority: instance.priority,
    interval: String(instance.intervalMs / 1000),
    source: instance.source,
    peers: peers.length > 0 ? peers : [placeholderPeer[family]],
    password: instance.password ?? null,
    track: `pause_${instance.group}`,
    trackFile: `${pauseDir}/${instance.group}`,
    // keepalived refuses a scope on v6 addresses, which have their scope by nature.
    anchor: `${anchor.address} dev lo${family === 4 ? ' scope host' : ''}`,
    addresses: [...instance.addresses].sort().map((address) => `${address} dev ${instance.interface}`),
  };
}

/**
 * What keepalived matches instances by on reload: a change of any part is a delete plus a new instance, which must
 * join like any newcomer.
 */
export function instanceIdentity(instance: Instance): string {
  return [instance.group, instance.vrid, instance.interface, instance.source].join(' ');
}
