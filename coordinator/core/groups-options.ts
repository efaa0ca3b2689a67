// What a group says of VRRP beyond the defaults → keys of an assignment. Defaults stay absent, so that a group that says
// nothing is assigned what it always was, and nothing reloads.
import type { AssignedInstance } from '../../shared/protocol.ts';
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
  | 'checks'
  | 'notify'
  | 'checksMark'
>;

export function instanceOptions(group: Group, attachment: Attachment): Options {
  const { transport, preempt, preemptDelayMs, garp, checks, notify } = group;
  const { addressInterfaces, trackInterfaces } = attachment;
  return {
    ...(transport === undefined ? {} : { transport }),
    ...(preempt === undefined ? {} : { preempt }),
    ...(preemptDelayMs === undefined ? {} : { preemptDelayMs }),
    ...(addressInterfaces === undefined ? {} : { addressInterfaces }),
    ...(trackInterfaces === undefined ? {} : { trackInterfaces }),
    ...(garp === undefined ? {} : { garp }),
    ...(checks === undefined ? {} : { checks }),
    ...(notify === undefined ? {} : { notify }),
    ...(checks || notify ? { checksMark: agreementMark([checks ?? null, notify ?? null]) } : {}),
  };
}
