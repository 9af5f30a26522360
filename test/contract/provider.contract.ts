import { describe, it } from '@jest/globals';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ByteReader } from '../../src/byte-reader.js';
import { ProviderRejectedError, ProviderUnavailableError } from '../../src/errors.js';
import type { AudioSource, SubmitRequest, TranscriptionProvider } from '../../src/providers/provider.js';

/**
 * What every TranscriptionProvider that speaks Deepgram's `/v1/listen` has to do, as plain functions over a real server on loopback.
 * `makeProvider` is given the server's address and must set its own limits for stalls and answers well under a second.
 */
export type MakeProvider = (baseUrl: string) => TranscriptionProvider;

export interface ProviderCheck {
  title: string;
  run: (makeProvider: MakeProvider) => Promise<void>;
}

export function providerContract(name: string, makeProvider: MakeProvider): void {
  describe(`${name} keeps the contract of a transcription provider`, () => {
    it.each(providerChecks)('$title', async ({ run }) => {
      await run(makeProvider);
    });
  });
}

const PASSWORD = 'pa55-of-this-job';
export const CONTRACT_KEY = 'key-0123456789abcdef';
const CALLBACK = `https://herald:${PASSWORD}@notify.example/hook/job-1`;
const ACCEPTED = { status: 200, body: '{"request_id":"req-77"}' };

const urlAudio: AudioSource = { kind: 'url', url: 'https://audio.example/call.wav?signature=s3cret' };

function request(more: Partial<SubmitRequest> = {}): SubmitRequest {
  return { audio: urlAudio, options: { model: 'nova-3' }, callbackUrl: CALLBACK, jobId: 'job-1', ...more };
}

/** An upload that counts its streams, so that a test can see each opened anew and none left open. */
function upload(content: Buffer): AudioSource & { streams: Readable[] } {
  const streams: Readable[] = [];
  const open = (): Promise<Readable> => {
    const chunks = Array.from({ length: Math.ceil(content.length / 16_384) }, (_, i) =>
      content.subarray(i * 16_384, (i + 1) * 16_384),
    );
    const stream = Readable.from(chunks, { objectMode: false });
    streams.push(stream);
    return Promise.resolve(stream);
  };
  return { kind: 'upload', bytes: content.length, contentType: 'audio/wav', open, streams };
}

/** A reader as thrifty as it may be: one buffer, which holds the next piece as soon as that is asked for; so fast that the network is full at once. */
function oneBuffer(content: Buffer, pieceBytes: number): ByteReader {
  const piece = Buffer.alloc(pieceBytes);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < content.length; at += pieceBytes) {
      yield piece.subarray(0, content.copy(piece, 0, at));
    }
    piece.fill(0);
  }
  return { [Symbol.asyncIterator]: pieces, destroy: () => undefined };
}

interface Seen {
  url: URL;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

type Answer = (req: IncomingMessage, res: ServerResponse, body: Buffer) => void;

const say =
  ({ status, body, headers = {} }: { status: number; body: string; headers?: Record<string, string> }): Answer =>
  (_req, res) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };

/** A vendor on 127.0.0.1 for the length of `use`. */
async function withVendor<T>(answer: Answer, use: (baseUrl: string, seen: Seen[]) => Promise<T>): Promise<T> {
  const seen: Seen[] = [];
  const server: Server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('error', () => undefined);
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      seen.push({ url: new URL(req.url ?? '/', 'http://vendor'), headers: req.headers, body });
      answer(req, res, body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, seen);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

const never = (): AbortSignal => new AbortController().signal;

/** Fails when `work` takes over 2 s: a provider without limits must fail its check, not hang it. */
async function soon<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: 'still waiting after 2 s' }));
    }, 2_000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The error of a submit, seen to be of the two kinds that may come, and to tell no secret. */
async function faultOf(submit: Promise<unknown>): Promise<ProviderRejectedError | ProviderUnavailableError> {
  const outcome = await soon(
    submit.then(
      (value: unknown) => ({ value }),
      (error: unknown) => ({ error }),
    ),
  );
  assert.ok('error' in outcome, 'the submit should have failed');
  const { error } = outcome;
  assert.ok(
    error instanceof ProviderRejectedError || error instanceof ProviderUnavailableError,
    `submit must fail with a provider error, not ${(error as Error).name}`,
  );
  const cause = error.cause instanceof Error ? `${error.cause.message} ${String(error.cause.stack)}` : '';
  const told = `${error.message} ${error.providerCode} ${JSON.stringify(error)} ${String(error.stack)} ${cause}`;
  for (const secret of [PASSWORD, CONTRACT_KEY, 's3cret', CALLBACK, encodeURIComponent(CALLBACK)]) {
    assert.ok(!told.includes(secret), 'the error tells a secret');
  }
  return error;
}

async function faultFor(
  makeProvider: MakeProvider,
  answer: Answer,
  more: Partial<SubmitRequest> = {},
): Promise<ProviderRejectedError | ProviderUnavailableError> {
  return withVendor(answer, (baseUrl) => faultOf(makeProvider(baseUrl).submit(request(more), never())));
}

