/** A system call that returned, or began (`ended` false: another thread came between, and its end is a call of its own). */
interface Call {
  name: string;
  /** Descriptor, arguments and result as strace prints them. */
  text: string;
  began: boolean;
  ended: boolean;
}

/** One callback: the job id in its URL and in its row, and the id in its answer. */
export interface Acknowledged {
  jobId: string;
  callbackId: string;
}

/** What lies between the request and its answer, in the order in which it has to be: anything else says what is missing. */
export type AckOrder =
  'synced' | 'no request' | 'not written' | 'not synced' | 'answered before the sync' | 'no answer';

/**
 * For each acknowledged callback: whether its request was read, then its row written to the write-ahead log, then, after that
 * write, a sync of the log begun and ended well, and only then its answer written.
 * @param trace of `strace -f -y`, with strings long enough for a page of the database
 */
export function ackOrders(trace: string, acknowledged: readonly Acknowledged[]): AckOrder[] {
  const calls = callsOf(trace);
  return acknowledged.map((one) => orderOf(calls, one));
}

function orderOf(calls: readonly Call[], { jobId, callbackId }: Acknowledged): AckOrder {
  const after = (from: number, test: (call: Call) => boolean): number =>
    calls.findIndex((call, i) => i > from && test(call));
  const request = after(-1, ({ name, text }) => name === 'read' && text.includes(`/hook/${jobId}`));
  if (request < 0) return 'no request';
  const answer = after(
    request,
    ({ name, text }) => ANSWERS.has(name) && text.includes('HTTP/1.1 200') && text.includes(callbackId),
  );
  if (answer < 0) return 'no answer';
  const row = after(request, ({ name, text }) => name === 'pwrite64' && WAL.test(text) && text.includes(jobId));
  if (row < 0) return 'not written';
  const begun = after(row, ({ name, text, began }) => SYNCS.has(name) && began && WAL.test(text));
  if (begun < 0) return 'not synced';
  const ended = after(begun - 1, ({ name, text, ended: done }) => SYNCS.has(name) && done && /= 0\b/.test(text));
  return ended >= 0 && ended < answer ? 'synced' : 'answered before the sync';
}

const WAL = /^\d+<[^>]*herald\.sqlite-wal>/;
const SYNCS = new Set(['fsync', 'fdatasync']);
const ANSWERS = new Set(['write', 'writev', 'sendto', 'sendmsg']);

function callsOf(trace: string): Call[] {
  return trace.split('\n').flatMap((line): Call[] => {
    const resumed = /^\d+ +<\.\.\. (\w+) resumed>(.*)$/.exec(line);
    if (resumed) return [{ name: resumed[1] ?? '', text: resumed[2] ?? '', began: false, ended: true }];
    const call = /^\d+ +(\w+)\((.*)$/.exec(line);
    if (!call) return [];
    const text = call[2] ?? '';
    return [{ name: call[1] ?? '', text, began: true, ended: !text.endsWith('<unfinished ...>') }];
  });
}
