import { ConfigError, OptionInvalidError, type FieldError } from '../../errors.js';
import { isObject, parseJson, type JsonObject } from '../../json.js';
import { validateOptions } from './deepgram-options.js';
import { nearest } from '../../suggestion.js';

/** Options under a name, so that a caller says what the recording is and not how to transcribe it. */
export interface Preset {
  description: string;
  options: JsonObject;
}

export type Presets = ReadonlyMap<string, Preset>;

/**
 * Reads `presets/deepgram.json`: an object of name → `{description, options}`.
 * @throws ConfigError that lists every fault by preset and option
 */
export function parsePresets(text: string): Presets {
  const presets = new Map<string, Preset>();
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries(readFile(text))) {
    const outcome = readPreset(name, value);
    if (Array.isArray(outcome)) errors.push(...outcome);
    else presets.set(name, outcome);
  }
  if (errors.length > 0) {
    throw new ConfigError(`The Deepgram presets are not usable: ${errors.map((e) => e.message).join('; ')}`, {
      errors,
    });
  }
  return presets;
}

/**
 * The preset's options under the explicit ones, which win. To be validated afterwards, like options without a preset.
 * @throws OptionInvalidError (pointer `/preset`) when no preset has this name
 */
export function applyPreset(presets: Presets, name: string, options: JsonObject): JsonObject {
  const preset = presets.get(name);
  if (preset) return { ...preset.options, ...options };
  const names = [...presets.keys()];
  const suggestion = nearest(name, names);
  const message = `there is no preset of this name; known: ${names.length > 0 ? names.join(', ') : 'none'}`;
  throw new OptionInvalidError(message, {
    errors: [{ pointer: '/preset', message, ...(suggestion === undefined ? {} : { suggestion }) }],
  });
}

function readFile(text: string): Record<string, unknown> {
  let file: unknown;
  try {
    file = parseJson(text);
  } catch {
    throw new ConfigError('The Deepgram presets are not JSON');
  }
  if (!isObject(file))
    throw new ConfigError('The Deepgram presets must be an object of names, each with description and options');
  return file;
}

function readPreset(name: string, value: unknown): Preset | FieldError[] {
  const pointer = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) {
    return [
      { pointer, message: `preset "${name.slice(0, 64)}": a name has lower-case letters, digits and hyphens only` },
    ];
  }
  if (!isObject(value))
    return [{ pointer, message: `preset "${name}" must be an object with description and options` }];
  if (typeof value.description !== 'string') {
    return [{ pointer: `${pointer}/description`, message: `preset "${name}": description must be text` }];
  }
  try {
    return { description: value.description, options: validateOptions(value.options).options };
  } catch (error) {
    if (!(error instanceof OptionInvalidError)) throw error;
    return error.errors.map((e) => ({
      ...e,
      pointer: `${pointer}${e.pointer}`,
      message: `preset "${name}": ${e.message}`,
    }));
  }
}
