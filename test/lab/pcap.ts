// Reads what `tcpdump -w -` writes (pcap-savefile(5)) and picks the echo requests and replies out of it: who
// answered which probe, and when, by the kernel's time stamps.

export interface Echo {
  readonly kind: 'request' | 'reply';
  /** Microseconds since 1970, stamped by the kernel. */
  readonly atUs: number;
  readonly id: number;
  readonly sequence: number;
  /** Source of the frame: for a reply, the card that answered. */
  readonly mac: string;
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const LITTLE_ENDIAN_MICROSECONDS = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;

/** Feed it chunks as they come; it calls back once per echo packet. */
export function createPcapReader(onEcho: (echo: Echo) => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let at = 0;
    if (!started) {
      if (pending.length < FILE_HEADER) return;
      const magic = pending.readUInt32LE(0);
      const linkType = pending.readUInt32LE(20);
      if (magic !== LITTLE_ENDIAN_MICROSECONDS || linkType !== LINKTYPE_ETHERNET) {
        throw new Error(
          `expected an Ethernet capture, found magic ${magic.toString(16)}, link type ${linkType}`,
        );
      }
      started = true;
      at = FILE_HEADER;
    }
    while (pending.length - at >= RECORD_HEADER) {
      const length = pending.readUInt32LE(at + 8);
      if (pending.length - at < RECORD_HEADER + length) break;
      const atUs = pending.readUInt32LE(at) * 1_000_000 + pending.readUInt32LE(at + 4);
      const echo = parseFrame(pending.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length), atUs);
      if (echo) onEcho(echo);
      at += RECORD_HEADER + length;
    }
    pending = pending.subarray(at);
  };
}

function parseFrame(frame: Buffer, atUs: number): Echo | undefined {
  if (frame.length < 14) return undefined;
  const etherType = frame.readUInt16BE(12);
  const icmp = etherType === 0x0800 ? icmpOf(frame) : etherType === 0x86dd ? icmp6Of(frame) : undefined;
  if (icmp === undefined || frame.length < icmp.at + 8) return undefined;
  const type = frame.readUInt8(icmp.at);
  const kind = type === icmp.request ? 'request' : type === icmp.reply ? 'reply' : undefined;
  if (kind === undefined) return undefined;
  const mac = frame
    .subarray(6, 12)
    .toString('hex')
    .replace(/..(?=.)/g, '$&:');
  return { kind, atUs, id: frame.readUInt16BE(icmp.at + 4), sequence: frame.readUInt16BE(icmp.at + 6), mac };
}

function icmpOf(frame: Buffer) {
  if (frame.length < 34 || frame.readUInt8(23) !== 1) return undefined;
  return { at: 14 + (frame.readUInt8(14) & 0x0f) * 4, request: 8, reply: 0 };
}

function icmp6Of(frame: Buffer) {
  if (frame.length < 54 || frame.readUInt8(20) !== 58) return undefined;
  return { at: 54, request: 128, reply: 129 };
}
