/** Words of a small vocabulary, frequent ones frequent as in speech; the same for the same seed. */
function* spokenWords(count: number, seed = 42): Generator<string> {
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield `w${Math.floor(3_000 * (state / 2_147_483_648) ** 3).toString(36)}`;
  }
}

/** A body of Deepgram's with so many words by two speakers, three a second; `lastWords` are the last of them. About 105 bytes a word. */
export function longBody(
  count: number,
  requestId: string,
  extra: Record<string, string> = {},
  lastWords?: string,
): Buffer {
  const texts = [...spokenWords(count)];
  const last = lastWords?.split(' ') ?? [];
  texts.splice(count - last.length, last.length, ...last);
  const words = texts.map((word, i) => ({
    word,
    start: Math.round(i * 36) / 100,
    end: Math.round(i * 36 + 30) / 100,
    confidence: 0.99,
    speaker: Math.floor(i / 40) % 2,
    punctuated_word: i % 12 === 11 ? `${word}.` : word,
  }));
  const alternatives = [{ transcript: texts.join(' '), confidence: 0.98, words }];
  const metadata = { request_id: requestId, extra, duration: count * 0.36, channels: 1 };
  return Buffer.from(JSON.stringify({ metadata, results: { channels: [{ alternatives }] } }));
}
