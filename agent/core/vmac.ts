// A virtual MAC as it is wanted → as this node can run it now. Adverts do not tell, so each member decides for itself,
// and no other member notices.
//
// keepalived that is MASTER and learns of another `use_vmac` by a reload goes on as MASTER without its addresses. So a
// holder keeps what it runs until another member has taken over; a backup changes at once.
import type { Problem } from '../../shared/problem.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { familyOf } from '../../shared/words.ts';
import { isVirtual, type KernelInterface } from './kernel.ts';
import { continued } from './view.ts';

export interface VmacPlace {
  readonly kernel: readonly KernelInterface[];
  /** net.ipv4.conf.all.rp_filter of the host. Only the host can change it. */
  readonly rpFilter: number;
}

export interface FittedVmac {
  readonly instance: AssignedInstance;
  readonly problem?: Problem;
}

/** @param holds keepalived says that this instance is MASTER */
export function fitVmac(
  wanted: AssignedInstance,
  running: AssignedInstance | undefined,
  holds: boolean,
  place: VmacPlace,
): FittedVmac {
  const goesOn = running && holds && continued(wanted, [running]) !== undefined;
  if (wanted.vmac !== undefined && (!goesOn || running.vmac !== wanted.vmac)) {
    const against = whyNot(wanted, place);
    if (against) return { instance: withVmac(wanted, goesOn ? running.vmac : undefined), problem: against };
  }
  // With nobody to hand over to, waiting would be for ever: the repair of missing addresses brings them back.
  if (!goesOn || running.vmac === wanted.vmac || wanted.peers.length === 0) return { instance: wanted };
  return { instance: withVmac(wanted, running.vmac), problem: waits(wanted) };
}

function withVmac({ vmac: _, ...rest }: AssignedInstance, vmac: string | undefined): AssignedInstance {
  return vmac === undefined ? rest : { ...rest, vmac };
}

function whyNot(instance: AssignedInstance, { kernel, rpFilter }: VmacPlace): Problem | undefined {
  const { group, vmac = '' } = instance;
  const common = {
    severity: 'error',
    where: `group ${group}`,
    group,
    instead: 'this node serves the addresses under the MAC of its interface',
  } as const;
  if (familyOf(instance.source) === 6) {
    return {
      ...common,
      code: 'vmac-refused',
      message: 'a virtual MAC is for IPv4 addresses: moves of IPv6 ones would lose packets',
      remedy: 'take vmac out of the group',
    };
  }
  const taken = kernel.find((link) => link.name === vmac);
  if (taken && !isVirtual(taken)) {
    return {
      ...common,
      code: 'vmac-refused',
      value: vmac,
      message: 'the node has an interface of this name that is no virtual router’s',
      remedy: 'choose another name for vmac',
    };
  }
  if (rpFilter !== 1) return undefined;
  return {
    ...common,
    code: 'vmac-refused',
    value: 'net.ipv4.conf.all.rp_filter=1',
    message:
      'the kernel would drop every packet to a virtual MAC, because answers leave by the interface below',
    remedy:
      'on this node: sysctl -w net.ipv4.conf.all.rp_filter=2, keep it in /etc/sysctl.d, then restart its agent',
  };
}

const waits = ({ group }: AssignedInstance): Problem => ({
  code: 'vmac-waits',
  severity: 'warning',
  where: `group ${group}`,
  group,
  message: 'the MAC of addresses cannot change under their holder',
  instead: 'this node goes on as it is, and changes when another member has taken over',
  remedy: 'move the group away and back: swarm-vip switchover GROUP --to NODE, then --clear',
});
