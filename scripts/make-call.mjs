/**
 * Makes the bundled call: assets/call.ogg, and assets/call.deepgram.json with the body that Deepgram would send for it.
 *
 *   apt-get install espeak-ng opus-tools python3 && node scripts/make-call.mjs
 *
 * The dialogue is ours, the shop and the people are invented, and the telephone number is one of those kept for fiction.
 * Words begin where espeak-ng says that they begin, and end where the sound does. Run by hand; the results are committed.
 */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPTS = dirname(fileURLToPath(import.meta.url));
const ASSETS = join(SCRIPTS, '..', 'assets');
const LEAD_IN = 0.6;
const BETWEEN_TURNS = 0.45;
const LEAD_OUT = 0.7;

const VOICES = [
  { voice: 'en-us+f3', rate: 162, pitch: 52, range: 60 },
  { voice: 'en-us+m3', rate: 158, pitch: 38, range: 55 },
];

/** [speaker, text]; `{shown|spoken}` where smart formatting writes something else than what is said. */
const DIALOGUE = [
  [0, 'Good morning, Birch and Brook Furniture, this is Nadia. How can I help you?'],
  [
    1,
    "Hi Nadia, this is Martin Hale. I'm calling about order {4172|four one seven two}, the oak bookcase. " +
      "It was due two weeks ago, and it still isn't here.",
  ],
  [
    0,
    "I'm sorry about that, mister Hale. Let me look. " +
      'The courier sent it back to us on Friday, because one shelf was damaged.',
  ],
  [1, 'Nobody told me. I took a day off work to wait for it. I would like a refund, please.'],
  [
    0,
    'I understand. I can have a new shelf ready on Tuesday and deliver it free of charge, ' +
      'or I can refund the full {$249|two hundred and forty nine dollars} today.',
  ],
  [1, 'Tuesday is too late. Please refund it to my card.'],
  [0, "Of course. You will see it within five working days. What's the best number to reach you?"],
  [1, "It's {212-555-0142|two one two, five five five, zero one four two}."],
  [0, 'Thank you, mister Hale. You will get an e-mail and a text message in a moment. Goodbye.'],
  [1, 'Thanks. Bye.'],
];

const SUMMARY =
  'Martin Hale calls Birch and Brook Furniture about order 4172, an oak bookcase that is two weeks late. ' +
  'Nadia explains that the courier sent it back with a damaged shelf and offers a new delivery on Tuesday or a refund. ' +
  'He asks for the refund of $249, which he will see on his card within five working days.';

/** By turn: what the customer and the shop feel, and what they talk of. */
const SENTIMENTS = [0.21, -0.38, -0.29, -0.57, 0.12, -0.41, 0.24, 0.02, 0.36, 0.18];
const TOPICS = [
  { turn: 1, topic: 'Late delivery', confidence_score: 0.9421 },
  { turn: 2, topic: 'Damaged goods', confidence_score: 0.8713 },
  { turn: 3, topic: 'Refund', confidence_score: 0.9586 },
  { turn: 4, topic: 'Refund', confidence_score: 0.9302 },
];
const MODEL = '1f5c7a52-64b0-4b5e-9a1d-3c6d0f5b7e21';
const LANGUAGE_MODEL = '8c2e1d90-0f67-4a34-b8f2-5f0d9b7c6a10';

const { sampleRate, samples, turns } = speakDialogue();
const audio = encode(samples, sampleRate);
writeFileSync(join(ASSETS, 'call.ogg'), audio);
const body = composeBody(turns, audio);
const bodyFile = join(ASSETS, 'call.deepgram.json');
writeFileSync(bodyFile, JSON.stringify(body));
execFileSync('npx', ['prettier', '--log-level', 'warn', '--write', bodyFile]);
console.log(
  `${audio.length} bytes, ${body.metadata.duration} s, ${body.results.channels[0].alternatives[0].words.length} words`,
);

