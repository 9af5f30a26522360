import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A plain HTTP server on 127.0.0.1 that can be stopped at once, whatever is still open. */
export class LoopbackServer {
  private readonly server: Server;

  constructor(handler: Handler) {
    this.server = createServer((request, response) => {
      handler(request, response).catch(() => {
        response.destroy();
      });
    });
    // A gigabyte may take its time.
    this.server.requestTimeout = 0;
  }

  /** @param port 0 takes a free one; @returns the base URL, without a slash at the end */
  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', () => {
        this.server.removeListener('error', reject);
        resolve();
      });
    });
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => {
        resolve();
      });
      this.server.closeAllConnections();
    });
  }
}

/** A request body that is known to be small. */
export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

export function answerJson(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

export interface OutgoingCall {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body: Buffer;
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Makes one HTTP request on a connection of its own, as vendors do, and reads the answer to its end.
 * @returns the status
 * @throws what the connection failed with, or "time-out"
 */
export async function call({ method, url, headers, body, timeoutMs, signal }: OutgoingCall): Promise<number> {
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise<number>((resolve, reject) => {
    const request = open(
      url,
      { method, headers: { ...headers, 'content-length': String(body.length) }, agent: false, signal },
      (response) => {
        response.resume();
        response.on('end', () => {
          resolve(response.statusCode ?? 0);
        });
        response.on('error', reject);
      },
    );
    request.setTimeout(timeoutMs, () => request.destroy(new Error('time-out')));
    request.on('error', reject);
    request.end(body);
  });
}
