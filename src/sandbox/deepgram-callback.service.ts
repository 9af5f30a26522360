import { call } from './loopback-server.service.js';

/** What became of one try to deliver a body. */
export interface Delivered {
  /** Epoch milliseconds. */
  at: number;
  method: string;
  /** Without credentials and query. */
  url: string;
  bytes: number;
  authenticated: boolean;
  /** Milliseconds until the answer was read. */
  ms: number;
  /** Status of the answer, or what the connection failed with. */
  status: number | undefined;
  error: string | undefined;
}

export interface CallbackRequest {
  /** As it was asked for, with credentials. */
  callback: string;
  method: string;
  body: Buffer;
  /** The credential is sent only after a 401. */
  whenAsked: boolean;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Sends one body to a callback address. Never rejects: what went wrong is part of the answer. */
export async function sendCallback(request: CallbackRequest): Promise<Delivered> {
  const { method, body, whenAsked, timeoutMs, signal } = request;
  const { url, authorization } = splitCredentials(request.callback);
  const post = async (credentials: Record<string, string>): Promise<number> =>
    call({ method, url, headers: { 'content-type': 'application/json', ...credentials }, body, timeoutMs, signal });
  const at = Date.now();
  let status: number | undefined;
  let error: string | undefined;
  try {
    status = await post(whenAsked ? {} : authorization);
    if (whenAsked && status === 401) status = await post(authorization);
  } catch (fault) {
    error = (fault as Error).message;
  }
  const sent = { at, method, url: `${url.origin}${url.pathname}`, bytes: body.length };
  return { ...sent, authenticated: 'authorization' in authorization, ms: Date.now() - at, status, error };
}

/** Deepgram takes the credential out of the URL and sends it as Basic Auth. */
function splitCredentials(callback: string): { url: URL; authorization: Record<string, string> } {
  const url = new URL(callback);
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  if (pair === ':') return { url, authorization: {} };
  return { url, authorization: { authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` } };
}