/** Speaks every turn, and lays them one after the other with a breath between them. */
function speakDialogue() {
  const pieces = [];
  const spokenTurns = [];
  let rate = 0;
  let at = 0;
  const silence = (seconds) => {
    const count = Math.round(seconds * rate);
    pieces.push(new Int16Array(count));
    at += count;
  };
  for (const [speaker, line] of DIALOGUE) {
    const tokens = readLine(line);
    const turn = speak(tokens.map((token) => token.spoken).join(' '), VOICES[speaker]);
    rate = turn.sampleRate;
    silence(spokenTurns.length === 0 ? LEAD_IN : BETWEEN_TURNS);
    spokenTurns.push({ speaker, words: timeWords(tokens, turn, at / rate) });
    pieces.push(turn.samples);
    at += turn.samples.length;
  }
  silence(LEAD_OUT);
  const all = new Int16Array(at);
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return { sampleRate: rate, samples: all, turns: spokenTurns };
}

/** Splits a line into shown words, each with what is spoken for it and where that begins in the spoken text. */
function readLine(line) {
  let at = 0;
  return [...line.matchAll(/\{([^|]+)\|([^}]+)\}(\S*)|(\S+)/g)].map(([, shown, said, tail, plain]) => {
    const token = { shown: plain ?? shown + tail, spoken: plain ?? said + tail, at };
    token.shown = token.shown.replace('mister', 'Mr.');
    at += token.spoken.length + 1;
    return token;
  });
}

function speak(text, voice) {
  const answer = execFileSync('python3', [join(SCRIPTS, 'espeak-words.py')], {
    input: JSON.stringify({ ...voice, text }),
    maxBuffer: 64 << 20,
  });
  const { sampleRate, pcm, words } = JSON.parse(answer.toString());
  const bytes = Buffer.from(pcm, 'base64');
  const voiced = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1).slice();
  return { sampleRate, words, samples: withoutTrailingSilence(voiced, sampleRate) };
}

/** espeak-ng ends each line with a pause; the pauses of the call are ours. */
function withoutTrailingSilence(voiced, rate) {
  return voiced.slice(0, Math.round((endOfSound(voiced, rate, 0, voiced.length / rate) + 0.02) * rate));
}

/** Start and end of each shown word in seconds from the start of the call. */
function timeWords(tokens, turn, offset) {
  const length = turn.samples.length / turn.sampleRate;
  const starts = tokens.map((token) => {
    const event = turn.words.find(({ at }) => at >= token.at && at < token.at + token.spoken.length);
    return event === undefined ? undefined : event.ms / 1000;
  });
  for (let i = 0; i < starts.length; i++) starts[i] ??= between(tokens, starts, i, length);
  return tokens.map((token, i) => {
    const end = endOfSound(turn.samples, turn.sampleRate, starts[i], starts[i + 1] ?? length);
    return { shown: token.shown, start: offset + starts[i], end: offset + end };
  });
}

/** espeak-ng says some pairs ("out of") as one: the second begins by its share of the letters. */
function between(tokens, starts, i, length) {
  let next = i + 1;
  while (next < starts.length && starts[next] === undefined) next++;
  const from = starts[i - 1] ?? 0;
  const letters = tokens.slice(i - 1, next).reduce((sum, token) => sum + token.spoken.length, 0);
  return from + (((starts[next] ?? length) - from) * tokens[i - 1].spoken.length) / letters;
}

/** Last 10 ms window between two times that is louder than -46 dB. */
function endOfSound(voiced, rate, from, to) {
  const window = Math.round(rate / 100);
  for (let end = Math.round(to * rate); end - window > from * rate; end -= window) {
    let sum = 0;
    for (let i = end - window; i < end; i++) sum += (voiced[i] ?? 0) ** 2;
    if (Math.sqrt(sum / window) > 160) return end / rate;
  }
  return to;
}

