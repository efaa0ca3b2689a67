// The status page's files, read once and served as they are. They are static: all that changes comes by the overview.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Answer, Routes } from '../../shared/io/http.ts';

/**
 * Nothing but the page's own files, no inline script or style, and no way to make HTML of a string: whatever labels,
 * host names and checks say can only ever be text.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/page/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page/icon.svg': ['icon.svg', 'image/svg+xml'],
} as const satisfies Record<string, readonly [string, Answer['type']]>;

/** @param directory that the build has filled */
export function pageRoutes(directory: URL): Routes {
  return Object.fromEntries(
    Object.entries(files).map(([path, [name, type]]) => {
      const body = readFileSync(new URL(name, directory), 'utf8');
      const digest = createHash('sha256').update(body).digest('hex').slice(0, 16);
      const answer: Answer = {
        ...{ status: 200, type, body, etag: `W/"${digest}"` },
        headers: {
          'content-security-policy': policy,
          'referrer-policy': 'no-referrer',
          'cross-origin-resource-policy': 'same-origin',
        },
      };
      return [path, () => answer];
    }),
  );
}
