import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { ChannelKind } from '../channels/channel.js';
import type { RenderedParts } from '../channels/message.js';
import { type FieldError, HeraldError, RedactionError } from '../errors.js';
import type { AppliedPolicy, Masked } from '../redaction/policy.js';
import { Redaction } from '../redaction/redaction.js';
import { type CompiledTemplate, compileTemplate, type Partials } from './compile.js';
import { ownTexts } from './own-texts.js';
import { type RenderOptions, renderView } from './render.js';
import { SAMPLE_DATA, SAMPLE_FAILURE } from './sample-facts.js';
import type { TemplateParts } from './template.js';
import { type TemplateView, toView } from './view.js';

/** What the pool asks for. Answered in the order in which it comes. */
export type RenderRequest =
  | { id: number; do: 'check'; parts: TemplateParts }
  | {
      id: number;
      do: 'render';
      parts: TemplateParts;
      kind: ChannelKind;
      view: TemplateView;
      options: RenderOptions;
      policy?: AppliedPolicy;
    };

/** Errors cross the thread as plain data: an instance would arrive without its class. */
export type RenderAnswer =
  | { id: number; ok: true; rendered?: RenderedParts; masked?: Masked[] }
  | {
      id: number;
      ok: false;
      code: 'TEMPLATE_INVALID' | 'TEMPLATE_RENDER_FAILED' | 'REDACTION_FAILED';
      message: string;
      errors: FieldError[];
    };

const MAX_COMPILED = 50;

const { partials } = workerData as { partials: Partials };
/** By hash of the sources; the first is the one not used for longest. */
const compiled = new Map<string, CompiledTemplate>();

parentPort?.on('message', (request: RenderRequest) => {
  parentPort?.postMessage(answer(request));
});
parentPort?.postMessage('ready');

function answer(request: RenderRequest): RenderAnswer {
  const { id } = request;
  try {
    const template = compile(request.parts);
    if (request.do === 'render') return { id, ok: true, ...render(template, request) };
    tryOut(template);
    return { id, ok: true };
  } catch (error) {
    if (error instanceof HeraldError && (error.code === 'TEMPLATE_INVALID' || error.code === 'REDACTION_FAILED')) {
      return { id, ok: false, code: error.code, message: error.message, errors: error.errors };
    }
    const message = error instanceof HeraldError ? error.message : 'The template cannot be rendered';
    return { id, ok: false, code: 'TEMPLATE_RENDER_FAILED', message, errors: [] };
  }
}

function render(template: CompiledTemplate, request: Extract<RenderRequest, { do: 'render' }>) {
  const { kind, view, options, policy } = request;
  if (!policy) return { rendered: renderView(template, kind, view, options) };
  const redaction = redactionOf(policy, view);
  return { rendered: renderView(template, kind, view, options, redaction), masked: redaction.masked() };
}

function redactionOf(policy: AppliedPolicy, view: TemplateView): Redaction {
  try {
    return new Redaction(policy, ownTexts(view));
  } catch (error) {
    throw new RedactionError('The redaction policy could not be applied: a rule of it cannot be read', {
      cause: error,
    });
  }
}

function compile(parts: TemplateParts): CompiledTemplate {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('base64');
  const template = compiled.get(hash) ?? compileTemplate(parts, partials);
  compiled.delete(hash);
  compiled.set(hash, template);
  if (compiled.size > MAX_COMPILED) compiled.delete(compiled.keys().next().value ?? hash);
  return template;
}

/** A template that is too slow or too large for the sample is found when it is saved, not with the first transcript. */
function tryOut(template: CompiledTemplate): void {
  for (const data of [SAMPLE_DATA, SAMPLE_FAILURE]) {
    const view = toView(data);
    for (const part of Object.values(template)) part(view, { view, preview: 'preview', cutPreview: true });
  }
}
