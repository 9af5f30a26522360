import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import type { ByteReader } from '../../src/byte-reader.js';
import { NotFoundError, ProviderRejectedError, ProviderUnavailableError } from '../../src/errors.js';
import { parseJson } from '../../src/json.js';
import { DeepgramProvider } from '../../src/providers/deepgram/deepgram.provider.js';
import type { CallbackResult, SubmitRequest, TranscriptionProvider } from '../../src/providers/provider.js';
import { CONTRACT_KEY, providerChecks, providerContract, type MakeProvider } from './provider.contract.js';

const limits = { stallTimeoutMs: 400, answerTimeoutMs: 400, totalTimeoutMs: 2_000 };
const makeDeepgram: MakeProvider = (baseUrl) => new DeepgramProvider({ apiKey: CONTRACT_KEY, baseUrl, ...limits });

providerContract('DeepgramProvider', makeDeepgram);

/** A provider with one thing done the way that is easy to get wrong. */
abstract class Broken implements TranscriptionProvider {
  readonly name = 'broken';
  readonly configured = true;
  protected readonly sound: TranscriptionProvider;

  constructor(protected readonly baseUrl: string) {
    this.sound = makeDeepgram(baseUrl);
  }

  submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }> {
    return this.sound.submit(request, signal);
  }

  parseCallback(bytes: Uint8Array): CallbackResult {
    return this.sound.parseCallback(bytes);
  }
}

class CommaLists extends Broken {
  override submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }> {
    const options = Object.fromEntries(
      Object.entries(request.options).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.map(String).join(',') : value,
      ]),
    );
    return super.submit({ ...request, options }, signal);
  }
}

/** Keeps the first stream for the second attempt. */
class OneStream extends Broken {
  private stream: Promise<ByteReader> | undefined;

  override submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }> {
    const { audio } = request;
    if (audio.kind === 'url') return super.submit(request, signal);
    const open = (): Promise<ByteReader> => (this.stream ??= audio.open());
    return super.submit({ ...request, audio: { ...audio, open } }, signal);
  }
}

/** Reads the audio ahead, as a stream does that is piped. */
class ReadsAhead extends Broken {
  override submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }> {
    const { audio } = request;
    if (audio.kind === 'url') return super.submit(request, signal);
    const open = async (): Promise<ByteReader> => Readable.from(await audio.open());
    return super.submit({ ...request, audio: { ...audio, open } }, signal);
  }
}