function encode(voiced, rate) {
  const folder = mkdtempSync(join(tmpdir(), 'make-call-'));
  try {
    writeFileSync(join(folder, 'call.wav'), wav(voiced, rate));
    execFileSync(
      'opusenc',
      [
        ...['--quiet', '--bitrate', '24', '--serial', '4172', '--discard-comments', '--padding', '0'],
        ...['--title', 'Order 4172', '--artist', 'spoken by espeak-ng', 'call.wav', 'call.ogg'],
      ],
      { cwd: folder },
    );
    return readFileSync(join(folder, 'call.ogg'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function wav(voiced, rate) {
  const data = Buffer.from(voiced.buffer, voiced.byteOffset, voiced.byteLength);
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + data.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}

/** Seconds of an Ogg Opus file: samples at 48 kHz on its last page, without those that the decoder skips. */
function opusDuration(file) {
  const skipped = file.readUInt16LE(file.indexOf('OpusHead') + 10);
  return (Number(file.readBigUInt64LE(file.lastIndexOf('OggS') + 6)) - skipped) / 48_000;
}

function composeBody(spoken, file) {
  const sha256 = createHash('sha256').update(file).digest('hex');
  const turnsOfWords = spoken.map(({ speaker, words }) => words.map((word) => deepgramWord(word, speaker)));
  const words = turnsOfWords.flat();
  const firstWord = turnsOfWords.map((_, i) => turnsOfWords.slice(0, i).flat().length);
  const span = (i) => ({
    text: sentenceText(turnsOfWords[i]),
    start_word: firstWord[i],
    end_word: firstWord[i] + turnsOfWords[i].length - 1,
  });
  const average = SENTIMENTS.reduce((sum, score) => sum + score, 0) / SENTIMENTS.length;
  return {
    metadata: {
      transaction_key: 'deprecated',
      request_id: '00000000-0000-4000-8000-000000000000',
      sha256,
      created: '2026-11-16T09:30:00.000Z',
      duration: round(opusDuration(file), 6),
      channels: 1,
      models: [MODEL],
      model_info: { [MODEL]: { name: 'general-nova-3', version: '2025-07-31.0', arch: 'nova-3' } },
      summary_info: { model_uuid: LANGUAGE_MODEL, input_tokens: words.length, output_tokens: 74 },
      sentiment_info: { model_uuid: LANGUAGE_MODEL, input_tokens: words.length, output_tokens: words.length },
      topics_info: { model_uuid: LANGUAGE_MODEL, input_tokens: words.length, output_tokens: 16 },
    },
    results: {
      channels: [
        {
          alternatives: [
            {
              transcript: sentenceText(words),
              confidence: round(mean(words.map((word) => word.confidence)), 7),
              words,
              paragraphs: {
                transcript: turnsOfWords
                  .map((turn) => `\nSpeaker ${turn[0].speaker}: ${sentenceText(turn)}`)
                  .join('\n'),
                paragraphs: turnsOfWords.map(paragraph),
              },
            },
          ],
        },
      ],
      utterances: turnsOfWords.map((turn, i) => ({
        start: turn[0].start,
        end: turn.at(-1).end,
        confidence: round(mean(turn.map((word) => word.confidence)), 7),
        channel: 0,
        transcript: sentenceText(turn),
        words: turn,
        speaker: turn[0].speaker,
        id: uuidFrom(`${sha256} ${i}`),
      })),
      summary: { result: 'success', short: SUMMARY },
      topics: {
        segments: TOPICS.map(({ turn, ...topic }) => ({ ...span(turn), topics: [topic] })),
      },
      sentiments: {
        segments: SENTIMENTS.map((score, i) => ({ ...span(i), sentiment: label(score), sentiment_score: score })),
        average: { sentiment: label(average), sentiment_score: round(average, 7) },
      },
    },
  };
}

function deepgramWord({ shown, start, end }, speaker) {
  const noise = createHash('sha256').update(`${shown} ${start}`).digest();
  return {
    word: shown.toLowerCase().replace(/[.,?!]+$/, ''),
    start: round(start, 3),
    end: round(end, 3),
    confidence: round(0.94 + (noise.readUInt16LE(0) / 65_535) * 0.0599, 7),
    speaker,
    speaker_confidence: round(0.72 + (noise.readUInt16LE(2) / 65_535) * 0.27, 7),
    punctuated_word: shown,
  };
}

function paragraph(turn) {
  const sentences = [];
  let open = [];
  for (const word of turn) {
    open.push(word);
    if (/[.?!]$/.test(word.punctuated_word) && word.punctuated_word !== 'Mr.') {
      sentences.push({ text: sentenceText(open), start: open[0].start, end: word.end });
      open = [];
    }
  }
  return { sentences, speaker: turn[0].speaker, num_words: turn.length, start: turn[0].start, end: turn.at(-1).end };
}

function sentenceText(words) {
  return words.map((word) => word.punctuated_word).join(' ');
}

/** Deepgram's own limits: a third above and below zero. */
function label(score) {
  return score > 0.333333333 ? 'positive' : score < -0.333333333 ? 'negative' : 'neutral';
}

function mean(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function round(number, digits) {
  return Number(number.toFixed(digits));
}

function uuidFrom(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
