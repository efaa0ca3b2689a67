// Assignment → what the template shows. All decisions about keepalived.conf are here; the template only lays out.
import type { AssignedInstance, Instance } from '../../shared/protocol.ts';
import { familyOf } from '../../shared/words.ts';
import { addressesOn, anchorOf, placeholderPeer } from './anchor.ts';

export interface InstanceView {
  readonly name: string;
  readonly interface: string;
  readonly vrid: number;
  readonly version: 2 | 3;
  readonly priority: number;
  /** Seconds, as keepalived wants them: "0.1", "1". */
  readonly interval: string;
  readonly source: string;
  /** Null: multicast. */
  readonly peers: readonly string[] | null;
  /** Peers' adverts that arrive with less are refused; null: any will do. */
  readonly minTtl: number | null;
  /** With multicast; null for v6, whose adverts come from the link-local address. */
  readonly multicastSource: string | null;
  readonly password: string | null;
  readonly pauseTrack: string;
  readonly pauseFile: string;
  readonly liveTrack: string;
  readonly liveFile: string;
  readonly trackInterfaces: readonly string[];
  /** Complete lines of single options. */
  readonly options: readonly string[];
  /** Complete lines. */
  readonly garp: readonly string[];
  /** Complete lines for virtual_ipaddress and virtual_ipaddress_excluded. */
  readonly anchor: string;
  readonly addresses: readonly string[];
}

export interface ConfigView {
  readonly routerId: string;
  readonly notifyFifo: string;
  /** Complete lines. */
  readonly processLines: readonly string[];
  readonly instances: readonly InstanceView[];
}

export interface ViewPlaces {
  readonly hostname: string;
  readonly nodeId: string;
  readonly notifyFifo: string;
  readonly pauseDir: string;
  readonly liveDir: string;
  /** Lines of global_defs about keepalived's processes. */
  readonly processLines?: readonly string[];
}

/** Sorted throughout, so that an assignment in another order renders to the same text and causes no reload. */
export function configView(instances: readonly Instance[], places: ViewPlaces): ConfigView {
  return {
    routerId: /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(places.hostname) ? places.hostname : places.nodeId,
    notifyFifo: places.notifyFifo,
    processLines: places.processLines ?? [],
    instances: [...instances]
      .sort((a, b) => (a.group < b.group ? -1 : 1))
      .map((instance) => instanceView(instance, places)),
  };
}

function instanceView(instance: Instance, places: ViewPlaces): InstanceView {
  const anchor = anchorOf(instance);
  const family = familyOf(instance.source);
  const peers = instance.peers.map((peer) => peer.address).sort();
  const multicast = instance.transport === 'multicast';
  return {
    name: instance.group,
    interface: instance.interface,
    vrid: instance.vrid,
    version: instance.version,
    priority: instance.priority,
    interval: String(instance.intervalMs / 1000),
    source: instance.source,
    peers: multicast ? null : peers.length > 0 ? peers : [placeholderPeer[family]],
    minTtl: family === 4 ? untouchedTtl : null,
    multicastSource: family === 4 ? instance.source : null,
    password: instance.password ?? null,
    pauseTrack: `pause_${instance.group}`,
    pauseFile: `${places.pauseDir}/${instance.group}`,
    liveTrack: `live_${instance.group}`,
    liveFile: `${places.liveDir}/${instance.group}`,
    trackInterfaces: [...(instance.trackInterfaces ?? [])].sort(),
    options: optionLines(instance),
    garp: garpLines(instance),
    // keepalived refuses a scope on v6 addresses, which have their scope by nature.
    anchor: `${anchor.address} dev lo${family === 4 ? ' scope host' : ''}`,
    addresses: addressLines(instance),
  };
}

function optionLines({ vmac, transport, strict, skipCheckAdvAddr }: Instance): string[] {
  return [
    ...(vmac === undefined ? [] : [`use_vmac ${vmac}`]),
    // Unicast adverts from the macvlan have no source address; strict_mode has no other way than the macvlan.
    ...(vmac === undefined || transport === 'multicast' ? [] : ['vmac_xmit_base']),
    // By itself strict_mode drops every packet to an address.
    ...(strict ? ['strict_mode', 'accept'] : []),
    ...(skipCheckAdvAddr ? ['skip_check_adv_addr'] : []),
  ];
}

function addressLines(instance: Instance): string[] {
  return (
    addressesOn(instance)
      // The macvlan need not be there when the configuration is read, and is the default then.
      .map(({ address, interface: link }) => (link === instance.vmac ? address : `${address} dev ${link}`))
      .sort()
  );
}

/**
 * An advert that a router has passed on is none of a neighbour's (RFC 5798 §5.1.1.3). keepalived 2.2.7 sends unicast over
 * v6 with the system's hop limit, 64: asking for 255 there makes every member a holder.
 */
const untouchedTtl = 255;

/** Answers leave by the interface below: only these keep a switch from forgetting the virtual MAC (after 300 s). */
const vmacRefreshS = 60;

function garpLines({ garp = {}, vmac }: Instance): string[] {
  const lines = {
    garp_master_delay: garp.delay,
    garp_master_repeat: garp.repeat,
    garp_master_refresh: garp.refresh ?? (vmac === undefined ? undefined : vmacRefreshS),
    garp_master_refresh_repeat: garp.refreshRepeat,
  };
  return Object.entries(lines).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]));
}

/**
 * What keepalived matches instances by on reload: a change of any part is a delete plus a new instance, which must
 * join like any newcomer.
 */
export function instanceIdentity(instance: Instance): string {
  return [instance.group, routerIdentity(instance)].join(' ');
}

/** keepalived 2.2.7 does not look at the name: an instance that gets another one goes on. */
const routerIdentity = (instance: Instance): string =>
  [instance.vrid, instance.interface, instance.source, instance.transport ?? 'unicast'].join(' ');

/** What runs of the group, under its name or the former one. */
export function predecessor<I extends Instance>(
  { group, formerly }: Pick<AssignedInstance, 'group' | 'formerly'>,
  running: readonly I[],
): I | undefined {
  const named = (name: string | undefined) => running.find((candidate) => candidate.group === name);
  return named(group) ?? (formerly === undefined ? undefined : named(formerly));
}

/** What a reload of `next` goes on with, if anything: it has not to join anew. */
export function continued<I extends Instance>(
  next: Instance & Pick<AssignedInstance, 'formerly'>,
  running: readonly I[],
): I | undefined {
  const before = predecessor(next, running);
  return before && routerIdentity(before) === routerIdentity(next) ? before : undefined;
}