/** What one writes in ten minutes: follows redirects, trusts a 2xx, shows the URL in errors, has no limits. */
class Naive extends Broken {
  override async submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }> {
    const query = new URLSearchParams({ callback: request.callbackUrl });
    const url = `${this.baseUrl}/v1/listen?${query.toString()}`;
    const body = request.audio.kind === 'url' ? JSON.stringify({ url: request.audio.url }) : '';
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Token ${CONTRACT_KEY}` },
      body,
      signal,
    });
    const answer = await response.text();
    if (!response.ok) throw new ProviderUnavailableError(`POST ${url} gave ${answer}`, { providerCode: 'ERROR' });
    return { requestId: (JSON.parse(answer) as { request_id: string }).request_id };
  }
}

class ThrowingParser extends Broken {
  override parseCallback(bytes: Uint8Array): CallbackResult {
    const body = parseJson(Buffer.from(bytes).toString()) as { metadata: { request_id: string } };
    return { kind: 'failure', failure: { code: 'X', message: '' }, requestId: body.metadata.request_id };
  }
}

/** Titles of the checks that a provider fails. */
async function failedChecks(make: MakeProvider): Promise<string[]> {
  const failed: string[] = [];
  for (const { title, run } of providerChecks) {
    try {
      await run(make);
    } catch {
      failed.push(title);
    }
  }
  return failed;
}

describe('the contract of a transcription provider bites', () => {
  it('when several values are joined by commas', async () => {
    expect(await failedChecks((url) => new CommaLists(url))).toEqual([
      'repeats the name of an option that has several values',
    ]);
  });

  it('when a stream is sent twice', async () => {
    expect(await failedChecks((url) => new OneStream(url))).toEqual([
      'uploads every byte with Content-Length, and opens the audio anew for each attempt',
    ]);
  });

  it('when the audio is read ahead', async () => {
    expect(await failedChecks((url) => new ReadsAhead(url))).toEqual([
      'asks for a piece of the audio only when it needs the one before no more',
    ]);
  });

  it('when the parser throws', async () => {
    expect(await failedChecks((url) => new ThrowingParser(url))).toEqual([
      'parses any bytes into one of three results and never throws',
    ]);
  });

  it('when a provider is written in ten minutes', async () => {
    expect(await failedChecks((url) => new Naive(url))).toEqual(
      expect.arrayContaining([
        'repeats the name of an option that has several values',
        "rejects for good what the vendor refuses, with the vendor's own code and message",
        'takes no answer without a request id for an acknowledgement',
        'gives up on a vendor that is silent, or that drips its answer',
        'does not read an endless answer to its end',
        'follows no redirect: the key would go along',
        'tells no secret, even when the vendor quotes the request',
      ]),
    );
  }, 60_000);
});

describe('DeepgramProvider', () => {
  const request: SubmitRequest = {
    audio: { kind: 'url', url: 'https://audio.example/a.wav' },
    options: { model: 'nova-3' },
    callbackUrl: 'https://herald:secret@notify.example/hook/j',
    jobId: 'j',
  };
  const signal = new AbortController().signal;
  const upload = (bytes: number, open: () => Promise<Readable>): SubmitRequest => ({
    ...request,
    audio: { kind: 'upload', bytes, contentType: 'audio/wav', open },
  });
  const provider = makeDeepgram('http://127.0.0.1:9');

  it('says that it is not configured without a key, and does not call', async () => {
    const bare = new DeepgramProvider({ apiKey: '', baseUrl: 'http://127.0.0.1:9' });
    expect(bare.configured).toBe(false);
    await expect(bare.submit(request, signal)).rejects.toMatchObject({ providerCode: 'NOT_CONFIGURED' });
  });

  it('fails the job when its audio is gone, and tries again when it cannot be read just now', async () => {
    const gone = upload(3, () => Promise.reject(new NotFoundError('no blob')));
    const broken = upload(3, () => Promise.reject(Object.assign(new Error('disk'), { code: 'EIO' })));
    await expect(provider.submit(gone, signal)).rejects.toBeInstanceOf(ProviderRejectedError);
    await expect(provider.submit(broken, signal)).rejects.toMatchObject({ providerCode: 'AUDIO_UNREADABLE' });
  });

  it('keeps the path of a base URL behind a proxy, and refuses audio of another length than noted', async () => {
    const paths: string[] = [];
    const server = createServer((req, res) => {
      paths.push(new URL(req.url ?? '', 'http://x').pathname);
      res.end('{"request_id":"r"}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    try {
      const behind = makeDeepgram(`http://127.0.0.1:${String(port)}/deepgram/`);
      await expect(behind.submit(request, signal)).resolves.toEqual({ requestId: 'r' });
      await expect(
        behind.submit(
          upload(10, () => Promise.resolve(Readable.from([Buffer.alloc(4)]))),
          signal,
        ),
      ).rejects.toMatchObject({ providerCode: 'AUDIO_LENGTH' });
      await expect(
        behind.submit(
          upload(10, () => Promise.resolve(Readable.from([Buffer.alloc(40)]))),
          signal,
        ),
      ).rejects.toBeInstanceOf(Error);
      expect(paths[0]).toBe('/deepgram/v1/listen');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('gives up on an upload that stalls, from either side', async () => {
    const stuck = upload(100, () => Promise.resolve(new Readable({ read: () => undefined })));
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    try {
      const stalling = makeDeepgram(`http://127.0.0.1:${String(port)}`);
      await expect(stalling.submit(stuck, signal)).rejects.toMatchObject({ providerCode: 'UPLOAD_STALLED' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
