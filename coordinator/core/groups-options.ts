// What a group says of VRRP beyond the defaults → keys of an assignment. Defaults stay absent, so that a group that says
// nothing is assigned what it always was, and nothing reloads.
import type { AssignedInstance } from '../../shared/protocol.ts';
import type { Vrid } from '../../shared/words.ts';
import { agreementMark } from './agreement.ts';
import type { Group } from './groups.ts';
import type { Attachment } from './members-attach.ts';

type Options = Pick<
  AssignedInstance,
  | 'transport'
  | 'preempt'
  | 'preemptDelayMs'
  | 'addressInterfaces'
  | 'trackInterfaces'
  | 'garp'
  | 'vmac'
  | 'strict'
  | 'skipCheckAdvAddr'
  | 'checks'
  | 'notify'
  | 'checksMark'
>;

/** What an instance is on a node, whether that runs it or looks on. */
export function instanceBasis(group: Group, vrid: Vrid, { interface: link, source }: Attachment) {
  const { name, version, intervalMs, addresses } = group;
  return { group: name, vrid, version, intervalMs, interface: link, source, addresses };
}

export function instanceOptions(group: Group, vrid: Vrid, attachment: Attachment): Options {
  const { transport, preempt, preemptDelayMs, garp, vmac, strict, skipCheckAdvAddr, checks, notify } = group;
  const { addressInterfaces, trackInterfaces } = attachment;
  return {
    ...(transport === undefined ? {} : { transport }),
    ...(preempt === undefined ? {} : { preempt }),
    ...(preemptDelayMs === undefined ? {} : { preemptDelayMs }),
    ...(addressInterfaces === undefined ? {} : { addressInterfaces }),
    ...(trackInterfaces === undefined ? {} : { trackInterfaces }),
    ...(garp === undefined ? {} : { garp }),
    // Another group may have taken the IPv4 addresses.
    ...(vmac === undefined || group.family === 6 ? {} : { vmac: vmac === true ? `vrrp.${vrid}` : vmac }),
    ...(strict && group.family === 4 ? { strict } : {}),
    ...(skipCheckAdvAddr ? { skipCheckAdvAddr } : {}),
    ...(checks === undefined ? {} : { checks }),
    ...(notify === undefined ? {} : { notify }),
    ...(checks || notify ? { checksMark: agreementMark([checks ?? null, notify ?? null]) } : {}),
  };
}
