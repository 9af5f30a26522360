import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MINUTE, SECOND } from '../../src/duration.js';
import { callbackWait, LONGEST_WAIT, type SubmittedAudio } from '../../src/jobs/deadline.js';

const MIB = 1024 * 1024;
/** Ten retries of the callback and what is on its way. */
const DELIVERY = 7 * MINUTE + 40 * SECOND;

const url = (model?: string): SubmittedAudio => ({ kind: 'url', bytes: null, contentType: null, model });
const upload = (bytes: number, contentType: string | null, model?: string): SubmittedAudio => ({
  kind: 'upload',
  bytes,
  contentType,
  model,
});

describe('how long a callback may take', () => {
  it.each<[string, SubmittedAudio, number]>([
    ['a URL: a minute to fetch and the limit of 10', url(), 11 * MINUTE + DELIVERY],
    ['a URL for Whisper: its limit of 20', url('whisper-large'), 21 * MINUTE + DELIVERY],
    ['a URL for a model of one’s own', url('whisperer-v2'), 11 * MINUTE + DELIVERY],
    ['nothing', upload(0, 'audio/wav'), 3 * MINUTE + DELIVERY],
    ['a minute of telephone audio', upload(480_000, 'audio/basic'), 3 * MINUTE + 6 * SECOND + DELIVERY],
    ['ten minutes of telephone audio', upload(4_800_000, 'audio/basic'), 4 * MINUTE + DELIVERY],
    ['ten minutes, with parameters and capitals', upload(4_800_000, 'Audio/Basic; rate=8000'), 4 * MINUTE + DELIVERY],
    ['ten minutes for Whisper', upload(4_800_000, 'audio/basic', 'Whisper-Tiny'), 8 * MINUTE + DELIVERY],
    ['600 kB of MP3: ten minutes at most', upload(600_000, 'audio/mpeg'), 4 * MINUTE + DELIVERY],
    ['600 kB of Opus: over 13 minutes', upload(600_000, 'audio/ogg'), 4 * MINUTE + 20 * SECOND + DELIVERY],
    ['600 kB of an unknown type: as dense as AMR', upload(600_000, 'application/octet-stream'), 741_053],
    ['600 kB of no type', upload(600_000, null), 741_053],
    ['100 MiB of MP3: the limit', upload(100 * MIB, 'audio/mpeg'), 10 * MINUTE + DELIVERY],
    ['2 GiB for Whisper: its limit', upload(2048 * MIB, 'video/mp4', 'whisper'), 20 * MINUTE + DELIVERY],
  ])('%s', (_what, audio, wait) => {
    expect(callbackWait(audio)).toBe(wait);
  });

  it('is never shorter than the retries of the callback, never over half an hour, and grows with the bytes', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.oneof(fc.string(), fc.constantFrom('audio/wav', 'audio/mpeg', 'video/mp4')),
        fc.constantFrom(undefined, 'nova-3', 'whisper-medium'),
        (a, b, type, model) => {
          const [less, more] = [Math.min(a, b), Math.max(a, b)].map((bytes) =>
            callbackWait(upload(bytes, type, model)),
          );
          expect(less).toBeGreaterThanOrEqual(3 * MINUTE + DELIVERY);
          expect(more).toBeGreaterThanOrEqual(less ?? Infinity);
          expect(more).toBeLessThanOrEqual(LONGEST_WAIT);
        },
      ),
    );
    expect(LONGEST_WAIT).toBeLessThan(30 * MINUTE);
  });
});