function modern(category: string, message: string): string {
  return JSON.stringify({ category, message, request_id: 'req-1' });
}

function legacy(code: string, message: string): string {
  return JSON.stringify({ err_code: code, err_msg: message, request_id: 'req-1' });
}

export const providerChecks: readonly ProviderCheck[] = [
  {
    title: 'resolves with the request id of the vendor, and sends the key, the URL and the callback',
    run: (make) =>
      withVendor(say(ACCEPTED), async (baseUrl, seen) => {
        const receipt = await soon(make(baseUrl).submit(request(), never()));
        assert.deepEqual(receipt, { requestId: 'req-77' });
        assert.equal(seen.length, 1);
        assert.equal(seen[0]?.url.searchParams.get('callback'), CALLBACK);
        assert.equal(seen[0].headers.authorization, `Token ${CONTRACT_KEY}`);
        assert.deepEqual(JSON.parse(String(seen[0].body)), { url: 'https://audio.example/call.wav?signature=s3cret' });
      }),
  },
  {
    title: 'repeats the name of an option that has several values',
    run: (make) =>
      withVendor(say(ACCEPTED), async (baseUrl, seen) => {
        const options = {
          model: 'nova-3',
          redact: ['pci', 'numbers'],
          tag: ['a,b', 'c'],
          utterances: true,
          utt_split: 1.2,
        };
        await soon(make(baseUrl).submit(request({ options }), never()));
        const query = new URLSearchParams(seen[0]?.url.search);
        // spread: the lists of another realm are not equal to ours
        assert.deepEqual([...query.getAll('redact')], ['pci', 'numbers']);
        assert.deepEqual([...query.getAll('tag')], ['a,b', 'c']);
        assert.equal(query.get('utterances'), 'true');
        assert.equal(query.get('utt_split'), '1.2');
      }),
  },
  {
    title: 'uploads every byte with Content-Length, and opens the audio anew for each attempt',
    run: (make) =>
      withVendor(say(ACCEPTED), async (baseUrl, seen) => {
        const content = Buffer.alloc(300_000, 'audio-');
        const audio = upload(content);
        const provider = make(baseUrl);
        await soon(provider.submit(request({ audio }), never()));
        await soon(provider.submit(request({ audio }), never()));
        for (const { headers, body } of seen) {
          assert.equal(headers['content-length'], '300000');
          assert.equal(headers['transfer-encoding'], undefined);
          assert.equal(headers['content-type'], 'audio/wav');
          assert.ok(body.equals(content), 'other bytes arrived');
        }
        assert.equal(seen.length, 2);
        assert.equal(audio.streams.length, 2, 'a stream cannot be sent twice');
        assert.ok(
          audio.streams.every((stream) => stream.destroyed),
          'a stream was left open',
        );
      }),
  },
  {
    title: 'asks for a piece of the audio only when it needs the one before no more',
    run: (make) =>
      withVendor(say(ACCEPTED), async (baseUrl, seen) => {
        const content = randomBytes(8 * 1024 * 1024);
        const open = (): Promise<ByteReader> => Promise.resolve(oneBuffer(content, 4_000));
        const audio = { kind: 'upload', bytes: content.length, contentType: 'audio/wav', open } as const;
        await soon(make(baseUrl).submit(request({ audio }), never()));
        assert.ok(seen[0]?.body.equals(content), 'other bytes arrived');
      }),
  },
  {
    title: 'leaves no stream open when the vendor cannot be reached',
    run: async (make) => {
      const audio = upload(Buffer.alloc(50_000));
      const port = await withVendor(say(ACCEPTED), (baseUrl) => Promise.resolve(baseUrl));
      const error = await faultOf(make(port).submit(request({ audio }), never()));
      assert.ok(error instanceof ProviderUnavailableError);
      assert.equal(error.providerCode, 'ECONNREFUSED');
      assert.ok(
        audio.streams.every((stream) => stream.destroyed),
        'a stream was left open',
      );
    },
  },
  {
    title: "rejects for good what the vendor refuses, with the vendor's own code and message",
    run: async (make) => {
      const refusals: [number, string, string][] = [
        [400, legacy('Bad Request', 'No such model.'), 'Bad Request'],
        [400, modern('INVALID_JSON', 'No such model.'), 'INVALID_JSON'],
        [401, legacy('INVALID_AUTH', 'No such model.'), 'INVALID_AUTH'],
        [402, legacy('ASR_PAYMENT_REQUIRED', 'No such model.'), 'ASR_PAYMENT_REQUIRED'],
        [403, legacy('INSUFFICIENT_PERMISSIONS', 'No such model.'), 'INSUFFICIENT_PERMISSIONS'],
        [413, 'No such model.', 'HTTP_413'],
      ];
      for (const [status, body, code] of refusals) {
        const error = await faultFor(make, say({ status, body }));
        assert.ok(error instanceof ProviderRejectedError, `${String(status)} is final`);
        assert.equal(error.providerCode, code);
        assert.equal(error.httpStatus, status);
        assert.match(error.message, /No such model\./);
      }
    },
  },
  {
    title: 'asks to try again later when the vendor is busy or broken, and passes on when',
    run: async (make) => {
      for (const status of [408, 429, 499, 500, 502, 503, 504]) {
        const error = await faultFor(
          make,
          say({ status, body: legacy('TOO_MANY_REQUESTS', 'Later.'), headers: { 'retry-after': '7' } }),
        );
        assert.ok(error instanceof ProviderUnavailableError, `${String(status)} may be tried again`);
        assert.equal(error.retryAfterMs, 7_000);
        assert.equal(error.httpStatus, status);
      }
    },
  },
  {
    title: 'asks to try again when the connection breaks, before or after the request is read',
    run: async (make) => {
      const reset: Answer = (req) => {
        req.socket.destroy();
      };
      const half: Answer = (req, res) => {
        res.writeHead(200, { 'content-length': '5000' });
        res.write('{"request_id":', () => req.socket.destroy());
      };
      for (const answer of [reset, half]) {
        assert.ok((await faultFor(make, answer)) instanceof ProviderUnavailableError);
      }
    },
  },
  {
    title: 'takes no answer without a request id for an acknowledgement',
    run: async (make) => {
      for (const body of ['', '<html>welcome</html>', '{}', '[]', '{"request_id":null}', '{"request_id":7}']) {
        assert.ok((await faultFor(make, say({ status: 200, body }))) instanceof ProviderUnavailableError);
      }
    },
  },
  {
    title: 'gives up on a vendor that is silent, or that drips its answer',
    run: async (make) => {
      const silent: Answer = () => undefined;
      const dripping: Answer = (_req, res) => {
        res.writeHead(200);
        const timer = setInterval(() => res.write(' '), 20);
        res.on('close', () => {
          clearInterval(timer);
        });
      };
      for (const answer of [silent, dripping]) {
        assert.ok((await faultFor(make, answer)) instanceof ProviderUnavailableError);
      }
    },
  },
  {
    title: 'does not read an endless answer to its end',
    run: async (make) => {
      let written = 0;
      const endless: Answer = (_req, res) => {
        res.writeHead(500);
        const chunk = Buffer.alloc(64 * 1024, 'x');
        const more = (): void => {
          while (!res.destroyed && written < 200e6) {
            written += chunk.length;
            if (!res.write(chunk)) return;
          }
          res.end();
        };
        res.on('drain', more);
        more();
      };
      await faultFor(make, endless);
      assert.ok(written < 50e6, `${String(written)} bytes were taken`);
    },
  },
  {
    title: 'follows no redirect: the key would go along',
    run: async (make) => {
      await withVendor(say(ACCEPTED), async (elsewhere, seen) => {
        for (const status of [301, 302, 307, 308]) {
          await faultFor(make, say({ status, body: '', headers: { location: `${elsewhere}/v1/listen` } }));
        }
        assert.equal(seen.length, 0, 'the redirect was followed');
      });
    },
  },
  {
    title: 'stops when it is told to',
    run: (make) =>
      withVendor(
        () => undefined,
        async (baseUrl) => {
          const controller = new AbortController();
          const submit = faultOf(make(baseUrl).submit(request(), controller.signal));
          setTimeout(() => {
            controller.abort();
          }, 50);
          assert.ok((await submit) instanceof ProviderUnavailableError);
        },
      ),
  },
  {
    title: 'tells no secret, even when the vendor quotes the request',
    run: async (make) => {
      const quoting: Answer = (req, res, body) => {
        const quote = `bad: ${decodeURIComponent(req.url ?? '')} ${req.url ?? ''} ${String(req.headers.authorization)} ${String(body)}`;
        res.writeHead(400).end(legacy('Bad Request', quote));
      };
      const plain: Answer = (req, res) => {
        res.writeHead(502).end(`upstream said ${req.url ?? ''} ${String(req.headers.authorization)}`);
      };
      const bare = say({ status: 403, body: legacy('Forbidden', `${CONTRACT_KEY}, ${PASSWORD}: no.`) });
      for (const answer of [quoting, plain, bare]) await faultFor(make, answer);
    },
  },
  {
    title: 'parses any bytes into one of three results and never throws',
    run: async (make) => {
      const provider = await Promise.resolve(make('http://127.0.0.1:9'));
      const bodies: (string | Buffer)[] = [
        '',
        'null',
        '[]',
        '"text"',
        'not json',
        Buffer.from([0xff, 0xfe, 0x00, 0xd8]),
        '['.repeat(200_000),
        '{"results":{"channels":[null,{"alternatives":7}]},"metadata":[]}',
        '{"results":null,"metadata":null}',
        '{"type":"Results"}',
        '{"__proto__":{"results":{"channels":[]}}}',
      ];
      for (const body of bodies) {
        const { kind } = provider.parseCallback(Buffer.from(body as string));
        assert.ok(['transcript', 'failure', 'unreadable'].includes(kind));
      }
    },
  },
];
