import { isObject } from '../json.js';

/** How a request is refused. `reset`: the connection is cut without an answer. */
export interface Refusal {
  status: number | 'reset';
  /** JSON, or text that is sent as it is. */
  body: unknown;
  headers: Record<string, string>;
}

/** What Deepgram says with a status. */
const WORDS: Record<number, [code: string, message: string]> = {
  401: ['INVALID_AUTH', 'Invalid credentials.'],
  402: ['ASR_PAYMENT_REQUIRED', 'Project does not have enough credits for an ASR request.'],
  403: ['INSUFFICIENT_PERMISSIONS', 'User does not have sufficient permissions for the requested resource.'],
  408: ['SLOW_UPLOAD', 'Request upload timeout.'],
  413: ['PAYLOAD_TOO_LARGE', 'Payload too large.'],
  429: ['TOO_MANY_REQUESTS', 'Too many requests. Please try again later.'],
  503: ['SERVICE_UNAVAILABLE', 'The server is temporarily unable to service requests.'],
};

/** A refusal in the older of Deepgram's two shapes; code and message default to Deepgram's own for the status. */
export function refusal(status: number | 'reset', code?: string, message?: string): Refusal {
  const words = (status === 'reset' ? undefined : WORDS[status]) ?? ['Bad Request', 'Bad Request'];
  return { status, body: { err_code: code ?? words[0], err_msg: message ?? words[1] }, headers: {} };
}

export const UNREADABLE_AUDIO = refusal(
  400,
  'Bad Request',
  'Bad Request: failed to process audio: corrupt or unsupported data',
);

/** Reads `{"url": "https://…"}`. Nothing is fetched. */
export function readRemoteAudio(text: string): { url: string } | Refusal {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    const words = { category: 'INVALID_JSON', message: 'Invalid JSON submitted.', details: 'Json deserialize error' };
    return { status: 400, body: words, headers: {} };
  }
  const url = isObject(body) ? body.url : undefined;
  if (typeof url !== 'string') return refusal(400, 'PAYLOAD_ERROR', 'Exactly one of the fields `url` must be given.');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    return refusal(400, 'REMOTE_CONTENT_ERROR', 'The remote server hosting the media could not be reached.');
  }
  return { url };
}
