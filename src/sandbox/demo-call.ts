import type { Evaluation } from '../rules/rule.js';

/** What is asked of Deepgram. */
export const OPTIONS = {
  model: 'nova-3',
  smart_format: true,
  diarize_model: 'latest',
  utterances: true,
  summarize: 'v2',
  sentiment: true,
  topics: true,
};

/** One rule that matches the bundled call by its words, and one that does not. */
export const RULES = [
  {
    name: 'refund-risk',
    description: 'The customer asks for a refund.',
    when: "speech.by('1').says('refund') && transcript.duration > 30",
    actions: [{ channel: 'email', to: ['{{job.tags.manager}}'], template: 'transcript-ready', attach: ['vtt'] }],
  },
  {
    name: 'legal-threat',
    description: 'The customer speaks of lawyers.',
    when: "speech.by('1').saysAny(['lawyer', 'sue', 'court'])",
    actions: [{ channel: 'email', to: ['{{job.tags.manager}}'], template: 'transcript-ready' }],
  },
];

export interface DeliveryView {
  id: string;
  ruleName: string;
  channel: string;
  to: string;
  state: string;
  reason: string | null;
}

export interface SentDelivery extends DeliveryView {
  attempts: { code: string | null; error: string | null }[];
  message:
    | { kind: 'email'; subject: string; text: string; attachments: string[] }
    | { kind: 'sms'; text: string; segments: number; encoding: string }
    | null;
}

export interface JobView {
  id: string;
  state: string;
  failure: { code: string; message: string } | null;
  lastError: { code: string; message: string } | null;
  evaluations: Evaluation[];
  deliveries: DeliveryView[];
}

export interface Outcome {
  evaluations: Evaluation[];
  deliveries: SentDelivery[];
}

/**
 * Where to look and what to type next.
 * @param herald address, admin key and log file of the running Herald
 */
export function nextSteps(
  jobId: string,
  deliveries: SentDelivery[],
  { url, key, log }: { url: string; key: string; log: string },
): { links: [label: string, url: string][]; commands: string[] } {
  const text = deliveries.map(({ message }) => message?.text ?? '').find((message) => message.includes('/t/'));
  const page = /https?:\/\/\S+\/t\/[^\s#]+/.exec(text ?? '')?.[0];
  const curl = `curl -H "Authorization: Bearer $KEY"`;
  return {
    links: [
      ...(page === undefined ? [] : [['Transcript', page] as [string, string]]),
      ['API', `${url}/docs`],
      ['Log', log],
    ],
    commands: [
      `KEY=${key}`,
      `${curl} ${url}/v1/jobs/${jobId}`,
      `${curl} ${url}/v1/transcripts/${jobId}.vtt`,
      `${curl} ${url}/v1/rules`,
      `${curl} ${url}/v1/jobs -F 'request={"tags":{"email":"me@example.com"}}' -F 'audio=@assets/call.ogg;type=audio/ogg'`,
      '',
      'What arrives is shown here. Ctrl-C ends it, and nothing stays behind.',
    ],
  };
}
