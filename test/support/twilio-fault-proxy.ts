import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TwilioMessage {
  sid: string;
  params: Record<string, string>;
  /** Epoch milliseconds. */
  createdAt: number;
}

/** What the next create calls meet. */
export type TwilioFault =
  | { answer: { status: number; body: string | object; headers?: Record<string, string> } }
  /** The message is made, then the connection is cut, or nothing is answered. */
  | { after: 'cut' | 'silence' }
  /** Cut before the message is made. */
  | { before: 'cut' }
  /** The message is made; the answer's bytes come one every 100 ms. */
  | { after: 'trickle' };

export interface TwilioStandIn {
  url: string;
  /** Messages made. */
  messages: TwilioMessage[];
  /** Requests of any kind: `POST /2010-04-01/...`. */
  requests: string[];
  fault: TwilioFault | undefined;
  /** `Retry-After` of a scripted answer, from the request's fields. */
  retryAfterOf: ((params: Record<string, string>) => string | undefined) | undefined;
  /** Milliseconds before a message is made. */
  delayMs: number;
  /** Create calls in hand at once, at most. */
  mostAtOnce: number;
  close: () => Promise<void>;
}

const FORM = 'application/x-www-form-urlencoded';

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function asJson({ sid, params, createdAt }: TwilioMessage): Record<string, unknown> {
  return {
    sid,
    to: params.To,
    from: params.From ?? null,
    body: params.Body,
    status: params.MessagingServiceSid === undefined ? 'queued' : 'accepted',
    direction: 'outbound-api',
    date_created: new Date(createdAt).toUTCString(),
    date_updated: new Date(createdAt).toUTCString(),
    date_sent: null,
    num_segments: '1',
    num_media: '0',
    error_code: null,
    error_message: null,
    price: null,
    price_unit: null,
    account_sid: 'AC',
    api_version: '2010-04-01',
    uri: '',
    subresource_uris: {},
  };
}

/**
 * Twilio's Messages API on 127.0.0.1, over real HTTP. Without a target it makes the messages itself; with one (the emulator's URL) it
 * forwards to it. Either way it can be told to fail.
 */
export async function startTwilio(target?: string): Promise<TwilioStandIn> {
  let serial = 0;
  let atOnce = 0;

  const standIn: TwilioStandIn = {
    url: '',
    messages: [],
    requests: [],
    fault: undefined,
    retryAfterOf: undefined,
    delayMs: 0,
    mostAtOnce: 0,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  const send = (
    response: ServerResponse,
    status: number,
    body: string | object,
    headers: Record<string, string> = {},
  ) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const type = typeof body === 'string' ? 'text/html' : 'application/json';
    response.writeHead(status, { 'content-type': type, ...headers }).end(text);
  };

  async function forward(incoming: IncomingMessage, body: string): Promise<{ status: number; body: object }> {
    const upstream = request(new URL(incoming.url ?? '/', target), {
      method: incoming.method ?? 'GET',
      headers: { authorization: incoming.headers.authorization ?? '', 'content-type': FORM },
    });
    upstream.end(body);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 502, body: JSON.parse(await bodyOf(answer)) as object };
  }

  async function make(incoming: IncomingMessage, body: string): Promise<{ status: number; body: object }> {
    if (target !== undefined) return forward(incoming, body);
    serial += 1;
    const message: TwilioMessage = {
      sid: `SM${String(serial).padStart(32, '0')}`,
      params: Object.fromEntries(new URLSearchParams(body)),
      createdAt: Date.now(),
    };
    standIn.messages.push(message);
    return { status: 201, body: asJson(message) };
  }

  async function create(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming);
    const { fault } = standIn;
    if (fault !== undefined && 'before' in fault) {
      incoming.socket.destroy();
      return;
    }
    if (fault !== undefined && 'answer' in fault) {
      const wish = standIn.retryAfterOf?.(Object.fromEntries(new URLSearchParams(body)));
      // Later wishes are answered first, so that answers of concurrent calls cross.
      await new Promise((resolve) => setTimeout(resolve, wish === undefined ? 0 : 100 - 5 * Number(wish)));
      const more: Record<string, string> = wish === undefined ? {} : { 'retry-after': wish };
      send(response, fault.answer.status, fault.answer.body, { ...fault.answer.headers, ...more });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, standIn.delayMs));
    const made = await make(incoming, body);
    if (fault?.after === 'cut') incoming.socket.destroy();
    else if (fault?.after === 'trickle') trickle(response, JSON.stringify(made.body));
    else if (fault === undefined) send(response, made.status, made.body);
  }

  function trickle(response: ServerResponse, text: string): void {
    response.writeHead(201, { 'content-type': 'application/json' });
    let sent = 0;
    const timer = setInterval(() => {
      response.write(text.charAt(sent));
      sent += 1;
    }, 100);
    response.on('close', () => {
      clearInterval(timer);
    });
  }

  async function read(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (target !== undefined) {
      const answer = await forward(incoming, '');
      send(response, answer.status, answer.body);
      return;
    }
    const url = new URL(incoming.url ?? '/', 'http://127.0.0.1');
    if (!url.pathname.endsWith('/Messages.json')) {
      send(response, 200, { sid: 'AC', status: 'active' });
      return;
    }
    const matching = standIn.messages.filter((message) => message.params.To === url.searchParams.get('To'));
    send(response, 200, { messages: matching.map(asJson), page: 0, next_page_uri: null, uri: incoming.url });
  }

  const server = createServer((incoming, response) => {
    standIn.requests.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
    atOnce += 1;
    standIn.mostAtOnce = Math.max(standIn.mostAtOnce, atOnce);
    response.on('close', () => {
      atOnce -= 1;
    });
    const done = incoming.method === 'POST' ? create(incoming, response) : read(incoming, response);
    done.catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  standIn.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return standIn;
}
