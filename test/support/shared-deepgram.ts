import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Real bodies of Deepgram live beside the project, not in it: `../shared/deepgram`, under their own licences. */
const FOLDER = new URL('../../../shared/deepgram/', import.meta.url);

export interface SharedFile {
  file: string;
  bytes: Buffer;
}

/** Bodies of `/v1/listen`. Empty when the folder is not there; then the tests pass with a word about it, except in CI. */
export function sharedBodies(): SharedFile[] {
  return read('bodies');
}

/** Error bodies. */
export function sharedErrors(): SharedFile[] {
  return read('errors');
}

/** Streaming messages. */
export function sharedStreaming(): SharedFile[] {
  return read('streaming');
}

/** Bodies of `/v1/read`. */
export function sharedRead(): SharedFile[] {
  return read('read');
}

let told = false;

function read(folder: string): SharedFile[] {
  if (!existsSync(FOLDER)) {
    // A public runner has only the project; our own CI has the folder beside it.
    if (process.env.CI && !process.env.GITHUB_ACTIONS)
      throw new Error('../shared/deepgram is not beside the project; CI must have it');
    if (!told) process.stdout.write('skipped: ../shared/deepgram is not beside the project\n');
    told = true;
    return [];
  }
  return readdirSync(new URL(`${folder}/`, FOLDER))
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({ file, bytes: readFileSync(new URL(`${folder}/${file}`, FOLDER)) }));
}
