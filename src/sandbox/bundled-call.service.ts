import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../json.js';

/** The audio of the bundled call; see assets/README.md. */
export const CALL_AUDIO = fileURLToPath(new URL('../../assets/call.ogg', import.meta.url));
const CALL_BODY = fileURLToPath(new URL('../../assets/call.deepgram.json', import.meta.url));

/** What Deepgram would answer for the bundled call when everything is asked for. */
export async function readCallBody(): Promise<JsonObject> {
  return JSON.parse(await readFile(CALL_BODY, 'utf8')) as JsonObject;
}
