/** A text as people read it: full-width and other digits as `0` to `9`, nothing invisible in between; with the way back. */
export interface Readable {
  text: string;
  /** The stretch of the source that these units of `text` were read from. */
  sourceOf: (start: number, end: number) => { start: number; end: number };
}

const PLAIN = /^[\t\n\r\x20-\x7e]*$/;
/** Runs that read as they are written, and single characters with the marks above, below and around them. */
const CLUSTER = /[\t\n\r\x20-\x7e]+(?!\p{M})|[^]\p{M}*/gu;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;
const MARKS = /\p{M}+/gu;

export function toReadable(source: string): Readable {
  if (PLAIN.test(source)) return { text: source, sourceOf: (start, end) => ({ start, end }) };
  let text = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const { 0: cluster, index } of source.matchAll(CLUSTER)) {
    if (cluster.length > 1 && PLAIN.test(cluster)) {
      for (let i = 0; i < cluster.length; i++) {
        starts.push(index + i);
        ends.push(index + i + 1);
      }
      text += cluster;
      continue;
    }
    const read = readCluster(cluster);
    starts.push(...Array<number>(read.length).fill(index));
    ends.push(...Array<number>(read.length).fill(index + cluster.length));
    text += read;
  }
  return {
    text,
    sourceOf: (start, end) => ({ start: starts[start] ?? source.length, end: ends[end - 1] ?? source.length }),
  };
}

function readCluster(cluster: string): string {
  const read = cluster.replace(INVISIBLE, '').normalize('NFKC');
  if (!/\p{Nd}/u.test(read)) return read;
  // A mark on a digit (a keycap, a line below) does not make it another one.
  return read.replace(MARKS, '').replace(/\p{Nd}/gu, digitOf);
}

/** The value of a decimal digit of any script: they come in runs of ten. */
function digitOf(digit: string): string {
  if (digit >= '0' && digit <= '9') return digit;
  const code = digit.codePointAt(0) ?? 0;
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value++;
  return String(value);
}
