// The way to the engine's API. dockerode waits for ever when an answer breaks off halfway: it hears of the connection's
// end by nobody, and its abort signal does nothing to a response that is destroyed already. One such answer would be the
// last thing that the coordinator ever reads. So every call but a stream ends here, whatever happens on the wire.
import Docker from 'dockerode';

const callTimeoutMs = 5_000;
/** The engine asks a registry. */
const registryTimeoutMs = 10_000;
/** What an aborted call says for itself is said by then. */
const lastWordMs = 500;

/** Options for every call but the event stream. */
export const limit = () => ({ abortSignal: AbortSignal.timeout(callTimeoutMs) });

type Callback = (error: unknown, result?: unknown) => void;
type Dial = (options: { path: string; isStream?: boolean }, callback: Callback) => void;

/** Our own limit ends most calls, and "The operation was aborted" tells an operator nothing. */
function inWords(error: unknown, path: string): unknown {
  const ended = error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name);
  return ended ? new Error(`the engine does not answer ${path.split('?')[0]} in time`) : error;
}

export function createEngine(socketPath: string, timeoutMs = callTimeoutMs + lastWordMs): Docker {
  const docker = new Docker({ socketPath });
  const modem = docker.modem as { dial: Dial };
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    if (options.isStream) return dial(options, callback);
    let settled = false;
    const settle: Callback = (error, result) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      callback(error, result);
    };
    const patienceMs = options.path.startsWith('/distribution/') ? registryTimeoutMs : timeoutMs;
    const timer = setTimeout(
      () => settle(new Error(`no whole answer to ${options.path.split('?')[0]} within ${patienceMs} ms`)),
      patienceMs,
    );
    dial(options, (error, result) => settle(inWords(error, options.path), result));
  };
  return docker;
}
