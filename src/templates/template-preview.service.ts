import { Inject, Injectable } from '@nestjs/common';
import type { ChannelKind } from '../channels/channel.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { TemplateInvalidError, TemplateRenderError, UnprocessableError } from '../errors.js';
import { StoredFactsReader } from '../jobs/stored-facts.service.js';
import { LINK_SECRET, makeLinkToken } from '../transcripts/link.js';
import type { RenderData } from './render.js';
import { MessageRenderer } from './message-renderer.service.js';
import { RenderPool } from './render-pool.service.js';
import { SAMPLE_DATA, SAMPLE_FAILURE } from './sample-facts.js';
import { kindsOf, type TemplateParts } from './template.js';
import type { ShownPreview } from './templates.schema.js';

/** Recipients that nobody has; the message is composed and never sent. */
const NOBODY: Record<ChannelKind, string> = { email: 'preview@example.com', sms: '+15005550006' };

/** Renders messages to look at, as a delivery would. */
@Injectable()
export class TemplatePreview {
  constructor(
    private readonly renderer: RenderPool,
    private readonly messages: MessageRenderer,
    private readonly channels: ChannelsRegistry,
    private readonly storedFacts: StoredFactsReader,
    private readonly clock: Clock,
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'publicUrl' | 'brand' | 'locale' | 'timeZone'>,
    @Inject(LINK_SECRET) private readonly linkSecret: string,
  ) {}

  /**
   * @param request.jobId a stored job; absent: the sample facts (of a failure for a template that prints `failure`)
   * @throws TemplateInvalidError for parts that do not compile or cannot be rendered; UnprocessableError for an unknown job
   */
  async preview(
    parts: TemplateParts,
    request: { kind?: ChannelKind | undefined; jobId?: string | undefined; segments?: number | undefined },
  ): Promise<ShownPreview> {
    const data = request.jobId === undefined ? this.sample(parts) : await this.stored(request.jobId);
    const kinds = request.kind === undefined ? kindsOf(parts) : [request.kind];
    // Nothing to render still has to be looked at: the compiler says what is missing.
    if (kinds.length === 0) await this.renderer.check(parts);
    const previews: ShownPreview = {};
    for (const kind of kinds) Object.assign(previews, await this.render(parts, kind, data, request.segments ?? 1));
    return previews;
  }

  private async render(parts: TemplateParts, kind: ChannelKind, data: RenderData, smsSegments: number) {
    const channel = this.channels.all().find((candidate) => candidate.kind === kind);
    if (!channel) throw new UnprocessableError(`No channel sends ${kind}`);
    try {
      const { rendered, redaction } = await this.messages.render(parts, channel, data, { smsSegments });
      const masked = redaction ? { masked: redaction.masked } : {};
      const message = channel.compose(rendered, { address: NOBODY[kind] }, []);
      if (message.kind === 'sms') {
        const { text, segments, encoding } = message;
        return { sms: { text, segments, encoding, ...masked } };
      }
      const { subject, html, text } = message;
      return { email: { subject, html, text, ...masked } };
    } catch (error) {
      if (!(error instanceof TemplateRenderError)) throw error;
      throw new TemplateInvalidError(`The template cannot be rendered with these facts: ${error.message}`, {
        errors: [{ pointer: '/parts', message: error.message }],
        cause: error,
      });
    }
  }

  private sample(parts: TemplateParts): RenderData {
    const printsFailure = Object.values(parts).some((source) => /\{\{[^}]*\bfailure\b/.test(source));
    return { ...(printsFailure ? SAMPLE_FAILURE : SAMPLE_DATA), brand: this.settings.brand };
  }

  private async stored(jobId: string): Promise<RenderData> {
    const { publicUrl, brand, locale, timeZone } = this.settings;
    const { facts } = await this.storedFacts.read(jobId);
    return {
      ...facts,
      rule: { name: 'preview' },
      matches: [],
      recipient: { locale, timeZone },
      ...(publicUrl === undefined ? {} : { link: `${publicUrl}/t/${makeLinkToken(jobId, this.linkSecret)}` }),
      brand,
      now: this.clock.now(),
    };
  }
}
