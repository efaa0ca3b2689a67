// Check by a TCP connection, and by what is answered on it. The kernel accepts connections for a process that hangs, so
// only an expected answer proves that it works.
import { connect } from 'node:net';
import type { CheckOf } from '../../../shared/checks.ts';
import { errorWords, failed, type Outcome, type Probe } from './outcome.ts';

const most = 65_536;

export function createTcpProbe({ host, port, send, expect, timeoutMs }: CheckOf<'tcp'>): Probe {
  return () =>
    new Promise<Outcome>((resolve) => {
      const socket = connect({ host, port });
      let answer = '';
      let connected = false;
      const end = (outcome: Outcome) => {
        clearTimeout(timer);
        socket.destroy();
        resolve(outcome);
      };
      const lacking = () => `${answer.length} bytes of answer without ${JSON.stringify(expect)}`;
      const timer = setTimeout(
        () => end(failed(`${connected ? lacking() : 'no connection'} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      socket.on('connect', () => {
        connected = true;
        if (expect === undefined) return end({ passed: true, output: 'connected' });
        if (send !== undefined) socket.write(send);
      });
      socket.on('data', (data) => {
        answer += data.toString('latin1');
        // The text as it goes over the wire, in UTF-8.
        const wanted = Buffer.from(expect ?? '', 'utf8').toString('latin1');
        if (answer.includes(wanted)) end({ passed: true, output: `answered ${JSON.stringify(expect)}` });
        else if (answer.length > most) end(failed(lacking()));
      });
      socket.on('error', (error) => end(failed(errorWords(error))));
      socket.on('close', () => end(failed(`connection closed, ${lacking()}`)));
    });
}
