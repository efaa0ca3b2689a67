// Where everything of a lab is and what it is called: a pure function of the lab's name.
// Every later process finds a lab again, or removes its remains, from these names alone.
import { createHash } from 'node:crypto';

/** Dots separate, so a name must not hold one: otherwise the lab "a" would also find the remains of "a.b". */
const NAME = /^[a-z][a-z0-9-]{0,19}$/;

export const LAB_ROOT = '/var/lib/swarm-vip-lab';

export interface LabNames {
  readonly name: string;
  /** First part of every namespace and cgroup of this lab, without the closing dot. */
  readonly prefix: string;
  /** A tmpfs is mounted here: removing a lab's data is one umount. */
  readonly dir: string;
  /** 192.168.<octet>.0/24 and fd5a:7376:<octet>::/64. */
  readonly octet: number;
}

export interface NodeNames {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly address6: string;
  readonly mac: string;
}

export function labNames(name: string): LabNames {
  if (!NAME.test(name)) {
    throw new Error(
      `a lab's name is a letter followed by up to 19 letters, digits or hyphens, all lower case; found "${name}"`,
    );
  }
  return { name, prefix: `svl.${name}`, dir: `${LAB_ROOT}/${name}`, octet: octetOf(name) };
}

/** Labs do not share a network, so two with the same octet still work; different ones are easier to tell apart. */
function octetOf(name: string): number {
  // 192.168.{0,1,122} are what homes and libvirt use; a reader should not mistake the lab for them.
  const first = createHash('sha256').update(name).digest().readUInt16BE(0);
  return 130 + (first % 120);
}

export const namespaceOf = (lab: LabNames, part: string): string => `${lab.prefix}.${part}`;
export const namespacePath = (lab: LabNames, part: string): string => `/run/netns/${namespaceOf(lab, part)}`;
export const hostAddress = (lab: LabNames, host: number): string => `192.168.${lab.octet}.${host}`;
export const hostAddress6 = (lab: LabNames, host: number): string =>
  `fd5a:7376:${lab.octet.toString(16)}::${host}`;

export const LAN_HOST = 1;
export const VIP_HOST = 100;
export const CLIENT_HOST = 200;
export const CONTROL_HOST = 250;
/** node1 is .11; .100 is the first VIP, so a lab has room for 89 nodes and stops far earlier. */
const NODE_BASE = 10;
export const MAX_NODES = 20;

export function macOf(lab: LabNames, host: number): string {
  // 02: locally administered unicast.
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return `02:76:69:70:${hex(lab.octet)}:${hex(host)}`;
}

export function nodeNames(lab: LabNames, index: number): NodeNames {
  if (!Number.isInteger(index) || index < 1 || index > MAX_NODES) {
    throw new Error(`a lab has nodes 1 to ${MAX_NODES}; found ${index}`);
  }
  const host = NODE_BASE + index;
  return {
    name: `node${index}`,
    index,
    address: hostAddress(lab, host),
    address6: hostAddress6(lab, host),
    mac: macOf(lab, host),
  };
}

export const nodeDir = (lab: LabNames, node: string): string => `${lab.dir}/${node}`;
export const nodeSocket = (lab: LabNames, node: string): string => `${nodeDir(lab, node)}/docker.sock`;
export const registryHost = (lab: LabNames): string => `${hostAddress(lab, LAN_HOST)}:5000`;

/** Whether a namespace or a cgroup belongs to this lab: used when the state file is gone. */
export const belongsTo = (lab: LabNames, entry: string): boolean =>
  entry === lab.prefix || entry.startsWith(`${lab.prefix}.`);
