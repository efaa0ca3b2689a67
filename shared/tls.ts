// Identity of the control plane: TLS 1.2 with a pre-shared key (RFC 5489, ECDHE-PSK). One secret encrypts, gives
// forward secrecy and authenticates both sides in the handshake. The PSK identity is the node id.

/** Options both sides pass to node:tls. TLS 1.3 is excluded: Node offers no external PSK for it. */
export const pskTlsOptions = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const;

/** Shortest acceptable key: 16 bytes of text. `openssl rand -hex 32` gives 64. */
export const minKeyLength = 16;
