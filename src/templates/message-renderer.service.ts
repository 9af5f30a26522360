import { Injectable } from '@nestjs/common';
import type { Channel, ChannelKind } from '../channels/channel.js';
import type { RenderedParts } from '../channels/message.js';
import { Policies } from '../redaction/policies.service.js';
import type { AppliedPolicy, Masked } from '../redaction/policy.js';
import { Redactor } from '../redaction/redactor.service.js';
import { spellMarks } from '../redaction/masker.js';
import type { RenderData, RenderOptions } from './render.js';
import { RenderPool } from './render-pool.service.js';
import type { TemplateParts } from './template.js';

/** A message as its channel may send it. */
export interface RenderedMessage {
  rendered: RenderedParts;
  /** Absent when the channel has no policy in force. */
  redaction?: {
    /** Of the policy. */
    version: number;
    masked: Masked[];
    /** The words that matched, as the message shows them. */
    matches: RenderData['matches'];
  };
}

/** Renders messages under the redaction policy of their channel: whoever shows or sends one renders it here. */
@Injectable()
export class MessageRenderer {
  constructor(
    private readonly pool: RenderPool,
    private readonly policies: Policies,
    private readonly redactor: Redactor,
  ) {}

  /** @throws TemplateRenderError, TemplateInvalidError, RedactionError, RendererUnavailableError, StorageUnavailableError */
  async render(
    parts: TemplateParts,
    { name, kind }: Pick<Channel, 'name' | 'kind'>,
    data: RenderData,
    options: RenderOptions = {},
  ): Promise<RenderedMessage> {
    const inForce = await this.policies.inForce(name);
    const policy = inForce && (await this.policies.applied(inForce, data));
    return this.renderUnder(policy, parts, kind, data, options);
  }

  /** {@link render} for who knows the policy. */
  async renderUnder(
    policy: AppliedPolicy | undefined,
    parts: TemplateParts,
    kind: ChannelKind,
    data: RenderData,
    options: RenderOptions = {},
  ): Promise<RenderedMessage> {
    if (!policy) return { rendered: await this.pool.render(parts, kind, data, options) };
    const facts = await this.redactor.facts(policy, data);
    const { rendered, masked } = await this.pool.renderRedacted(parts, kind, facts, policy, options);
    const matches = facts.matches.map((match) => ({ ...match, text: spellMarks(match.text, policy.rules) }));
    return { rendered, redaction: { version: policy.version, masked, matches } };
  }
}
